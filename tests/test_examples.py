"""The examples run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rowfeed

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.keras
@pytest.mark.once
def test_user_matrix(tmp_path):
    """The whole way in one script: table, feed, split, summaries, training with validation data."""
    url = f"sqlite:///{tmp_path}/users.db"
    words = [sys.executable, str(EXAMPLES / "user_matrix.py"), url]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "4429 rows of 1000 users"
    assert 'Model: "encoder"' in lines
    assert 'Model: "decoder"' in lines
    assert "Epoch 10/10" in lines
    assert "val_loss" in lines[-1]
    grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
    values = rowfeed.Feed(rowfeed.connect(url), grid, samples=range(1000)).arrays()
    assert (values.min(), values.max(), (values != 0).sum()) == (-7, 17, 4429)
    assert (values == 0).all(axis=(1, 2)).any()
