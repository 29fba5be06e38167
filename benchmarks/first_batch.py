"""How long the first batch takes on 10,000,000 rows, on every engine. Run: python benchmarks/first_batch.py --size full

A new process each time: to the feed, which lists the sample ids, and on to its first batch.
"""

from __future__ import annotations

import time
from typing import Any

import options
import processes
from job import Job
from page import ENGINES, Page, by, median, spread
from provenance import SOURCE
from records import Records

import rowfeed

NAME = "first_batch"
CASE = "cells28"
REPEATS = 5


def once(*place: Any) -> dict[str, float]:
    """Seconds to the feed and to the first batch of a job."""
    job = Job(*place)
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
    processes.compile_tree(SOURCE)
    records = Records(arguments.results, NAME)
    records.begin(arguments.size, fresh=arguments.fresh)
    for engine, case in options.loaded(arguments, [CASE]):
        for repeat in range(REPEATS):
            found = processes.ask(__file__, engine.name, engine.url, case.name, case.samples)
            records.add("run", engine=engine.name, rows=engine.loaded[case.table]["rows"], repeat=repeat, **found)
            print(engine.name, found, flush=True)


def section(page: Page, records: Records) -> None:
    """Of the page."""
    runs = records.last("run", "engine", "repeat")
    page.add("## The first batch")
    page.add(
        "Seconds of rowfeed in a new process, on cells28. *Feed*: until the sample ids are listed. *First batch*: from "
        f"there until the first batch, for which the first window is read. {page.source(records, runs)}"
    )
    rows = [
        [
            ENGINES[engine],
            f"{found[0]['rows']:,}",
            f"{median(found, 'feed_s'):.2f}",
            f"{median(found, 'first_batch_s'):.2f}",
            spread([run["feed_s"] + run["first_batch_s"] for run in found]),
        ]
        for engine, found in by(runs, "engine", ENGINES).items()
    ]
    page.table(("", "rows", "feed", "first batch", "together"), rows)


if __name__ == "__main__":
    processes.run(main, once)
