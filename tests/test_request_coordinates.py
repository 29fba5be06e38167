"""Coordinates as drivers give them: finite whole numbers within their axes, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

import rowfeed
from rowfeed.request.coordinates import coordinates, within_axes
from rowfeed.request.request import Request
from rowfeed.request.selection import Axis, Selection
from rowfeed.request.source import Source

X = Axis("x", 3)


def selection(out_of_range="error"):
    """One axis of three cells."""
    return Selection(Source("t"), "id", (X,), (), out_of_range=out_of_range)


def read(value):
    """A coordinate of sample 7."""
    request = Request(selection(), np.array([7]))
    return coordinates([value], X, request, np.array([0])).tolist()


@pytest.mark.parametrize("value", [2, 2.0, Decimal(2), Decimal("2.000")])
def test_whole_numbers_are_coordinates(value):
    """Of any type that a driver has for a number."""
    assert read(value) == [2]


@pytest.mark.parametrize(
    "value", [0.5, Decimal("0.5"), "2", True, float("nan"), float("-inf"), Decimal("NaN"), Decimal("Infinity"), b"2"]
)
def test_anything_else_is_an_error(value):
    """Also where rows outside of the shape are dropped: it is not a place outside, it is none."""
    with pytest.raises(rowfeed.DataError, match=r"x must be an integer; got .* at t\.x, id=7"):
        read(value)
    assert within_axes([(7, value)], selection("drop")) == [(7, value)]


@pytest.mark.parametrize("value", [3, -1, 3.0, Decimal(3), 10**30, 1e300, Decimal(10**30), Decimal("-1e40")])
def test_a_place_outside_is_an_error_or_dropped(value):
    """However large the number is."""
    with pytest.raises(rowfeed.DataError, match=r"x must be in 0\.\.2 \(axis of shape \(3,\)\)"):
        read(value)
    assert within_axes([(7, value), (7, 1)], selection("drop")) == [(7, 1)]
