"""What layouts share: that they compare by value, and the memory of windows."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sqlalchemy as sa

import rowfeed

FORKED = """
import os
import numpy as np
from rowfeed.layouts.base import filled
array = filled((1 << 20,), 0, np.dtype("float32"))
child = os.fork()
if not child:
    array[:] = 1
    os._exit(0)
os.waitpid(child, 0)
print(array.max())
"""


def test_a_window_is_of_one_process():
    """What a forked process writes into a window, as one that loads batches may, is not seen in another."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.0"


def grid(**changes):
    """A grid, made anew at each call."""
    options = {"sample": "s", "axes": ("x", "y"), "value": ["a", "b"], "shape": (2, 2), "where": "a > 0"}
    return rowfeed.Grid("t", **{**options, **changes})


SELECT = sa.select(sa.column("s"), sa.column("v")).select_from(sa.table("t"))
VALUE = sa.column("v")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (grid(), grid()),
        (grid(), grid(axes=["x", "y"], value=("a", "b"), shape=np.array([2, 2]), dtype=np.float32)),
        (grid(fill=float("nan")), grid(fill=np.nan)),
        (grid(where=VALUE > 3), grid(where=sa.column("v") > 3)),
        (grid(), pickle.loads(pickle.dumps(grid()))),
        *(
            (rowfeed.Columns(SELECT.where(VALUE > 1), **options), rowfeed.Columns(SELECT.where(VALUE > 1), **options))
            for options in ({"sample": "s", "columns": "v"}, {"sample": "s", "columns": ["v"], "dtype": "int8"})
        ),
    ],
)
def test_equal_layouts(one, other):
    """Layouts that say the same are equal and hash alike, however they say it."""
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((grid(), grid(**{name: value})) for name, value in {
            "sample": "t", "axes": ("y", "x"), "value": ["b", "a"], "shape": (2, 3), "fill": 1, "dtype": "float64",
            "duplicates": "sum", "out_of_range": "drop", "null": "fill", "where": None,
        }.items()),
        (grid(value=["a"]), grid(value="a")),
        (grid(fill=0.0), grid(fill=-0.0)),
        (grid(where=VALUE > 3), grid(where=VALUE > 4)),
        (grid(where=VALUE > 3), grid(where="v > 3")),
        (rowfeed.Columns("t", sample="s", columns="v"), rowfeed.Columns("u", sample="s", columns="v")),
        (rowfeed.Columns("t", sample="s", columns="v"), rowfeed.Columns(sa.table("t"), sample="s", columns="v")),
        (rowfeed.Columns(SELECT, sample="s", columns="v"), rowfeed.Columns(SELECT.limit(1), sample="s", columns="v")),
        (rowfeed.Columns("t", sample="s", columns="v"), 3),
    ],
)  # fmt: skip
def test_different_layouts(one, other):
    """Layouts that differ in anything at all are not equal."""
    assert one != other
