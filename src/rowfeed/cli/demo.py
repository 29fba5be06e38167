"""`rowfeed demo`: writes real pictures into a database, trains a model from it, and reports on both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.study import Study, check_packages
from rowfeed.cli.train.training import Say
from rowfeed.database.database import Database, connect
from rowfeed.feed.samples import Samples
from rowfeed.layouts.columns import Columns
from rowfeed.layouts.grid import Grid

PICTURES, LABELS = "DIGIT_MATRIX", "DIGIT_LABEL"

CELLS: dict[str, Any] = {"sample": "digit_id", "axes": ("y", "x"), "value": "value", "shape": (8, 8)}


def write_digits(db: Database) -> tuple[int, int]:
    """Write scikit-learn's digits into two tables, in place of tables of that name.

    DIGIT_MATRIX has a row for each cell that is not 0; DIGIT_LABEL a row for each picture.

    Returns:
        The number of pictures, and the number of rows of cells.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    cells = db.write(Grid(PICTURES, **CELLS, dtype="int16"), digits.images.astype(np.int16), if_exists="replace")
    label = Columns(LABELS, sample="digit_id", columns="label", dtype="int16")
    return db.write(label, digits.target.astype(np.int16), if_exists="replace"), cells


def digits_study(db: Database, recipe: Recipe, out: Path) -> Study:
    """The study of the two tables."""
    return Study(
        db=db,
        grid=Grid(PICTURES, **CELLS),
        samples=Samples(LABELS, "digit_id"),
        labels=Columns(LABELS, sample="digit_id", columns="label", dtype="int64"),
        recipe=recipe,
        out=out,
        noun="handwritten digits",
    )


def demo(out: Path, url: str | None, recipe: Recipe, say: Say, terminal: bool) -> Database:
    """Run the demo; see `rowfeed demo --help`.

    Returns:
        The database that has the tables now.
    """
    check_packages()
    out.mkdir(parents=True, exist_ok=True)
    db = connect(url or f"sqlite:///{out / 'digits.db'}")
    digits, cells = write_digits(db)
    say(f"Wrote {digits:,} digits into {db.label}: {cells:,} rows in {PICTURES}, {digits:,} in {LABELS}.")
    digits_study(db, recipe, out).run(say, terminal)
    return db
