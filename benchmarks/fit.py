"""`model.fit` from the database against arrays in RAM. Run: python benchmarks/fit.py --size full

The denoising autoencoder, batch 64, on JAX and on TensorFlow; arrays and database take turns in one process, after a
fit that compiles, and each goes first in every second turn: a machine that slows down is to nobody's disadvantage.
Asking is the time that Keras spends in asking the feed for batches, which cuts them; waiting is the part of it in which
a window was not there yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import engines
import options
from cases import CASES, Case
from job import Job
from provenance import provenance, write

import rowfeed

NAME = "fit"
CASE = "cells28"
BACKENDS = ("jax", "tensorflow")
SAMPLES = 200_000
REPEATS = 6


def once(job: Job, samples: int) -> list[dict[str, float]]:
    """Seconds of an epoch from arrays and from the database, in turn; how long the latter waited."""
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
        rowfeed.connect(job.url), x=grid, y=grid, samples=range(samples), batch_size=case.batch_size, last_batch="drop"
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
    case = CASES[CASE].sized(arguments.size)
    samples = min(arguments.fit_samples, case.samples)
    content = {"size": arguments.size, **provenance(), "samples": samples, "batch": case.batch_size, "runs": {}}
    with options.cache(arguments.cache) as cache:
        for name in arguments.engines:
            with engines.start(name, cache) as engine:
                engine.load(case)
                engine.aggregate(case)
                for backend in BACKENDS:
                    content["runs"][f"{name} {backend}"] = _in_process(
                        Job(name, engine.url, *_named(case)), samples, backend
                    )
                    write(arguments.results, NAME, content)
                    print(name, backend, content["runs"][f"{name} {backend}"], flush=True)


def _named(case: Case) -> tuple[str, int]:
    return case.name, case.samples


def _in_process(job: Job, samples: int, backend: str) -> Any:
    question = json.dumps([[job.engine, job.url, job.name, job.samples], samples])
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--once", question]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["?"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        place, count = json.loads(sys.argv[2])
        print(json.dumps(once(Job(*place), count)))
    else:
        main()
