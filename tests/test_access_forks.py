"""Children of a fork leave alone what they inherit, and read for themselves while threads of the parent read."""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from engines import place

import rowfeed
from rowfeed.access import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")

GRID = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(2, 2))
SAMPLES = 2_000
LIMIT_S = 60
"""Seconds until a child counts as hanging."""


def write(db):
    db.write(GRID, np.repeat(np.arange(1, SAMPLES + 1, dtype=np.float32), 4).reshape(-1, 2, 2))


def numbers(batches):
    """The samples of batches, ascending."""
    return sorted(int(number) for batch in batches for number in batch[:, 0, 0])


def in_child(work):
    """Run a function in a forked child, and wait for it. What it raises, or that it hangs, is an error here."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        threading.Event().wait(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail(f"the child hangs after {LIMIT_S} s")


@pytest.mark.parametrize("engine", ["sqlite", "mariadb", "mysql", "postgresql"])
def test_an_iterator_of_the_parent(engine, request, tmp_path):
    """The child is refused at once, whatever it does with it; its own epoch is whole, and so is the parent's."""
    with place(engine, request, tmp_path) as here:
        write(here.connect())
        feed = rowfeed.Feed(here.connect(retry_s=0), GRID, batch_size=8, memory_bytes=2**16)
        batches = iter(feed)
        taken = [next(batches)]

        def work():
            nonlocal batches
            with pytest.raises(rowfeed.ArgumentError, match="expected the process that began this epoch; got a child"):
                next(batches)
            batches.close()
            assert numbers(feed.batches(5)) == list(range(1, SAMPLES + 1))
            del batches
            gc.collect()

        in_child(work)
        taken.extend(batches)
        assert numbers(taken) == list(range(1, SAMPLES + 1))


def test_children_while_threads_read(tmp_path):
    """Forked at any moment of other threads' requests and connections, each child reads its epoch."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db")
    write(db)
    feed = rowfeed.Feed(db, GRID, batch_size=8, memory_bytes=2**16)
    ended, failed = threading.Event(), []

    def read():
        try:
            while not ended.is_set():
                assert numbers(feed) == list(range(1, SAMPLES + 1))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(12):

            def work():
                assert numbers(feed.batches(3)) == list(range(1, SAMPLES + 1))

            in_child(work)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failed == []


def test_a_call_that_a_fork_interrupts(monkeypatch):
    """A long call inside the process is made again after the fork, and the child does not wait for it."""
    monkeypatch.setattr(forks, "PATIENCE_S", 0.05)
    interrupted, results = threading.Event(), []
    began = [threading.Event(), threading.Event()]

    def call():
        attempt = sum(event.is_set() for event in began)
        began[attempt].set()
        if not attempt and interrupted.wait(30):
            raise LookupError("interrupted")
        return attempt

    thread = threading.Thread(target=lambda: results.append(forks.calling(call, interrupted.set)))
    thread.start()
    began[0].wait(10)
    generation = forks.generation

    def work():
        assert forks.generation == generation + 1
        assert forks.calling(lambda: 7, None) == 7

    in_child(work)
    thread.join()
    assert results == [1]
    assert forks.generation == generation


def test_a_call_that_only_waits(monkeypatch):
    """A call on a network is not interrupted; one that forks itself does not wait for itself."""
    monkeypatch.setattr(forks, "PATIENCE_S", 0.05)
    over, results = threading.Event(), []
    thread = threading.Thread(target=lambda: results.append(forks.calling(lambda: over.wait(30), None)))
    thread.start()
    forks.calling(lambda: in_child(lambda: None), lambda: pytest.fail("interrupted itself"))
    assert thread.is_alive()
    over.set()
    thread.join()
    assert results == [True]


def test_no_lock_of_a_class():
    """Python 3.11's cached_property has a lock for all instances of a class: a child may find it taken for ever."""
    found = [
        path.name
        for path in Path(rowfeed.__file__).parent.rglob("*.py")
        if re.search(r"\bcached_property\b", path.read_text())
    ]
    assert found == []
