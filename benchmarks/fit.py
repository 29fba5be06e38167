"""`model.fit` from the database against arrays in RAM. Run: python benchmarks/fit.py --size full

The denoising autoencoder, batch 64, on JAX and on TensorFlow; arrays and database take turns in one process, after a
fit that compiles, and each goes first in every second turn: a machine that slows down is to nobody's disadvantage.
Asking is the time in which Keras asks the feed for batches, which cuts them; waiting is the part of it in which a
window was not there yet.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import options
import processes
from cases import CASES
from job import Job
from page import ENGINES, Page, by, median, spread
from records import Records

import rowfeed

NAME = "fit"
CASE = "cells28"
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow"}
SAMPLES = 200_000
REPEATS = 6


def once(samples: int, *place: Any) -> list[dict[str, float]]:
    """Seconds of an epoch from arrays and from the database, in turn; how long the latter waited."""
    job = Job(*place)
    import keras

    from rowfeed.keras import DenoisingAutoencoder, KerasFeed

    class Timed(KerasFeed):
        """A feed that counts the seconds in which Keras waits for it."""

        waited = 0.0

        def __getitem__(self, index: int) -> Any:
            started = time.perf_counter()
            try:
                return super().__getitem__(index)
            finally:
                self.waited += time.perf_counter() - started

    case = job.case
    grid, _ = case.layouts()
    feed = rowfeed.Feed(
        rowfeed.connect(job.url),
        x=grid,
        y=grid,
        samples=range(samples),
        batch_size=case.batch_size,
        last_batch="drop",
        cache=None,
    )
    arrays = feed.arrays()[0][: len(feed) * case.batch_size]
    keras.utils.set_random_seed(0)
    model = DenoisingAutoencoder(case.shape, seed=0)
    model.compile("adam", loss="mse")
    model.fit(arrays[: 8 * case.batch_size], arrays[: 8 * case.batch_size], batch_size=case.batch_size, verbose=0)
    model.fit(feed.replace(samples=range(8 * case.batch_size)).to_keras(), verbose=0)

    def from_arrays() -> dict[str, float]:
        started = time.perf_counter()
        model.fit(arrays, arrays, batch_size=case.batch_size, epochs=1, verbose=0)
        return {"arrays_s": time.perf_counter() - started}

    def from_feed() -> dict[str, float]:
        timed, before = Timed(feed), feed.stats()
        started = time.perf_counter()
        model.fit(timed, epochs=1, verbose=0)
        return {
            "feed_s": time.perf_counter() - started,
            "asked_s": timed.waited,
            "waited_s": (feed.stats() - before).training_waited_s,
        }

    turns = (from_arrays, from_feed)
    return [{key: value for turn in turns[:: (-1) ** n] for key, value in turn().items()} for n in range(REPEATS)]


def main() -> None:
    """Measure each engine with each backend."""
    given = options.parser(__doc__)
    given.add_argument("--fit-samples", type=int, default=SAMPLES, help=f"samples of an epoch (default {SAMPLES:,})")
    arguments = given.parse_args()
    wanted = CASES[CASE].sized(arguments.size)
    samples = min(arguments.fit_samples, wanted.samples)
    records = Records(arguments.results, NAME)
    records.begin(arguments.size, fresh=arguments.fresh, samples=samples, batch=wanted.batch_size)
    for engine, case in options.loaded(arguments, [CASE]):
        for backend in BACKENDS:
            place = {"engine": engine.name, "backend": backend}
            for repeat, found in enumerate(_asked(backend, samples, engine.name, engine.url, case.name, case.samples)):
                records.add("run", **place, repeat=repeat, **found)
                print(*place.values(), found, flush=True)


def _asked(backend: str, *question: Any) -> list[dict[str, Any]]:
    try:
        return processes.ask(__file__, *question, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    except RuntimeError as error:
        return [{"error": str(error)}]


def section(page: Page, records: Records) -> None:
    """Of the page."""
    runs = records.last("run", "engine", "backend", "repeat")
    session = records.sessions[-1]
    page.add("## Training: `fit` from the database against arrays in RAM")
    page.add(
        f"Seconds of one epoch of `DenoisingAutoencoder`: {session['samples']:,} samples of cells28, batches of "
        f"{session['batch']}, after a fit that compiled. Arrays and database take turns in one process. *Asking*: the "
        "share of the epoch in which Keras asks for batches; cutting them is included. *Waiting*: the share in which "
        "the next samples were not in memory yet (`feed.stats().training_waited_s`); the first ones are included. "
        f"{page.source(records, runs)}"
    )
    rows = []
    for engine, of_engine in by(runs, "engine", ENGINES).items():
        for backend, found in by(of_engine, "backend", BACKENDS).items():
            names, errors = [ENGINES[engine], BACKENDS[backend]], [run["error"] for run in found if "error" in run]
            if errors:
                rows.append([*names, f"failed: {errors[-1]}", "", "", "", ""])
                continue
            rows.append(
                [
                    *names,
                    f"{median(found, 'arrays_s'):.2f}",
                    f"{median(found, 'feed_s'):.2f}",
                    spread([run["feed_s"] / run["arrays_s"] for run in found]),
                    *(
                        f"{statistics.median(run[name] / run['feed_s'] for run in found):.1%}"
                        for name in ("asked_s", "waited_s")
                    ),
                ]
            )
    page.table(("", "backend", "arrays, s", "database, s", "database / arrays", "asking", "waiting"), rows)


if __name__ == "__main__":
    processes.run(main, once)
