"""The facts of a report: each choice that changes what was read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rowfeed
from rowfeed.cli.train.recipe import Recipe

pytest.importorskip("keras")

GRID: dict[str, Any] = {"sample": "id", "axes": ("y", "x"), "value": "v", "shape": (4, 4)}


def facts(server=None, samples=None, memory_bytes=2**28, **choices):
    """The facts of a training of 8 samples, judged by 2, by their names."""
    from rowfeed.cli.train.texts import Findings

    training: Any = SimpleNamespace(train=SimpleNamespace(sample_ids=np.arange(8)))
    comparison: Any = SimpleNamespace(samples=2)
    db = rowfeed.connect("sqlite:///shop.db", **(server or {}))
    grid = rowfeed.Grid("T", **GRID, **choices)
    found = Findings(db, grid, Recipe(), "things", training, comparison, samples, memory_bytes, Path("out"))
    return dict(found._facts())


def test_defaults_are_left_out():
    """Without a choice there are the table, its columns and the sides, and no limits."""
    found = facts({"max_scanned_rows": 10**9})
    assert found["Rows"] == "T (id, y, x, v)"
    assert found["Samples"] == "8 to train, 2 to validate, 0.2 of all, told apart by a hash of their ids"
    assert "Limits" not in found


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"where": "v > 0"}, " where v > 0"),
        ({"duplicates": "mean"}, "; of several rows for one cell, the mean"),
        ({"out_of_range": "drop"}, "; rows outside of the shape are dropped"),
        ({"null": "drop"}, "; rows with a NULL are dropped"),
        ({"null": "fill"}, "; a NULL is 0"),
        ({"null": "fill", "duplicates": "last"}, "; of several rows for one cell, the last; a NULL is 0"),
    ],
)
def test_rules_for_rows(choices, said):
    """Which rows count, and what duplicates, coordinates out of range and NULL mean."""
    assert facts(**choices)["Rows"] == f"T (id, y, x, v){said}"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"throttle": 0.25}, "throttle 0.25 of the server's time for each connection"),
        ({"throttle": 9e3}, "throttle 9,000 rows a second"),
        ({"throttle": 5e6}, "throttle 5,000,000 rows a second"),
        ({"max_scanned_rows": 7}, "at most 7 rows scanned in an epoch"),
    ],
)
def test_limits(server, said):
    """What was said about the server and of memory beside the defaults."""
    assert facts(server)["Limits"] == said
    assert facts(memory_bytes=5)["Limits"] == "memory of 5 bytes"


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (rowfeed.Samples("items", "name"), "; listed in items.name"),
        (rowfeed.Samples("items", "name", where="sold = 1"), "; listed in items.name where sold = 1"),
        ([1, 2, 3], "; a list of ids"),
    ],
)
def test_where_samples_are_listed(samples, said):
    """The table that lists the samples."""
    assert facts(samples=samples)["Samples"].endswith(f"a hash of their ids{said}")
