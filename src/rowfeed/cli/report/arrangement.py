"""The arrangement of samples of any shape on a page, so that their cells can be told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# All lengths are in inches.

GAP, GAP_OF_PLANES = 0.08, 0.2
"""The gap between two pictures of a sample, and below them; a larger one if a picture itself has gaps."""

BETWEEN_BLOCKS = 0.3

LINE = 0.24
"""The height of a line of text, with the space around it."""

HEAD = 0.36
"""The height of the line above all pictures."""

WIDEST_BESIDE = 0.9
"""A longer caption stands above its sample."""

WIDEST_ABOVE = 2.0
"""A longer caption may be abridged to this."""

TALLEST = 1.25
"""The height limit of a page, in multiples of its width."""

LARGEST_CELL = 0.3

READABLE_CELL, READABLE_LONG, READABLE_SHORT = 0.015, 0.5, 0.25
"""The least size of a cell, and of a channel's longer and shorter side: samples are left out for it, if it helps."""

FEWEST = 3
"""This number of samples is never left out."""

THINNEST, THINNEST_LINE = 0.08, 0.14
"""The least size of a picture beside others, and of one with its name before it: smaller cells are not square."""


@dataclass(frozen=True)
class Arrangement:
    """The places of the pictures.

    Args:
        samples: The number of samples that are shown.
        blocks: The number of samples next to each other.
        stacked: Whether a sample's three pictures stand above each other, not side by side.
        planes: The number of channels next to each other in a picture; further ones follow below.
        across: The width of a picture.
        down: The height of a picture.
        cell: The side of a cell.
        gap: The gap between two pictures of a sample, and below them.
        beside: The space for the caption before a sample's pictures; 0: the caption is above them.
        before: The space for names before the first block; 0: the names are above.
        pitch: The distance from one block to the next.
    """

    samples: int
    blocks: int
    stacked: bool
    planes: int
    across: float
    down: float
    cell: float
    gap: float
    beside: float
    before: float
    pitch: float

    @property
    def rows(self) -> int:
        return -(-self.samples // self.blocks)

    @property
    def top(self) -> float:
        return 0.02 if self.stacked else HEAD

    @property
    def row(self) -> float:
        """The distance from one row of samples to the next."""
        caption = 0.0 if self.beside else LINE
        return caption + (3 * (self.down + self.gap) + GAP if self.stacked else self.down + self.gap)

    @property
    def height(self) -> float:
        return self.top + self.rows * self.row

    def place(self, sample: int, kind: int) -> tuple[float, float]:
        """The left and the upper edge of a picture, from the upper left corner of the page.

        Args:
            sample: Its number; samples follow each other down the first block, then down the next one.
            kind: 0 to 2: noisy, denoised, original.
        """
        block, row = divmod(sample, self.rows)
        left = self.before + block * self.pitch + self.beside
        upper = self.top + row * self.row + (0.0 if self.beside else LINE)
        if self.stacked:
            return left, upper + kind * (self.down + self.gap)
        return left + kind * (self.across + self.gap), upper


def arrange(width: float, samples: int, shape: tuple[int, int, int], caption: float, name: float) -> Arrangement:
    """The arrangement with the least height, among those whose cells are the largest or nearly so.

    Args:
        width: The width of the page.
        samples: The number of samples.
        shape: Height, width and planes of one sample.
        caption: The width of the longest caption.
        name: The width of the longest of the words noisy, denoised, original.
    """
    fewest = min(samples, FEWEST)
    needed = max(READABLE_CELL, READABLE_LONG / max(shape[:2]), READABLE_SHORT / min(shape[:2]))
    needed = min(needed, 0.8 * _best(width, fewest, shape, caption, name).cell)
    fitting = (_best(width, shown, shape, caption, name) for shown in range(samples, fewest - 1, -1))
    return next(best for best in fitting if best.cell >= needed)


def _best(width: float, samples: int, shape: tuple[int, int, int], caption: float, name: float) -> Arrangement:
    found = list(_candidates(width, samples, shape, caption, name))
    most = max(_worth(each) for each in found)
    return min((each for each in found if _worth(each) >= 0.85 * most), key=lambda each: each.height)


def _worth(arrangement: Arrangement) -> float:
    """The worth of an arrangement. Side by side is easier to compare: stacked is better only with much larger cells."""
    return arrangement.cell / (1.5 if arrangement.stacked else 1)


def _candidates(
    width: float, samples: int, shape: tuple[int, int, int], caption: float, name: float
) -> Iterator[Arrangement]:
    for blocks in range(1, samples + 1):
        for stacked in (False, True):
            for above in {True, stacked or caption > WIDEST_BESIDE}:
                for planes in (planes for planes in range(shape[2], 0, -1) if shape[2] % planes == 0):
                    beside = 0.0 if above else caption + 0.13
                    before = name + 0.12 if stacked else 0.0
                    pitch = (width - before + BETWEEN_BLOCKS) / blocks
                    room = pitch - BETWEEN_BLOCKS
                    if blocks > 1 and above and min(caption, WIDEST_ABOVE) > room:
                        continue
                    yield from _filled(width, samples, shape, blocks, stacked, planes, beside, before, pitch)


def _filled(
    width: float,
    samples: int,
    shape: tuple[int, int, int],
    blocks: int,
    stacked: bool,
    planes: int,
    beside: float,
    before: float,
    pitch: float,
) -> Iterator[Arrangement]:
    """The arrangement with the largest cells that the page allows, if there is one."""
    below, gap = shape[2] // planes, GAP if shape[2] == 1 else GAP_OF_PLANES
    tall, wide = below * shape[0] + below - 1, planes * shape[1] + planes - 1
    least = THINNEST_LINE if stacked else THINNEST
    empty = Arrangement(samples, blocks, stacked, planes, 0, 0, 0, gap, beside, before, pitch)
    room = pitch - BETWEEN_BLOCKS - beside
    across = room if stacked else (room - 2 * gap) / 3
    down = (TALLEST * width - empty.height) / empty.rows / (3 if stacked else 1)
    cell = min(across / wide, down / tall, LARGEST_CELL)
    if across >= least and cell > 0:
        sides = max(cell * wide, least), max(cell * tall, least)
        yield Arrangement(samples, blocks, stacked, planes, *sides, cell, gap, beside, before, pitch)
