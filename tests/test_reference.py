"""Random tables: a feed delivers, bit for bit, what plain Python makes of them; or names what is wrong in them.

Each example is one SQLite file with awkward contents and one feed with awkward arguments, read the engine's fast way
and as plain rows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import reference
import sqlalchemy as sa
from hypothesis import event, given
from hypothesis import strategies as st
from reference import Arrays, assert_same, create, examples

import rowfeed

INF, NAN = float("inf"), float("nan")
AWKWARD_TEXT = [
    "a",
    "A",
    "ab",
    "a ",
    "a  ",
    " a",
    "",
    "é",
    "e\u0301",
    "É",
    "ß",
    "ss",
    "😀",
    "\U0001f600x",
    "\uffff",
    "a\0",
]
AWKWARD_TEXT += [
    "a\0b",
    "\0",
    "1",
    "01",
    "1.0",
    "1e0",
    "NULL",
    "'",
    '"',
    "\\",
    "\\u0000",
    "\n",
    "%s",
    ":a",
    "\x7f",
    "ı",
    "I",
    "i",
]
AWKWARD_INTEGERS = [0, 1, -1, 2, 3, 10, 100, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), -(2**31) - 1]
ODD_VALUES = [2**24, 2**24 + 1, -(2**24) - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), INF, -INF, 5e-324, 1e-45, 1.17e-38]
ODD_VALUES += [1e300, -1e300, 0.1, 1 / 3, 1.5, -0.0, 1e22, 1e23, 2.0**24 + 1, 9007199254740993.0, 300, -129, 65_536]
NO_NUMBERS = ["1", "x", "", b"1", b""]
ODD_COORDINATES = [0.0, 1.0, 2.0, 0.5, -0.5, 7.5, INF, "0", "1", "1x", "", b"\x01", 2**40, -1, 4, 99, None]


def places(shape: list[int]) -> st.SearchStrategy[tuple[int, ...]]:
    """Coordinates inside of a shape."""
    return st.tuples(*(st.integers(0, n - 1) for n in shape))


def values_for(draw: Any, dtype: str) -> st.SearchStrategy[Any]:
    """Mostly numbers that a dtype holds, of one storage class or several."""
    if dtype == "bool":
        plain: st.SearchStrategy[Any] = st.integers(0, 1)
        reals: st.SearchStrategy[Any] = st.sampled_from([0.0, 1.0])
    elif dtype.startswith("float"):
        plain = st.integers(-2048, 2048)
        width: Any = {"float16": 16, "float32": 32}.get(dtype, 64)
        reals = st.integers(-400, 400).map(lambda n: n / 8) | st.floats(-60_000, 60_000, width=width)
        if dtype == "float64":
            reals |= st.floats(allow_nan=False)
    else:
        plain = st.integers(0, 100) if dtype.startswith("u") else st.integers(-100, 100)
        reals = plain.map(float)
    kind = draw(st.sampled_from(["whole", "reals", "mixed"] * 5 + ["odd", "odd", "dirty"]))
    if kind == "whole":
        return plain
    if kind == "reals":
        return reals
    if kind == "mixed":
        return plain | reals
    if kind == "odd":
        return plain | reals | st.sampled_from(ODD_VALUES)
    return st.one_of(plain, plain, reals, reals, st.sampled_from([*NO_NUMBERS, None, *ODD_VALUES]))


@dataclass
class Case:
    """A database, the arguments of a feed, and what it should deliver."""

    tables: list[tuple[Any, ...]] = field(default_factory=list)
    ids_from: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    layouts: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    places: list[str | dict[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    refused: bool = False
    batches_per_window: int = 1
    epoch: int = 0


@st.composite
def cases(draw: Any, ids: Any = None) -> Case:
    """A database and a feed."""
    case = Case()
    text = draw(st.booleans())
    pool = AWKWARD_TEXT if text else AWKWARD_INTEGERS
    fresh = st.text(max_size=3) if text else st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50)
    size = draw(st.sampled_from([1, 2, 6, 10, 10]))
    ids = draw(st.lists(st.sampled_from(pool) | fresh, min_size=size, max_size=20, unique=True))
    declared = draw(
        st.sampled_from(
            ["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "VARCHAR(9)", ""]
            if text
            else ["INTEGER", "BIGINT", ""]
        )
    )
    present = [i for i in ids if draw(st.integers(0, 5))] or ids

    _grid(draw, case, "x", ids=present, declared=declared)
    place = draw(st.sampled_from(["x", "x", "x", "dict"]))
    if place == "dict":
        _grid(draw, case, "x2", ids=ids, declared=declared)
    case.places.append({"one": "x", "two": "x2"} if place == "dict" else "x")

    target = draw(st.sampled_from([None, "same", "columns", "columns", "dict"]))
    if target in ("columns", "dict"):
        _columns(draw, case, "y", ids=ids, declared=declared)
    if target:
        case.places.append({"same": "x", "columns": "y", "dict": {"a": "x", "b": "y"}}[target])
    if target in ("same", "columns") and draw(st.booleans()):
        _columns(draw, case, "w", ids=ids, declared=declared, weights=True)
        case.places.append("w")

    chosen = draw(st.sampled_from(["none", "none", "list", "table"]))
    if chosen == "list":
        case.arguments["samples"] = draw(st.permutations(ids))
    if chosen == "table":
        rows = [(i, draw(st.integers(0, 1))) for i in [*ids, *ids[:2]]]
        case.tables.append(("people", [("name", declared), ("active", "INTEGER")], rows))
        where = draw(st.sampled_from([None, "active = 1"]))
        case.arguments["samples"] = rowfeed.Samples("people", "name", where=where)
        case.ids_from = {"table": "people", "column": "name", "where": where}

    last = ["keep", "drop", "pad"] if target else ["keep", "drop"]
    case.arguments |= {
        "batch_size": draw(st.sampled_from([1, 1, 2, 3, 5])),
        "shuffle": draw(st.booleans()),
        "seed": draw(st.integers(-3, 3) | st.integers(-(2**65), 2**65)),
        "last_batch": draw(st.sampled_from(last)),
        "connections": draw(st.integers(1, 3)),
    }
    case.batches_per_window = draw(st.sampled_from([1, 1, 2, 2, 3, 100]))
    case.epoch = draw(st.integers(0, 2))
    return case


def _grid(draw: Any, case: Case, name: str, ids: list[Any], declared: str) -> None:
    table = draw(st.sampled_from([f"{name} table", f'{name}"; --', f"{name}%s:a", name]))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axes = [f"a{i}" for i in range(len(shape))]
    names = [f"v{i}" for i in range(draw(st.integers(1, 3)))]
    value: Any = names if len(names) > 1 or draw(st.booleans()) else names[0]
    dtype = draw(st.sampled_from(list(reference.FORMATS)))
    fills = [0, 1] + ([NAN, -1, 0.1, 1 / 3, INF, -0.0] if dtype.startswith("float") else [])
    spec = {
        "sample": "s",
        "axes": axes,
        "value": value,
        "shape": shape,
        "fill": draw(st.sampled_from(fills)),
        "dtype": dtype,
        "duplicates": draw(st.sampled_from(["error", "error", "first", "last", "sum", "mean", "max", "min"])),
        "out_of_range": draw(st.sampled_from(["error", "drop"])),
        "null": draw(st.sampled_from(["error", "drop", "fill"])),
    }

    # Rows: cells of samples, some twice, some coordinates odd.
    numbers = [values_for(draw, dtype) for _ in names]
    nulls = draw(st.booleans()) if spec["null"] != "error" else not draw(st.integers(0, 9))
    cells = draw(
        st.lists(st.tuples(st.sampled_from(ids), places(shape)), min_size=draw(st.integers(1, 9)), max_size=30)
    )
    if spec["duplicates"] == "error" and draw(st.integers(0, 7)):
        cells = list(dict.fromkeys(cells))
    rows = [[i, *place, *map(draw, numbers)] for i, place in cells]
    if spec["duplicates"] in ("max", "min"):  # which of two zeros is the larger is nobody's promise
        rows = [[0.0 if value == 0 and isinstance(value, float) else value for value in row] for row in rows]
    for row in rows:
        if nulls and not draw(st.integers(0, 3)):
            row[-1] = None
        elif nulls and spec["null"] == "drop" and not draw(st.integers(0, 3)):
            row[draw(st.integers(1, len(shape)))] = None
    if draw(st.integers(0, 7)) == 0:
        for row in rows[: draw(st.integers(1, 3))]:
            row[draw(st.integers(1, len(shape)))] = draw(st.sampled_from(ODD_COORDINATES))
    keys = draw(st.permutations(range(len(rows))))
    marks = draw(st.lists(st.integers(-2, 2), min_size=len(rows), max_size=len(rows)))
    rows = [[k, *row, mark] for k, row, mark in zip(keys, rows, marks, strict=True)]

    keys_of = [("INTEGER", ["k"]), ("TEXT", ["k"]), ("INTEGER", ["s", "k"]), ("INTEGER", ["k", "s"])]
    forms = ["name", "name", "name", "table", "typed"]
    if spec["duplicates"] not in ("first", "last") or not draw(st.integers(0, 9)):
        keys_of.append(("", []))
        forms += ["select", "alias", "view"]
    key_type, key = draw(st.sampled_from(keys_of))
    types = st.sampled_from(["", "INTEGER", "REAL", "NUMERIC"] * 9 + ["TEXT"])
    columns = [("k", key_type), ("s", declared), *((axis, draw(types)) for axis in axes)]
    columns += [*((n, draw(types)) for n in names), ("mark", "INTEGER")]
    case.tables.append((table, columns, rows, key, ["s"]))

    where = draw(st.sampled_from([None, None, "mark > 0 OR mark < -1", "mark <> 1 AND '50%s' <> ':b'"]))
    form = draw(st.sampled_from(forms))
    given_where: Any = where
    if where and "OR" in where and draw(st.booleans()):
        mark = sa.column("mark")
        if form in ("table", "typed") and draw(st.booleans()):
            mark = sa.Table(table, sa.MetaData(), sa.Column("mark", sa.Integer)).c.mark
        given_where = sa.or_(mark > 0, mark < -1)
    source, label = _source(form, table, [c for c, _ in columns])
    if form == "view":
        case.tables.append((table, source))
    case.layouts[name] = (
        rowfeed.Grid(source, where=given_where, **spec),
        {**spec, "table": table, "where": where, "order": key},
    )
    case.labels[table] = label
    if spec["duplicates"] in ("first", "last") and (not key or form in ("select", "alias", "view")):
        case.refused = True


def _source(form: str, table: str, columns: list[str]) -> tuple[Any, str]:
    """A table in one of the forms that a layout takes, and what messages call it."""
    typed = sa.Table(table, sa.MetaData(), *(sa.Column(name, sa.Numeric) for name in columns if name != "s"))
    typed.append_column(sa.Column("s", sa.types.NullType()))
    return {
        "name": (table, table),
        "table": (sa.table(table), table),
        "typed": (typed, table),
        "select": (sa.select(typed), "the selectable"),
        "alias": (typed.alias("other"), "other"),
        "view": (f"{table} view", f"{table} view"),
    }[form]


def _columns(draw: Any, case: Case, name: str, ids: list[Any], declared: str, weights: bool = False) -> None:
    names = [f"c{i}" for i in range(draw(st.integers(1, 3)))]
    columns: Any = names[0] if weights or (len(names) == 1 and draw(st.booleans())) else names
    names = names[:1] if isinstance(columns, str) else names
    dtype = "float32" if weights else draw(st.sampled_from(list(reference.FORMATS)))
    spec = {
        "sample": "s",
        "columns": columns,
        "dtype": dtype,
        "null": draw(st.sampled_from(["error", "fill", "fill"])),
        "fill": draw(st.sampled_from([0, 1, 1])),
    }
    numbers = st.integers(0, 4) if weights else values_for(draw, dtype)
    rows = [[i, *(draw(numbers) for _ in names)] for i in ids]
    if spec["null"] == "fill" or draw(st.integers(0, 4)) == 0:
        rows = [row for row in rows if draw(st.integers(0, 4))]
    if draw(st.integers(0, 9)) == 0:
        rows += rows[:1]
    case.tables.append((name, [("s", declared), *((n, "") for n in names)], rows, [], ["s"]))
    case.layouts[name] = (rowfeed.Columns(name, **spec), {**spec, "table": name})
    case.labels[name] = name


def build(path: Any, case: Case) -> None:
    """The database of a case."""
    for table, *rest in case.tables:
        if len(rest) == 1:
            reference.query(path, f"CREATE VIEW {reference.quoted(rest[0])} AS SELECT * FROM {reference.quoted(table)}")
            continue
        columns, rows, *keys = rest
        key, index = keys or ([], [])
        create(path, table, columns, rows, key=key, index=[] if key[:1] == index else index)


def expected(path: Any, case: Case) -> tuple[list[Any], dict[str, Arrays]]:
    """The sample ids, and every layout's arrays."""
    given_samples = case.arguments.get("samples")
    if case.ids_from:
        ids = reference.sample_ids(path, **case.ids_from)
    elif given_samples is not None:
        ids = sorted(given_samples)
    else:
        first = case.places[0]
        names = list(first.values()) if isinstance(first, dict) else [first]
        specs = [case.layouts[name][1] for name in names]
        ids = sorted({i for s in specs for i in reference.sample_ids(path, s["table"], s["sample"], s.get("where"))})
    arrays = {}
    for name, (_, spec) in case.layouts.items():
        make = reference.grid if "axes" in spec else reference.columns
        arrays[name] = make(path, ids, **spec)
    return ids, arrays


def expected_batch(case: Case, arrays: dict[str, Arrays], ids: list[Any], batch_size: int) -> Any:
    """One batch, padded where the case asks for it."""
    size = batch_size if case.arguments["last_batch"] == "pad" else len(ids)

    def array(name: str) -> np.ndarray:
        some = arrays[name]
        empty = [reference.fit(case.layouts[name][1]["fill"], some.dtype)] * math.prod(some.shape)
        some.samples[None] = empty
        return some.stack([*ids, *[None] * (size - len(ids))])

    built = [
        {key: array(name) for key, name in place.items()} if isinstance(place, dict) else array(place)
        for place in case.places
    ]
    if case.arguments["last_batch"] == "pad":
        mask = np.array([size / len(ids)] * len(ids) + [0] * (size - len(ids)), np.float32)
        if len(built) == 3:
            built[2] = np.array([w * m for w, m in zip(built[2].tolist(), mask.tolist(), strict=True)], np.float32)
        else:
            built.append(dict.fromkeys(built[1], mask) if isinstance(built[1], dict) else mask)
    return tuple(built) if len(built) > 1 else built[0]


numbered = itertools.count()


class TestRandomTables:
    """A feed against the reference."""

    @examples(120, shrink=False)
    @given(cases())
    def test_a_feed_delivers_what_the_reference_does(self, tmp_path, case):
        """Every batch of an epoch is equal bit for bit, or the error is of the right class and names a faulty cell."""
        path = tmp_path / f"{next(numbered)}.db"
        build(path, case)
        try:
            self.check(path, case)
        finally:
            path.unlink()

    def check(self, path, case):
        ids, arrays = expected(path, case)
        arguments = dict(case.arguments)
        layouts = [
            {key: case.layouts[name][0] for key, name in p.items()} if isinstance(p, dict) else case.layouts[p][0]
            for p in case.places
        ]
        sample_bytes = sum(layout.sample_bytes for layout in {id(v[0]): v[0] for v in case.layouts.values()}.values())
        batch_size, last_batch = arguments["batch_size"], arguments["last_batch"]
        most = batch_size * case.batches_per_window
        arguments["memory_bytes"] = reference.memory_for(most, sample_bytes) + case.epoch
        window = reference.alike(most, batch_size, len(ids))

        error: Any = None
        if case.refused:
            error = rowfeed.ArgumentError
        elif not ids:
            error = rowfeed.DataError
        elif last_batch == "drop" and len(ids) < batch_size:
            error = rowfeed.ArgumentError
        if error:
            event(f"refused at creation: {error.__name__}")
            for plain in (False, True):
                with pytest.raises(error):
                    rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), *layouts, **arguments)
            return

        batches = reference.order(
            len(ids), batch_size, window, arguments["shuffle"], arguments["seed"], case.epoch, last_batch
        )
        used = [ids[i] for batch in batches for i in batch]
        faults = [fault for some in arrays.values() for fault in some.faults_of(used)]
        for fault in faults:
            event(f"fault: {fault.kind}")
        event("faulty" if faults else f"right, {'1 window' if len(ids) <= window else 'windows'}")
        for plain in (False, True):
            feed = rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), *layouts, **arguments)
            assert feed.sample_ids.tolist() == ids
            assert len(feed) == len(batches)
            if faults:
                with pytest.raises(rowfeed.DataError) as caught:
                    list(feed.batches(case.epoch))
                named = [f for f in faults if f.named_by(str(caught.value), case.labels[f.table])]
                assert named, f"{caught.value}\nnames none of {faults}"
                continue
            if not any(some.with_rows & set(used) for some in arrays.values()):
                event("no row in a whole epoch")
                with pytest.raises(rowfeed.DataError, match="got none in a whole epoch"):
                    list(feed.batches(case.epoch))
                continue
            got = list(feed.batches(case.epoch))
            for number, (batch, positions) in enumerate(zip(got, batches, strict=True)):
                wanted = [ids[i] for i in positions]
                assert feed.batch_ids(case.epoch, number).tolist() == wanted
                assert_same(batch, expected_batch(case, arrays, wanted, batch_size))
