"""`rowfeed bench`: what is measured adds up, the verdict follows from the numbers, and it runs on every engine."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from conftest import SERVERS, fresh
from engines import ENGINES

import rowfeed
from rowfeed.cli.bench import bench
from rowfeed.cli.bench import reading_costs as stages
from rowfeed.cli.bench.bench import Bench
from rowfeed.cli.bench.reading_costs import CutCosts, FeedRun, RequestCosts, cut_costs, request_costs, run_feed
from rowfeed.cli.bench.verdict import Numbers, Training
from rowfeed.cli.main import main
from rowfeed.layouts.structure import Structure
from rowfeed.plan.order import Plan

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

REQUEST = RequestCosts(
    samples=1_000,
    rows=5_000.0,
    request_s=0.06,
    count_s=0.03,
    wire_s=0.01,
    decode_s=0.02,
    scatter_s=0.005,
    other_samples=500,
    other_s=0.031,
    first_s=0.1,
    repeats=9,
    remote=True,
)


def run(connections, rate):
    return FeedRun(connections, rate, 0.2, 4, 10_000, 10, 50_000, 1.0)


NUMBERS = Numbers(
    request=REQUEST,
    cut=CutCosts(32, 32e-6, None, 120e-6),
    feeds={1: run(1, 15_000.0), 2: run(2, 28_000.0)},
    connections=2,
    training=None,
    count=20_000,
    window=8_000,
    batch_size=32,
    sample_bytes=64,
    values=1,
    memory_bytes=2**28,
    index=None,
)
TRAINING = Training(step_rate=5_000.0, larger_rate=5_500.0, fit_rate=4_900.0, waiting=0.001, measured=True)
NOTHING = "nothing: no index is missing, and of connections, memory and batch size none was the limit."


def test_the_largest_stage_of_a_connection_is_the_bottleneck():
    """30 of 65 ms are the database's; with other times it is another."""
    assert NUMBERS.bottleneck == "database"
    assert NUMBERS.sentence() == (
        "Of the feed, which brings 28,000 samples/s, the bottleneck is the database, which finds and reads the rows, "
        "with 46% of a reading connection's time."
    )
    assert NUMBERS.changes() == [NOTHING]
    for stage in ("wire", "decode", "scatter"):
        assert replace(NUMBERS, request=replace(REQUEST, **{f"{stage}_s": 0.04})).bottleneck == stage
    inside = replace(NUMBERS, request=replace(REQUEST, wire_s=0.0, decode_s=0.04, remote=False))
    assert "is the answer, which the engine makes and numpy takes apart, with 62% of" in inside.sentence()
    beyond = replace(NUMBERS, request=replace(REQUEST, count_s=0.08, wire_s=0.0))
    assert "with 92% of a reading connection's time" in beyond.sentence()  # 60 of 65 ms, though counting took 80


def test_cutting_is_the_bottleneck_where_it_takes_longer_than_all_connections_together():
    """65 µs of reading a sample are 32.5 with two connections: 33 of cutting are more, 32 are not."""
    assert replace(NUMBERS, cut=CutCosts(1, 32e-6, None, None), batch_size=1).bottleneck == "database"
    slow = replace(NUMBERS, cut=CutCosts(1, 33e-6, None, 40e-6), batch_size=1)
    assert slow.sentence() == (
        "Of the feed, which brings 28,000 samples/s, the bottleneck is cutting batches: it takes 33 µs a sample, and "
        "reading takes 32.5."
    )
    assert slow.changes() == ["pass a larger batch_size: cutting takes 33.00 µs a sample, and with batch_size=4 10.00."]
    assert replace(NUMBERS, cut=CutCosts(32, 32e-6, 2e-3, None)).bottleneck == "transform"
    same = replace(slow, cut=CutCosts(1, 33e-6, None, 130e-6))
    assert same.changes() == [NOTHING]


@pytest.mark.parametrize(("waiting", "bottleneck"), [(0.049, "training"), (0.051, "database")])
def test_training_that_hardly_waits_is_the_bottleneck(waiting, bottleneck):
    """From 5 % of waiting on it is the feed."""
    assert replace(NUMBERS, training=replace(TRAINING, waiting=waiting)).bottleneck == bottleneck


def test_nothing_where_training_never_waits():
    """And no other advice, though an index is missing and one connection would be as fast."""
    found = replace(NUMBERS, training=TRAINING, index="CREATE INDEX …", feeds={1: run(1, 28e3), 2: run(2, 28e3)})
    assert found.sentence() == (
        "Training is the bottleneck: it waits for data 0.1% of its time and takes 4,900 samples/s of the 28,000 that "
        "the feed brings by itself."
    )
    assert found.changes() == ["nothing of the feed: training never waits for data, 0.1% of its time."]
    slowed = replace(found, training=replace(TRAINING, fit_rate=3_000.0, waiting=0.03))
    assert slowed.sentence().endswith("and 5,000 of batches in memory, with nobody reading beside it.")
    assert slowed.changes() == ["nothing of the feed: training hardly waits for data, 3.0% of its time."]


def test_larger_batches_where_a_step_gains_by_them():
    """20 % more samples a second are said, 10 % are not."""
    found = replace(NUMBERS, training=replace(TRAINING, larger_rate=6_000.0)).changes()
    assert found[0] == (
        "if the model learns as well from larger batches, pass batch_size=128: training takes 6,000 samples/s then, "
        "instead of 5,000."
    )
    assert len(found) == 2


def test_training_that_waits_names_the_stage():
    """How long it waits, and what for; whether that was measured or computed."""
    found = replace(NUMBERS, training=replace(TRAINING, waiting=0.4))
    assert found.sentence() == (
        "The feed is the bottleneck, training waits 40% of its time for the feed: most of it is the database, which "
        "finds and reads the rows, with 46% of a reading connection's time."
    )
    computed = replace(NUMBERS, training=replace(TRAINING, waiting=0.4, measured=False))
    assert "for the feed, as the rates of reading and training say: most" in computed.sentence()


@pytest.mark.parametrize(
    ("rates", "asked", "advice"),
    [
        ({1: 15e3, 2: 28e3}, 2, NOTHING),
        ({1: 15e3, 2: 28e3}, 1, "pass connections=2: 28,000 samples/s instead of 15,000."),
        ({1: 28e3, 4: 15e3}, 4, "pass connections=1: 28,000 samples/s instead of 15,000."),
        (
            {1: 27e3, 2: 28e3},
            2,
            "pass connections=1, which asks less of the database: 27,000 samples/s, and 28,000 with 2.",
        ),
        ({1: 27e3, 2: 28e3}, 1, NOTHING),
    ],
)
def test_connections(rates, asked, advice):
    """As many as pay, and no more."""
    feeds = {connections: run(connections, rate) for connections, rate in rates.items()}
    assert replace(NUMBERS, feeds=feeds, connections=asked).changes() == [advice]


def test_a_missing_index_is_named_where_requests_scan():
    """Half a request takes 90 % of a whole one: 80 % is the scan. Not where it takes half, nor for one request."""
    scanning = replace(NUMBERS, request=replace(REQUEST, other_s=0.054), index="CREATE INDEX i ON t (id)")
    assert scanning.request.fixed_share == pytest.approx(0.8)
    assert scanning.changes() == [
        "create the missing index. 80% of a request's time is the same however many samples it asks for: it "
        "scans the whole table, 20 times an epoch. CREATE INDEX i ON t (id)"
    ]
    assert replace(scanning, request=REQUEST).changes() == [NOTHING]
    assert replace(scanning, count=1_000).changes() == [NOTHING]


def test_memory_where_a_window_holds_few_batches():
    """8 batches, half of the 16 that mix well: four times 16 · 32 · 64 bytes hold them."""
    small = replace(NUMBERS, window=256, memory_bytes=65_536)
    assert small.more_memory == 131_072
    assert small.changes() == [
        "pass memory_bytes=131,072 or more. With 65,536 a window holds 8 batches, of the 16 that mix well."
    ]
    assert replace(small, more_memory_rate=30_000.0).changes()[0].endswith("30,000 samples/s instead of 28,000.")
    assert replace(small, count=256).changes() == [NOTHING]


def test_memory_where_it_keeps_requests_small():
    """A request with half a fixed cost, at its limit of rows: only if the feed was measured to gain by more memory."""
    limited = replace(NUMBERS, request=replace(REQUEST, other_s=0.045), memory_bytes=8 * 96 * 6_000)
    assert limited.more_memory == 16 * 96 * 6_000
    assert limited.changes() == [NOTHING]
    assert replace(limited, more_memory_rate=29_000.0).changes() == [NOTHING]
    assert replace(limited, more_memory_rate=40_000.0).changes() == [
        "pass memory_bytes=9,216,000: 40,000 samples/s instead of 28,000. Memory keeps a request at 1,000 samples, and "
        "50% of its time is the same however many it asks for."
    ]
    assert replace(limited, request=replace(limited.request, other_s=0.031)).more_memory is None
    assert replace(limited, memory_bytes=2**28).more_memory is None


@pytest.mark.parametrize(("half_s", "share"), [(0.03, 0.0), (0.02, 0.0), (0.06, 1.0), (0.07, 1.0), (None, 0.0)])
def test_the_fixed_share_stays_between_0_and_1(half_s, share):
    """Also where half a request was faster than half, or slower than a whole one, or cannot be."""
    assert replace(REQUEST, other_s=half_s).fixed_share == pytest.approx(share)


# The measurements


@pytest.mark.parametrize(
    ("remote", "count", "cpu", "expected"),
    [
        (True, 0.05, 0.02, (0.05, 0.03, 0.02)),
        (True, 0.05, 0.09, (0.05, 0.0, 0.09)),  # decoding beside the server's work
        (True, 0.2, 0.02, (0.1, 0.0, 0.02)),
        (False, 0.05, 0.02, (0.05, 0.0, 0.05)),
        (False, 0.2, 0.02, (0.1, 0.0, 0.0)),
    ],
)
def test_a_request_is_split_into_stages(remote, count, cpu, expected):
    """100 ms: what counting takes is the database's, the rest is split by CPU time where there is a network."""
    times = {"count": [count], "request": [0.1], "cpu": [cpu], "scatter": [0.01], "other": [], "rows": [7.0]}
    found = stages._split(times, 3, 1, 0.2, remote)
    assert (found.database_s, found.wire_s, found.decode_s) == pytest.approx(expected)
    assert found.other_s is None


def test_a_request_is_measured_on_its_own_rows(db):
    """Of the first 150 samples of an epoch: their rows, all stages above 0."""
    positions = np.arange(300)
    found = request_costs(db, GRID, np.arange(1, 300), positions[:299], 150, 0.05)
    assert found.samples == 150
    assert found.rows == sum(i % 16 for i in range(1, 151))
    assert min(found.database_s, found.decode_s, found.scatter_s, found.other_s, found.first_s) > 0
    assert found.wire_s == 0
    assert found.repeats >= stages.LEAST_REPEATS


def test_a_request_of_one_sample_is_compared_with_one_of_two(db):
    """Where there are two; else it says nothing about what is fixed."""
    one = request_costs(db, GRID, np.arange(1, 9), np.arange(8), 1, 0.01)
    assert (one.samples, one.other_samples) == (1, 2)
    assert one.other_s > 0
    alone = request_costs(db, GRID, np.arange(1, 2), np.arange(1), 1, 0.01)
    assert alone.other_s is None
    assert alone.fixed_share == 0
    scan = replace(REQUEST, samples=1, request_s=0.06, other_samples=2, other_s=0.066)
    assert scan.fixed_share == pytest.approx(0.9)


def test_cutting_and_a_transform_are_told_apart():
    """A transform that waits 2 ms costs 2 ms, and cutting does not."""
    import time

    def transform(batch, rng):
        time.sleep(0.002)
        return batch

    found = cut_costs(Structure((GRID, GRID)), 640, 32, transform, 0.05)
    assert found.transform_s >= 0.0015
    assert 0 < found.cut_s < 0.002
    assert found.larger_s > 0
    assert cut_costs(Structure((GRID,)), 20, 32, None, 0.01).larger_s is None


def test_a_feed_runs_over_epochs(db):
    """The same samples again and again until the time is over: a window each, and none of its threads is left."""
    import threading

    feed = rowfeed.Feed(db, GRID, connections=2)
    found = run_feed(feed, Plan(feed.sample_ids.size, 32, 131_072), 2, 5, 0.3)
    assert found.windows > 3
    assert found.samples_per_second > 300
    assert 0 < found.first_batch_s < 5
    assert found.rows == pytest.approx(found.samples * 2_226 / feed.sample_ids.size, rel=0.5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rowfeed")]


def test_a_feed_that_is_too_slow_is_given_up(db, monkeypatch):
    """Where no window comes in time, the rate is that of what was read."""
    monkeypatch.setattr(stages, "PATIENCE", 0.0)
    slow = rowfeed.Grid("T", sample="id", axes=("y", "x"), value="v", shape=(4, 4), where=f"{SLOW} > 0")
    feed = rowfeed.Feed(db, slow, samples=range(300), connections=1, memory_bytes=2**14)
    found = run_feed(feed, Plan(300, 32, 64), 1, 0, 0.01)
    assert found.windows <= 1
    assert found.samples_per_second > 0


SLOW = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000 + v) SELECT COUNT(*) FROM c)"


# The command


def benched(url, words, out, *more):
    """The numbers that the command leaves."""
    assert main(["bench", str(url), *words, *QUICK, "--out", str(out), *more]) == 0
    return json.loads((out / "bench.json").read_text(encoding="utf-8"))


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
    wire = ["wire"] if engine in SERVERS else []
    expected = ["database", *wire, "decode", "scatter", "cut", "feed, 1 connection", "feed, 2 connections"]
    for line, name in zip([line for line in out.splitlines() if line.startswith("  ")][1:], expected, strict=True):
        assert line.strip().startswith(name)
    assert f"Bottleneck: {found['sentence']}\n" in out
    assert [f"Change: {change}" for change in found["changes"]] == [
        line for line in out.splitlines() if line.startswith("Change: ")
    ]
    assert found["table"]["samples"] == 300
    assert found["table"]["rows_per_sample"] == pytest.approx(rows / 300, rel=0.2)
    assert found["engine"]["product"].startswith(engine)
    assert set(expected) >= set(found["rates"])
    assert text["table"]["rows_per_sample"] == pytest.approx(rows / 300, rel=0.2)
    assert columns["table"]["rows_per_sample"] == 1
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
    assert found["missing_index"] == 'CREATE INDEX "T_id" ON "T" (id)'
    assert found["changes"][0].startswith("create the missing index.")
    assert found["changes"][0].endswith(found["missing_index"])
    assert capsys.readouterr().err.count("warning") == 1


@pytest.mark.keras
def test_with_the_model(db, tmp_path, capsys):
    """Steps on batches in memory, a fit from the feed, and the share of it that waits."""
    found = benched(url_of(db.url), WORDS, tmp_path / "out", "--model", "autoencoder")
    assert found["training"]["step_rate"] > 0
    assert 0 <= found["training"]["waiting"] <= 1
    assert found["fit"]["windows"] >= 0
    assert {"training step", "fit from the feed"} < set(found["rates"])
    assert "keras" in found["versions"]
    assert "of its time" in capsys.readouterr().out


@pytest.mark.keras
def test_waiting_is_computed_where_windows_are_too_few():
    """Read at half of the rate at which training takes samples, it waits half of its time, whatever one window says."""
    pytest.importorskip("keras")
    from rowfeed.cli.bench.training_costs import FitRun

    one = FitRun(samples_per_second=1_000.0, waited_share=0.0, windows=1, read_per_second=500.0, seconds=1.0)
    assert (one.measured, one.waiting) == (False, 0.5)
    assert replace(one, read_per_second=2_000.0).waiting == 0
    assert replace(one, windows=2, waited_share=0.2).waiting == 0.2


@pytest.mark.keras
@pytest.mark.parametrize("during", [0, 5])
def test_readers_that_have_read_all_are_not_slow(during):
    """They waited for room while training took one window: how fast they are is known from before."""
    pytest.importorskip("keras")
    from types import SimpleNamespace

    from rowfeed.cli.bench.training_costs import _of
    from rowfeed.reading.stats import Stats

    nothing = Stats()
    first = Stats(windows=1, requests=10, samples=1_000, query_s=0.9, scatter_s=0.1, training_waited_s=0.5)
    later = Stats(windows=1, requests=10 + during, samples=1_000 + 100 * during, query_s=0.9 + during, scatter_s=0.1)
    later = replace(later, training_waited_s=0.5)
    watch = SimpleNamespace(before=nothing, start=(10.0, first), stop=(12.0, later), samples=640)
    found = _of(watch, 2)
    assert found.samples_per_second == 320
    assert found.read_per_second == (200 if during else 2_000)
    assert found.waiting == (1 - 200 / 320 if during else 0)


def test_without_keras(db, tmp_path):
    """No framework is loaded unless a model is asked for."""
    words = ["bench", url_of(db.url), *WORDS, *QUICK, "--out", str(tmp_path / "out")]
    script = (
        f"import sys; from rowfeed.cli.main import main; code = main({words!r}); print(code, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
    assert done.stderr == ""


def test_a_transform_is_a_stage(db, tmp_path):
    """From Python, a transform is measured with the rest."""
    said = []
    arguments = (db, GRID, None, 32, 1, None, False, 0.3, tmp_path)
    numbers = Bench(*arguments, transform=lambda x, rng: x + 1).run(said.append)
    assert numbers.cut.transform_s > 0
    assert any(line.strip().startswith("transform") for line in said)
    assert set(numbers.feeds) == {1, 2}


def test_a_stage_that_took_no_time_has_no_rate():
    """And its line and its bar are there all the same."""
    numbers = replace(NUMBERS, request=replace(REQUEST, wire_s=0.0))
    assert "wire" not in bench.rates(numbers)
    assert any(line.split()[:2] == ["wire", "–"] for line in bench.lines(numbers))
    assert bench.picture(numbers)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "the following arguments are required: --axes, --value, --shape; or --columns instead"),
        (["--axes", "x", "--value", "v", "--columns", "a"], "argument --axes: not allowed with argument --columns"),
        (["--columns", "a", "--model", "autoencoder"], "argument --model: the autoencoder takes a grid"),
        (["--columns", "a", "--null", "drop"], "only for a grid, not with --columns"),
        (["--axes", "x,y", "--value", "v", "--shape", "4"], "expected a side for each of 2 axes; got 1"),
        (
            ["--axes", "x", "--value", "v", "--shape", "4", "--model", "autoencoder"],
            "argument --model: the autoencoder takes two axes; got 1",
        ),
        (["--columns", "a", "--seconds", "0"], "argument --seconds: expected a number above 0; got '0'"),
        (["--columns", "a", "--connections", "0"], "expected a whole number, 1 or more; got '0'"),
    ],
)
def test_wrong_arguments_exit_2(words, complaint, capsys):
    """What does not go together is refused before anything happens."""
    with pytest.raises(SystemExit) as stop:
        main(["bench", "sqlite:///none.db", "--table", "T", "--sample", "id", *words])
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err


def test_errors_are_one_line(db, tmp_path, capsys):
    """A column that is not there, and a row that breaks the layout: exit code 1, one line, no files."""
    assert main(["bench", url_of(db.url), *WORDS, "--value", "vv", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "rowfeed: error: expected a column 'vv' in T; got columns ['id', 'y', 'x', 'v']. Did you mean 'v'?\n"
    )
    assert main(["bench", url_of(db.url), *WORDS, "--shape", "2,4", "--out", str(tmp_path / "out")]) == 1
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
            if engine == "mariadb":
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
