"""Epochs of every rival on every engine and table, in turn. Run: python benchmarks/epochs.py --size full

Rivals take turns (A B C A B C …), each run in a process of its own on a warm server. Results are appended after each
run; a run that is in the results already is not repeated, so an interrupted benchmark goes on where it stopped. A rival
that fails is recorded with its error, and tried again when the benchmark goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import limits
import options
import rivals
import servers
from cases import CASES, Case
from job import Job
from one import Order, in_process
from processes import compile_tree
from provenance import SOURCE
from records import Records
from servers import Engine

NAME, PINNED = "epochs", "pinned"
"""Of the results; with `--pin` the second."""

RUN = ("engine", "case", "rival", "repeat")
"""Names a run."""

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
        settings = {name: getattr(arguments, name) for name in ("repeats", "slow_repeats", "limit_s", "pin")}
        self._records = Records(arguments.results, PINNED if arguments.pin else NAME)
        self._records.begin(arguments.size, fresh=arguments.fresh, **settings)
        self._tables = {
            tuple(table[k] for k in ("engine", "case")): table
            for table in self._records.last("table", "engine", "case")
        }
        runs = self._records.last("run", *RUN)
        self._done = {tuple(run[k] for k in RUN): run for run in runs if run["ok"]}
        self._unsupported = {tuple(run[k] for k in RUN): run for run in runs if "unsupported" in run}

    def run(self) -> None:
        """All that is left to do."""
        for name in self._arguments.engines:
            with self._recorded(name), servers.start(name, self._cache) as engine:
                for case in self._arguments.cases:
                    with self._recorded(f"{name} {case}"):
                        self._case(engine, CASES[case].sized(self._arguments.size), CASES[case].sized(SMALL))

    @contextmanager
    def _recorded(self, place: str) -> Iterator[None]:
        """An engine or a table that fails is told, and leaves the others to be measured."""
        failed = {line["place"] for line in self._records.last("failure", "place") if line["error"]}
        try:
            yield
            if place in failed:
                self._records.add("failure", place=place, error=None)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            self._records.add("failure", place=place, error=text)
            print(f"{place} failed: {text}", file=sys.stderr)

    def _case(self, engine: Engine, case: Case, small: Case) -> None:
        print(f"\n{engine.name} {case.table}", flush=True)
        for wanted in (small, case):
            engine.load(wanted)
        print(f"  {engine.loaded[case.table]}", flush=True)
        engine.aggregate(case)
        if self._tables.get((engine.name, case.name), {}).get("version") != engine.version:
            self._tables[engine.name, case.name] = self._records.add(
                "table",
                engine=engine.name,
                version=engine.version,
                case=case.name,
                table=case.table,
                samples=case.samples,
                **engine.loaded[case.table],
                aggregate_s=[engine.aggregate(case) for _ in range(3)],
                scatter_s=limits.scatter_seconds(case),
            )
        if self._arguments.pin:
            engine.pin({max(os.sched_getaffinity(0))})
        for repeat in range(self._arguments.repeats):
            for rival in self._arguments.rivals:
                key = (engine.name, case.name, rival, repeat)
                if repeat < self._repeats(*key[:3]) and key not in self._done:
                    self._one(engine, case, small, rival, repeat)

    def _repeats(self, engine: str, case: str, rival: str) -> int:
        """How many runs a rival gets: fewer if one takes long, one if it failed or is not supported."""
        first = self._done.get((engine, case, rival, 0))
        if not first or self._arguments.repeats == 1:
            return self._arguments.repeats
        if not first["ok"]:
            return 1
        most = self._typical_repeats(rival, first["process_s"] - first.get("verify_s", 0.0))
        return most if first["complete"] else min(most, self._arguments.slow_repeats)

    def _one(self, engine: Engine, case: Case, small: Case, rival: str, repeat: int) -> None:
        began = time.monotonic()
        result = _unsupported(rival, engine.name, case) or self._measured(engine, case, small, rival, repeat)
        seconds = time.monotonic() - began
        key = (engine.name, case.name, rival, repeat)
        known = self._unsupported.get(key)
        if known and known["error"] == result.get("error"):
            self._done[key] = known
            return
        self._done[key] = self._records.add(
            "run", **dict(zip(RUN, key, strict=True)), process_s=round(seconds, 2), **result
        )
        if "unsupported" not in result:
            self._print(case, rival, result, seconds)

    def _measured(self, engine: Engine, case: Case, small: Case, rival: str, repeat: int) -> dict[str, Any]:
        order = Order(
            rival=rival,
            job=Job(engine.name, engine.url, case.name, case.samples),
            small=Job(engine.name, engine.url, small.name, small.samples),
            server_pid=engine.pid,
            verify=repeat == 0,
            limit_s=self._arguments.timeout_s / 3 if rival in CONTENDERS else self._arguments.limit_s,
            max_samples=self._arguments.max_samples,
            cores=sorted(os.sched_getaffinity(0))[:-1] if self._arguments.pin else None,
        )
        result = in_process(order, self._arguments.timeout_s)
        if "digest" in result:
            verified = case if result["digest_samples"] == case.samples else small
            result["verified"] = result["digest"] == engine.loaded[verified.table]["digest"]
            if not result["verified"]:
                result |= {"ok": False, "error": f"its digest is not that of the samples of {verified.table}"}
        return result

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
        for run in self._done.values():
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


def _unsupported(rival: str, engine: str, case: Case) -> dict[str, Any] | None:
    """The result of a rival that cannot do this, or is not installed."""
    try:
        reason = rivals.load(rival).supports(engine, case)
    except ImportError as error:
        return {"ok": False, "error": f"not installed: {error}"}
    return {"ok": False, "unsupported": reason, "error": reason} if reason else None


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
    arguments = given.parse_args()
    compile_tree(SOURCE)
    with options.cache(arguments.cache) as cache:
        Benchmark(arguments, cache).run()


if __name__ == "__main__":
    main()
