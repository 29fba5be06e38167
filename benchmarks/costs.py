"""The time of the engine itself for a row, step by step. Run: python benchmarks/costs.py --size full

Each query does one step more of a read, on the same rows of a range of samples and one connection. No client can be
faster than its engine. SQLite and PostgreSQL, whose statements do the packing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing

import drivers
import numpy as np
import options
from cases import Case
from page import ENGINES, Page, by
from records import Records
from servers import Engine

NAME = "costs"
ROWS = 360_000
"""In the range: about as many as in a request of rowfeed."""

REPEATS = 9

INSIDE = "y BETWEEN 0 AND {y} - 1 AND x BETWEEN 0 AND {x} - 1"
PLACE = "(sample - {first}) * {y} * {x} + y * {x} + x"
CHECKED = f"CASE WHEN {INSIDE} THEN {PLACE} END"
STEP = "CAST(value AS INTEGER) - ({low})"
PACKED = f"({PLACE}) * {{steps}} + {STEP}"
VALID = f"{INSIDE} AND CAST(value AS INTEGER) BETWEEN {{low}} AND {{high}} AND value = CAST(value AS INTEGER)"

STEPS = {
    "sqlite": {
        "finding rows": "COUNT(*)",
        "… and a sum of values": "COUNT(*), SUM(value)",
        "… place and value in one integer": f"COUNT(*), MAX({PACKED})",
        "… within their ranges": f"COUNT(*), MAX(CASE WHEN {VALID} THEN {PACKED} END)",
        "… as text": f"COUNT(*), GROUP_CONCAT(CASE WHEN {VALID} THEN {PACKED} END)",
    },
    "postgresql": {
        "finding rows": "COUNT(*)",
        "… and a sum of values": "COUNT(*), SUM(value)",
        "… values as bytes": "COUNT(*), string_agg(float4send(value), NULL::bytea)",
        "… and places": "COUNT(*), string_agg(float4send(value), NULL::bytea), "
        f"string_agg(int4send(({PLACE})::int), NULL::bytea)",
        "… within their ranges": "COUNT(*), string_agg(float4send(value), NULL::bytea), "
        f"string_agg(int4send(({CHECKED})::int), NULL::bytea)",
    },
}
"""Selected expressions; the last are those of rowfeed."""

AFTERWARDS = {"sqlite": ("… and read by numpy",)}
"""Steps of the client; PostgreSQL's bytes are an array already."""


def measure(engine: Engine, case: Case) -> Iterator[dict[str, float]]:
    """Nanoseconds a row of each step, again and again."""
    first = case.samples // 3
    last = min(case.samples - 1, first + int(ROWS / case.rows_per_sample))
    height, width = case.shape
    numbers = {"first": first, "y": height, "x": width, "low": case.low, "high": case.high}
    numbers["steps"] = 2 ** (case.high - case.low).bit_length()
    with closing(drivers.open_url(engine.name, engine.url)) as connection:
        cursor = connection.cursor()
        if engine.name == "postgresql":
            cursor.execute("SET jit = off")  # as rowfeed's sessions have it
        for _ in range(REPEATS):
            found = {}
            for name, columns in STEPS[engine.name].items():
                started = time.perf_counter()
                cursor.execute(
                    f"SELECT {columns.format(**numbers)} FROM {case.table} WHERE sample BETWEEN {first} AND {last}"
                )
                rows, *last_columns = cursor.fetchone()
                found[name] = (time.perf_counter() - started) / rows * 1e9
            for name in AFTERWARDS.get(engine.name, ()):
                np.fromstring(last_columns[0], np.int64, sep=",")
                found[name] = (time.perf_counter() - started) / rows * 1e9
            yield found


def main() -> None:
    """Measure both engines."""
    arguments = options.parser(__doc__).parse_args()
    arguments.engines = [name for name in arguments.engines if name in STEPS]
    records = Records(arguments.results, NAME)
    records.begin(arguments.size, fresh=arguments.fresh, repeats=REPEATS)
    for engine, case in options.loaded(arguments, ["users4", "cells28"]):
        for repeat, ns in enumerate(measure(engine, case)):
            records.add("run", engine=engine.name, case=case.name, repeat=repeat, ns=ns)
            print(engine.name, case.name, {step: round(found) for step, found in ns.items()}, flush=True)


def section(page: Page, records: Records) -> None:
    """Of the page."""
    runs = records.last("run", "engine", "case", "repeat")
    page.add("## The time of a row in the engine")
    page.add(
        "Nanoseconds per row inside the engine, on one range of samples and one connection. Each query does one step "
        "more than the one above it; the last is rowfeed's own statement. On SQLite, numpy then reads its text. "
        f"Median of {records.sessions[-1]['repeats']} runs in turn. {page.source(records, runs)}",
    )
    for engine, found in by(runs, "engine", STEPS).items():
        cases = by(found, "case")
        rows = [
            [step, *(f"{statistics.median(run['ns'][step] for run in chosen):.0f}" for chosen in cases.values())]
            for step in found[0]["ns"]
        ]
        page.add(f"**{ENGINES[engine]}**")
        page.table(("", *cases), rows)


if __name__ == "__main__":
    main()
