"""Ordered read-ahead: order, bounds, and that every thread and session ends."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from rowfeed.reading.prefetch import IDLE_S, OPEN_JOBS, Prefetcher


class Reader:
    """A reader that only counts what would be sessions: opened, closed, interrupted; not a database."""

    open_now: list[Reader] = []

    def __init__(self):
        self.interrupted = threading.Event()
        self.thread = None

    def run(self, task, is_spare):
        if self.thread is None:
            self.thread = threading.current_thread()
            Reader.open_now.append(self)
        return task(self)

    def interrupt(self):
        self.interrupted.set()

    def close(self):
        if self.thread is not None:
            assert threading.current_thread() is self.thread
            Reader.open_now.remove(self)


@pytest.fixture(autouse=True)
def no_sessions_left():
    """Every test ends with all sessions closed and all threads gone."""
    Reader.open_now.clear()
    yield
    gc.collect()
    end = time.monotonic() + IDLE_S + 4
    while readers() and time.monotonic() < end:
        readers()[0].join(0.05)
    assert not readers()
    assert not Reader.open_now


def readers():
    return [t for t in threading.enumerate() if t.name == "rowfeed-reader"]


class Job:
    """A number of tasks; each notes the session that did it."""

    drawn: list[int] = []

    def __init__(self, number, tasks=3, do=None):
        self.number, self.left, self.sessions, self.do = number, tasks, [], do
        Job.drawn.append(number)

    def take(self):
        if not self.left:
            return None
        self.left -= 1

        def task(session):
            if self.do is not None:
                self.do(self, session)
            self.sessions.append(session)

        return task


def jobs(count, **options):
    Job.drawn = []
    return (Job(number, **options) for number in range(count))


@pytest.mark.parametrize("connections", [1, 2, 5])
def test_jobs_come_complete_and_in_order(connections):
    """Each job comes when all of its tasks are done, in order, on at most `connections` sessions."""
    peak = []
    got = []
    for job in Prefetcher(jobs(20, do=lambda *_: peak.append(len(Reader.open_now))), Reader, connections):
        assert len(job.sessions) == 3
        got.append(job.number)
    assert got == list(range(20))
    assert max(peak) <= connections
    assert not readers()
    assert not Reader.open_now


def test_a_job_waits_for_its_slowest_task():
    """A job whose tasks are all taken, but not all done, is not delivered."""

    class Slow(Job):
        def __init__(self):
            super().__init__(0, tasks=3)
            self.taken = threading.Event()

        def take(self):
            task = super().take()
            if task is None:
                self.taken.set()
            elif self.left == 1:
                return lambda session: (self.taken.wait(10), threading.Event().wait(0.1), task(session))
            return task

    job = next(Prefetcher(iter([Slow()]), Reader, 2))
    assert len(job.sessions) == 3


@pytest.mark.parametrize("tasks", [1, 3])
def test_one_session_where_nobody_waits(tasks):
    """A consumer that finds each job ready is served by one session, however many there may be."""
    prefetcher, seen = Prefetcher(jobs(6, tasks=tasks), Reader, 4), set()
    first = next(prefetcher)  # for which it had to wait
    for job in itertools.chain([first], prefetcher):
        if job is not first:
            seen.update(job.sessions)
        end = time.monotonic() + 5
        while len(Job.drawn) < min(6, job.number + 2) and time.monotonic() < end:
            threading.Event().wait(0.01)
        threading.Event().wait(0.05)
    assert len(first.sessions) == tasks
    assert len(seen) <= (1 if tasks == 1 else 2)


def test_reads_ahead_for_a_slow_consumer(monkeypatch):
    """A consumer that takes longer over each job than a thread stays idle finds the next one ready."""
    monkeypatch.setattr("rowfeed.reading.prefetch.IDLE_S", 0.05)
    for job in (prefetcher := Prefetcher(jobs(5), Reader, 2)):
        end = time.monotonic() + 5
        while len(Job.drawn) < min(5, job.number + 2) and time.monotonic() < end:
            threading.Event().wait(0.01)
        assert len(Job.drawn) == min(5, job.number + 2)
        while readers() and time.monotonic() < end:
            threading.Event().wait(0.01)
        assert not readers()
    prefetcher.close()


def test_as_many_sessions_as_it_takes():
    """A consumer that waits is served by more and more sessions, at most `connections`."""
    peak = []

    def slow(*_):
        peak.append(len(Reader.open_now))
        threading.Event().wait(0.02)

    assert len(list(Prefetcher(jobs(4, tasks=8, do=slow), Reader, 3))) == 4
    assert peak[0] == 1
    assert max(peak) == 3


def test_a_job_of_one_task_takes_one_session():
    """Where there is one job of one task, no second session is opened in vain."""
    readers_made = []

    def make():
        readers_made.append(Reader())
        return readers_made[-1]

    assert [job.number for job in Prefetcher(jobs(1, tasks=1), make, 4)] == [0]
    assert len(readers_made) == 1


def test_reads_ahead_one_job_and_no_more():
    """While the consumer holds a job, one more is read: memory holds two."""
    prefetcher = Prefetcher(jobs(10), Reader, 2)
    next(prefetcher)
    end = time.monotonic() + 5
    while len(Job.drawn) < OPEN_JOBS and time.monotonic() < end:
        threading.Event().wait(0.01)
    threading.Event().wait(0.1)
    assert Job.drawn == [0, 1]
    next(prefetcher)
    while len(Job.drawn) < OPEN_JOBS + 1 and time.monotonic() < end:
        threading.Event().wait(0.01)
    threading.Event().wait(0.1)
    assert Job.drawn == [0, 1, 2]
    prefetcher.close()


def test_an_idle_thread_ends_and_comes_back():
    """A consumer that stops asking holds no connection after IDLE_S; when it asks again all goes on in order."""
    prefetcher = Prefetcher(jobs(5), Reader, 2)
    assert next(prefetcher).number == 0
    end = time.monotonic() + IDLE_S + 4
    while readers() and time.monotonic() < end:
        readers()[0].join(0.05)
    assert not readers()
    assert not Reader.open_now
    assert [job.number for job in prefetcher] == [1, 2, 3, 4]


def test_an_error_comes_in_its_place():
    """The jobs before a failing one are delivered, then its error is raised, then nothing is left."""

    def fail(job, session):
        if job.number == 3:
            raise ZeroDivisionError("job 3")

    prefetcher = Prefetcher(jobs(10, do=fail), Reader, 2)
    assert [next(prefetcher).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match="job 3"):
        next(prefetcher)
    assert not readers()
    assert not Reader.open_now
    with pytest.raises(StopIteration):
        next(prefetcher)


def test_an_error_while_connecting_is_raised():
    """A session that cannot be opened is the consumer's error, not a hang."""

    class Refused(Reader):
        def run(self, task, is_spare):
            raise ConnectionRefusedError("no server")

    with pytest.raises(ConnectionRefusedError, match="no server"):
        next(Prefetcher(jobs(2), Refused, 2))


def test_an_error_while_drawing_a_job_is_raised():
    """An exception in the iterator of jobs reaches the consumer after the jobs before it."""

    def broken():
        yield Job(0)
        raise ValueError("no more jobs")

    prefetcher = Prefetcher(broken(), Reader, 2)
    assert next(prefetcher).number == 0
    with pytest.raises(ValueError, match="no more jobs"):
        next(prefetcher)


def test_closing_interrupts_the_running_query():
    """close() does not wait for a query to come to its end by itself."""
    started = threading.Event()

    def hang(job, session):
        started.set()
        assert session.interrupted.wait(30)

    prefetcher = Prefetcher(jobs(3, do=hang), Reader, 1)
    threading.Thread(target=lambda: (started.wait(10), prefetcher.close())).start()
    begun = time.monotonic()
    with pytest.raises(StopIteration):
        next(prefetcher)
    assert time.monotonic() - begun < 10


def test_forgetting_ends_all():
    """Without any reference to the prefetcher its threads end at once."""
    prefetcher = Prefetcher(jobs(100), Reader, 3)
    next(prefetcher)
    del prefetcher
    gc.collect()
    assert not readers()


def test_the_interpreter_exits_with_an_epoch_unfinished(tmp_path):
    """Leaving the interpreter in the middle of an epoch neither hangs nor complains."""
    script = f"""
        import numpy, rowfeed
        db = rowfeed.connect("sqlite:///{tmp_path}/e.db")
        grid = rowfeed.Grid("g", sample="s", axes=("i",), value="v", shape=(4,))
        db.write(grid, numpy.ones((1000, 4), "float32"))
        batches = iter(rowfeed.Feed(db, x=grid, batch_size=10, memory_bytes=4 * 16 * 10))
        next(batches)
        print("left")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")
