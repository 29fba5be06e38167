"""`rowfeed bench`: what is measured adds up, the verdict follows from the numbers, and it runs on every engine."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from conftest import fresh
from engines import ENGINES, MYSQLS, SERVERS

import rowfeed
from rowfeed.cli.bench.bench import Bench, Result, lines, picture
from rowfeed.cli.bench.runs import Watch, iterate
from rowfeed.cli.bench.verdict import Facts, Tried, Verdict
from rowfeed.cli.main import main
from rowfeed.reading.stats import Stats

matplotlib_image = pytest.importorskip("matplotlib.image")

GRID = rowfeed.Grid("T", sample="id", axes=("y", "x"), value="v", shape=(4, 4))
WORDS = ["--table", "T", "--sample", "id", "--axes", "y,x", "--value", "v", "--shape", "4,4"]
QUICK = ["--seconds", "0.4"]


def cells(samples):
    """Sample i has i % 16 of its 16 cells filled."""
    return (np.arange(16) < np.arange(samples)[:, None] % 16).astype("float32").reshape(samples, 4, 4)


@pytest.fixture
def db(tmp_path):
    """300 samples of 2,226 rows."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/b.db")
    assert db.write(GRID, cells(300)) == 2_226
    return db


# The arithmetic of the verdict, on numbers that are made up

FACTS = Facts(
    count=20_000,
    batch_size=32,
    window=8_000,
    connections=2,
    memory_bytes=2**28,
    sample_bytes=64,
    index=None,
    remote=True,
)
DID = Stats(  # two windows of 250 batches; a sample takes 30 µs of waiting for its answer, 20 of decoding, 5 of scatter
    windows=2,
    requests=16,
    samples=16_000,
    rows=80_000,
    query_s=0.8,
    query_cpu_s=0.32,
    scatter_s=0.08,
    batches=500,
    cut_s=0.016,
    training_waited_s=0.4,
)
VERDICT = Verdict(DID, 0.5, FACTS)
NOTHING = "nothing: no index is missing, and of connections, memory and batch size none was the limit."


def said(did=DID, elapsed_s=0.5, trains=False, **facts):
    """The verdict with other numbers."""
    return Verdict(did, elapsed_s, replace(FACTS, **facts), trains=trains)


def test_the_largest_stage_of_a_connection_is_the_bottleneck():
    """30 of 55 µs are the answer's; with other times it is another; inside the process they cannot be told apart."""
    assert VERDICT.bottleneck == "database+network"
    assert VERDICT.reading == pytest.approx({"database+network": 30e-6, "decoding": 20e-6, "scatter": 5e-6})
    assert VERDICT.using == pytest.approx({"cutting": 1e-6})
    assert VERDICT.samples_per_s == 32_000
    assert VERDICT.sentence() == (
        "Of the feed, which brings 32,000 samples/s, the bottleneck is the wait for the answer, which the database "
        "makes and the network carries, with 55% of a reading connection's time."
    )
    assert VERDICT.changes() == [NOTHING]
    assert said(replace(DID, query_cpu_s=0.5)).bottleneck == "decoding"
    assert said(replace(DID, query_cpu_s=0.9)).reading["database+network"] == 0
    assert said(replace(DID, scatter_s=0.9)).bottleneck == "scatter"
    inside = said(remote=False)
    assert inside.reading == pytest.approx({"database+decoding": 50e-6, "scatter": 5e-6})
    assert "is the answer, which the engine makes and this process decodes, with 91% of" in inside.sentence()
    assert said(layouts=2).reading == pytest.approx({name: 2 * s for name, s in VERDICT.reading.items()})


def test_cutting_is_the_bottleneck_where_no_window_is_waited_for():
    """From 5 % of waiting on it is reading; the larger of cutting and the transform is named."""
    assert said(replace(DID, training_waited_s=0.0251)).bottleneck == "database+network"
    busy = replace(DID, training_waited_s=0.0249, cut_s=0.44)
    slow = said(busy)
    assert slow.sentence() == (
        "Of the feed, which brings 32,000 samples/s, the bottleneck is cutting batches: it takes 27.5 µs a sample, "
        "reading 27.5."
    )
    transformed = said(replace(busy, cut_s=0.04, transform_s=0.4), trains=True)
    assert transformed.bottleneck == "transform"
    assert transformed.sentence() == (
        "The feed is the bottleneck, on the thread that trains. Most of it is the transform: it takes 25 µs a sample, "
        "training 2.19."
    )
    assert transformed.changes() == [NOTHING]


@pytest.mark.parametrize(("waited_s", "bottleneck"), [(0.024, "training"), (0.026, "database+network")])
def test_training_that_hardly_waits_is_the_bottleneck(waited_s, bottleneck):
    """From 5 % of waiting on it is the feed."""
    assert said(replace(DID, training_waited_s=waited_s), trains=True).bottleneck == bottleneck


def test_nothing_where_training_never_waits():
    """And no other advice, though an index is missing and one connection would be as fast."""
    found = said(replace(DID, training_waited_s=0.0005), trains=True, index="CREATE INDEX …", connections=1)
    assert found.using == pytest.approx({"cutting": 1e-6, "training": 30.21875e-6})
    assert found.sentence(40_000) == (
        "Training is the bottleneck: it waits for data 0.1% of its time and takes 32,000 samples/s of the 40,000 that "
        "the feed brings by itself."
    )
    assert found.sentence().endswith("takes 32,000 samples/s.")
    assert found.changes(Tried("connections", 2, 9.0, 1.0)) == [
        "nothing of the feed: training never waits for data, 0.1% of its time."
    ]
    hardly = said(replace(DID, training_waited_s=0.015), trains=True)
    assert hardly.changes() == ["nothing of the feed: training hardly waits for data, 3.0% of its time."]


def test_training_that_waits_names_the_stage():
    """How long it waits, and what for."""
    found = said(replace(DID, training_waited_s=0.2), trains=True)
    assert found.sentence(40_000) == (
        "The feed is the bottleneck, training waits 40% of its time for it. Most of it is the wait for the answer, "
        "which the database makes and the network carries, with 55% of a reading connection's time."
    )


def test_waiting_is_computed_where_windows_are_too_few():
    """Read at half of the rate at which training takes samples, it waits half of its time, whatever one window says."""
    one = replace(DID, windows=1, training_waited_s=0.0)
    half = Verdict(one, 0.22, FACTS, trains=True)
    assert (half.measured, half.waiting) == (False, pytest.approx(0.5))
    assert half.samples_per_s == pytest.approx(2 / 55e-6)
    assert "waits 50% of its time for it, as the rates of reading and training say. Most" in half.sentence()
    assert Verdict(one, 0.88, FACTS, trains=True).waiting == 0
    assert Verdict(one, 0.88, FACTS, trains=True).samples_per_s == pytest.approx(16_000 / 0.88)
    assert not Verdict(DID, 0.5, FACTS, alike=False).measured


def test_where_nothing_was_read_an_earlier_stretch_tells_what_reading_costs():
    """Readers that waited for room while training took one window are not slow."""
    idle = replace(DID, windows=1, requests=0, samples=0, rows=0, query_s=0.0, query_cpu_s=0.0, scatter_s=0.0)
    found = Verdict(replace(idle, training_waited_s=0.0), 0.22, FACTS, trains=True, earlier=DID)
    assert found.reading == VERDICT.reading
    assert found.waiting == pytest.approx(0.5)
    assert Verdict(idle, 0.22, FACTS, trains=True).waiting == 0


@pytest.mark.parametrize(
    ("change", "trial"),
    [
        ({}, ("connections", 1)),
        ({"connections": 1}, ("connections", 2)),
        ({"index": "CREATE INDEX …"}, None),
        ({"did": replace(DID, training_waited_s=0.0)}, ("batch_size", 128)),
        ({"did": replace(DID, training_waited_s=0.0), "window": 96}, None),
        ({"did": replace(DID, training_waited_s=0.0, transform_s=0.1)}, None),
    ],
)
def test_another_argument_is_tried_where_it_may_help(change, trial):
    """Connections where reading is the limit, but not where an index is missing; batches where cutting is."""
    assert said(**change).trial == trial


@pytest.mark.parametrize(
    ("asked", "tried", "advice"),
    [
        (2, Tried("connections", 1, 15e3, 28e3), NOTHING),
        (1, Tried("connections", 2, 28e3, 15e3), "pass connections=2: 28,000 samples/s instead of 15,000."),
        (4, Tried("connections", 1, 28e3, 15e3), "pass connections=1: 28,000 samples/s instead of 15,000."),
        (
            2,
            Tried("connections", 1, 27e3, 28e3),
            "pass connections=1, which asks less of the database: 27,000 samples/s, and 28,000 with 2.",
        ),
        (1, Tried("connections", 2, 28e3, 27e3), NOTHING),
        (2, Tried("batch_size", 128, 28e3, 15e3), "pass batch_size=128: 28,000 samples/s instead of 15,000."),
        (2, Tried("batch_size", 128, 16e3, 15e3), NOTHING),
    ],
)
def test_what_was_tried_and_paid(asked, tried, advice):
    """As many connections as pay, and no more; 15 % is the least that pays."""
    assert said(connections=asked).changes(tried) == [advice]


def test_a_missing_index_is_named_where_requests_scan():
    """Not where an epoch is one request, which reads the table once, nor where the answer is not the limit."""
    index = "CREATE INDEX i ON t (id)"
    assert said(index=index).changes() == [
        f"create the missing index. Each of the 20 requests of an epoch scans the whole table without it. {index}"
    ]
    assert said(index=index, count=1_000).changes() == [NOTHING]
    assert said(replace(DID, query_cpu_s=0.5), index=index).changes() == [NOTHING]
    assert said(replace(DID, query_cpu_s=0.5), index=index, remote=False).changes() != [NOTHING]


def test_memory_where_a_window_holds_few_batches():
    """8 batches, half of the 16 that mix well: four times 16 · 32 · 64 bytes hold them."""
    assert said(window=256, memory_bytes=65_536).changes() == [
        "pass memory_bytes=131,072 or more. With 65,536 a window holds 8 batches, of the 16 that mix well."
    ]
    assert said(window=256, memory_bytes=65_536, count=256).changes() == [NOTHING]
    assert said(window=480, memory_bytes=2**28).changes() == [NOTHING]  # all windows alike, and memory to spare
    assert said(window=131_072, batch_size=65_536, count=10**7).changes() == [NOTHING]  # more than any window holds


# The measurements


def test_a_feed_runs_over_epochs(db):
    """The same samples again and again until the time is over: a window each, and none of its threads is left."""
    import threading

    feed = rowfeed.Feed(db, GRID, connections=2)
    facts = replace(FACTS, count=feed.sample_ids.size, window=131_072)
    found = iterate(feed, facts, 5, 0.3)
    assert found.alike
    assert found.did.windows > 3
    assert found.did.batches == found.did.windows * len(feed)
    assert found.verdict(facts).samples_per_s > 300
    assert 0 < found.first_batch_s < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rowfeed")]


def test_a_feed_that_is_too_slow_is_given_up(db):
    """Where no window comes in time, the rate is that of what was read; a patient run waits for the first batch."""
    slow = rowfeed.Grid("T", sample="id", axes=("y", "x"), value="v", shape=(4, 4), where=f"{SLOW} > 0")
    feed = rowfeed.Feed(db, slow, samples=range(300), connections=1, memory_bytes=2**14)
    facts = replace(FACTS, count=300, window=64, connections=1, memory_bytes=2**14)
    found = iterate(feed, facts, 0, 0.001)
    assert found.did.windows <= 1
    assert not found.alike
    assert found.verdict(facts).samples_per_s == pytest.approx(1 / found.verdict(facts).reading_s)
    assert iterate(feed, facts, 0, 2.0, patient=True).first_batch_s is not None


SLOW = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000 + v) SELECT COUNT(*) FROM c)"


def test_a_watch_goes_from_window_to_window(db):
    """What came before the end of the first window is left out; where there are not two ends, all counts."""
    feed = rowfeed.Feed(db, GRID, samples=range(300), memory_bytes=2**14)
    watch = Watch(feed, replace(FACTS, count=300, window=64))
    seen = []
    for number in range(len(feed)):
        feed._stream.counters.add(windows=number % 2 == 0, batches=1)
        watch.used(number)
        seen.append(watch.run())
    assert [run.alike for run in seen] == [False] * 3 + [True] * 7
    assert [run.did.batches for run in seen] == [1, 2, 3, 2, 2, 4, 4, 6, 6, 8]
    both = seen[3] + seen[5]
    assert (both.did.batches, both.alike, both.elapsed_s) == (6, True, seen[3].elapsed_s + seen[5].elapsed_s)
    assert not (seen[0] + seen[3]).alike


# The command


def benched(url, words, out, *more):
    """The numbers that the command leaves."""
    assert main(["bench", str(url), *words, *QUICK, "--out", str(out), *more]) == 0
    return json.loads((out / "bench.json").read_text(encoding="utf-8"))


def rows_per_sample(found):
    return found["feed"]["stats"]["rows"] / found["feed"]["stats"]["samples"]


def url_of(db_url):
    return db_url.render_as_string(hide_password=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_on_every_engine(engine, request, tmp_path, capsys):
    """A grid, columns and text ids: a line a stage, a sentence, something to change, a record and a picture."""
    with fresh(engine, request, tmp_path) as place:
        db = rowfeed.connect(place)
        rows = db.write(GRID, cells(300))
        names = rowfeed.Grid("N", sample="id", axes=("y", "x"), value="v", shape=(4, 4))
        db.write(names, cells(300), ids=[f"user {i}" for i in range(300)])
        db.write(rowfeed.Columns("C", sample="id", columns=["a", "b"]), np.ones((300, 2), "float32"))
        found = benched(url_of(place), WORDS, tmp_path / "grid", "--samples-table", "C", "--samples-column", "id")
        out = capsys.readouterr().out
        text = benched(url_of(place), ["--table", "N", *WORDS[2:]], tmp_path / "text")
        columns = benched(
            url_of(place),
            ["--table", "C", "--sample", "id", "--columns", "a,b"],
            tmp_path / "columns",
            "--null",
            "fill",
        )
    expected = ["database+network", "decoding"] if engine in SERVERS else ["database+decoding"]
    expected += ["scatter", "cutting", "feed, 2 connections"]
    printed = [line.strip() for line in out.splitlines() if line.startswith("  ")][1:]
    for line, name in zip(printed, expected, strict=False):
        assert line.startswith(name)
    assert len(printed) == len(expected) + (found["tried"] is not None)
    assert f"Bottleneck: {found['sentence']}\n" in out
    assert [f"Change: {change}" for change in found["changes"]] == [
        line for line in out.splitlines() if line.startswith("Change: ")
    ]
    assert found["facts"]["count"] == 300
    assert rows_per_sample(found) == pytest.approx(rows / 300, rel=0.2)
    assert found["engine"]["product"].startswith(engine)
    assert rows_per_sample(text) == pytest.approx(rows / 300, rel=0.2)
    assert rows_per_sample(columns) == 1
    picture = matplotlib_image.imread(io.BytesIO((tmp_path / "grid" / "bench.png").read_bytes()), format="png")
    assert picture.shape[1] == 7.2 * 200
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


def test_a_missing_index_is_found(tmp_path, capsys):
    """Of a table that each request scans, the CREATE INDEX is among the changes."""
    import sqlite3

    with sqlite3.connect(tmp_path / "x.db") as db:
        db.execute("CREATE TABLE T (id INT, y INT, x INT, v REAL)")
        rows = ((i, c // 4, c % 4, 1.0) for c in range(8) for i in range(20_000))
        db.executemany("INSERT INTO T VALUES (?, ?, ?, ?)", rows)
    found = benched(f"sqlite:///{tmp_path}/x.db", WORDS, tmp_path / "out", "--memory-bytes", "100000")
    assert found["facts"]["index"] == 'CREATE INDEX "T_id" ON "T" (id)'
    assert found["changes"][0].startswith("create the missing index.")
    assert found["changes"][0].endswith(found["facts"]["index"])
    assert (found["facts"]["connections"], found["tried"]) == (1, None)
    assert capsys.readouterr().err.count("warning") == 1


@pytest.mark.keras
def test_training_is_the_bottleneck(db, tmp_path, capsys):
    """300 small samples are read faster than the model takes them; its share of waiting is said."""
    found = benched(url_of(db._address.url), WORDS, tmp_path / "out", "--model", "autoencoder")
    assert found["bottleneck"] == "training"
    assert 0 <= found["fit"]["waiting"] < 0.05
    assert found["fit"]["seconds_per_sample"]["using"]["training"] > 0
    assert "fit from the feed" in found["samples_per_s"]
    assert "keras" in found["versions"]
    assert "of its time" in capsys.readouterr().out


@pytest.mark.keras
@pytest.mark.once
def test_training_waits_for_a_slow_feed(db, tmp_path):
    """A view that computes for each row is slower than the model."""
    import sqlite3

    with sqlite3.connect(db._address.url.database) as connection:
        connection.execute(f"CREATE VIEW S AS SELECT id, y, x, v * ({SLOW} > 0) AS v FROM T")
    words = [
        "--table",
        "S",
        *WORDS[2:],
        "--samples-table",
        "T",
        "--memory-bytes",
        "20000",
        "--max-scanned-rows",
        "99999999",
    ]
    found = benched(url_of(db._address.url), words, tmp_path / "out", "--model", "autoencoder")
    assert found["bottleneck"] == "database+decoding"
    assert found["fit"]["waiting"] > 0.05
    assert found["sentence"].startswith("The feed is the bottleneck, training waits ")


def test_without_keras(db, tmp_path):
    """No framework is loaded unless a model is asked for."""
    words = ["bench", url_of(db._address.url), *WORDS, *QUICK, "--out", str(tmp_path / "out")]
    script = (
        f"import sys; from rowfeed.cli.main import main; code = main({words!r}); print(code, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert done.stderr == ""


def test_a_slow_transform_is_the_bottleneck(db, tmp_path):
    """From Python, a transform is a stage like the rest."""

    def slow(x, rng):
        end = time.perf_counter() + 0.005
        while time.perf_counter() < end:
            pass
        return x

    printed = []
    arguments = (db, GRID, None, 32, 1, False, 0.4, tmp_path)
    result = Bench(*arguments, transform=slow).run(printed.append)
    assert result.verdict.bottleneck == "transform"
    assert result.verdict.using["transform"] >= 0.005 / 32
    assert any(line.strip().startswith("transform") for line in printed)
    assert result.tried is None


def test_a_stage_that_took_no_time_has_no_rate():
    """And its line and its bar are there all the same."""
    result = Result(*[said(replace(DID, query_cpu_s=0.0))] * 2, None, None)
    assert any(line.split()[:2] == ["decoding", "–"] for line in lines(result))
    assert picture(result)


def test_the_seconds_are_kept(db, tmp_path):
    """All runs together take about as long as was asked for; starting comes on top."""
    start = time.perf_counter()
    result = Bench(db, GRID, None, 32, 2, False, 2.0, tmp_path).run(lambda line: None)
    assert result.alone.elapsed_s <= 2.0
    assert 1.0 < time.perf_counter() - start < 8.0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: --axes, --value, --shape; or --columns instead"),
        (["--axes", "x", "--value", "v", "--columns", "a"], "--axes, --value and --shape: not allowed with --columns"),
        (["--columns", "a", "--model", "autoencoder"], "--model: the autoencoder takes a grid"),
        (["--columns", "a", "--null", "drop"], "only for a grid, not with --columns"),
        (["--axes", "x,y", "--value", "v", "--shape", "4"], "expected a side for each of 2 axes; got 1"),
        (
            ["--axes", "x", "--value", "v", "--shape", "4", "--model", "autoencoder"],
            "--model: the autoencoder takes two axes; got 1",
        ),
        (["--columns", "a", "--seconds", "0"], "'--seconds': 0.0 is not in the range x>0."),
        (["--columns", "a", "--connections", "0"], "'--connections': 0 is not in the range x>=1."),
    ],
)
def test_wrong_arguments_exit_2(words, complaint, capsys):
    """What does not go together is refused before anything happens."""
    assert main(["bench", "sqlite:///none.db", "--table", "T", "--sample", "id", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_errors_are_one_line(db, tmp_path, capsys):
    """A column that is not there, and a row that breaks the layout: exit code 1, one line, no files."""
    assert main(["bench", url_of(db._address.url), *WORDS, "--value", "vv", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "rowfeed: error: expected a column 'vv' in T; got columns ['id', 'y', 'x', 'v']. Did you mean 'v'?\n"
    )
    assert main(["bench", url_of(db._address.url), *WORDS, "--shape", "2,4", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("rowfeed: error: y must be in 0..1 (axis of shape (2, 4)); got ")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("engine", SERVERS)
def test_no_password_is_shown_or_written(engine, request, tmp_path, capsys):
    """Neither what is printed nor what is written has the password or a piece of it."""
    head, tail = "c4nary", "t4il"
    password = f"{head}/7@{tail} y%"
    with fresh(engine, request, tmp_path) as place, ExitStack() as stack:
        rowfeed.connect(place).write(GRID, cells(100))
        import sqlalchemy as sa

        admin = sa.create_engine(place, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        quoted = password.replace("%", "%%")
        with admin.connect() as connection:
            if engine in MYSQLS:
                connection.exec_driver_sql(f"CREATE USER benched IDENTIFIED BY '{quoted}'")
                connection.exec_driver_sql("GRANT SELECT ON T TO benched")
                stack.callback(dropped, place, "DROP USER benched")
            else:
                connection.exec_driver_sql(f"CREATE USER benched PASSWORD '{quoted}'")
                connection.exec_driver_sql('GRANT SELECT ON "T" TO benched')
                stack.callback(dropped, place, "DROP OWNED BY benched", "DROP USER benched")
        url = place.set(username="benched", password="hidden").render_as_string(hide_password=False)
        found = benched(url.replace(":hidden@", f":{quote(password, safe='')}@"), WORDS, tmp_path / "out")
    shown = "".join(capsys.readouterr())
    texts = [shown, *(repr(path.read_bytes()) for path in Path(tmp_path / "out").iterdir())]
    assert len(texts) == 3
    assert not any(piece in text for text in texts for piece in (head, tail))
    assert found["table"]["url"] == place.set(username="benched", password=None).render_as_string()
    assert "benched:***@" in shown


def dropped(place, *statements):
    import sqlalchemy as sa

    with sa.create_engine(place, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
