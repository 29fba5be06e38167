"""What argparse calls on a word of the command line: converts it, or refuses it by raising."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def _refuse(expected: str, word: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {expected}; got {word!r}")


def whole(least: int) -> Callable[[str], int]:
    """A whole number."""

    def convert(word: str) -> int:
        if not (word.isascii() and word.isdigit()) or int(word) < least:
            raise _refuse(f"a whole number, {least} or more", word)
        return int(word)

    return convert


def number(least: float, *, exclusive: bool = False) -> Callable[[str], float]:
    """A finite number."""

    def convert(word: str) -> float:
        found = _float(word)
        if not math.isfinite(found) or found < least or (exclusive and found == least):
            raise _refuse(f"a number {'above' if exclusive else 'of at least'} {least:g}", word)
        return found

    return convert


def _float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def share(word: str) -> float:
    """A share, 0 and 1 included."""
    found = _float(word)
    if not 0 <= found <= 1:
        raise _refuse("a share from 0 to 1", word)
    return found


def inner_share(word: str) -> float:
    """A share, 0 and 1 left out."""
    found = _float(word)
    if not 0 < found < 1:
        raise _refuse("a share between 0 and 1", word)
    return found


def span(word: str) -> tuple[float, float]:
    """Two numbers, the lower first."""
    low, _, high = word.partition(",")
    result = _float(low), _float(high)
    if not (result[0] < result[1] and all(math.isfinite(end) for end in result)):
        raise _refuse("two numbers, the lower first, such as 0,255", word)
    return result


def shape(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """The sides of an array, as many as said."""
    sides = f"{least} to {most} whole numbers" if least < most else f"{least} whole numbers"

    def convert(word: str) -> tuple[int, ...]:
        parts = word.split(",")
        if not least <= len(parts) <= most or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts):
            raise _refuse(f"{sides} of at least 1 with commas between, such as 4,4", word)
        return tuple(int(part) for part in parts)

    return convert


def names(count: int | None = None) -> Callable[[str], tuple[str, ...]]:
    """Different names, so many of them; None: one or more."""

    def convert(word: str) -> tuple[str, ...]:
        found = tuple(word.split(","))
        if not all(found) or len(set(found)) < len(found) or len(found) != (count or len(found)):
            raise _refuse(f"{count or 'one or more'} different column names with commas between", word)
        return found

    return convert
