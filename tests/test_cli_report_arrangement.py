"""Where pictures stand: readable, inside of the page, none on top of another."""

from __future__ import annotations

from itertools import product

import pytest

from rowfeed.cli.report.arrangement import BETWEEN_BLOCKS, TALLEST, WIDEST_ABOVE, arrange
from rowfeed.cli.report.look import NARROW, WIDE

NAME = 0.66


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize(("tall", "wide"), [(1, 1), (2, 2), (8, 8), (64, 64), (1, 30), (4, 64), (2, 64), (64, 2)])
def test_pictures_are_inside_and_apart(width, tall, wide):
    """Every picture is on the page, and no two have a point in common, for any shape, caption and channels."""
    for planes, samples, caption in product((1, 5, 12), (1, 10), (0.1, 3.3, 30.0)):
        places = arrange(width, samples, (tall, wide, planes), caption, NAME)
        assert places.height <= (1.3 if places.stacked else 1) * TALLEST * width + 1e-9
        assert places.beside or places.blocks == 1 or min(caption, WIDEST_ABOVE) <= places.pitch - BETWEEN_BLOCKS
        assert min(samples, 3) <= places.samples <= samples
        corners = [places.place(sample, kind) for sample in range(places.samples) for kind in range(3)]
        for left, upper in corners:
            assert left >= 0
            assert upper >= 0
            assert left + places.across <= width + 1e-9
            assert upper + places.down <= places.height + 1e-9
        for number, (left, upper) in enumerate(corners):
            for other_left, other_upper in corners[:number]:
                assert abs(left - other_left) > places.across or abs(upper - other_upper) > places.down


@pytest.mark.parametrize(
    ("shape", "stacked", "blocks", "shown"),
    [
        ((8, 8, 1), False, 2, 10),
        ((4, 64, 1), True, 1, 6),
        ((1, 30, 1), True, 1, 8),
        ((64, 4, 1), False, 5, 10),
        ((64, 64, 1), False, 2, 10),
    ],
)
def test_the_shape_decides(shape, stacked, blocks, shown):
    """Wide pictures stand above each other, tall ones next to each other, square ones in two blocks."""
    places = arrange(WIDE, 10, shape, 0.8, NAME)
    assert (places.stacked, places.blocks, places.samples) == (stacked, blocks, shown)


def test_a_long_caption_stands_above():
    """A short one is before its sample, a long one above, and a block is as wide as a UUID."""
    assert arrange(WIDE, 10, (8, 8, 1), 0.1, NAME).beside > 0.1
    places = arrange(WIDE, 10, (8, 8, 1), 3.3, NAME)
    assert places.beside == 0
    assert places.pitch - BETWEEN_BLOCKS > 3.3


def test_many_planes_stand_in_rows():
    """Sixteen channels make a picture that is square."""
    assert arrange(WIDE, 3, (8, 8, 16), 0.1, NAME).planes == 4
