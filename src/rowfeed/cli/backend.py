"""The backend of Keras. It is chosen before Keras is imported, since Keras reads KERAS_BACKEND only once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from rowfeed.errors import ArgumentError, DependencyError

BACKENDS = ("jax", "tensorflow", "torch")
"""The backends, in the order of the search."""


def choose_backend(name: str | None = None) -> str:
    """Choose the backend of this process and keep it quiet.

    Args:
        name: One of BACKENDS. None: the one in KERAS_BACKEND, else the first of BACKENDS that is installed.

    Returns:
        The backend's name, which KERAS_BACKEND now has.

    Raises:
        ArgumentError: There is no such backend, or Keras runs on another one already.
        DependencyError: The backend, or Keras, is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    wanted = name or os.environ.get("KERAS_BACKEND") or next(filter(find_spec, BACKENDS), None)
    if wanted is None:
        raise DependencyError(
            "expected Keras with a backend; got none of jax, tensorflow and torch installed. Install one, "
            'pip install "rowfeed[demo]" brings Keras with JAX.'
        )
    if wanted not in BACKENDS:
        raise ArgumentError(
            f"expected one of {', '.join(BACKENDS)}; got backend {wanted!r}. Pass --backend, or set KERAS_BACKEND."
        )
    for package in (wanted, "keras"):
        if not find_spec(package):
            raise DependencyError(
                f"expected Keras with the backend {wanted}; {package} is not installed. "
                f'Run pip install "rowfeed[{wanted}]".'
            )
    if "keras" in sys.modules and (running := sys.modules["keras"].backend.backend()) != wanted:
        raise ArgumentError(
            f"expected {running}, the backend that Keras already runs on in this process; got {wanted!r}. "
            "Start another process."
        )
    os.environ["KERAS_BACKEND"] = wanted
    if wanted == "tensorflow":
        with quiet_stderr():
            import_module(wanted)
    return wanted


def check_packages(purpose: str, **packages: str) -> None:
    """Check that packages are installed, before any work is done.

    Args:
        purpose: The use of the packages, for the error.
        packages: Their names for pip, by the names of their modules.

    Raises:
        DependencyError: One is not installed.
    """
    for module, package in packages.items():
        try:
            import_module(module)
        except ModuleNotFoundError as missing:
            raise DependencyError(
                f'expected {package}, for {purpose}; it is not installed. Run pip install "rowfeed[demo]".'
            ) from missing


def backend_version() -> str:
    """The present backend of Keras, and its version."""
    import keras

    name = keras.backend.backend()
    for package in (name, f"{name}-cpu"):
        try:
            return f"{name} {version(package)}"
        except PackageNotFoundError:
            continue
    return str(name)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Silence the descriptor while TensorFlow is imported: its C++ code writes there before it can be silenced.

    On JAX and torch, Keras imports TensorFlow when a model is saved, if it is installed.
    """
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
