"""One epoch of one rival, in a process of its own: `python benchmarks/one.py ORDER.json RESULT.json`.

The clock runs from before the rival connects to its last batch; importing it is not counted. Digests are computed in
a second epoch, after everything was measured.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import threading
import time
import warnings
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import digest
import rivals
from job import Job
from processes import children, cpu_seconds, tree_cpu_seconds

PEAK_INTERVAL_S = 0.25

VERIFIED_S = 12.0
"""An epoch that takes longer is verified on the small table."""


def run(order: dict[str, Any]) -> dict[str, Any]:
    """What an order asks for: see `epochs.py`."""
    if order["cores"]:
        os.sched_setaffinity(0, order["cores"])
    rival = rivals.load(order["rival"])
    job = Job(**order["job"])
    if hasattr(rival, "start"):
        rival.start()
    with closing(rival) if hasattr(rival, "close") else nullcontext():
        return _measured_and_verified(rival, job, order)


def _measured_and_verified(rival: ModuleType, job: Job, order: dict[str, Any]) -> dict[str, Any]:
    result = {"versions": rival.version(job.engine), "order": rival.ORDER, **measure(rival, job, order)}
    result["ok"] = result["samples"] == job.samples or not result["complete"]
    if not result["ok"]:
        result["error"] = f"expected {job.samples} samples; got {result['samples']}"
    if order["verify"] and result["ok"]:
        began = time.perf_counter()
        job = job if result["complete"] and result["seconds"] < VERIFIED_S else Job(**order["small_job"])
        with closing(rival.batches(job)) as batches:
            result["digest"] = digest.total(digest.samples(batch) for batch in batches)
        result |= {"digest_samples": job.samples, "verify_s": time.perf_counter() - began}
    return result


def measure(rival: ModuleType, job: Job, order: dict[str, Any]) -> dict[str, Any]:
    """An epoch, or what of it fits into `limit_s` seconds from the first batch on, or into `max_samples` samples."""
    most, limit = order["max_samples"] or job.samples, order["limit_s"]
    peaks = _Peaks() if rival.PROCESSES else None
    samples, first, complete = 0, 0.0, True
    cpu, server_cpu = _client_cpu(), tree_cpu_seconds(order.get("server_pid"))
    started = now = time.perf_counter()
    with closing(rival.batches(job)) as batches:
        for batch in batches:
            now = time.perf_counter()
            samples += len(batch[0])
            first = first or now - started
            if samples < job.samples and (samples >= most or now - started - first > limit):
                complete = False
                break
        cpu, server_cpu = _client_cpu() - cpu, tree_cpu_seconds(order.get("server_pid")) - server_cpu
        peak = peaks.stop() if peaks else _peak(os.getpid())
    return {
        "samples": samples,
        "complete": complete,
        "seconds": now - started,
        "first_batch_s": first,
        "client_cpu_s": cpu,
        **({"server_cpu_s": server_cpu} if order.get("server_pid") else {}),
        "peak_bytes": peak,
    }


def _client_cpu() -> float:
    """CPU seconds of this process, of its children that ended, and of those that still run."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in ended) + sum(map(cpu_seconds, children(os.getpid())))


def _peak(pid: int) -> int:
    """Peak resident memory of a process alone; ru_maxrss would inherit the parent's."""
    with suppress(OSError, TypeError):
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]
    return 0


class _Peaks:
    """The peak of this process and those below it, added up."""

    def __init__(self) -> None:
        self._peak, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(PEAK_INTERVAL_S):
            self._look()

    def _look(self) -> None:
        self._peak = max(self._peak, sum(map(_peak, [os.getpid(), *children(os.getpid())])))

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        self._look()
        return self._peak


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer = run(json.loads(Path(sys.argv[1]).read_text()))
    rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in answer.items()}
    Path(sys.argv[2]).write_text(json.dumps(rounded))
    os._exit(0)  # whatever threads a rival left
