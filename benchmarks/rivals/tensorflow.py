"""`tf.data.experimental.SqlDataset`: one row for each sample, shuffled in a buffer, made dense by TensorFlow."""

from __future__ import annotations

import os
from math import prod
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import drivers
import tensorflow as tf
from cases import Case
from job import Batches, Job

from rivals import versions

NAME = "tf.data SqlDataset"
ORDER = "a buffer of at most 131,072 mixed"
PROCESSES = False

BUFFER_BYTES = 64 * 2**20


def version(engine: str) -> dict[str, str]:
    """The distributions that it uses."""
    return versions("tensorflow-cpu")


def supports(engine: str, case: Case) -> str | None:
    """The engines in its documentation."""
    return None if engine == "sqlite" else "it reads SQLite files only"


def batches(job: Job) -> Batches:
    """One epoch."""
    case = job.case
    types = (tf.int64, tf.string, tf.string) if case.cells else (tf.int64, *(tf.float64 for _ in case.value_columns))
    rows = tf.data.experimental.SqlDataset("sqlite", job.place.database, drivers.one_row_each(job), types)
    samples = rows.shuffle(min(131_072, BUFFER_BYTES // case.sample_bytes), seed=job.seed).batch(case.batch_size)
    make = _grid(case) if case.cells else _columns
    for batch in samples.map(make, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE):
        yield case.parts(batch.numpy())


def _grid(case: Case) -> Any:
    def dense(sample: Any, cells: Any, texts: Any) -> Any:
        places = tf.strings.split(cells, ",")
        values = tf.strings.to_number(tf.strings.split(texts, ",").values, tf.float32)
        index = tf.stack([places.value_rowids(), tf.strings.to_number(places.values, tf.int64)], axis=1)
        shape = tf.stack([tf.size(sample, tf.int64), tf.constant(prod(case.shape), tf.int64)])
        return tf.reshape(tf.scatter_nd(index, values, shape), (-1, *case.shape))

    return dense


def _columns(sample: Any, *values: Any) -> Any:
    return tf.cast(tf.stack(values, axis=1), tf.float32)
