"""Which samples a feed has: listed by the user, of another table, or those of the rows."""

from __future__ import annotations

import sqlite3
import warnings
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from reference import create, examples, query

import rowfeed
from rowfeed.dialects.session import IDS_PER_FETCH
from rowfeed.values.given_ids import given_ids
from rowfeed.values.ids import IdKind

TEXT = np.dtypes.StringDType()
WORDS = [
    "b",
    "a",
    "B",
    "A",
    "",
    "a ",
    "é",
    "e\u0301",
    "😀",
    "\uffff",
    "\U00010000",
    "a\0",
    "a\0b",
    "a\0a",
    "ß",
    "10",
    "9",
]
GRID = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=2)


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def plain(request):
    """Whether plain rows are read."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Rows of samples 2, 4 and 6; people 1 to 6, of whom 3 is there twice and 5 is not active."""
    create(
        tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], [(4, 0, 40), (2, 1, 21), (6, 0, 60)], index=["id"]
    )
    people = [(6, 1), (3, 1), (1, 1), (3, 1), (5, 0), (4, 1), (2, 1)]
    create(tmp_path / "a.db", "people", [("id", ""), ("active", "")], people)
    return tmp_path / "a.db"


def feed(path, plain=False, layout=GRID, **options):
    """A feed of all samples in ascending order."""
    return rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), layout, shuffle=False, **options)


class TestGivenIds:
    """A sequence or array of ids."""

    @pytest.mark.parametrize(
        "samples",
        [
            [3, 1, 2],
            (3, 1, 2),
            range(1, 4),
            np.array([3, 1, 2]),
            np.array([3, 1, 2], np.uint8),
            np.array([3, 1, 2], np.uint64),
            np.array([3, 1, 2], object),
            [np.int32(3), np.int64(1), np.uint64(2)],
        ],
        ids=repr,
    )
    def test_integers(self, samples):
        """Integers of any kind are int64, ascending."""
        got = given_ids(samples)[1]
        assert got.dtype == np.int64
        assert got.tolist() == [1, 2, 3]

    @pytest.mark.parametrize(
        "samples",
        [
            ["b", "a", "c"],
            np.array(["b", "a", "c"]),
            np.array(["b", "a", "c"], TEXT),
            np.array(["b", "a", "c"], object),
        ],
        ids=repr,
    )
    def test_text(self, samples):
        """Text of any kind is text of numpy, ascending."""
        got = given_ids(samples)[1]
        assert got.dtype == TEXT
        assert got.tolist() == ["a", "b", "c"]

    def test_the_limits_of_integers(self):
        """Ids have 64 bits, with a sign where it is needed; one more is refused, not wrapped."""
        assert given_ids([2**63 - 1, -(2**63)])[1].tolist() == [-(2**63), 2**63 - 1]
        for samples in ([2**64 - 1, 1, 2**63], np.array([2**64 - 1, 1, 2**63], np.uint64)):
            got = given_ids(samples)[1]
            assert got.dtype == np.uint64
            assert got.tolist() == [1, 2**63, 2**64 - 1]
        for samples in ([2**64], [-(2**63) - 1]):
            with pytest.raises(rowfeed.ArgumentError, match="at most 64 bits"):
                given_ids(samples)
        with pytest.raises(rowfeed.ArgumentError, match=r"none of them negative; got -1 and 9223372036854775808"):
            given_ids([2**63, -1])

    def test_uuids_and_bytes(self):
        """They are their canonical text, ascending; a numpy array that dropped zero bytes is refused."""
        names = [f"{digit}23e4567-e89b-12d3-a456-42661417400f" for digit in "1af"]
        kind, ids = given_ids([UUID(names[2].upper()), UUID(names[0]), UUID(names[1])])
        assert (kind, ids.tolist()) == (IdKind.UUIDS, names)
        kind, ids = given_ids([b"\xff", bytearray(b"\x0a\0"), memoryview(b"")])
        assert (kind, ids.tolist()) == (IdKind.BYTES, ["", "0a00", "ff"])
        with pytest.raises(rowfeed.ArgumentError, match=r"dtype \|S2, which drops zero bytes at the end"):
            given_ids(np.array([b"a\0", b"b"]))

    def test_text_is_in_the_order_of_code_points(self):
        """Neither locale, case nor normal form plays a part; every string is an id of its own."""
        assert given_ids(WORDS)[1].tolist() == sorted(WORDS)

    @examples(100)
    @given(st.lists(st.text(), min_size=1, unique=True), st.randoms())
    def test_any_text(self, words, random):
        """Ascending by code point, whatever the text and its order."""
        random.shuffle(words)
        assert given_ids(words)[1].tolist() == sorted(words)

    @examples(100)
    @given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True))
    def test_any_integers(self, numbers):
        """Ascending by value."""
        assert given_ids(numbers)[1].tolist() == sorted(numbers)

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            ([1, 2, 1], "expected each sample id once; got 1 twice in samples"),
            (["b", "a", "b"], "got 'b' twice"),
            (np.array([5, 5]), "got 5 twice"),
            ("abc", "expected a sequence of sample ids; got samples='abc'"),
            (b"abc", "expected a sequence of sample ids"),
            (7, "expected a sequence of sample ids; got samples=7"),
            ({1, 2}, "expected a sequence of sample ids"),
            (np.eye(2), "expected a sequence of sample ids"),
            ([[1], [2]], "expected a sequence of sample ids"),
            ([[1], [2, 3]], "expected"),
            ([1, "a"], "all integers or all text"),
            ([1.0, 2.0], "all integers or all text"),
            (np.array([1.0]), "all integers or all text"),
            ([True, False], "all integers or all text"),
            (np.array([True]), "all integers or all text"),
            ([b"a", "a"], "all integers or all text"),
            ([1, None], "NULL|None"),
        ],
        ids=repr,
    )
    def test_refused(self, samples, message):
        """Anything else is an argument that cannot be right."""
        with pytest.raises(rowfeed.ArgumentError, match=message):
            given_ids(samples)[1]

    def test_the_caller_s_array_stays_its_own(self, path):
        """The feed copies the ids: neither is changed by the other, and those of the feed are read-only."""
        ids = np.array([2, 4, 6])
        mine = feed(path, samples=ids)
        ids[:] = 0
        assert mine.sample_ids.tolist() == [2, 4, 6]
        with pytest.raises(ValueError, match="read-only"):
            mine.sample_ids[0] = 1
        batch = mine.batch_ids(0, 0)
        batch[:] = 0
        assert mine.sample_ids.tolist() == [2, 4, 6]


class TestListed:
    """samples= as a list."""

    def test_exactly_those(self, path, plain):
        """Those and no others; an id without rows is all fill and shifts no neighbour."""
        got = feed(path, plain, samples=[5, 6, 2, 0])
        assert got.sample_ids.tolist() == [0, 2, 5, 6]
        assert got.arrays().tolist() == [[0, 0], [0, 21], [0, 0], [60, 0]]

    def test_none_with_rows(self, path, plain):
        """Any of them may be without rows, but not all: most likely, they are of another table."""
        with pytest.raises(
            rowfeed.DataError, match=r"^expected rows of the 2 samples; got none in a whole epoch, at t"
        ):
            feed(path, plain, samples=[1, 3]).arrays()

    def test_none_at_all(self, path):
        """No samples is an error."""
        for samples in ([], np.array([], int), ()):
            with pytest.raises(rowfeed.DataError, match="expected at least one sample; got none in samples"):
                feed(path, samples=samples)

    def test_an_empty_table(self, tmp_path, plain):
        """A table without rows has no kind of id: any may be listed, and have rows when it is read."""
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], index=["id"])
        for samples in ([1, 2], ["a"]):
            with pytest.raises(rowfeed.DataError, match="got none in a whole epoch, at t"):
                feed(tmp_path / "a.db", plain, samples=samples).arrays()
        later = feed(tmp_path / "a.db", plain, samples=[1, 2])
        with sqlite3.connect(tmp_path / "a.db") as connection:
            connection.execute("INSERT INTO t VALUES (2, 1, 20)")
        assert later.arrays().tolist() == [[0, 0], [0, 20]]

    @pytest.mark.parametrize("samples", [["2", "4"], ["a"]])
    def test_text_for_integers(self, path, plain, samples):
        """Text where the table has integers is refused, and says which."""
        with pytest.raises(
            rowfeed.SchemaError, match=r"ids that are integers, as in t\.id; got text, such as '[2a]'\. .*CAST"
        ):
            feed(path, plain, samples=samples)

    def test_integers_for_text(self, tmp_path, plain):
        """Integers where the table has text are refused."""
        create(tmp_path / "a.db", "t", [("id", "TEXT"), ("x", ""), ("v", "")], [("2", 0, 1)], index=["id"])
        with pytest.raises(rowfeed.SchemaError, match=r"ids that are text, as in t\.id; got integers, such as 2"):
            feed(tmp_path / "a.db", plain, samples=[2])

    def test_y_of_another_kind(self, path, plain):
        """Every layout's ids are compared, not those of x alone."""
        create(path, "labels", [("id", "TEXT"), ("c", "")], [("2", 1)], index=["id"])
        with pytest.raises(rowfeed.SchemaError, match=r"labels\.id"):
            feed(path, plain, y=rowfeed.Columns("labels", sample="id", columns="c", null="fill"))

    def test_tables_of_x_of_two_kinds(self, path, plain):
        """A dict of layouts whose tables have ids of different kinds is refused in words."""
        create(path, "u", [("id", "TEXT"), ("x", ""), ("v", "")], [("2", 0, 1)], index=["id"])
        other = rowfeed.Grid("u", sample="id", axes="x", value="v", shape=2)
        with pytest.raises(rowfeed.SchemaError):
            feed(path, plain, {"a": GRID, "b": other})

    def test_tables_of_x_of_which_one_is_empty(self, tmp_path, plain):
        """An empty table among those of x adds no sample and has no kind of id."""
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], [("é", 0, 1), ("b", 1, 2)], index=["id"])
        create(tmp_path / "a.db", "u", [("id", ""), ("x", ""), ("v", "")], index=["id"])
        other = rowfeed.Grid("u", sample="id", axes="x", value="v", shape=2)
        for x in ({"a": GRID, "b": other}, {"b": other, "a": GRID}):
            got = feed(tmp_path / "a.db", plain, x)
            assert got.sample_ids.tolist() == ["b", "é"]
            assert got.arrays()["b"].tolist() == [[0, 0], [0, 0]]

    def test_the_samples_of_several_inputs(self, path, plain):
        """Without samples=, those of all tables of x."""
        create(path, "u", [("id", ""), ("x", ""), ("v", "")], [(9, 0, 90), (2, 0, 20)], index=["id"])
        other = rowfeed.Grid("u", sample="id", axes="x", value="v", shape=1)
        got = feed(path, plain, {"a": GRID, "b": other})
        assert got.sample_ids.tolist() == [2, 4, 6, 9]
        assert got.arrays()["b"].tolist() == [[20], [0], [0], [90]]


class TestOfAnotherTable:
    """samples=Samples(table, column)."""

    def test_its_distinct_ids(self, path, plain):
        """All its ids, each once, also those without rows."""
        got = feed(path, plain, samples=rowfeed.Samples("people", "id"))
        assert got.sample_ids.tolist() == [1, 2, 3, 4, 5, 6]
        assert got.arrays().tolist() == [[0, 0], [0, 21], [0, 0], [40, 0], [0, 0], [60, 0]]

    @pytest.mark.parametrize("where", ["active = 1", sa.column("active") == 1], ids=str)
    def test_where(self, path, plain, where):
        """Those that where= leaves."""
        got = feed(path, plain, samples=rowfeed.Samples("people", "id", where=where))
        assert got.sample_ids.tolist() == [1, 2, 3, 4, 6]

    def test_a_selectable(self, path, plain):
        """A selectable, with a computed id."""
        people = sa.table("people", sa.column("id"))
        chosen = sa.select((people.c.id * 2).label("double"))
        assert feed(path, plain, samples=rowfeed.Samples(chosen, "double")).sample_ids.tolist() == [2, 4, 6, 8, 10, 12]

    def test_no_index_is_needed(self, path):
        """The table of samples is read once, whole: no warning that it has no index."""
        assert len(feed(path, samples=rowfeed.Samples("people", "id")).sample_ids) == 6

    def test_not_there(self, path, plain):
        """A missing table or column is named, and what comes close."""
        with pytest.raises(rowfeed.SchemaError, match=r"table or view 'peple'.*Did you mean 'people'\?"):
            feed(path, plain, samples=rowfeed.Samples("peple", "id"))
        with pytest.raises(rowfeed.SchemaError, match=r"column 'aktive' in people.*Did you mean 'active'\?"):
            feed(path, plain, samples=rowfeed.Samples("people", "aktive"))

    def test_none(self, path, plain):
        """No ids is an error that names the column."""
        with pytest.raises(rowfeed.DataError, match=r"expected at least one sample; got none in people\.id\."):
            feed(path, plain, samples=rowfeed.Samples("people", "id", where="active = 7"))

    def test_null(self, path, plain):
        """A NULL among the ids is an error with a way out that works."""
        query(path, "CREATE TABLE some AS SELECT 1 AS id UNION ALL SELECT NULL")
        with pytest.raises(rowfeed.DataError, match=r'NULL at some\.id\. .*where="id IS NOT NULL"'):
            feed(path, plain, samples=rowfeed.Samples("some", "id"))
        assert feed(path, plain, samples=rowfeed.Samples("some", "id", where="id IS NOT NULL")).sample_ids.tolist() == [
            1
        ]

    @pytest.mark.parametrize("table", ["", None, 3])
    def test_no_table(self, table):
        """A table is a name or a selectable."""
        with pytest.raises(rowfeed.ArgumentError, match="expected a table name"):
            rowfeed.Samples(table, "id")

    def test_misspelt(self):
        """No option is swallowed."""
        with pytest.raises(TypeError, match="filter"):
            rowfeed.Samples("people", "id", filter="active")


class TestOfTheRows:
    """samples=None: the distinct ids of x."""

    def test_distinct(self, path, plain):
        """Each id once."""
        query(path, "INSERT INTO t VALUES (2, 0, 20), (-3, 0, 1)")
        assert feed(path, plain).sample_ids.tolist() == [-3, 2, 4, 6]

    def test_none(self, tmp_path, plain):
        """An empty table is an error that names it and says what to check."""
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], index=["id"])
        with pytest.raises(
            rowfeed.DataError,
            match=r"expected at least one sample; got none in t\.id\. Fill the table, or check where=",
        ):
            feed(tmp_path / "a.db", plain)

    def test_null(self, path, plain):
        """A row without a sample id is an error, not a row less."""
        query(path, "INSERT INTO t VALUES (NULL, 0, 20)")
        with pytest.raises(rowfeed.DataError, match=r'NULL at t\.id\. .*where="id IS NOT NULL"'):
            feed(path, plain)

    def test_all_null(self, tmp_path, plain):
        """Nothing but NULL is the same error."""
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], [(None, 0, 1)], index=["id"])
        with pytest.raises(rowfeed.DataError, match=r"NULL at t\.id"):
            feed(tmp_path / "a.db", plain)

    @pytest.mark.parametrize(
        ("ids", "shown"),
        [([1, 1.5], "1.5"), ([1, "a"], "'a'"), ([2.0], "2.0"), ([b"a", 1], "b'a'"), (["a", b"a"], "b?'a'")],
    )
    def test_of_no_kind(self, tmp_path, plain, ids, shown):
        """Ids that are neither all integers nor all text are refused, and one is shown."""
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], [(i, 0, 1) for i in ids], index=["id"])
        with pytest.raises(
            rowfeed.SchemaError,
            match=rf"all integers or all text, all UUIDs, all bytes or all dates; got {shown} at t\.id.*CAST",
        ):
            feed(tmp_path / "a.db", plain)

    @pytest.mark.parametrize("odd", ["a", 2.5, None, b"a"])
    def test_of_another_kind_after_many(self, tmp_path, plain, odd):
        """An odd id is found behind however many others: ids come in portions."""
        rows = [(i, 0, 1) for i in [*range(IDS_PER_FETCH), odd]]
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], rows, index=["id"])
        with pytest.raises((rowfeed.SchemaError, rowfeed.DataError), match=r"t\.id"):
            feed(tmp_path / "a.db", plain)

    @pytest.mark.parametrize("text", [False, True])
    def test_more_than_one_portion(self, tmp_path, plain, text):
        """Portions of ids are put together in order, each id once."""
        ids = [f"{i:05}" if text else i for i in range(2 * IDS_PER_FETCH + 1)]
        rows = [(i, 0, 1) for i in ids[::-1]] + [(ids[5], 1, 1)]
        create(tmp_path / "a.db", "t", [("id", ""), ("x", ""), ("v", "")], rows, index=["x", "id"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
            assert feed(tmp_path / "a.db", plain).sample_ids.tolist() == ids

    @pytest.mark.parametrize("declared", ["TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "VARCHAR(3)", ""])
    def test_text_under_any_collation(self, tmp_path, plain, declared):
        """Texts that a collation holds to be equal are samples of their own, each with its own rows."""
        rows = [(word, 1, number) for number, word in enumerate(WORDS, 1)]
        create(tmp_path / "a.db", "t", [("id", declared), ("x", ""), ("v", "")], rows, index=["id"])
        got = feed(tmp_path / "a.db", plain)
        assert got.sample_ids.tolist() == sorted(WORDS)
        assert got.arrays()[:, 1].tolist() == [WORDS.index(word) + 1 for word in sorted(WORDS)]

    @pytest.mark.parametrize("declared", ["TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM"])
    def test_listed_text_under_a_loose_collation(self, tmp_path, plain, declared):
        """'a' asks for the rows of 'a', not for those of 'A' or 'a '."""
        rows = [(word, 1, number) for number, word in enumerate(WORDS, 1)]
        create(tmp_path / "a.db", "t", [("id", declared), ("x", ""), ("v", "")], rows, index=["id"])
        got = feed(tmp_path / "a.db", plain, samples=["a", "É", "b", "b "])
        assert got.arrays().tolist() == [[0, 2], [0, 1], [0, 0], [0, 0]]
        assert got.sample_ids.tolist() == ["a", "b", "b ", "É"]
