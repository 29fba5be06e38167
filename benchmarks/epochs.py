"""Epochs of every rival on every engine and table, in turn. Run: python benchmarks/epochs.py --size full

Rivals take turns (A B C A B C …), each run in a process of its own on a warm server. Results are written after each
run; a run that is in the results already is not repeated, so an interrupted benchmark goes on where it stopped. A rival
that fails is recorded with its error, and tried again when the benchmark goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import engines
import limits
import options
import rivals
from cases import CASES, Case
from engines import Engine
from job import Job
from processes import children, compile_rowfeed
from provenance import HERE, provenance, read, write

NAME, PINNED = "epochs", "pinned"
"""Of the results: with `--pin` others."""

SMALL = "tiny"
"""The size of the tables on which a rival is verified that does not get through the large one."""

CONTENDERS = ("rowfeed", "connectorx", "adbc", "duckdb")
"""Those that read the same ids in the same windows: they always run to the end of the epoch, `--repeats` times."""

FEWER = ((15.0, 1), (6.0, 2))
"""Runs of another rival whose first one took so many seconds, verification not counted: no more than so many."""


class Benchmark:
    """The runs that are done and those to do."""

    def __init__(self, arguments: argparse.Namespace, cache: Path) -> None:
        self._arguments, self._cache = arguments, cache
        self._name = PINNED if arguments.pin else NAME
        found = None if arguments.fresh else read(arguments.results, self._name)
        if found and found["size"] != arguments.size:
            print(f"The results there are of size {found['size']}: those of size {arguments.size} take their place.")
            found = None
        self.content: dict[str, Any] = found or {"size": arguments.size, "sessions": [], "engines": {}, "runs": []}
        self.content.setdefault("errors", {})
        self.content["runs"] = [run for run in self.content["runs"] if run["ok"]]
        settings = {name: getattr(arguments, name) for name in ("repeats", "slow_repeats", "limit_s", "pin")}
        self.content["sessions"].append({**provenance(), **settings})
        self._session = len(self.content["sessions"]) - 1

    def run(self) -> None:
        """All that is left to do."""
        for name in self._arguments.engines:
            with self._recorded(name), engines.start(name, self._cache) as engine:
                known = self.content["engines"].setdefault(name, {"tables": {}})
                known["version"] = engine.version
                for case in self._arguments.cases:
                    with self._recorded(f"{name} {case}"):
                        self._case(engine, CASES[case].sized(self._arguments.size), CASES[case].sized(SMALL))

    @contextmanager
    def _recorded(self, place: str) -> Iterator[None]:
        """An engine or a table that fails is told, and leaves the others to be measured."""
        try:
            yield
            self.content["errors"].pop(place, None)
        except Exception as error:
            self.content["errors"][place] = f"{type(error).__name__}: {error}"
            print(f"{place} failed: {self.content['errors'][place]}", file=sys.stderr)
        self._save()

    def _case(self, engine: Engine, case: Case, small: Case) -> None:
        print(f"\n{engine.name} {case.table}", flush=True)
        for wanted in (small, case):
            engine.load(wanted)
        print(f"  {engine.loaded[case.table]}", flush=True)
        tables = self.content["engines"][engine.name]["tables"]
        table = tables.setdefault(case.name, {"table": case.table, "samples": case.samples})
        table |= engine.loaded[case.table]
        engine.aggregate(case)
        if "aggregate_s" not in table:
            table["aggregate_s"] = [engine.aggregate(case) for _ in range(3)]
            table["scatter_s"] = limits.scatter_seconds(case)
        self._save()
        if self._arguments.pin:
            engine.pin({max(os.sched_getaffinity(0))})
        for repeat in range(self._arguments.repeats):
            for rival in self._arguments.rivals:
                if repeat < self._repeats(engine.name, case.name, rival) and not self._runs(
                    engine.name, case.name, rival, repeat
                ):
                    self._one(engine, case, small, rival, repeat)

    def _repeats(self, engine: str, case: str, rival: str) -> int:
        """How many runs a rival gets: fewer where one takes long, one where it failed or cannot."""
        first = self._runs(engine, case, rival, 0)
        if not first or self._arguments.repeats == 1:
            return self._arguments.repeats
        if not first[0]["ok"]:
            return 1
        most = self._typical_repeats(rival, first[0]["process_s"] - first[0].get("verify_s", 0.0))
        return most if first[0]["complete"] else min(most, self._arguments.slow_repeats)

    def _runs(self, engine: str, case: str, rival: str, repeat: int) -> list[dict[str, Any]]:
        key = (engine, case, rival, repeat)
        return [
            run for run in self.content["runs"] if key == tuple(run[k] for k in ("engine", "case", "rival", "repeat"))
        ]

    def _one(self, engine: Engine, case: Case, small: Case, rival: str, repeat: int) -> None:
        began = time.monotonic()
        order = {
            "rival": rival,
            "job": asdict(Job(engine.name, engine.url, case.name, case.samples)),
            "small_job": asdict(Job(engine.name, engine.url, small.name, small.samples)),
            "server_pid": engine.pid,
            "verify": repeat == 0,
            "limit_s": self._arguments.timeout_s / 3 if rival in CONTENDERS else self._arguments.limit_s,
            "max_samples": self._arguments.max_samples,
            "cores": sorted(os.sched_getaffinity(0))[:-1] if self._arguments.pin else None,
        }
        result = in_process(order, case, self._arguments.timeout_s)
        if "digest" in result:
            verified = case if result["digest_samples"] == case.samples else small
            result["verified"] = result["digest"] == engine.loaded[verified.table]["digest"]
            if not result["verified"]:
                result |= {"ok": False, "error": f"its digest is not that of the samples of {verified.table}"}
        key = {"engine": engine.name, "case": case.name, "rival": rival, "repeat": repeat, "session": self._session}
        seconds = time.monotonic() - began
        self.content["runs"].append({**key, "process_s": round(seconds, 2), **result})
        self._save()
        if "unsupported" not in result:
            self._print(case, rival, result, seconds)

    def _print(self, case: Case, rival: str, result: dict[str, Any], seconds: float) -> None:
        if result["ok"]:
            share = "" if result["complete"] else f" ({result['samples'] / case.samples:.1%} of the epoch)"
            text = f"{result['samples'] / result['seconds']:>11,.0f} samples/s{share}"
            text += {True: ", verified", None: "", False: ", WRONG"}[result.get("verified")]
        else:
            text = f"failed: {result['error'][:200]}"
        left = self._left() / 60
        print(f"  {rival:<12} {text}  [{seconds:.0f} s; about {left:.0f} min left]", flush=True)

    def _left(self) -> float:
        """Seconds that the runs to do will take, by those that were done: on the same table, or by the same rival."""
        own: dict[tuple[str, ...], list[float]] = {}
        for run in self.content["runs"]:
            for key in ((run["engine"], run["case"], run["rival"]), (run["rival"],), ()):
                own.setdefault(key, []).append(run["process_s"] - run.get("verify_s", 0.0))
        left = 0.0
        for key in product(self._arguments.engines, self._arguments.cases, self._arguments.rivals):
            seconds = own.get(key) or own.get(key[2:]) or own.get(()) or [0.0]
            done = len(own.get(key, ()))
            planned = self._repeats(*key) if done else self._typical_repeats(key[2], statistics.median(seconds))
            left += max(0, planned - done) * statistics.median(seconds)
        return left

    def _typical_repeats(self, rival: str, seconds: float) -> int:
        fewer = () if rival in CONTENDERS else FEWER
        return min([self._arguments.repeats, *(most for least, most in fewer if seconds > least)])

    def _save(self) -> None:
        write(self._arguments.results, self._name, self.content)


def in_process(order: dict[str, Any], case: Case, timeout_s: float) -> dict[str, Any]:
    """An order carried out by a process of its own."""
    try:
        reason = rivals.load(order["rival"]).supports(order["job"]["engine"], case)
    except ImportError as error:
        return {"ok": False, "error": f"not installed: {error}"}
    if reason:
        return {"ok": False, "unsupported": reason, "error": reason}
    with tempfile.TemporaryDirectory(prefix="rowfeed-run-") as name:
        ask, answer, log = (Path(name) / part for part in ("order.json", "result.json", "log"))
        ask.write_text(json.dumps(order))
        paths = os.pathsep.join([str(HERE), str(HERE.parent / "src")])
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, HERE / "one.py", ask, answer],
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": paths, "TMPDIR": name},
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


def main() -> None:
    """Read the command line and run."""
    given = options.parser(__doc__)
    options.add_cases(given)
    given.add_argument("--rivals", nargs="+", choices=rivals.RIVALS, default=list(rivals.RIVALS))
    given.add_argument("--repeats", type=int, default=5, help="runs of a rival (default 5)")
    given.add_argument("--slow-repeats", type=int, default=2, help="runs of one that does not finish (default 2)")
    given.add_argument("--limit-s", type=float, default=4.0, help="from the first batch on, for a part of the epoch")
    given.add_argument("--timeout-s", type=float, default=300.0, help="after which a run has failed")
    given.add_argument("--max-samples", type=int, help="after which a run ends with a part of the epoch")
    given.add_argument("--pin", action="store_true", help="clients and servers on different cores")
    given.add_argument("--fresh", action="store_true", help="forget earlier results")
    arguments = given.parse_args()
    compile_rowfeed()
    with options.cache(arguments.cache) as cache:
        Benchmark(arguments, cache).run()


if __name__ == "__main__":
    main()
