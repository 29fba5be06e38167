"""`docs/benchmarks.md` and its pictures, from the results alone. Run: python benchmarks/report.py [--check]

With `--check` nothing is written: the exit code tells whether the page and the pictures are those of the results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comparison
import costs
import first_batch
import fit
import growth
import learning
from page import Page
from provenance import HERE, RESULTS
from records import Records

PAGE = HERE.parent / "docs" / "benchmarks.md"

Section = Callable[[Page, Records], None]

SECTIONS: tuple[tuple[str, Section], ...] = (
    ("epochs", comparison.section),
    ("pinned", comparison.pinned),
    ("costs", costs.section),
    ("fit", fit.section),
    ("first_batch", first_batch.section),
    ("growth", growth.section),
    ("learning", learning.section),
    ("epochs", comparison.provenance),
)
"""The sections in order, and the results that they show."""


def build(results: Path) -> Page:
    """The page of these results."""
    page = Page()
    page.add("# Benchmarks")
    for name, section in SECTIONS:
        records = Records(results, name)
        if records.lines:
            section(page, records)
    return page


def mark(data: Any) -> str:
    """The mark of a picture of this data."""
    return hashlib.blake2b(json.dumps(data).encode(), digest_size=16).hexdigest()


def problems(page: Page, path: Path) -> list[str]:
    """The files that differ from the results."""
    found = []
    if not path.exists() or path.read_text() != page.text():
        found.append(f"{path.name} is not the page of the results")
    for name, (_, data) in page.pictures.items():
        picture = path.parent / name
        if not picture.exists() or mark(data).encode() not in picture.read_bytes():
            found.append(f"{name} does not show the results")
    return found


def main() -> None:
    """Write the page, or check it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--check", action="store_true", help="write nothing; fail if the page is not that of the results"
    )
    options.add_argument("--results", type=Path, default=RESULTS)
    options.add_argument("--page", type=Path, default=PAGE)
    arguments = options.parse_args()
    page = build(arguments.results)
    if arguments.check:
        found = problems(page, arguments.page)
        if found:
            sys.exit("; ".join(found) + ". Run: python benchmarks/report.py")
        return
    arguments.page.parent.mkdir(parents=True, exist_ok=True)
    arguments.page.write_text(page.text())
    for name, (draw, data) in page.pictures.items():
        draw(data, arguments.page.parent / name, mark(data))


if __name__ == "__main__":
    main()
