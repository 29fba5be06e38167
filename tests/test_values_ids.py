"""Sample ids of every kind on every engine, read in its own way and by plain rows: found, ordered, split alike."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from engines import ENGINES, MYSQLS, place

import rowfeed
from rowfeed.plan.split import hash_ids
from rowfeed.request.request import Request
from rowfeed.values.ids import TEXT, IdKind, check_kind, ids_from_objects, merged, sort_ids

UUIDS = [UUID(int=(7919 * i**9) % 2**128) for i in range(1, 40)] + [UUID(int=0), UUID(int=2**128 - 1)]
BYTES = [i.to_bytes(16, "big") for i in (1, 255, 2**127, 2**128 - 1)] + [UUIDS[5].bytes, b"a" * 15 + b"\n", b"'" * 16]
BIG = [0, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 2**40, 2**64 - 2, 2**64 - 1]

UUID_TYPES = [("mariadb", "UUID"), ("postgresql", "uuid"), ("duckdb", "UUID")]
BYTES_TYPES = [(engine, kind) for engine in MYSQLS for kind in ("BINARY(16)", "VARBINARY(20)", "BLOB")]
BYTES_TYPES += [("postgresql", "bytea"), ("duckdb", "BLOB"), ("sqlite", "BLOB")]
BIG_TYPES = [(engine, kind) for engine in MYSQLS for kind in ("BIGINT UNSIGNED", "DECIMAL(20)")]
BIG_TYPES += [("postgresql", "numeric(20, 0)"), ("duckdb", "UBIGINT"), ("duckdb", "HUGEINT")]
KINDS = [(*t, UUIDS) for t in UUID_TYPES] + [(*t, BYTES) for t in BYTES_TYPES] + [(*t, BIG) for t in BIG_TYPES]
LITERALS = {
    UUID: lambda value, _: f"'{value}'",
    bytes: lambda value, engine: rf"'\x{value.hex()}'" if engine == "postgresql" else f"x'{value.hex()}'",
    int: lambda value, _: str(value),
}

GRID = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=3)


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def plain(request):
    """Whether plain rows are read."""
    return request.param


@pytest.fixture
def made(request, tmp_path):
    """Makes a table of three cells and rows (id, 1, number of the id from 1 on) on an engine."""
    engine, kind, ids = request.param
    with place(engine, request, tmp_path) as where:
        if engine == "duckdb" and ids is BYTES:
            where.run(f"CREATE TABLE t (id {kind}, x INT, v INT)")
            where.run(*(("INSERT INTO t VALUES (?, 1, ?)", (i, n)) for n, i in enumerate(ids, 1)))
        else:
            key = "KEY (id(20))" if kind == "BLOB" and engine in MYSQLS else "UNIQUE (id)"
            rows = ", ".join(f"({LITERALS[type(i)](i, engine)}, 1, {n})" for n, i in enumerate(ids, 1))
            where.run(f"CREATE TABLE t (id {kind}, x INT, v INT, {key})", f"INSERT INTO t VALUES {rows}")
        yield where, ids


def named(ids):
    """What a feed calls such ids."""
    return [str(i) if isinstance(i, UUID) else i.hex() if isinstance(i, bytes) else i for i in ids]


@pytest.mark.parametrize("made", KINDS, indirect=True, ids=lambda k: f"{k[0]}-{k[1]}")
def test_listed_found_and_in_order(made, plain):
    """Every id is listed once, in order, also by `Samples`, and has its rows; an id without rows is all fill."""
    where, ids = made
    feed = rowfeed.Feed(where.connect(plain), GRID, batch_size=4, seed=3)
    expected = sorted(named(ids))
    numbers = [named(ids).index(name) + 1 for name in expected]
    assert feed.sample_ids.dtype == (np.uint64 if ids is BIG else TEXT)
    assert feed.sample_ids.tolist() == expected
    assert feed.arrays().tolist() == [[0, n, 0] for n in numbers]
    for number, batch in enumerate(feed.batches(2)):
        assert [named(ids).index(i) + 1 for i in feed.batch_ids(2, number).tolist()] == batch[:, 1].tolist()
    some = [ids[3], ids[0], ids[-1]]
    part = rowfeed.Feed(where.connect(plain), GRID, samples=some)
    assert part.arrays()[:, 1].tolist() == [ids.index(i) + 1 for i in sorted(some)]
    again = rowfeed.Feed(where.connect(plain), GRID, samples=feed.sample_ids)
    assert again.arrays().tolist() == feed.arrays().tolist()
    absent = UUID(int=5) if ids is UUIDS else b"\x05" * 16 if ids is BYTES else 2**63 + 5
    feed = rowfeed.Feed(where.connect(plain), GRID, samples=[ids[1], absent])
    assert sorted(feed.arrays()[:, 1].tolist()) == [0, 2]
    there = rowfeed.Feed(where.connect(plain), GRID, samples=rowfeed.Samples("t", "id", where="v <= 3"))
    assert there.sample_ids.tolist() == sorted(named(ids[:3]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ids", [UUIDS, BYTES, BIG], ids=["uuid", "bytes", "big"])
def test_written_and_read_back(engine, ids, plain, request, tmp_path):
    """`write` takes ids of every kind, in whatever column the engine has for them."""
    arrays = np.arange(1, len(ids) * 3 + 1, dtype="float32").reshape(-1, 3)
    with place(engine, request, tmp_path) as where:
        db = where.connect(plain)
        if ids is BIG and engine == "sqlite":
            with pytest.raises(rowfeed.DataError, match=r"below 2\^63; got 18446744073709551615 among ids\. Pass text"):
                db.write(GRID, arrays, ids=ids)
            return
        db.write(GRID, arrays, ids=ids)
        feed = rowfeed.Feed(db, GRID)
        order = sorted(range(len(ids)), key=lambda i: named(ids)[i])
        assert feed.sample_ids.tolist() == [named(ids)[i] for i in order]
        assert feed.arrays().tolist() == arrays[order].tolist()
        label = rowfeed.Columns("labels", sample="id", columns=["a", "b"])
        db.write(label, arrays[:, :2], ids=ids)
        assert rowfeed.Feed(db, GRID, label, samples=ids).arrays()[1].tolist() == arrays[order, :2].tolist()


WRONG = [
    ("UUID", "6F9619FF-8B86-D011-B42D-00CF4FC964FF", r"such as|canonical text"),
    ("UUID", "6f9619ff8b86d011b42d00cf4fc964ff", "canonical text"),
    ("UUID", "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}", "canonical text"),
    ("UUID", "a", "canonical text"),
    ("BYTES", "FF", "lower-case hexadecimal"),
    ("BYTES", "0xff", "lower-case hexadecimal"),
    ("BYTES", "f", "lower-case hexadecimal"),
    ("BYTES", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "lower-case hexadecimal"),
]


@pytest.mark.parametrize("made", KINDS[:9], indirect=True, ids=lambda k: f"{k[0]}-{k[1]}")
def test_text_that_is_not_canonical_is_refused(made, plain):
    """Text that names a UUID or bytes in another way is an error that says how to write it, not an empty sample."""
    where, ids = made
    way_out = {"UUID": "Pass uuid.UUID objects, or str(uuid.UUID(text)).", "BYTES": "Pass bytes objects, or their .hex"}
    for kind, text, message in WRONG:
        if (kind == "UUID") == (ids is UUIDS):
            with pytest.raises(rowfeed.SchemaError, match=rf"as in t\.id, in .*{message}|{message}.*t\.id") as caught:
                rowfeed.Feed(where.connect(plain), GRID, samples=[named(ids)[0], text])
            assert repr(text) in str(caught.value)
            assert way_out[kind] in str(caught.value)
    for samples in ([1, 2], [UUIDS[0] if ids is BYTES else b"a"]):
        with pytest.raises(
            rowfeed.SchemaError, match=rf"sample ids that are {'UUIDs' if ids is UUIDS else 'bytes'}, as"
        ):
            rowfeed.Feed(where.connect(plain), GRID, samples=samples)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_column_of_another_kind(engine, plain, request, tmp_path):
    """UUIDs and hexadecimal text find text; bytes do not pass for text, nor numbers for either."""
    with place(engine, request, tmp_path) as where:
        where.connect().write(GRID, np.ones((2, 3), "float32"), ids=[str(UUIDS[0]), "00ff"])
        assert rowfeed.Feed(where.connect(plain), GRID, samples=[UUIDS[0]]).arrays().tolist() == [[1, 1, 1]]
        with pytest.raises(rowfeed.SchemaError, match=r"ids that are text, as in t\.id; got bytes, such as '00ff'"):
            rowfeed.Feed(where.connect(plain), GRID, samples=[b"\0\xff"])
        with pytest.raises(rowfeed.SchemaError, match=r"ids that are text, as in t\.id; got integers, such as 9223"):
            rowfeed.Feed(where.connect(plain), GRID, samples=[2**63])


@pytest.mark.parametrize("engine", ENGINES)
def test_large_integers_for_a_signed_column(engine, plain, request, tmp_path):
    """An id above 2^63 - 1 has no rows in a signed column, and its neighbours keep theirs."""
    with place(engine, request, tmp_path) as where:
        where.connect().write(GRID, np.ones((3, 3), "float32"), ids=[0, 2**62, 2**63 - 1])
        feed = rowfeed.Feed(where.connect(plain), GRID, samples=[2**63 - 1, 2**63, 2**64 - 1, 1, 0])
        assert feed.arrays()[:, 0].tolist() == [1, 0, 1, 0, 0]


@pytest.mark.parametrize("made", [k for k in KINDS if k[2] is BIG], indirect=True, ids=lambda k: f"{k[0]}-{k[1]}")
def test_negative_integers_for_an_unsigned_column(made, plain):
    """They have no rows there; small ids alone are int64."""
    where, _ = made
    feed = rowfeed.Feed(where.connect(plain), GRID, samples=[-1, 0, -(2**63), 1])
    assert feed.sample_ids.dtype == np.int64
    assert feed.arrays()[:, 1].tolist() == [0, 0, 1, 2]
    small = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=3, where="v < 5")
    assert rowfeed.Feed(where.connect(plain), small).sample_ids.dtype == np.int64


@pytest.mark.parametrize("made", [k for k in KINDS if k[1] in ("HUGEINT", "DECIMAL(20)")], indirect=True, ids=str)
def test_no_type_has_all_of_them(made, plain):
    """Negative ids beside large ones are refused, with both and a way out."""
    where, _ = made
    where.run("INSERT INTO t VALUES (-3, 1, 1)")
    with pytest.raises(
        rowfeed.SchemaError,
        match=r"all below 2\^63 or none of them negative; got -3 and 18446744073709551615 at t\.id\. CAST them to text",
    ):
        rowfeed.Feed(where.connect(plain), GRID)


NO_IDS = [("sqlite", "REAL", "1.5"), *((engine, "DOUBLE", "1.5") for engine in MYSQLS)]
NO_IDS += [(engine, "DATETIME", "'2026-03-29'") for engine in MYSQLS]
NO_IDS += [("postgresql", "float8", "1"), ("postgresql", "timestamp", "'2026-03-29'"), ("duckdb", "DOUBLE", "1")]
NO_IDS += [("duckdb", "TIMESTAMP", "'2026-03-29'")]


@pytest.mark.parametrize(("engine", "kind", "value"), NO_IDS)
def test_what_is_no_id(engine, kind, value, plain, request, tmp_path):
    """Moments and reals are refused, with the way out."""
    with place(engine, request, tmp_path) as where:
        where.run(f"CREATE TABLE t (id {kind} UNIQUE, x INT, v INT)", f"INSERT INTO t VALUES ({value}, 1, 1)")
        for samples in (None, [1]):
            with pytest.raises(
                rowfeed.SchemaError, match=r"got .* at t\.id\. Name another column, or CAST it (to text )?in a sel"
            ):
                rowfeed.Feed(where.connect(plain), GRID, samples=samples)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "duckdb"])
@pytest.mark.parametrize("ids", [UUIDS, BYTES], ids=["uuid", "bytes"])
def test_an_index_serves(engine, ids, plain, request, tmp_path):
    """The statement that reads a request goes by the primary key, says the server that explains it."""
    kinds = {"postgresql": ("uuid", "bytea"), "mariadb": ("UUID", "BINARY(16)"), "mysql": ("VARCHAR(36)", "BINARY(16)")}
    kinds = kinds.get(engine, ("TEXT", "BLOB"))
    many = [UUID(int=i * 2**100) if ids is UUIDS else UUID(int=i * 2**100).bytes for i in range(2_000)]
    rows = ", ".join(f"({LITERALS[type(i)](i, engine)}, 1, {n})" for n, i in enumerate(many))
    with place(engine, request, tmp_path) as where:
        where.run(f"CREATE TABLE t (id {kinds[ids is BYTES]} PRIMARY KEY, x INT, v INT)")
        where.run(f"INSERT INTO t VALUES {rows}", *(["ANALYZE t"] if engine == "postgresql" else []))
        sent = []
        with where.connect(plain).open() as session:
            selection = GRID.selection(session)

            def note(connection, cursor, statement, parameters, context, many):
                sent.append((statement, parameters))

            sa.event.listen(session._connection, "before_cursor_execute", note)
            data = session.read(Request(selection, np.array(named([many[7], many[1_234]]), TEXT)))
            assert data.values[0].tolist() == [7, 1_234]
            statement, parameters = next(
                one for one in sent if "r.sample" in one[0] and ("IN (" in one[0] or "ANY (" in one[0])
            )
            explain = {"sqlite": "EXPLAIN QUERY PLAN", "mysql": "EXPLAIN FORMAT=TRADITIONAL"}.get(engine, "EXPLAIN")
            plan = str(session._connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
        if engine in MYSQLS:
            assert "'range', 'PRIMARY', 'PRIMARY'" in plan
        elif engine == "postgresql":
            assert "t_pkey" in plan
            assert "Seq Scan" not in plan
        else:
            assert "SEARCH t USING INDEX sqlite_autoindex_t_1 (id=?)" in plan


class TestPure:
    """Without a database."""

    def test_a_split_is_the_same_everywhere(self):
        """Hashes of ids as they are on every engine: a fixed one for each kind, signed and unsigned alike."""
        numbers = [0, 1, 2**63 - 1]
        assert hash_ids(np.array(numbers), "s").tolist() == hash_ids(np.array(numbers, np.uint64), "s").tolist()
        assert hash_ids(np.array([1, 2**63, 2**64 - 1], np.uint64), "").tolist() == HASHES["big"]
        for kind, values in (("uuid", [UUIDS[0], UUIDS[-1]]), ("bytes", [b"", b"\0\xff"])):
            assert hash_ids(ids_from_objects(values, "t", "id")[1], "").tolist() == HASHES[kind]

    def test_places_are_merged(self):
        """Ids of several tables: one type for all, ascending, each once."""
        small, large = np.array([1, 5]), np.array([3, 2**63], np.uint64)
        got = merged([small, large, np.empty(0, TEXT)], "t.id")
        assert (got.dtype, got.tolist()) == (np.uint64, [1, 3, 5, 2**63])
        assert merged([large[:1], small], "t.id").tolist() == [1, 3, 5]
        assert merged([], "t.id").size == 0
        with pytest.raises(rowfeed.SchemaError, match=r"got -1 and 9223372036854775808 at t\.id, u\.id"):
            merged([np.array([-1]), large], "t.id, u.id")
        with pytest.raises(rowfeed.SchemaError, match=r"got integers and text in t\.id, u\.id\. CAST one of them"):
            merged([small, np.array(["a"], TEXT)], "t.id, u.id")

    def test_bytes_of_a_uuid(self):
        """UUID objects for a column of bytes are refused with the way out, as are bytes for one of UUIDs."""
        text = np.array([str(UUIDS[0])], TEXT)
        with pytest.raises(rowfeed.SchemaError, match=r"are bytes, as in t\.id, .*Pass bytes objects, or their \.hex"):
            check_kind(text, IdKind.UUIDS, IdKind.BYTES, "t", "id")
        with pytest.raises(rowfeed.SchemaError, match=r"are UUIDs, as in t\.id, .*Pass uuid\.UUID objects"):
            check_kind(np.array([UUIDS[0].hex], TEXT), IdKind.BYTES, IdKind.UUIDS, "t", "id")
        check_kind(text, IdKind.TEXT, IdKind.UUIDS, "t", "id")


HASHES = {
    "big": [15946196053561045787, 3141600791997044259, 8674898778836013343],
    "uuid": [3643652278947168194, 17983991475314128358],
    "bytes": [11914278541810977071, 15585271084754593727],
}


def test_text_in_an_order_that_quicksort_gives_up_on():
    """Ids come in any order. In this one the median of first, middle and last is always nearly the least."""
    half = 1_000
    order = [0] * (2 * half)
    for i in range(1, half + 1):
        if i % 2:
            order[i - 1], order[i] = i, half + i
        order[half + i - 1] = 2 * i
    names = [f"user {number:06}" for number in order]
    assert sort_ids(np.array(names, TEXT)).tolist() == sorted(set(names))
