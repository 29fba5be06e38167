"""One epoch of one rival, in a process of its own: `python benchmarks/one.py ORDER.json RESULT.json`.

The clock runs from before the rival connects to its last batch; importing it is not counted. Digests are computed in
a second epoch, after everything was measured.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import digest
import rivals
from job import Job
from processes import children, cpu_seconds, peak_bytes, tree_cpu_seconds
from provenance import HERE, SOURCE

PEAK_INTERVAL_S = 0.25

VERIFIED_S = 12.0
"""An epoch that takes longer is verified on the small table."""


@dataclass(frozen=True)
class Order:
    """The epoch to measure.

    Args:
        rival: Its file.
        job: Engine, table and seed.
        small: The job of the verification, if an epoch of `job` takes too long for it.
        server_pid: The server whose CPU time is counted.
        verify: Whether a second epoch computes the digest.
        limit_s: Seconds from the first batch on, after which the epoch ends with a part.
        max_samples: Samples after which it ends with a part.
        cores: Those that the process may use; None: all.
        source: The tree that rowfeed is imported from.
    """

    rival: str
    job: Job
    small: Job
    server_pid: int | None
    verify: bool
    limit_s: float
    max_samples: int | None = None
    cores: list[int] | None = None
    source: str = str(SOURCE)


def in_process(order: Order, timeout_s: float) -> dict[str, Any]:
    """The result of an order that a new process carries out; after so many seconds it has failed."""
    with tempfile.TemporaryDirectory(prefix="rowfeed-run-") as name:
        ask, answer, log = (Path(name) / part for part in ("order.json", "result.json", "log"))
        ask.write_text(json.dumps(order, default=vars))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, HERE / "one.py", ask, answer],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), order.source]), "TMPDIR": name},
            )
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                for pid in [process.pid, *children(process.pid)]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
                return {"ok": False, "error": f"no end after {timeout_s:.0f} s"}
        if not answer.exists():
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
            return {"ok": False, "error": last[0][:500].replace(name, "…")}
        return json.loads(answer.read_text())


def run(order: Order) -> dict[str, Any]:
    """Carry out an order in this process."""
    import rowfeed

    if not Path(rowfeed.__file__).resolve().is_relative_to(Path(order.source).resolve()):
        raise RuntimeError(f"expected rowfeed of {order.source}; got {rowfeed.__file__}")
    if order.cores:
        os.sched_setaffinity(0, order.cores)
    rival = rivals.load(order.rival)
    if hasattr(rival, "start"):
        rival.start()
    with closing(rival) if hasattr(rival, "close") else nullcontext():
        return _measured_and_verified(rival, order)


def _measured_and_verified(rival: ModuleType, order: Order) -> dict[str, Any]:
    job = order.job
    result = {"versions": rival.version(job.engine), "order": rival.ORDER, **measure(rival, order)}
    result["ok"] = result["samples"] == job.samples or not result["complete"]
    if not result["ok"]:
        result["error"] = f"expected {job.samples} samples; got {result['samples']}"
    if order.verify and result["ok"]:
        began = time.perf_counter()
        job = job if result["complete"] and result["seconds"] < VERIFIED_S else order.small
        with closing(rival.batches(job)) as batches:
            result["digest"] = digest.total(digest.samples(batch) for batch in batches)
        result |= {"digest_samples": job.samples, "verify_s": time.perf_counter() - began}
    return result


def measure(rival: ModuleType, order: Order) -> dict[str, Any]:
    """An epoch, or the part of it within the order's limits."""
    whole = order.job.samples
    most = order.max_samples or whole
    peaks = _Peaks() if rival.PROCESSES else None
    samples, first, complete = 0, 0.0, True
    cpu, server_cpu = _client_cpu(), tree_cpu_seconds(order.server_pid)
    started = now = time.perf_counter()
    with closing(rival.batches(order.job)) as batches:
        for batch in batches:
            now = time.perf_counter()
            samples += len(batch[0])
            first = first or now - started
            if samples < whole and (samples >= most or now - started - first > order.limit_s):
                complete = False
                break
        cpu, server_cpu = _client_cpu() - cpu, tree_cpu_seconds(order.server_pid) - server_cpu
        peak = peaks.stop() if peaks else peak_bytes()
    return {
        "samples": samples,
        "complete": complete,
        "seconds": now - started,
        "first_batch_s": first,
        "client_cpu_s": cpu,
        **({"server_cpu_s": server_cpu} if order.server_pid else {}),
        "peak_bytes": peak,
    }


def _client_cpu() -> float:
    """CPU seconds of this process, of its children that ended, and of those that still run."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in ended) + sum(map(cpu_seconds, children(os.getpid())))


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
        self._peak = max(self._peak, sum(map(peak_bytes, [os.getpid(), *children(os.getpid())])))

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        self._look()
        return self._peak


def _read(path: str) -> Order:
    given = json.loads(Path(path).read_text())
    return Order(**{**given, "job": Job(**given["job"]), "small": Job(**given["small"])})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answer = run(_read(sys.argv[1]))
    rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in answer.items()}
    Path(sys.argv[2]).write_text(json.dumps(rounded))
    os._exit(0)  # whatever threads a rival left
