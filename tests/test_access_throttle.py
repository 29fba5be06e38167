"""A throttled feed spares the server: the arithmetic of pauses, and feeds that keep to them.

Cell x of sample s holds 10 s + x.
"""

from __future__ import annotations

import pickle
import threading
import time

import numpy as np
import pytest
import reference
from reference import assert_same, create, readers

import rowfeed
from rowfeed.access.throttle import Cost, Throttle
from rowfeed.dialects.sqlite.session import Session
from rowfeed.reading.prefetch import Prefetcher
from rowfeed.reading.stats import Counters

SAMPLES = 200
CELLS = 4


def closed_in(seconds, closing):
    """A thread that closes something in a while."""
    timer = threading.Timer(seconds, closing.close)
    timer.start()
    return timer


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self):
        return self.now


def throttle(limit):
    clock = Clock()
    return Throttle(limit, clock), clock


@pytest.fixture
def path(tmp_path):
    """200 samples of 4 rows each."""
    rows = [(i, x, 10 * i + x) for i in range(SAMPLES) for x in range(CELLS)]
    create(tmp_path / "t.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows, index=["id", "x"])
    return tmp_path / "t.db"


def make(path, **options):
    """A feed of windows of 20 samples, so ten at least of requests an epoch."""
    grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=CELLS)
    sizes = {"batch_size": 10, "memory_bytes": reference.memory_for(20, 4 * CELLS)}
    db = rowfeed.connect(f"sqlite:///{path}", throttle=options.pop("throttle", None))
    return rowfeed.Feed(db, grid, **{"cache": None, **sizes, **options})


class TestArithmetic:
    """When the next request may begin, by a clock that the test sets."""

    def test_a_share_of_time(self):
        """A request of 2 s at a share of 0.25 makes 8 s with its pause; another connection has a time of its own."""
        paced, clock = throttle(0.25)
        lane, other = paced.enter(), paced.enter()
        assert lane.pause_s() <= 0
        clock.now = 102.0
        lane.spend(Cost(began=100.0, seconds=2.0, rows=7))
        assert lane.pause_s() == 6.0
        assert other.pause_s() <= 0
        clock.now = 107.0
        assert lane.pause_s() == 1.0
        clock.now = 109.0
        assert lane.pause_s() == -1.0
        lane.spend(Cost(began=109.0, seconds=1.0, rows=7))
        assert lane.pause_s() == 4.0

    def test_rows_per_second(self):
        """All connections share what there is: 50 and 100 rows at 100 a second are 1.5 s, however fast they came."""
        paced, clock = throttle(100)
        lane, other = paced.enter(), paced.enter()
        lane.spend(Cost(began=100.0, seconds=0.1, rows=50))
        other.spend(Cost(began=100.0, seconds=0.2, rows=100))
        assert lane.pause_s() == other.pause_s() == 1.5
        clock.now = 101.0
        assert lane.pause_s() == 0.5

    @pytest.mark.parametrize("limit", [0.5, 100])
    def test_idleness_earns_nothing(self, limit):
        """After an hour of rest a request costs what it always does."""
        paced, clock = throttle(limit)
        lane = paced.enter()
        lane.spend(Cost(began=100.0, seconds=1.0, rows=200))
        clock.now = 3700.0
        assert lane.pause_s() < 0
        lane.spend(Cost(began=3700.0, seconds=1.0, rows=200))
        assert lane.pause_s() == 2.0

    @pytest.mark.parametrize("limit", [None, 1])
    def test_no_limit(self, limit):
        """None, and a share of all of the time, make no pause."""
        paced, clock = throttle(limit)
        lane = paced.enter()
        clock.now = 105.0
        lane.spend(Cost(began=100.0, seconds=5.0, rows=10**9))
        assert lane.pause_s() <= 0
        assert paced.rows_per_s == float("inf")

    def test_a_new_connection_takes_over_the_debt(self):
        """Of the lanes that are free a new connection gets the one that is ready last."""
        paced, _ = throttle(0.5)
        first, second = paced.enter(), paced.enter()
        first.spend(Cost(began=100.0, seconds=2.0, rows=1))
        second.spend(Cost(began=100.0, seconds=1.0, rows=1))
        paced.leave(first)
        paced.leave(second)
        assert [paced.enter().pause_s() for _ in "ab"] == [4.0, 2.0]
        assert paced.enter().pause_s() <= 0

    def test_a_pickle_paces_itself(self):
        """The limit travels, the debt does not."""
        paced, _ = throttle(50)
        paced.enter().spend(Cost(began=100.0, seconds=1.0, rows=10**6))
        again = pickle.loads(pickle.dumps(paced))
        assert again.rows_per_s == 50
        assert again.enter().pause_s() <= 0


class TestPause:
    """Threads that pause hold nothing up."""

    @staticmethod
    def job(*tasks):
        """A job of these tasks."""
        left = list(tasks)

        class Job:
            def take(self):
                return left.pop(0) if left else None

        return Job()

    class Reader:
        """Runs tasks without a database; notes when it was closed."""

        def __init__(self):
            self.closed = []

        def run(self, task, is_spare):
            return task(self)

        def interrupt(self):
            """There is nothing to interrupt."""

        def close(self):
            self.closed.append(threading.current_thread())

    @staticmethod
    def costly(_):
        """A task of an hour's pause."""
        return Cost(time.perf_counter(), 1.0, 3600)

    def test_closing_ends_a_pause(self):
        """A pause of an hour ends when the prefetcher is closed, its task does not run, and its time was counted."""
        counters, ran = Counters(), []
        job = self.job(self.costly, ran.append)
        prefetcher = Prefetcher(iter([job]), self.Reader, 1, counters, Throttle(1.0001))
        closer = closed_in(0.3, prefetcher)
        began = time.monotonic()
        with pytest.raises(StopIteration):
            next(prefetcher)
        closer.join()
        assert time.monotonic() - began < 10
        assert not ran
        assert not readers()
        assert 0.1 < counters.snapshot().throttled_s < 10

    def test_an_error_ends_the_pauses_of_its_job(self):
        """An error of one connection is raised at once, while another pauses for an hour."""
        paused = threading.Event()
        throttle = Throttle(1 / 3600)

        def fail(_):
            assert paused.wait(10)
            raise ZeroDivisionError

        def hours(_):
            paused.set()
            return Cost(time.perf_counter(), 1.0, 1)

        prefetcher = Prefetcher(iter([self.job(lambda _: None, fail, hours, hours)]), self.Reader, 2, None, throttle)
        began = time.monotonic()
        with pytest.raises(ZeroDivisionError):
            next(prefetcher)
        assert time.monotonic() - began < 10
        assert not readers()

    def test_a_long_pause_holds_no_connection(self):
        """Before a pause of an hour the connection is closed, before one of a moment it is not."""
        made = []

        def make():
            made.append(self.Reader())
            return made[-1]

        long = Prefetcher(iter([self.job(self.costly, self.costly)]), make, 1, None, Throttle(1.0001))
        closer = closed_in(0.3, long)
        assert next(long, None) is None
        closer.join()
        assert len(made[-1].closed) == 2
        short = Prefetcher(iter([self.job(self.costly, self.costly)]), make, 1, None, Throttle(36_000))
        assert next(short, None) is not None
        short.close()
        assert len(made[-1].closed) == 1


class TestFeed:
    """A feed of a real file keeps its rate, and its batches."""

    @pytest.mark.parametrize("limit", [None, 1.0, 0.9, 10_000])
    def test_batches_do_not_change(self, path, limit):
        """The order and the bits are those of a feed without a limit."""
        free, paced = make(path), make(path, throttle=limit)
        for epoch in (0, 1):
            assert_same(np.concatenate(list(paced.batches(epoch))), np.concatenate(list(free.batches(epoch))))
        assert_same(paced.arrays(), free.arrays())

    @pytest.mark.parametrize("connections", [1, 3])
    def test_rows_per_second_hold(self, path, connections):
        """800 rows at 250 a second take 3.2 s but for the last requests, on any number of connections."""
        feed = make(path, throttle=250, connections=connections)
        began = time.perf_counter()
        assert sum(len(x) for x in feed) == SAMPLES
        seconds, stats = time.perf_counter() - began, feed.stats()
        last = 20 * CELLS * 2
        assert stats.rows == SAMPLES * CELLS
        assert seconds >= (stats.rows - last) / 250
        assert stats.throttled_s > 0.1

    def test_a_share_of_time_holds(self, path):
        """Requests take a fifth of the time at most; the last one, which nothing waits for, is one of many."""
        feed = make(path, throttle=0.2, connections=1)
        began = time.perf_counter()
        assert sum(len(x) for x in feed) == SAMPLES
        seconds, stats = time.perf_counter() - began, feed.stats()
        assert stats.requests >= 10
        assert seconds >= 2.5 * stats.query_s
        assert stats.throttled_s > stats.query_s

    def test_an_epoch_begins_where_the_last_ended(self, path):
        """A feed of one request an epoch pauses between epochs."""
        feed = make(path, throttle=2_000, memory_bytes=2**24, connections=1)
        began = time.perf_counter()
        for _ in range(3):
            assert sum(len(x) for x in feed) == SAMPLES
        assert time.perf_counter() - began >= 2 * SAMPLES * CELLS / 2_000

    def test_a_share_of_time_holds_across_epochs(self, path):
        """Where an epoch is one request on a connection of its own, the next one's waits all the same."""
        feed = make(path, throttle=0.2, memory_bytes=2**24, connections=1)
        for _ in range(6):
            assert sum(len(x) for x in feed) == SAMPLES
        assert feed.stats().requests == 6
        assert feed.stats().throttled_s > feed.stats().query_s

    def test_sides_of_a_split_keep_the_limit_together(self, path):
        """What one side has read, the other one waits for; a feed of another database does not."""
        one, two = make(path, throttle=1_000, memory_bytes=2**24).split(0.5, 0.5)
        rows = one.sample_ids.size * CELLS
        began = time.perf_counter()
        list(one)
        list(two)
        assert time.perf_counter() - began >= rows / 1_000
        other = one.replace(db=rowfeed.connect(f"sqlite:///{path}"))
        list(other)
        assert other.stats().throttled_s == 0

    def test_all_feeds_of_a_database_keep_the_limit_together(self, path):
        """A feed that was made by itself waits for the rows of another one of the same database."""
        db = rowfeed.connect(f"sqlite:///{path}", throttle=1_000)
        grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=CELLS)
        one, two = rowfeed.Feed(db, grid, samples=range(100)), rowfeed.Feed(db, grid, samples=range(100, 200))
        began = time.perf_counter()
        list(one)
        list(two)
        assert time.perf_counter() - began >= 100 * CELLS / 1_000
        assert two.stats().throttled_s > 0

    def test_another_pace(self, path):
        """replace(db=…, samples=…) gives the same samples at another pace."""
        feed = make(path, memory_bytes=2**24)
        slow = feed.replace(db=rowfeed.connect(f"sqlite:///{path}", throttle=2_000), samples=feed.sample_ids)
        began = time.perf_counter()
        for _ in range(2):
            assert_same(np.concatenate(list(slow.batches(0))), np.concatenate(list(feed.batches(0))))
        assert time.perf_counter() - began >= SAMPLES * CELLS / 2_000
        assert feed.stats().throttled_s == 0

    @pytest.mark.parametrize("connections", [1, 2])
    def test_a_request_has_a_second_of_rows(self, path, connections, monkeypatch):
        """Together, the connections ask for no more than a second's rows at one time, where one window holds all."""
        asked, read = [], Session.read
        monkeypatch.setattr(Session, "read", lambda *given: (asked.append(given[1].ids.size), read(*given))[1])
        assert sum(len(x) for x in make(path, throttle=400, memory_bytes=2**24, connections=connections)) == SAMPLES
        assert sum(asked) == SAMPLES
        assert max(asked) * CELLS * connections <= 400

    def test_the_watchdog_does_not_count_pauses(self, path):
        """Pauses that are longer than timeout_s are no time-out."""
        grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=CELLS)
        db = rowfeed.connect(f"sqlite:///{path}", timeout_s=0.5, throttle=50)
        feed = rowfeed.Feed(db, grid, samples=range(20), connections=1, batch_size=20)
        assert len(np.concatenate(list(feed))) == 20
        assert feed.stats().throttled_s > 0.6
        assert feed.stats().retries == 0

    def test_closing_an_epoch_ends_its_pauses(self, path):
        """An epoch of an hour ends at once, and leaves no thread."""
        batches = iter(make(path, throttle=1.5))
        closer = closed_in(0.5, batches)
        began = time.monotonic()
        assert sum(1 for _ in batches) <= 2
        closer.join()
        assert time.monotonic() - began < 10
        assert not readers()

    @pytest.mark.parametrize("bad", [0, -0.25, -5, float("nan"), float("inf"), True, False, "0.25", [0.5], 1j])
    def test_what_cannot_be_a_limit(self, path, bad):
        """Anything but a positive number or None is refused, with what to do."""
        with pytest.raises(rowfeed.ArgumentError) as caught:
            make(path, throttle=bad)
        assert str(caught.value) == (
            f"expected a share of time up to 1, or table rows per second above 1; got throttle={bad!r}. "
            "For example 0.25 or 10_000; None: no limit."
        )

    @pytest.mark.parametrize("good", [np.float32(0.5), np.int64(10_000), 1])
    def test_numbers_of_numpy(self, path, good):
        """numpy's numbers are numbers."""
        assert len(make(path, throttle=good)) == 20
