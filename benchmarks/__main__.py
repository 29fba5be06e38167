"""All benchmarks, one after the other, then the page. Run: python benchmarks --size quick --cache DIR --results DIR

One that fails does not keep the others from running; the exit code tells that it did.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import options
from provenance import HERE

SCRIPTS = {
    "epochs": [],
    "pinned": ["--pin", "--rivals", "rowfeed", "connectorx", "adbc", "duckdb", "--cases", "users4", "cells28"],
    "costs": [],
    "first_batch": [],
    "fit": [],
    "growth": [],
    "learning": [],
}
"""The benchmarks with their arguments: `pinned` is epochs again."""


def main() -> None:
    """Run all on the same data directories."""
    given = options.parser(__doc__)
    given.add_argument("--page", type=Path, help="where the page goes (default: docs/benchmarks.md)")
    given.add_argument("--only", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    arguments, further = given.parse_known_args()
    failed = []
    with options.cache(arguments.cache) as cache:
        for script in arguments.only:
            path = HERE / f"{'epochs' if script == 'pinned' else script}.py"
            command = [sys.executable, path, "--size", arguments.size, "--cache", cache, *SCRIPTS[script]]
            command += ["--results", arguments.results, "--engines", *arguments.engines]
            command += ["--fresh"] * arguments.fresh
            print(f"\n== {script}", flush=True)
            failed += [script] * bool(subprocess.run(command + (further if script == "epochs" else [])).returncode)
    page = ["--page", arguments.page] if arguments.page else []
    failed += ["report"] * bool(
        subprocess.run([sys.executable, HERE / "report.py", "--results", arguments.results, *page]).returncode
    )
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
