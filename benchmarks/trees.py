"""Two source trees of rowfeed in turn. Run: python benchmarks/trees.py --old OLD/src --new NEW/src --size full

An epoch of each tree in turn (old, new, new, old, …), each in a process of its own on a warm server. Each tree reads a
second epoch in the first turn, whose digest must be that of the table's samples. Trees are asked through
`rowfeed.connect` and `rowfeed.Feed` alone. Nothing is kept.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parent.parent / "src"))  # it fills the tables, whatever is installed

import options
from cases import Case
from job import Job
from one import Order, in_process
from processes import compile_tree
from servers import Engine

TREES = ("old", "new")
CASES = ("users4", "cells28")
ENGINES = ("sqlite", "mariadb")
TIMEOUT_S = 600.0
"""After which an epoch has failed."""

FIGURES = {"wall": "seconds", "CPU": "client_cpu_s"}


def main() -> None:
    """Measure all engines and cases; the exit code tells of epochs that failed or were wrong."""
    given = options.parser(__doc__, results=False)
    options.add_cases(given, *CASES)
    given.set_defaults(engines=ENGINES)
    for tree in TREES:
        given.add_argument(f"--{tree}", type=_source, required=True, help="a directory with the package rowfeed")
    given.add_argument("--turns", type=int, default=5, help="epochs of each tree (default 5)")
    arguments = given.parse_args()
    sources = {tree: getattr(arguments, tree) for tree in TREES}
    for source in sources.values():
        compile_tree(source)
    failures = []
    for engine, case in options.loaded(arguments, arguments.cases):
        print(f"\n{engine.name} {case.table}, digest {engine.loaded[case.table]['digest']}", flush=True)
        runs: dict[str, list[dict[str, Any]]] = {tree: [] for tree in TREES}
        for turn in range(arguments.turns):
            for tree in TREES if turn % 2 == 0 else TREES[::-1]:  # neither always comes after the other
                run = epoch(engine, case, sources[tree], verify=turn == 0)
                if run["ok"]:
                    runs[tree].append(run)
                    continue
                print(f"  {tree} failed: {run['error']}", flush=True)
                failures.append(f"{engine.name} {case.name} {tree}")
        right = [tree for tree in TREES if any("digest" in run for run in runs[tree])]
        print(f"  digest of {' and '.join(right) or 'no tree'} is that of the table", flush=True)
        for name, key in FIGURES.items():
            print(line(name, *([run[key] for run in runs[tree]] for tree in TREES)), flush=True)
    if failures:
        sys.exit(f"failed: {', '.join(dict.fromkeys(failures))}")


def epoch(engine: Engine, case: Case, source: Path, *, verify: bool) -> dict[str, Any]:
    """An epoch of one tree; it failed if its digest is not that of the table."""
    job = Job(engine.name, engine.url, case.name, case.samples)
    order = Order("rowfeed", job, job, engine.pid, verify, limit_s=TIMEOUT_S, source=str(source))
    run = in_process(order, TIMEOUT_S)
    expected = engine.loaded[case.table]["digest"]
    if run["ok"] and run.get("digest", expected) != expected:
        return {"ok": False, "error": f"expected the digest {expected} of {case.table}; got {run['digest']}"}
    return run


def line(name: str, old: list[float], new: list[float]) -> str:
    """Both medians with least and most, and their ratio."""
    if not old or not new:
        return f"  {name:<4} no ratio: a tree has no epoch"
    ratio = statistics.median(new) / statistics.median(old)
    texts = (f"{statistics.median(s):.3f} s ({min(s):.3f} … {max(s):.3f}; n={len(s)})" for s in (old, new))
    return f"  {name:<4} new / old = {ratio:.3f}   old {next(texts)}   new {next(texts)}"


def _source(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "rowfeed" / "__init__.py").exists():
        raise argparse.ArgumentTypeError(f"expected a directory with the package rowfeed; got {text}")
    return path


if __name__ == "__main__":
    main()
