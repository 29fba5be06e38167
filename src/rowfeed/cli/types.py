"""Words of the command line become values, or are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click


class Number(click.FloatRange):
    """A number in a range, and finite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"expected a finite number; got {value!r}", param, ctx)
        return found


COUNT = click.IntRange(1)
SEED = click.IntRange(0)
POSITIVE = Number(0, min_open=True)
SHARE = Number(0, 1)


def span(word: str) -> tuple[float, float]:
    """Two numbers, the lower first."""
    try:
        low, high = map(float, word.split(","))
    except ValueError:
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise click.BadParameter(f"expected two numbers, the lower first, such as 0,255; got {word!r}")
    return low, high


def shape(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """The sides of an array, `least` to `most` of them."""
    sides = f"{least} to {most} whole numbers" if least < most else f"{least} whole numbers"

    def convert(word: str) -> tuple[int, ...]:
        parts = word.split(",")
        if not least <= len(parts) <= most or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts):
            expected = f"{sides} of at least 1 with commas between, such as 4,4"
            raise click.BadParameter(f"expected {expected}; got {word!r}")
        return tuple(int(part) for part in parts)

    return convert


def names(count: int | None = None) -> Callable[[str], tuple[str, ...]]:
    """Different names, `count` of them; None: one or more."""

    def convert(word: str) -> tuple[str, ...]:
        found = tuple(word.split(","))
        if not all(found) or len(set(found)) < len(found) or len(found) != (count or len(found)):
            expected = f"{count or 'one or more'} different column names with commas between"
            raise click.BadParameter(f"expected {expected}; got {word!r}")
        return found

    return convert
