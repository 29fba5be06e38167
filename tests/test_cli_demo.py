"""The demo: real digits through a database, a model, a report."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

import rowfeed
from rowfeed.cli.main import main

pytest.importorskip("keras")
sklearn_datasets = pytest.importorskip("sklearn.datasets")
pytest.importorskip("matplotlib")

LEFT_BEHIND = ["denoised.png", "digits.db", "history.png", "model.keras", "report.html"]


def test_the_tables_hold_the_digits(tmp_path):
    """What a feed reads from DIGIT_MATRIX and DIGIT_LABEL is what scikit-learn has; cells of 0 have no row."""
    from rowfeed.cli.demo import CELLS, LABELS, PICTURES, write_digits

    db = rowfeed.connect(f"sqlite:///{tmp_path}/digits.db")
    digits = sklearn_datasets.load_digits()
    assert write_digits(db) == (1797, np.count_nonzero(digits.images)) == (1797, 58_736)
    grid = rowfeed.Grid(PICTURES, **CELLS)
    label = rowfeed.Columns(LABELS, sample="digit_id", columns="label", dtype="int64")
    images, labels = rowfeed.Feed(db, x=grid, y=label, shuffle=False).arrays()
    np.testing.assert_array_equal(images, digits.images)
    np.testing.assert_array_equal(labels, digits.target)


@pytest.mark.keras
@pytest.mark.once
def test_what_it_suggests_works(tmp_path, monkeypatch, capsys):
    """The demo leaves its files in a directory, and the commands that it ends with work when pasted."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--out", "my demo", "--epochs", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sorted(path.name for path in (tmp_path / "my demo").iterdir()) == LEFT_BEHIND
    assert "Wrote 1,797 digits into sqlite:///my demo/digits.db: 58,736 rows in DIGIT_MATRIX, 1,797 in" in out
    suggested = [shlex.split(line) for line in out.split("Try next:\n")[-1].splitlines()]
    arguments = [words[words.index("rowfeed") + 1 :] for words in suggested]
    assert [words[0] for words in arguments] == ["populate", "train", "train"]
    shorter = {"populate": ["--samples", "400"], "train": ["--epochs", "1"]}
    for words in arguments:
        assert main(words + shorter[words[0]]) == 0
    for out in ("users", "noisier"):
        assert sorted(path.name for path in (tmp_path / "my demo" / out).iterdir()) == sorted(
            {*LEFT_BEHIND} - {"digits.db"}
        )


@pytest.mark.keras
@pytest.mark.once
def test_a_second_run_into_another_database(tmp_path, capsys):
    """A second run replaces what the first one left, and with --url the tables go there.

    After a few epochs the denoised error is below half of the noisy input's own and below the PCA's. The report shows
    both pictures and says what was read.
    """
    url, out = f"sqlite:///{tmp_path}/other.db", tmp_path / "out"
    out.mkdir()
    for name in LEFT_BEHIND:
        (out / name).write_text("old")
    assert main(["populate", url, "--table", "DIGIT_MATRIX", "--users-table", "DIGIT_LABEL", "--samples", "3"]) == 0
    capsys.readouterr()
    assert main(["demo", "--out", str(out), "--epochs", "8", "--url", url]) == 0
    assert (out / "digits.db").read_text() == "old"
    table = capsys.readouterr().out.split("Mean squared error on 372 validation samples:\n")[1].splitlines()
    noisy, pca, denoised = (float(re.search(r" (\d+\.\d+)( |$)", line)[1]) for line in table[:3])
    assert noisy == pytest.approx(4.0**2, rel=0.05)
    assert denoised < min(noisy / 2, pca)
    page = (out / "report.html").read_text(encoding="utf-8")
    pictures = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)]
    assert (out / "denoised.png").read_bytes() in pictures
    assert (out / "history.png").read_bytes() in pictures
    assert "<dt>rows read</dt><dd>58,736</dd>" in page  # every row once: the other seven epochs come from memory
    assert "1,797 handwritten digits, denoised" in page
    assert "1,425 to train, 372 to validate" in page
    bars = [float(error) for error in re.findall(r"<b>([\d.]+)</b>", page)]
    assert bars == pytest.approx([noisy, pca, denoised], rel=0.01)


@pytest.mark.keras
def test_the_saved_model_denoises(tmp_path):
    """model.keras is a model that works again when it is loaded, and the pictures show one sample of each digit."""
    import keras

    from rowfeed.cli.demo import digits_study, write_digits
    from rowfeed.cli.train.recipe import DIGITS

    db = rowfeed.connect(f"sqlite:///{tmp_path}/digits.db")
    write_digits(db)
    found = digits_study(db, replace(DIGITS, epochs=1), tmp_path).run(lambda line: None, terminal=False)
    noisy, denoised, clean = found.examples
    model = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model.predict(noisy, verbose=0), denoised, atol=1e-4)
    assert (found.components, found.samples, found.pca_samples) == (32, 372, 1425)
    digits = sklearn_datasets.load_digits()
    shown = [int(np.flatnonzero((digits.images == picture).all(axis=(1, 2)))[0]) for picture in clean]
    assert digits.target[shown].tolist() == list(range(10))
