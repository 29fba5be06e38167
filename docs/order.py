"""Draws how the order of an epoch is made: order-light.svg and order-dark.svg beside this file. `make docs` runs it.

Numbers and places come from `rowfeed.plan.order`, of a table that is small enough to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rowfeed.cli.report.look import DARK, FONTS, LIGHT, Theme
from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES
from rowfeed.plan.order import Plan, choose_window

Numbers = npt.NDArray[np.integer]
Places = npt.NDArray[np.floating]

HERE = Path(__file__).parent

PLAN = Plan(count=288, batch_size=2, window=96, seed=0)
EPOCH = PLAN.epoch(0)
LINE = EPOCH._block_line(np.arange(PLAN.count))  # only its windows, which are shuffled, are public
SHOWN = 16
"""Samples in the last row."""

USERS, BATCH_SIZE, SAMPLE_BYTES = 1_000_000, 32, 4 * 4 * 4
REAL = Plan(USERS, BATCH_SIZE, choose_window(DEFAULT_MEMORY_BYTES, SAMPLE_BYTES, BATCH_SIZE, USERS))

MARGIN, TEXT, ACROSS = 20, 192, 768
WIDTH = 2 * MARGIN + TEXT + ACROSS
LEFT = MARGIN + TEXT
"""Where the strips begin; left of it is text."""
TABLE, SHUFFLED, WINDOW, BATCHES = 24, 148, 302, 384
"""Where each strip begins, in pixels from the top."""
TALL, BOX, BRACE = 34, 44, 30
"""Heights of a strip, of a box of the last row, and of a brace with its words."""
HEIGHT = BATCHES + BOX + BRACE + 52


def pictures() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"order-{name}.svg": _picture(theme) for name, theme in (("light", LIGHT), ("dark", DARK))}


def _picture(theme: Theme) -> str:
    narrow, wide, box = ACROSS / PLAN.count, ACROSS / PLAN.window, ACROSS / SHOWN
    block, window = PLAN.block * narrow, PLAN.window * narrow
    first, row = EPOCH.window(0), np.arange(PLAN.window) * narrow
    slots = np.argsort(first)[np.argsort(np.argsort(LINE[: PLAN.window]))]
    starts, batches = LINE[: PLAN.window : PLAN.block], SHOWN // PLAN.batch_size
    parts = [
        *_text(TABLE, 1, "Blocks", f"the table's {PLAN.count} samples,", f"by id, in blocks of {PLAN.block}", theme),
        *_strip(TABLE, np.arange(PLAN.count), narrow, PLAN.block, theme),
        *_threads(TABLE + TALL, SHUFFLED, starts * narrow + block / 2, row[:: PLAN.block] + block / 2, starts, theme),
        *_text(SHUFFLED, 2, "Order of blocks", f"shuffled by seed {PLAN.seed}", f"and epoch {EPOCH.number}", theme),
        *_strip(SHUFFLED, LINE, narrow, PLAN.block, theme),
    ]
    for number in range(PLAN.windows):
        ink = theme.muted if number else theme.ink
        parts += _brace(SHUFFLED + TALL + 5, number * window, window, f"window {number}", ink)
    under = SHUFFLED + TALL + BRACE + 4
    words = f"its {PLAN.window} samples, shuffled", "once more, in memory"
    parts += [
        *_threads(under, WINDOW, row + narrow / 2, (slots + 0.5) * wide, LINE[: PLAN.window], theme),
        *_text(WINDOW, 3, "Window 0", *words, theme),
        *_strip(WINDOW, first, wide, PLAN.batch_size, theme),
        _zoom(WINDOW + TALL + 3, BATCHES - 3, SHOWN * wide, theme),
        *_text(
            BATCHES, 4, "Batches", f"the first {batches} of {len(PLAN)},", f"of {PLAN.batch_size} samples each", theme
        ),
    ]
    for place, sample in enumerate(first[:SHOWN]):
        parts += _box(place * box, box, int(sample), place % PLAN.batch_size, theme)
    for number in range(batches):
        parts += _brace(
            BATCHES + BOX + 5, number * PLAN.batch_size * box, PLAN.batch_size * box, f"batch {number}", theme.muted
        )
    memory = f"{DEFAULT_MEMORY_BYTES // 2**20} MiB"
    words = (
        f"At full size: {USERS:,} users with a 4 × 4 matrix each, in batches of {BATCH_SIZE} and {memory}: "
        f"{REAL.windows} windows of {REAL.window:,} samples at most, in blocks of {REAL.block}."
    )
    parts.append(_words(MARGIN, HEIGHT - 20, words, theme.muted, 14))
    alternative = "A table cut into blocks, the blocks shuffled, cut into windows, each shuffled and cut into batches"
    fonts = ", ".join(FONTS)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="{fonts}, sans-serif" role="img" aria-label="{alternative}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{theme.card}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _strip(top: float, samples: Numbers, step: float, group: int, theme: Theme) -> Iterator[str]:
    """Samples side by side, in groups with a gap."""
    gap = 1.5
    for start in range(0, samples.size, group):
        for place in range(start, min(start + group, samples.size)):
            inner = place + 1 - start < group
            # up to the next group, so that no seam shows between neighbours
            width = (start + group - place) * step - gap if inner else step - gap
            yield _rect(LEFT + place * step, top, width, TALL, _colour(int(samples[place]), theme))


def _threads(top: float, bottom: float, above: Places, below: Places, samples: Numbers, theme: Theme) -> Iterator[str]:
    """From where each sample, or block, is above to where it is below."""
    for a, b, sample in zip(above + LEFT, below + LEFT, samples, strict=True):
        middle = (top + bottom) / 2
        yield (
            f'<path d="M{a:.5g} {top + 2}C{a:.5g} {middle} {b:.5g} {middle} {b:.5g} {bottom - 2}" fill="none" '
            f'stroke="{_colour(int(sample), theme)}" stroke-width="1.1" stroke-opacity="0.6"/>'
        )


def _zoom(top: float, bottom: float, width: float, theme: Theme) -> str:
    points = f"{LEFT},{top} {LEFT + width:g},{top} {LEFT + ACROSS},{bottom} {LEFT},{bottom}"
    return f'<polygon points="{points}" fill="{theme.line}" fill-opacity="0.6"/>'


def _box(x: float, width: float, sample: int, place: int, theme: Theme) -> Iterator[str]:
    last = place == PLAN.batch_size - 1
    yield _rect(LEFT + x, BATCHES, width - (5 if last else 1), BOX, _colour(sample, theme))
    middle = LEFT + x + (width - (5 if last else 1)) / 2
    yield _words(middle, BATCHES + BOX / 2 + 5.5, str(sample), theme.card, 16, "middle", 700)


def _brace(top: float, x: float, width: float, words: str, ink: str) -> Iterator[str]:
    left, right = LEFT + x + 1, LEFT + x + width - 4
    yield (f'<path d="M{left:g} {top}v5H{right:g}v-5" fill="none" stroke="{ink}" stroke-width="1.2"/>')
    yield _words((left + right) / 2, top + 21, words, ink, 13, "middle")


def _text(top: float, number: int, title: str, first: str, second: str, theme: Theme) -> Iterator[str]:
    yield f'<circle cx="{MARGIN + 9}" cy="{top + 4}" r="9" fill="{theme.denoised}"/>'
    yield _words(MARGIN + 9, top + 8.5, str(number), theme.card, 13, "middle", 700)
    yield _words(MARGIN + 26, top + 9.5, title, theme.ink, 16, weight=700)
    for line, words in enumerate((first, second)):
        yield _words(MARGIN, top + 31 + 17 * line, words, theme.muted, 14)


def _words(x: float, y: float, text: str, ink: str, size: float, anchor: str = "start", weight: int = 400) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{ink}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{text}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.5g}" y="{y:g}" width="{width:.5g}" height="{height:g}" fill="{colour}"/>'


def _colour(sample: int, theme: Theme) -> str:
    """Of a sample's place in the table, from its first to its last."""
    stops = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (theme.denoised, theme.pca, theme.noisy)])
    at = 2 * sample / (PLAN.count - 1)
    return "#" + "".join(f"{round(np.interp(at, (0, 1, 2), channel)):02x}" for channel in stops.T)


if __name__ == "__main__":
    for name, text in pictures().items():
        (HERE / name).write_text(text)
