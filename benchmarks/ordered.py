"""Rows that are put in order by a key, read in an engine's fast way and as plain rows, in turn.

Run: python benchmarks/ordered.py --rows 2000000

A log has one row an event, two for each cell on average, and its primary key is the event. `duplicates="last"` takes
the later row of a cell. Prints the medians of an epoch and their ratio. Nothing is kept.
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

CELLS, ROWS_PER_SAMPLE = 16, 32
CHUNK = 200_000


def fill(db: rowfeed.Database, url: str, rows: int) -> None:
    """A table of events of users in no order, and an index on the user."""
    log = rowfeed.Columns("EVENTS", sample="event", columns=["user_id", "x", "value"], dtype="int32")
    for first in range(0, rows, CHUNK):
        event = np.arange(first, min(first + CHUNK, rows))
        scattered = event * 7_919 % rows  # 7,919 is prime
        columns = np.stack([scattered // ROWS_PER_SAMPLE, scattered % CELLS, event % 1_000], axis=1)
        db.write(log, columns.astype("int32"), ids=event, if_exists="append" if first else "replace")
    if not url.startswith("duckdb"):
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        table = sa.table("EVENTS", sa.column("user_id"))
        with engine.connect() as connection:
            connection.execute(sa.schema.CreateIndex(sa.Index("EVENTS_user", _bound(table).c.user_id)))


def _bound(table: sa.TableClause) -> sa.Table:
    return sa.Table(table.name, sa.MetaData(), sa.Column("user_id", sa.Integer))


def epoch_s(db: rowfeed.Database) -> float:
    """Seconds of an epoch, from its first request on."""
    options = {"sample": "user_id", "axes": "x", "value": "value", "shape": CELLS}
    feed = rowfeed.Feed(db, rowfeed.Grid("EVENTS", duplicates="last", **options), batch_size=256)
    began = time.perf_counter()
    for _ in feed.batches():
        pass
    return time.perf_counter() - began


def main() -> None:
    """Measure each engine."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--engines", nargs="+", choices=servers.ENGINES, default=list(servers.ENGINES))
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="rowfeed-bench-") as directory:
        Path(directory).chmod(0o755)
        for name in arguments.engines:
            with servers.start(name, Path(directory)) as engine:
                ways = {plain: rowfeed.connect(engine.url, plain_rows=plain, timeout_s=600) for plain in (False, True)}
                fill(ways[False], engine.url, arguments.rows)
                seconds: dict[bool, list[float]] = {plain: [] for plain in ways}
                for _ in range(arguments.turns):
                    for plain, db in ways.items():
                        seconds[plain].append(epoch_s(db))
                fast, plain_s = (statistics.median(seconds[plain]) for plain in (False, True))
                print(
                    f"{name:<11} fast {fast:.2f} s, plain rows {plain_s:.2f} s: {plain_s / fast:.1f} times", flush=True
                )


if __name__ == "__main__":
    main()
