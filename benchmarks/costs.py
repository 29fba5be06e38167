"""What the engine itself takes for a row, step by step. Run: python benchmarks/costs.py --size full

Each query does more of what a read needs, on the same rows of a range of samples and one connection: where its time
goes, and what no client can be faster than. SQLite and PostgreSQL, whose statements do the packing.
"""

from __future__ import annotations

import statistics
import time
from contextlib import closing
from typing import Any

import drivers
import engines
import numpy as np
import options
from cases import CASES, Case
from engines import Engine
from provenance import provenance, write

NAME = "costs"
ROWS = 360_000
"""In the range: about what a request of rowfeed has."""

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
"""What is selected: the last is what rowfeed asks for."""

AFTERWARDS = {"sqlite": ("… and read by numpy",)}
"""What the client does with it; PostgreSQL's bytes are an array already."""


def measure(engine: Engine, case: Case) -> dict[str, list[float]]:
    """Nanoseconds a row of each step, in turn."""
    first = case.samples // 3
    last = min(case.samples - 1, first + int(ROWS / case.rows_per_sample))
    height, width = case.shape
    numbers = {"first": first, "y": height, "x": width, "low": case.low, "high": case.high}
    numbers["steps"] = 2 ** (case.high - case.low).bit_length()
    found: dict[str, list[float]] = {name: [] for name in (*STEPS[engine.name], *AFTERWARDS.get(engine.name, ()))}
    with closing(drivers.open_url(engine.name, engine.url)) as connection:
        cursor = connection.cursor()
        if engine.name == "postgresql":
            cursor.execute("SET jit = off")  # as rowfeed's sessions have it
        for _ in range(REPEATS):
            for name, columns in STEPS[engine.name].items():
                started = time.perf_counter()
                cursor.execute(
                    f"SELECT {columns.format(**numbers)} FROM {case.table} WHERE sample BETWEEN {first} AND {last}"
                )
                rows, *last_columns = cursor.fetchone()
                found[name].append((time.perf_counter() - started) / rows * 1e9)
            for name in AFTERWARDS.get(engine.name, ()):
                np.fromstring(last_columns[0], np.int64, sep=",")
                found[name].append((time.perf_counter() - started) / rows * 1e9)
    return found


def main() -> None:
    """Measure both engines."""
    arguments = options.parser(__doc__).parse_args()
    content: dict[str, Any] = {"size": arguments.size, **provenance(), "repeats": REPEATS, "engines": {}}
    with options.cache(arguments.cache) as cache:
        for name in STEPS:
            if name not in arguments.engines:
                continue
            with engines.start(name, cache) as engine:
                for case in (CASES[case].sized(arguments.size) for case in ("users4", "cells28")):
                    engine.load(case)
                    steps = measure(engine, case)
                    content["engines"].setdefault(name, {})[case.name] = steps
                    write(arguments.results, NAME, content)
                    print(name, case.name, {step: round(statistics.median(found)) for step, found in steps.items()})


if __name__ == "__main__":
    main()
