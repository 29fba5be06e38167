"""Learning from a table that is sorted by its label. Run: python benchmarks/learning.py --size full

A linear classifier learns batch by batch from one epoch: in the order of the table, in rowfeed's order with a window
that is a small part of the table, and in a full shuffle of arrays in RAM. Accuracy is on other samples.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import options
import plots
from cases import SIZES
from page import Page
from records import Records

import rowfeed
from rowfeed.plan.order import Plan, choose_window

NAME = "learning"
SAMPLES, FEATURES, CLASSES, BATCH = 200_000, 20, 10, 64
TESTS = 10_000
SEEDS = 5
WINDOWS = 10
"""Windows in an epoch: memory_bytes is chosen so that a tenth of the table is mixed at a time."""

SAMPLE_BYTES = 4 * FEATURES + 8

ORDERS = {"none": "in the order of the table", "rowfeed": "**rowfeed**", "full": "a full shuffle of arrays in RAM"}

COLUMNS = [f"c{i}" for i in range(FEATURES)]


def samples(seed: int, count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Classes that overlap: normal around centres of their own, sorted by class."""
    centres = np.random.default_rng(12345).normal(size=(CLASSES, FEATURES))
    rng = np.random.default_rng([seed, count])
    y = np.sort(rng.integers(0, CLASSES, count))
    return (centres[y] + 2 * rng.normal(size=(count, FEATURES))).astype(np.float32), y


def accuracy(batches: Iterable[Any], seed: int) -> float:
    """On other samples, after these batches."""
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.01, random_state=seed)
    for x, y in batches:
        model.partial_fit(x, y, classes=np.arange(CLASSES))
    return float(model.score(*samples(seed + 1000, TESTS)))


def in_memory(x: Any, y: Any, order: Any) -> Iterator[Any]:
    """Batches of arrays in an order."""
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        yield x[chosen], y[chosen]


def main() -> None:
    """Learn in each order with each seed."""
    arguments = options.parser(__doc__).parse_args()
    count = max(4_000, SAMPLES // SIZES[arguments.size])
    window = choose_window(memory_bytes(count), SAMPLE_BYTES, BATCH, count)
    records = Records(arguments.results, NAME)
    records.begin(
        arguments.size,
        fresh=arguments.fresh,
        samples=count,
        batch=BATCH,
        seeds=SEEDS,
        window=window,
        block=Plan(count, BATCH, window).block,
    )
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(SEEDS):
            x, y = samples(seed, count)
            mixed = np.random.default_rng(seed).permutation(count)
            found = {
                "none": accuracy(in_memory(x, y, np.arange(count)), seed),
                "rowfeed": accuracy(table(Path(directory) / f"{seed}.db", x, y, seed), seed),
                "full": accuracy(in_memory(x, y, mixed), seed),
            }
            records.add("run", seed=seed, accuracy=found)
            print(seed, found, flush=True)


def section(page: Page, records: Records) -> None:
    """Of the page."""
    runs = records.last("run", "seed")
    session = records.sessions[-1]
    page.add("## Learning from a table sorted by its label")
    page.add(
        f"A linear classifier learns from one epoch of {session['samples']:,} samples in 10 classes, in batches of "
        f"{session['batch']}. Accuracy on other samples: mean ± standard deviation of {session['seeds']} seeds. "
        f"rowfeed mixes {session['window']:,} samples at a time, in blocks of {session['block']} neighbours. "
        f"{page.source(records, runs)}"
    )
    found = {name: [run["accuracy"][order] for run in runs] for order, name in ORDERS.items()}
    rows = [[name, f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"] for name, values in found.items()]
    page.table(("", "accuracy"), rows)
    data = {name.strip("*"): values for name, values in found.items()}
    page.picture("benchmarks-learning.png", "Accuracy of each order, one point a seed", plots.accuracies, data)


def table(path: Path, x: Any, y: Any, seed: int) -> rowfeed.Feed:
    """A feed of the samples in a table, in the order of their ids sorted by label."""
    whole = rowfeed.Columns("sorted", sample="sample", columns=[*COLUMNS, "label"])
    db = rowfeed.connect(f"sqlite:///{path}")
    db.write(whole, np.concatenate([x, y[:, None].astype(np.float32)], axis=1), ids=np.arange(len(y)))
    inputs = rowfeed.Columns("sorted", sample="sample", columns=COLUMNS)
    target = rowfeed.Columns("sorted", sample="sample", columns="label", dtype="int64")
    return rowfeed.Feed(db, x=inputs, y=target, batch_size=BATCH, seed=seed, memory_bytes=memory_bytes(len(y)))


def memory_bytes(count: int) -> int:
    """The memory of a feed of so many samples: a window is a quarter of it."""
    return 4 * SAMPLE_BYTES * (count // WINDOWS)


if __name__ == "__main__":
    main()
