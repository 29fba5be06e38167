"""Ordered read-ahead over several sessions. Owns its threads, and ends every one of them.

Jobs come complete and in order. While the consumer works with one job, the next job is being read: two are in memory.
Each job is divided into tasks. Up to `connections` threads share the tasks, each with a retrier of its own. There is
one thread at first. If the consumer waits although all threads are busy, another one is started, and so on.

A thread ends, and its connection with it, when nothing is left to read, when an error stops the work, when the consumer
closes or deletes the prefetcher or the interpreter exits, and when it was idle for `IDLE_S`. So a consumer that stops
asking, for example after a training step that raised, leaves nothing behind. If it asks again, threads are started
again.

With a throttle, a thread waits until its lane is free before it runs a task. During this pause no query is open and no
time-out runs, and the end of the work ends the pause. In a long pause the connection is closed.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

from rowfeed.access import forks
from rowfeed.access.throttle import Cost, Lane, Throttle
from rowfeed.errors import ArgumentError, DatabaseError
from rowfeed.reading.notice import Notice
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.shortage import go_on_with, start
from rowfeed.reading.stats import Counters

IDLE_S = 1.0
"""Seconds that a thread and its connection wait for more work."""

KEPT_S = 10.0
"""Seconds: in a longer pause, the connection is closed."""

OPEN_JOBS = 2
"""The job that the consumer has, and the one that is being read."""


Task: TypeAlias = Callable[[Retrier], Cost | None]
"""A function of a retrier, which has a session if the task asks for one. Returns its cost to the server, if any."""


class Job(Protocol):
    """Work that is divided into tasks."""

    def take(self) -> Task | None:
        """The next task; None if all were taken. Called under a lock."""

    def describe(self) -> str:
        """What it is, for a line on the log."""


J = TypeVar("J", bound=Job)


class Prefetcher(Generic[J]):
    """Yields each job when all of its tasks are done, in order.

    Args:
        jobs: The jobs; the next one is drawn when memory allows, on a reading thread.
        make_retrier: Makes what a thread runs its tasks with.
        connections: The most threads and sessions.
        counters: The counters of waiting times.
        throttle: The limit that decides when a task may run. None: at once.
    """

    def __init__(
        self,
        jobs: Iterator[J],
        make_retrier: Callable[[], Retrier],
        connections: int,
        counters: Counters | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self._generation = forks.generation
        self._work = _Work(jobs, make_retrier, connections, counters or Counters(), throttle or Throttle())
        self._finalizer = weakref.finalize(self, self._work.stop)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> J:
        self.check_process()
        try:
            job = self._work.next_job()
        except Exception:
            self.close()
            raise
        if job is None:
            self.close()
            raise StopIteration
        return job

    def check_process(self) -> None:
        """Check that the threads are in this process.

        Raises:
            ArgumentError: It is a child of the process that has them.
        """
        if self._generation != forks.generation:
            raise ArgumentError(
                "expected the process that began this epoch; got a child that was forked since, in which its threads "
                "and connections are not. Begin an epoch in the child: feed.batches(epoch, start)."
            )

    def close(self) -> None:
        """End the threads and close their connections; a running query is interrupted."""
        self._finalizer()


class _Progress(Generic[J]):
    """A job, the number of its running tasks, whether all tasks were taken, and its error."""

    def __init__(self, job: J) -> None:
        self.job = job
        self.running = 0
        self.taken = False
        self.returned: list[Task] = []
        self.error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self.running == 0 and (self.taken or self.error is not None)


class _Work(Generic[J]):
    """The state that consumer and threads share. The prefetcher is not part of it, so that it can be collected."""

    def __init__(
        self,
        jobs: Iterator[J],
        make_retrier: Callable[[], Retrier],
        connections: int,
        counters: Counters,
        throttle: Throttle,
    ) -> None:
        self._generation = forks.generation
        self._counters = counters
        self._throttle = throttle
        self._jobs: Iterator[J] | None = jobs
        self._make_retrier = make_retrier
        self._connections = connections
        self._changed = threading.Condition()
        self._open: deque[_Progress[J]] = deque()
        self._held = 0
        self._threads: dict[threading.Thread, Retrier] = {}
        self._stopped = False
        self._notice = Notice()

    # The consumer's side

    def next_job(self) -> J | None:
        """Return the current job and wait for the next; None after the last."""
        with self._changed:
            self._held = 0
            self._changed.notify_all()
            while not self._stopped:
                if self._open and self._open[0].done:
                    progress = self._open.popleft()
                    if progress.error is not None:
                        raise progress.error
                    self._held = 1
                    self._notice.end()
                    self._counters.add(windows=1)
                    if not self._threads:  # they were idle for long: what follows is read ahead all the same
                        self._start_thread()
                    return progress.job
                if self._jobs is None and not self._open:
                    return None
                self._start_thread()
                with self._timed("training_waited_s"):
                    self._await_change()
        return None

    def _await_change(self) -> None:
        """Wait until something changes. If this feed has given out nothing yet, a line on the log says what it does."""
        if not self._notice.begun and not self._counters.snapshot().windows:
            self._notice.begin(self._describe)
        self._changed.wait(None if self._notice.left_s == math.inf else self._notice.left_s)
        self._notice.tell()

    def _describe(self) -> str:
        """What the consumer waits for first."""
        job = self._open[0].job if self._open else None
        done = self._counters.snapshot()
        return (
            f"the first batch ({job.describe() if job else 'nothing is read yet'}; {done.requests:,} requests are "
            f"answered, with {done.rows:,} rows)"
        )

    @contextmanager
    def _timed(self, counter: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._counters.add(**{counter: time.perf_counter() - began})

    def _start_thread(self) -> None:
        """Start one more thread, if the consumer waits and the other threads have left a task."""
        left = any(not progress.taken for progress in self._open)
        more = self._jobs is not None and len(self._open) + self._held < OPEN_JOBS
        if (left or more) and len(self._threads) < self._connections:
            retrier = self._make_retrier()
            thread = threading.Thread(target=self._run, args=(retrier,), name="rowfeed-reader", daemon=True)
            self._threads[thread] = retrier
            try:
                start(thread)
            except DatabaseError as error:
                del self._threads[thread]
                if not self._threads:
                    raise
                self._go_on_with(len(self._threads), error)

    def _others_read(self, retrier: Retrier) -> bool:
        """Whether another thread has a session."""
        with self._changed:
            return any(other.has_session for other in self._threads.values() if other is not retrier)

    def _go_on_with(self, threads: int, error: DatabaseError) -> None:
        """Start no further thread."""
        self._connections = max(1, threads)
        go_on_with(self._connections, self._counters, error)

    def stop(self) -> None:
        """End all threads. The garbage collector may call this on one of them; then do not wait for the others."""
        if self._generation != forks.generation:
            forks.leave_alone(self)
            return
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            threads = list(self._threads)
            for retrier in self._threads.values():
                retrier.interrupt()
        if not threading.current_thread().name.startswith("rowfeed-"):
            for thread in threads:
                thread.join()
        with self._changed:
            self._open.clear()
            self._jobs = None

    # The threads' side

    def _run(self, retrier: Retrier) -> None:
        lane = self._throttle.enter()
        try:
            taken = self._next_task()
            while taken is not None:
                progress, task = taken
                error: BaseException | None = None
                given_up = False
                try:
                    if self._paused(progress, lane, retrier):
                        cost = retrier.run(task, partial(self._others_read, retrier))
                        if isinstance(cost, Cost):
                            lane.spend(cost)
                except BaseException as raised:  # whatever it is, it belongs to the consumer
                    error = raised
                    given_up = self._gives_up(progress, task, retrier, raised)
                if given_up:
                    return
                del task, taken
                taken = self._finish(progress, error)
                del progress, error  # a thread that waits holds no job
                taken = taken or self._next_task()
        finally:
            self._throttle.leave(lane)
            retrier.close()
            with self._changed:
                del self._threads[threading.current_thread()]
                self._changed.notify_all()

    def _gives_up(self, progress: _Progress[J], task: Task, retrier: Retrier, error: BaseException) -> bool:
        """Whether a thread ends for want of a connection, and leaves its task to others, which have one."""
        if not (isinstance(error, DatabaseError) and error.no_connection_left and self._others_read(retrier)):
            return False
        with self._changed:
            progress.running -= 1
            progress.returned.append(task)
            progress.taken = False
            self._go_on_with(len(self._threads) - 1, error)
            self._changed.notify_all()
        return True

    def _paused(self, progress: _Progress[J], lane: Lane, retrier: Retrier) -> bool:
        """Wait until the lane is free; False, at once, if the task is no longer needed."""
        if lane.pause_s() > KEPT_S:
            retrier.close()
        with self._changed:
            while (useful := not self._stopped and progress.error is None) and (pause := lane.pause_s()) > 0:
                with self._timed("throttled_s"):
                    self._changed.wait(pause)
        return useful

    def _next_task(self) -> tuple[_Progress[J], Task] | None:
        """Take a task, or wait for one; None if this thread should end."""
        with self._changed:
            while not self._stopped:
                taken = self._take_next()
                if taken is not None or self._jobs is None:
                    return taken
                with self._timed("readers_waited_s"):
                    if not self._changed.wait(IDLE_S):
                        return None
        return None

    def _take_next(self) -> tuple[_Progress[J], Task] | None:
        """Take a task, if there is one; the consumer gets an error of the jobs themselves."""
        if self._stopped:
            return None
        try:
            return self._take()
        except BaseException as error:
            self._jobs = None
            self._open.append(failed := _Progress[J](None))  # type: ignore[arg-type]
            failed.error = _told(error)
            self._changed.notify_all()
            return None

    def _take(self) -> tuple[_Progress[J], Task] | None:
        for progress in self._open:
            if progress.error is not None:
                self._jobs = None
                return None
            if not progress.taken:
                task = progress.returned.pop() if progress.returned else progress.job.take()
                if task is not None:
                    progress.running += 1
                    return progress, task
                progress.taken = True
                self._changed.notify_all()
        if self._jobs is None or len(self._open) + self._held >= OPEN_JOBS:
            return None
        job = next(self._jobs, None)
        if job is None:
            self._jobs = None
            self._changed.notify_all()
            return None
        self._open.append(_Progress(job))
        return self._take()

    def _finish(self, progress: _Progress[J], error: BaseException | None) -> tuple[_Progress[J], Task] | None:
        """Note the end of a task, and take the next one before the consumer can see it."""
        with self._changed:
            progress.running -= 1
            progress.error = progress.error or _told(error)
            self._changed.notify_all()
            return self._take_next()


def _told(error: BaseException | None) -> BaseException | None:
    """An error as the consumer gets it: one that ends an iteration would look like its regular end."""
    if not isinstance(error, (StopIteration, GeneratorExit)):
        return error
    told = RuntimeError(f"reading raised {type(error).__name__}")  # as Python does for a generator
    told.__cause__ = error
    return told
