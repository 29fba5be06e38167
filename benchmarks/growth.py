"""The rate on a table 100 times as large, with the same memory, on SQLite. Run: python benchmarks/growth.py --size full

The rows are made by SQLite itself: 50 cells in each 28×28 sample, from a recursive query.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import options
import processes
from cases import SIZES
from page import Page, by, median, rates
from provenance import SOURCE
from records import Records

import rowfeed

NAME = "growth"
ROWS = (1_000_000, 100_000_000)
CELLS = 50
REPEATS = 3
MEMORY_BYTES = 256 * 2**20

FILL = """
INSERT INTO {table}
WITH RECURSIVE samples(s) AS (SELECT 0 UNION ALL SELECT s + 1 FROM samples WHERE s < {samples} - 1),
cells(c) AS (SELECT 0 UNION ALL SELECT c + 1 FROM cells WHERE c < {cells} - 1)
SELECT s, (c * 15 + s % 15) / 28, (c * 15 + s % 15) % 28, 1 + (s * 31 + c * 7) % 255
FROM samples CROSS JOIN cells
"""


def layout(samples: int) -> rowfeed.Grid:
    """28×28 samples."""
    return rowfeed.Grid(f"grown_{samples}", sample="sample", axes=("y", "x"), value="value", shape=(28, 28))


def fill(path: Path, samples: int) -> None:
    """A table as `Database.write` makes it, unless it is there."""
    table = f"grown_{samples}"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{table}_done",)).fetchone():
            return
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    empty = layout(samples)
    rowfeed.connect(f"sqlite:///{path}").write(empty, [[[0.0] * 28] * 28], ids=[0], if_exists="append")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(FILL.format(table=table, samples=samples, cells=CELLS))
        connection.execute(f"CREATE TABLE {table}_done (x)")


def once(path: str, samples: int) -> dict[str, float]:
    """An epoch: rate and peak of this process."""
    started = time.perf_counter()
    feed = rowfeed.Feed(
        rowfeed.connect(f"sqlite:///{path}"), x=layout(samples), batch_size=64, memory_bytes=MEMORY_BYTES
    )
    batches = iter(feed)
    count, first = len(next(batches)), time.perf_counter() - started
    count += sum(len(x) for x in batches)
    seconds = time.perf_counter() - started
    return {
        "samples": count,
        "seconds": seconds,
        "first_batch_s": first,
        "peak_bytes": processes.peak_bytes(),
    }


def main() -> None:
    """Fill both tables, and read each."""
    given = options.parser(__doc__)
    given.add_argument("--rows", type=int, nargs="+", help=f"of the tables (default: {ROWS}, or a share of the second)")
    arguments = given.parse_args()
    divided = SIZES[arguments.size]
    sizes = arguments.rows or [ROWS[0] // min(divided, 20), ROWS[1] // divided]
    processes.compile_tree(SOURCE)
    records = Records(arguments.results, NAME)
    records.begin(arguments.size, fresh=arguments.fresh, memory_bytes=MEMORY_BYTES)
    with options.cache(arguments.cache) as cache:
        path = cache / "grown.db"
        for rows in sizes:
            began = time.perf_counter()
            fill(path, rows // CELLS)
            print(f"{rows:,} rows in {time.perf_counter() - began:.0f} s", flush=True)
            for repeat in range(REPEATS):
                found = processes.ask(__file__, str(path), rows // CELLS)
                records.add("run", rows=rows, repeat=repeat, **found)
                print(found, flush=True)


def section(page: Page, records: Records) -> None:
    """Of the page."""
    runs = records.last("run", "rows", "repeat")
    page.add("## A larger table with the same memory")
    page.add(
        "rowfeed on SQLite: samples of 28×28 cells with 50 rows each, `memory_bytes` "
        f"{records.sessions[-1]['memory_bytes'] >> 20} MiB. Each run is a new process. *Memory*: its peak. "
        f"{page.source(records, runs)}"
    )
    rows = [
        [
            f"{rows:,}",
            rates([run["samples"] / run["seconds"] for run in found]),
            f"{median(found, 'first_batch_s'):.2f}",
            f"{median(found, 'peak_bytes') / 2**20:,.0f}",
        ]
        for rows, found in by(runs, "rows").items()
    ]
    page.table(("rows", "samples/s", "first batch, s", "memory, MiB"), rows)


if __name__ == "__main__":
    processes.run(main, once)
