"""Which backend Keras runs on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rowfeed.cli.backend import BACKENDS, choose_backend, quiet_stderr
from rowfeed.errors import ArgumentError, DependencyError


def chosen(code, **environment):
    """What a new process prints that runs the code with `choose_backend` at hand."""
    script = f"import os, sys\nfrom rowfeed.cli.backend import choose_backend\n{code}"
    env = {**{k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}, **environment}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    return done.stdout.strip() or done.stderr.splitlines()[-1]


HIDE = "import importlib.util as u, rowfeed.cli.backend as b; b.find_spec = lambda n: n not in {} and u.find_spec(n)\n"


def test_an_argument_comes_first():
    """--backend wins over KERAS_BACKEND, and Keras will see it; TensorFlow is told to be quiet."""
    code = "print(choose_backend('torch'), os.environ['KERAS_BACKEND'], os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    pytest.importorskip("torch")
    assert chosen(code, KERAS_BACKEND="jax", TF_CPP_MIN_LOG_LEVEL="3") == "torch torch 3"


def test_the_environment_comes_second():
    """Without an argument, KERAS_BACKEND says it."""
    pytest.importorskip("torch")
    assert chosen("print(choose_backend())", KERAS_BACKEND="torch") == "torch"


def test_else_the_first_that_is_installed():
    """Without both it is jax, else tensorflow, else torch."""
    pytest.importorskip("torch")
    assert chosen("print(choose_backend())") == "jax"
    assert chosen(HIDE.format(("jax", "tensorflow")) + "print(choose_backend())") == "torch"


def test_nothing_installed():
    """Where there is no backend, or no Keras, the error says what to install."""
    assert chosen(HIDE.format(BACKENDS) + "choose_backend()") == (
        "rowfeed.errors.DependencyError: expected Keras with a backend; got none of jax, tensorflow and torch "
        'installed. Install one, pip install "rowfeed[demo]" brings Keras with JAX.'
    )
    assert chosen(HIDE.format(("torch",)) + "choose_backend('torch')") == (
        "rowfeed.errors.DependencyError: expected Keras with the backend torch; torch is not installed. "
        'Run pip install "rowfeed[torch]".'
    )
    assert chosen(HIDE.format(("keras",)) + "choose_backend('jax')") == (
        "rowfeed.errors.DependencyError: expected Keras with the backend jax; keras is not installed. "
        'Run pip install "rowfeed[jax]".'
    )


def test_an_unknown_backend(monkeypatch):
    """A misspelt KERAS_BACKEND is refused, and what there is is named."""
    monkeypatch.setenv("KERAS_BACKEND", "jaxx")
    with pytest.raises(ArgumentError) as refused:
        choose_backend()
    assert str(refused.value) == (
        "expected one of jax, tensorflow, torch; got backend 'jaxx'. Pass --backend, or set KERAS_BACKEND."
    )


def test_another_backend_than_the_running_one():
    """Keras cannot change its backend: that is an error, not a surprise."""
    keras = pytest.importorskip("keras")
    running = keras.backend.backend()
    other = next(name for name in BACKENDS if name != running)
    with pytest.raises((ArgumentError, DependencyError)) as refused:
        choose_backend(other)
    assert str(refused.value).startswith(f"expected {running}, the backend that Keras already runs on") or (
        "is not installed" in str(refused.value)
    )
    assert choose_backend(running) == os.environ["KERAS_BACKEND"] == running


def test_quiet_stderr(capfd):
    """What native code writes to the descriptor is dropped inside, and arrives again outside."""
    with quiet_stderr():
        os.write(2, b"noise")
    os.write(2, b"signal")
    assert capfd.readouterr().err == "signal"
