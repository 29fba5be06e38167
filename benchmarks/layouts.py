"""Five layouts of one view, against one layout with all of their columns, in turn.

Run: python benchmarks/layouts.py --samples 500000

A training often reads features, a label and a weight from one view. They are one query, and should cost what one layout
of all columns costs. Prints the medians of an epoch and their ratio, for layouts with the same policy and for layouts
of which two fill NULLs. Nothing is kept.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import servers
import sqlalchemy as sa

import rowfeed

COLUMNS = [f"c{number}" for number in range(10)]
CHUNK = 50_000


def fill(db: rowfeed.Database, url: str, samples: int) -> None:
    """A table of numbers, and a view of it."""
    table = rowfeed.Columns("WIDE", sample="id", columns=COLUMNS)
    for first in range(0, samples, CHUNK):
        ids = np.arange(first, min(first + CHUNK, samples))
        numbers = (ids[:, None] * 31 + np.arange(len(COLUMNS))) % 1_000
        db.write(table, numbers.astype("float32"), ids=ids, if_exists="append" if first else "replace")
    if url.startswith("duckdb"):
        import duckdb

        with duckdb.connect(sa.make_url(url).database) as connection:
            connection.execute('CREATE VIEW "SEEN" AS SELECT * FROM "WIDE"')
        return
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    quote = engine.dialect.identifier_preparer.quote_identifier
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE VIEW {quote('SEEN')} AS SELECT * FROM {quote('WIDE')}")


def of(columns: list[str], **options: str) -> rowfeed.Columns:
    """A layout of some columns of the view."""
    return rowfeed.Columns("SEEN", sample="id", columns=columns, **options)


FIVE = {f"x{number}": of(COLUMNS[2 * number : 2 * number + 2]) for number in range(5)}
FILLED = {name: of(COLUMNS[8:], null="fill", fill=-1) if name == "x4" else each for name, each in FIVE.items()}
WAYS: dict[str, rowfeed.Layout | dict[str, rowfeed.Columns]] = {"one": of(COLUMNS), "five": FIVE, "filled": FILLED}


def epoch(db: rowfeed.Database, x: object) -> tuple[float, rowfeed.Stats]:
    """The seconds of an epoch, from its first request on, and what it did."""
    feed = rowfeed.Feed(db, x, batch_size=256, cache=None)
    began = time.perf_counter()
    for _ in feed.batches():
        pass
    return time.perf_counter() - began, feed.stats()


def main() -> None:
    """Measure each engine."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--samples", type=int, default=500_000)
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--engines", nargs="+", choices=servers.ENGINES, default=list(servers.ENGINES))
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="rowfeed-bench-") as directory:
        Path(directory).chmod(0o755)
        for name in arguments.engines:
            with servers.start(name, Path(directory)) as engine:
                db = rowfeed.connect(engine.url, timeout_s=600)
                fill(db, engine.url, arguments.samples)
                seconds: dict[str, list[float]] = {way: [] for way in WAYS}
                rows = {}
                for _ in range(arguments.turns):
                    for way, x in WAYS.items():
                        took, stats = epoch(db, x)
                        seconds[way].append(took)
                        rows[way] = stats.rows
                one = statistics.median(seconds["one"])
                for way in WAYS:
                    took = statistics.median(seconds[way])
                    print(f"{name:<11} {way:<6} {took:.2f} s, {rows[way]:,} rows: {took / one:.2f} times", flush=True)


if __name__ == "__main__":
    main()
