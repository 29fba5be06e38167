"""How long the first batch takes on 10,000,000 rows, on every engine. Run: python benchmarks/first_batch.py --size full

A new process each time: to the feed, which lists the sample ids, and on to its first batch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import engines
import options
from cases import CASES
from job import Job
from processes import compile_rowfeed
from provenance import provenance, write

import rowfeed

NAME = "first_batch"
CASE = "cells28"
REPEATS = 5


def once(job: Job) -> dict[str, float]:
    """Seconds to the feed and to the first batch."""
    x, y = job.case.layouts()
    started = time.perf_counter()
    feed = rowfeed.Feed(rowfeed.connect(job.url), x=x, y=y, batch_size=job.case.batch_size)
    listed = time.perf_counter()
    batches = iter(feed)
    next(batches)
    first = time.perf_counter()
    batches.close()
    return {"feed_s": listed - started, "first_batch_s": first - listed}


def main() -> None:
    """Measure every engine."""
    arguments = options.parser(__doc__).parse_args()
    compile_rowfeed()
    content = {"size": arguments.size, **provenance(), "engines": {}}
    with options.cache(arguments.cache) as cache:
        for name in arguments.engines:
            with engines.start(name, cache) as engine:
                case = CASES[CASE].sized(arguments.size)
                engine.load(case)
                engine.aggregate(case)
                runs = []
                for _ in range(REPEATS):
                    question = json.dumps([name, engine.url, case.name, case.samples])
                    runs.append(json.loads(subprocess.check_output([sys.executable, __file__, "--once", question])))
                content["engines"][name] = {"rows": engine.loaded[case.table]["rows"], "runs": runs}
                write(arguments.results, NAME, content)
                print(name, runs, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(once(Job(*json.loads(sys.argv[2])))))
    else:
        main()
