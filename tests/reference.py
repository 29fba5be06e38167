"""What a feed must deliver, in plain Python: dicts, loops, `struct` and SQL of its own. Nothing of rowfeed is used.

Slow and obvious on purpose. Where the data is wrong it collects a `Fault` for every wrong cell, and a feed must raise
an error that names one of them.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import hypothesis
import numpy as np

SLOW = os.environ.get("ROWFEED_SLOW") == "1"

FORMATS = {
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "bool": "?",
}
"""How `struct` writes one value of each dtype."""


def examples(count: int, slow: int = 2_000, shrink: bool = True) -> hypothesis.settings:
    """Hypothesis settings: the same `count` examples in every run, or `slow` new ones with ROWFEED_SLOW=1.

    Without `shrink` a failing example is made small in a slow run only, since that takes minutes.
    """
    return hypothesis.settings(
        phases=[phase for phase in hypothesis.Phase if shrink or SLOW or phase is not hypothesis.Phase.shrink],
        max_examples=slow if SLOW else count,
        deadline=None,
        derandomize=not SLOW,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


# Databases


def quoted(name: str) -> str:
    """An identifier for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def create(
    path: Path | str,
    table: str,
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[Any]] = (),
    *,
    key: Sequence[str] = (),
    index: Sequence[str] = (),
) -> None:
    """Create a table in a SQLite file: columns as (name, declared type), a primary key, and one index."""
    parts = [f"{quoted(name)} {declared}" for name, declared in columns]
    if key:
        parts.append(f"PRIMARY KEY ({', '.join(map(quoted, key))})")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE {quoted(table)} ({', '.join(parts)})")
        if index:
            connection.execute(
                f"CREATE INDEX {quoted('i ' + table)} ON {quoted(table)} ({', '.join(map(quoted, index))})"
            )
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {quoted(table)} VALUES ({marks})", rows)
        connection.commit()


def query(path: Path | str, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement; the rows of a query."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(sql, parameters).fetchall()
        connection.commit()
        return found


# Values


class UnfitError(ValueError):
    """A value that the dtype does not hold; the text is its kind."""


def fit(value: Any, dtype: str) -> Any:
    """The value in the dtype, as a Python number: integers exactly, reals rounded to the nearest float."""
    if value is None:
        raise UnfitError("null")
    if not isinstance(value, (int, float)):
        raise UnfitError("text")
    form = "<" + FORMATS[dtype]  # "<": the native formats do not check for overflow
    try:
        if form in ("<e", "<f", "<d"):
            held = struct.unpack(form, struct.pack(form, value))[0]
            if isinstance(value, int) and held != value:
                raise UnfitError("unfit")
            return held
        whole = int(value)
    except (OverflowError, ValueError, struct.error):
        raise UnfitError("unfit") from None
    if whole != value or (form == "<?" and whole not in (0, 1)):
        raise UnfitError("unfit")
    try:
        return struct.unpack(form, struct.pack(form, whole))[0]
    except struct.error:
        raise UnfitError("unfit") from None


# Layouts


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: of which kind, and at which table, column and sample."""

    kind: str
    table: str
    column: str
    sample_column: str
    sample: Any

    WAYS_OUT: ClassVar = {
        "null": r'null="fill"',
        "null coordinate": r'null="drop"',
        "coordinate": r"CAST",
        "range": r'out_of_range="drop"',
        "text": r"CAST",
        "unfit": r'dtype="\w+"|CAST|duplicates=',
        "duplicate": r'duplicates="sum"',
        "rows": r"[Dd]elete|aggregate",
        "no row": r'null="fill"',
    }

    def named_by(self, text: str, label: str | None = None) -> bool:
        """Whether an error's text names table (by its label), column, sample and the way out."""
        place = f"{label or self.table}.{self.column}, {self.sample_column}={self.sample!r}"
        return place in text and re.search(self.WAYS_OUT[self.kind], text) is not None


@dataclass
class Arrays:
    """The samples of one layout: flat lists of values, row-major, and the faults of each sample."""

    dtype: str
    shape: tuple[int, ...]
    samples: dict[Any, list[Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    with_rows: set[Any] = field(default_factory=set)

    def stack(self, ids: Iterable[Any]) -> np.ndarray:
        """Samples one after the other: (ids, *shape)."""
        form = FORMATS[self.dtype]
        chosen = [self.samples[i] for i in ids]
        data = b"".join(struct.pack(f"<{len(values)}{form}", *values) for values in chosen)
        return np.frombuffer(data, self.dtype).reshape(len(chosen), *self.shape)

    def faults_of(self, ids: Iterable[Any]) -> list[Fault]:
        wanted = set(ids)
        return [fault for fault in self.faults if fault.sample in wanted]


def _rows(path: Any, table: str, columns: Sequence[str], where: str | None, order: Sequence[str] = ()) -> list[Any]:
    sql = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)}"
    if where:
        sql += f" WHERE ({where})"
    if order:
        sql += f" ORDER BY {', '.join(map(quoted, order))}"
    return query(path, sql)


def _same_sample(found: Any, ids: dict[Any, Any]) -> Any:
    """Which sample a row is of: as SQL compares, so 1.0 is 1; but text byte by byte, and never a number."""
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, (int, str)) and found in ids else None


def sample_ids(path: Any, table: str, column: str, where: str | None = None) -> list[Any]:
    """The distinct ids, ascending: integers by value, text by code point."""
    return sorted({row[0] for row in _rows(path, table, [column], where)})


def grid(
    path: Any,
    ids: Sequence[Any],
    *,
    table: str,
    sample: str,
    axes: Sequence[str],
    value: str | Sequence[str],
    shape: Sequence[int],
    fill: Any = 0,
    dtype: str = "float32",
    duplicates: str = "error",
    out_of_range: str = "error",
    null: str = "error",
    where: str | None = None,
    order: Sequence[str] = (),
) -> Arrays:
    """A grid of each sample; `order` is the primary key, for `duplicates="first"` and `"last"`."""
    values = [value] if isinstance(value, str) else list(value)
    combines = duplicates in ("sum", "mean", "max", "min")
    full_shape = tuple(shape) if isinstance(value, str) else (*shape, len(values))
    result = Arrays(dtype, full_shape)
    cells: dict[Any, dict[int, list[list[Any]]]] = {i: {} for i in ids}
    reals = _reals(path, table)

    for row in _rows(path, table, [sample, *axes, *values], where, order):
        of = _same_sample(row[0], cells)
        coordinates, numbers = row[1 : 1 + len(axes)], row[1 + len(axes) :]
        if of is None or (null == "drop" and None in row[1:]):
            continue
        whole = [isinstance(c, (int, float)) and math.isfinite(c) and c == int(c) for c in coordinates]
        outside = [is_whole and not 0 <= c < n for c, is_whole, n in zip(coordinates, whole, shape, strict=True)]
        if out_of_range == "drop" and any(outside):
            continue
        wrong = []
        for name, c, is_whole, is_out in zip(axes, coordinates, whole, outside, strict=True):
            if c is None:
                wrong.append(("null coordinate", name))
            elif not is_whole:
                wrong.append(("coordinate", name))
            elif is_out:
                wrong.append(("range", name))
        held = []
        for name, number in zip(values, numbers, strict=True):
            try:
                given = fill if number is None and null == "fill" else number
                held.append(fit(given, "float64" if combines else dtype))
            except UnfitError as unfit:
                wrong.append((str(unfit), name))
        result.faults += [Fault(kind, table, name, sample, of) for kind, name in wrong]
        if not wrong:
            cell = 0
            for c, n in zip(coordinates, shape, strict=True):
                cell = cell * n + int(c)
            cells[of].setdefault(cell, []).append(held)

    for i in ids:
        flat = [fit(fill, dtype)] * (math.prod(shape) * len(values))
        result.with_rows |= {i} if cells[i] else set()
        for cell, rows in cells[i].items():
            if duplicates == "error" and len(rows) > 1:
                result.faults.append(Fault("duplicate", table, axes[0], sample, i))
            for channel, name in enumerate(values):
                try:
                    one = _one([row[channel] for row in rows], duplicates, name not in reals)
                    flat[cell * len(values) + channel] = fit(one, dtype)
                except UnfitError as unfit:
                    result.faults.append(Fault(str(unfit), table, name, sample, i))
        result.samples[i] = flat
    return result


def _one(values: list[Any], duplicates: str, integers: bool) -> Any:
    """One value of several; with `integers`, whole numbers give a whole number, which a dtype holds or not."""
    one = _combined(values, duplicates)
    if not integers or duplicates in ("error", "first", "last") or not math.isfinite(one) or one != int(one):
        return one
    whole = duplicates in ("max", "min") or all(math.isfinite(value) and value == int(value) for value in values)
    return int(one) if whole and one != 0 else one


def _reals(path: Any, table: str) -> set[str]:
    """The columns that are declared to hold reals."""
    declared = query(path, f"SELECT name, type FROM pragma_table_info('{table.replace(chr(39), 2 * chr(39))}')")
    return {name for name, kind in declared if any(word in kind.upper() for word in ("REAL", "FLOA", "DOUB"))}


def _combined(values: list[Any], duplicates: str) -> Any:
    if duplicates in ("error", "first"):
        return values[0]
    if duplicates == "last":
        return values[-1]
    if duplicates in ("max", "min"):
        return max(values) if duplicates == "max" else min(values)
    total, *rest = sorted(values)
    for value in rest:
        total += value
    if math.isinf(total) and not any(map(math.isinf, values)):
        raise UnfitError("unfit")
    return total if duplicates == "sum" else total / len(values)


def columns(
    path: Any,
    ids: Sequence[Any],
    *,
    table: str,
    sample: str,
    columns: str | Sequence[str],
    dtype: str = "float32",
    null: str = "error",
    fill: Any = 0,
    where: str | None = None,
) -> Arrays:
    """A number or a vector of each sample; one without a row reads as one whose columns are NULL."""
    names = [columns] if isinstance(columns, str) else list(columns)
    result = Arrays(dtype, () if isinstance(columns, str) else (len(names),))
    found: dict[Any, list[Any]] = {i: [] for i in ids}
    for row in _rows(path, table, [sample, *names], where):
        of = _same_sample(row[0], found)
        if of is not None:
            found[of].append(row[1:])
    for i, rows in found.items():
        if len(rows) > 1:
            result.faults.append(Fault("rows", table, names[0], sample, i))
        if not rows and null == "error":
            result.faults.append(Fault("no row", table, names[0], sample, i))
        result.with_rows |= {i} if rows else set()
        flat = [fit(fill, dtype)] * len(names)
        for row in rows:
            for channel, (name, number) in enumerate(zip(names, row, strict=True)):
                try:
                    flat[channel] = fit(fill if number is None and null == "fill" else number, dtype)
                except UnfitError as unfit:
                    result.faults.append(Fault(str(unfit), table, name, sample, i))
        result.samples[i] = flat
    return result


# Order: what the text of `rowfeed.plan.order` says, word by word

_MASK = 2**64 - 1


def philox(key: int, count: int) -> list[int]:
    """The first raw words of Philox 4x64-10 under a 128-bit key, the counter starting at 1.

    Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    words: list[int] = []
    while len(words) < count:
        words += philox_block(len(words) // 4 + 1, key)
    return words[:count]


def philox_block(counter: int, key: int) -> list[int]:
    """Four words from a 256-bit counter and a 128-bit key, in ten rounds."""
    c = [(counter >> (64 * i)) & _MASK for i in range(4)]
    k = [key & _MASK, key >> 64]
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ k[0], second & _MASK, (first >> 64) ^ c[3] ^ k[1], first & _MASK]
        k = [(k[0] + 0x9E3779B97F4A7C15) & _MASK, (k[1] + 0xBB67AE8584CAA73B) & _MASK]
    return c


def stream(count: int, *name: Any) -> list[int]:
    """The first words of the random stream of that name."""
    digest = hashlib.blake2b(repr(name).encode("ascii"), digest_size=16).digest()
    return philox(int.from_bytes(digest, "little"), count)


@lru_cache(maxsize=64)
def order(
    count: int, batch_size: int, window: int, shuffle: bool, seed: int, epoch: int, last_batch: str
) -> list[list[int]]:
    """The positions of the samples of each batch of an epoch."""
    line = list(range(count))
    if shuffle:
        block = max(1, window // (16 * batch_size))
        blocks = [line[start : start + block] for start in range(0, count, block)]
        words = stream(len(blocks), seed, epoch, "blocks")
        line = [i for _, _, one in sorted(zip(words, range(len(blocks)), blocks, strict=True)) for i in one]
        mixed = []
        for number, start in enumerate(range(0, count, window)):
            part = line[start : start + window]
            words = stream(len(part), seed, epoch, "window", number)
            mixed += [i for _, _, i in sorted(zip(words, range(len(part)), part, strict=True))]
        line = mixed
    batches = [line[start : start + batch_size] for start in range(0, count, batch_size)]
    if last_batch == "drop" and len(batches[-1]) < batch_size:
        batches.pop()
    return batches


def window(memory_bytes: int, sample_bytes: int, batch_size: int, count: int) -> int:
    """Samples in a window: a quarter of the memory, at most 131,072, whole batches; or so few that all are alike."""
    batches = 0
    while (batches + 1) * batch_size * sample_bytes * 4 <= memory_bytes:
        if batches and (batches + 1) * batch_size > 131_072:
            break
        batches += 1
    return alike(batches * batch_size, batch_size, count)


def alike(window: int, batch_size: int, count: int) -> int:
    """Samples in a window where that many would fit: as few as as many windows can do with."""
    batches, needed = window // batch_size, len(range(0, count, batch_size))
    windows = len(range(0, needed, batches)) if batches else 0
    while windows > 1 and (batches - 1) * windows >= needed:
        batches -= 1
    return batches * batch_size


def memory_for(window_samples: int, sample_bytes: int) -> int:
    """A `memory_bytes` that makes windows of so many samples."""
    return 4 * window_samples * sample_bytes


def hash_integer(value: int, salt: str) -> int:
    """SplitMix64's finaliser over the id plus the BLAKE2b-64 digest of the salt."""
    z = (value + int.from_bytes(hashlib.blake2b(salt.encode(), digest_size=8).digest(), "little")) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def hash_text(value: str, salt: str) -> int:
    """BLAKE2b-64 of the UTF-8 bytes, keyed with the digest of the salt."""
    key = hashlib.blake2b(salt.encode(), digest_size=8).digest()
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8, key=key).digest(), "little")


# Comparing


def has_long_cycle(permutation: Sequence[int]) -> bool:
    """Whether a cycle of 3 or more is in it, so that mistaking it for its inverse shows."""
    return any(permutation[permutation[i]] != i for i in permutation)


def bits(array: np.ndarray) -> bytes:
    """The bytes of an array, all NaN alike."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return array.tobytes()


def flat(batch: Any) -> list[np.ndarray]:
    """The arrays of a batch, in order."""
    if isinstance(batch, tuple):
        return [array for place in batch for array in flat(place)]
    if isinstance(batch, dict):
        return [batch[name] for name in sorted(batch)]
    return [batch]


def assert_same(got: Any, expected: Any) -> None:
    """Equal bit for bit, also in structure, shape and dtype."""
    assert type(got) is type(expected), f"got {type(got)}, expected {type(expected)}"
    if isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for g, e in zip(got, expected, strict=True):
            assert_same(g, e)
    elif isinstance(expected, dict):
        assert sorted(got) == sorted(expected)
        for name in expected:
            assert_same(got[name], expected[name])
    else:
        assert got.shape == expected.shape, f"got {got.shape}, expected {expected.shape}"
        assert got.dtype == expected.dtype, f"got {got.dtype}, expected {expected.dtype}"
        if bits(got) != bits(expected):
            np.testing.assert_array_equal(got, expected)
            raise AssertionError(f"equal, but not bit for bit: got {got!r}, expected {expected!r}")


def outcome(run: Callable[[], Any]) -> Any:
    """What a call returns, or the class of what it raises."""
    try:
        return run()
    except Exception as error:
        return type(error)


def readers() -> list[threading.Thread]:
    """The reading threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "rowfeed-reader"]


def open_files(path: Path | str) -> list[str]:
    """This process's open descriptors of a file (Linux; empty elsewhere)."""
    found = []
    for descriptor in Path("/proc/self/fd").glob("*"):
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith(str(path)):
            found.append(target)
    return found
