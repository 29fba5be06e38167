"""The benchmarks: tables made from their names alone, digests that notice faults, a page that is its results."""

# ruff: noqa: E402 (the source distribution has no benchmarks: skip before importing them)
from __future__ import annotations

import ast
import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import rowfeed

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("benchmarks are not part of the source distribution", allow_module_level=True)

sys.path.append(str(BENCHMARKS))

import cases
import comparison
import digest
import job
import page
import records
import report
import servers
import trees
import windows

RIVALS = sorted(path.stem for path in (BENCHMARKS / "rivals").glob("[!_]*.py"))


def whole(case: cases.Case) -> np.ndarray:
    """All samples of a case, labels in a last column."""
    return np.concatenate([array for _, array in case.chunks()])


def small(name: str) -> cases.Case:
    """A case with few samples in small chunks."""
    return cases.Case(**{**cases.CASES[name].__dict__, "samples": 120, "chunk": 50})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("users4", "be3311b4280f6f54"),
        ("cells28", "61f800300d723db1"),
        ("wide128", "a99b2c64670089e3"),
        ("columns20", "c131f7122b55bf26"),
    ],
)
def test_tables_are_the_same_on_every_machine(name: str, expected: str) -> None:
    """Samples come from the name alone, so their digest can be written down."""
    case = small(name)
    assert digest.total(digest.samples(case.parts(array)) for _, array in case.chunks()) == expected


@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_a_smaller_table_is_the_beginning_of_a_larger_one(name: str) -> None:
    """What is verified on a small table are samples of the large one."""
    case = small(name)
    np.testing.assert_array_equal(whole(case.of(70)), whole(case)[:70])


def test_cells_are_as_many_and_as_large_as_the_case_says() -> None:
    """1 to 9 cells from −7 to 17, all of them; 50 from 1 to 255."""
    few = whole(cases.CASES["users4"].of(20_000)).reshape(20_000, -1)
    assert set(np.unique(np.count_nonzero(few, axis=1))) == set(range(1, 10))
    assert set(np.unique(few)) == set(range(-7, 18))
    many = whole(cases.CASES["cells28"].of(200)).reshape(200, -1)
    assert set(np.count_nonzero(many, axis=1)) == {50}
    assert many.max() == 255
    assert many[many != 0].min() == 1


def test_digests_do_not_depend_on_order_or_batches() -> None:
    """A permutation that contains a 3-cycle, in batches of other sizes, has the same digest."""
    case = small("columns20")
    array = whole(case)
    mixed = np.concatenate([array[[1, 2, 0]], array[:2:-1]])
    cut = [digest.samples(case.parts(part)) for part in np.array_split(mixed, 7)]
    assert digest.total(cut) == digest.total([digest.samples(case.parts(array))])


@pytest.mark.parametrize("fault", ["value", "cell", "swapped", "missing", "twice", "label"])
def test_digests_notice(fault: str) -> None:
    """A wrong value, a value in another cell, values of two samples exchanged, a sample that is missing or double."""
    array = np.arange(1, 31, dtype=np.float32).reshape(5, 6)
    label = np.arange(5, dtype=np.float32)
    right = digest.samples((array, label))
    wrong, labels = array.copy(), label.copy()
    if fault == "value":
        wrong[3, 3] += 1
    elif fault == "cell":
        wrong[2, :2] = wrong[2, 1::-1]
    elif fault == "swapped":
        wrong[[0, 1], 0] = wrong[[1, 0], 0]
    elif fault == "missing":
        wrong, labels = wrong[1:], labels[1:]
    elif fault == "twice":
        wrong[1], labels[1] = wrong[0], labels[0]
    else:
        labels[[0, 1]] = labels[[1, 0]]
    assert digest.samples((wrong, labels)) != right


@pytest.mark.parametrize("name", ["users4", "columns20"])
@pytest.mark.parametrize("batches_per_window", [None, 2])
def test_windows_are_those_of_a_feed(
    name: str, batches_per_window: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rivals with rowfeed's windows read the same samples, batch by batch, as a feed: one window or several."""
    case = dataclasses.replace(small(name), batch_size=7)
    monkeypatch.setitem(cases.CASES, name, case)
    if batches_per_window:
        monkeypatch.setattr(windows, "DEFAULT_MEMORY_BYTES", 4 * case.sample_bytes * 7 * batches_per_window)
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    db = rowfeed.connect(url)
    db.write(case.layout(), whole(case))
    x, y = case.layouts()
    feed = rowfeed.Feed(db, x=x, y=y, batch_size=7, memory_bytes=windows.DEFAULT_MEMORY_BYTES)
    assert (windows.plan(case, case.samples, 0).windows > 2) == bool(batches_per_window)

    def read(portions: list[np.ndarray]) -> list[list[np.ndarray]]:
        sample, *columns = (np.concatenate(c) for c in zip(*case.layout().unload(whole(case)), strict=True))
        chosen = np.isin(sample, np.concatenate(portions))
        return [[column[chosen] for column in (sample, *columns)]]

    task = job.Job("sqlite", url, name, case.samples)
    found = list(windows.batches(task, feed.sample_ids, read))
    expected = [batch if isinstance(batch, tuple) else (batch,) for batch in feed]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(left, right)


def test_reading_ahead_passes_errors_on_and_ends() -> None:
    """What the thread raises arrives; a reader that stops early leaves no thread."""

    def broken():
        yield 1
        raise ValueError("no more")

    items = windows.ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)
    endless = windows.ahead(iter(int, 1))
    assert next(endless) == 0
    endless.close()


@pytest.mark.parametrize("rival", RIVALS)
def test_rivals_have_one_shape(rival: str) -> None:
    """The same names in every file, read without importing what it needs."""
    tree = ast.parse((BENCHMARKS / "rivals" / f"{rival}.py").read_text())
    constants = {ast.unparse(t) for node in tree.body if isinstance(node, ast.Assign) for t in node.targets}
    functions = {node.name: len(node.args.args) for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"NAME", "ORDER", "PROCESSES"} <= constants
    assert functions.items() >= {"version": 1, "supports": 2, "batches": 1}.items()


def test_every_rival_is_run_and_named() -> None:
    """A file that is not in the list would never be measured."""
    listed = importlib.import_module("rivals").RIVALS
    assert sorted(listed) == RIVALS
    assert set(page.NAMES) == set(listed)
    assert set(comparison.CASES) == set(cases.CASES)


def test_the_page_is_that_of_the_results() -> None:
    """Nobody edits `docs/benchmarks.md` or forgets to make it anew: python benchmarks/report.py."""
    assert report.problems(report.build(report.RESULTS), report.PAGE) == []


def test_a_page_of_other_results_is_noticed(tmp_path: Path) -> None:
    """The check can fail: on a number in the page, and on a picture of other numbers."""
    for path in report.RESULTS.glob("*.jsonl"):
        (tmp_path / path.name).write_text(path.read_text())
    found = records.Records(tmp_path, "learning")
    run = found.last("run", "seed")[0]
    found.begin("full", **{name: found.sessions[0][name] for name in ("samples", "batch", "seeds", "window", "block")})
    found.add("run", seed=run["seed"], accuracy={**run["accuracy"], "full": run["accuracy"]["full"] / 2})
    assert report.problems(report.build(tmp_path), report.PAGE) == [
        "benchmarks.md is not the page of the results",
        "benchmarks-learning.png does not show the results",
    ]


def test_results_grow_by_lines(tmp_path: Path) -> None:
    """A new run leaves the bytes of the earlier ones alone, and takes the place of an earlier run of the same name."""
    first = records.Records(tmp_path, "some")
    assert first.begin("full", repeats=2) == 0
    first.add("run", engine="sqlite", repeat=0, seconds=1.5)
    first.add("run", engine="sqlite", repeat=1, seconds=2.5)
    kept = first.path.read_bytes()
    again = records.Records(tmp_path, "some")
    assert again.begin("full", repeats=2) == 1
    again.add("run", engine="sqlite", repeat=0, seconds=3.5)
    again.add("failure", place="duckdb", error="…")
    assert again.path.read_bytes().startswith(kept)
    read = records.Records(tmp_path, "some")
    assert read.lines == again.lines
    assert [run["seconds"] for run in read.last("run", "engine", "repeat")] == [3.5, 2.5]
    assert [run["session"] for run in read.last("run", "engine", "repeat")] == [1, 0]
    assert [session["repeats"] for session in read.sessions] == [2, 2]


def test_results_of_another_size_are_removed(tmp_path: Path) -> None:
    """Numbers of a small table never stand beside those of a large one."""
    found = records.Records(tmp_path, "some")
    found.begin("quick")
    found.add("run", repeat=0)
    found.begin("full")
    assert records.Records(tmp_path, "some").last("run", "repeat") == []
    assert [session["size"] for session in found.sessions] == ["full"]


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "results").glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_line_names_its_session(path: Path) -> None:
    """Each figure leads to machine, versions, commit, date and command. Tables of before the lines have no session."""
    found = records.Records(path.parent, path.stem)
    for number, session in enumerate(found.sessions):
        assert session["session"] == number
        assert {"size", "commit", "date", "command", "python", "libraries", "machine"} <= session.keys()
    for line in found.lines:
        assert line["kind"] in ("session", "table", "run", "failure")
        assert line.get("session", 0) < len(found.sessions)
        assert "session" in line or line["kind"] == "table"


STAND_IN = """
import sqlite3
import numpy as np
__version__ = "0.0.1"
class Grid:
    def __init__(self, table, *, sample, axes, value, shape):
        self.table, self.shape = table, shape
def connect(url):
    return sqlite3.connect(url.removeprefix("sqlite:///"))
class Feed:
    def __init__(self, db, *, x, y, batch_size, seed):
        rows = np.array(db.execute(f"SELECT sample, y, x, value FROM {x.table}").fetchall())
        self.array = np.zeros((int(rows[:, 0].max()) + 1, *x.shape), np.float32)
        self.array[tuple(rows[:, :3].astype(int).T)] = rows[:, 3]
    def __iter__(self):
        yield from np.array_split(self.array, 7)
"""


def test_trees_need_the_public_names_only_and_notice_a_wrong_one(tmp_path: Path) -> None:
    """A tree with other files inside is measured; one that reads a wrong value, or fails, has no figures."""
    case = cases.CASES["users4"].of(200)
    engine = servers.Engine("sqlite", f"sqlite:///{tmp_path / 'bench.db'}", "", None, tmp_path)
    engine.load(case)
    texts = {"right": STAND_IN, "wrong": STAND_IN.replace("= rows[:, 3]", "= rows[:, 3] + 1"), "broken": "1 / 0"}
    for name, text in texts.items():
        (tmp_path / name / "rowfeed").mkdir(parents=True)
        (tmp_path / name / "rowfeed" / "__init__.py").write_text(text)
    right, wrong, broken = (trees.epoch(engine, case, tmp_path / name, verify=True) for name in texts)
    assert right["ok"], right
    assert right["samples"] == 200
    assert right["versions"]["rowfeed"] == "0.0.1"
    assert wrong["error"].startswith(f"expected the digest {engine.loaded[case.table]['digest']} of {case.table}; got ")
    assert broken == {"ok": False, "error": "ZeroDivisionError: division by zero"}


def test_trees_are_compared_by_medians() -> None:
    """One slow turn does not count."""
    assert "new / old = 0.500   old 2.000 s (1.000 … 9.000; n=3)" in trees.line("wall", [1, 9, 2], [1, 1, 7])
    assert "no ratio" in trees.line("wall", [], [1.0])


def test_the_page_opens_with_rates_of_each_engine(tmp_path: Path) -> None:
    """Medians; the fastest by hand, the fastest loader, and no loader that has no order or asks sample by sample."""
    found = records.Records(tmp_path, "epochs")
    found.begin("full", repeats=3, slow_repeats=2, limit_s=4.0, pin=False)
    table = {"samples": 1000, "rows": 50_000, "aggregate_s": [1.0], "scatter_s": [0.1]}
    found.add("table", engine="sqlite", version="3", case="cells28", **table)
    seconds = {
        "rowfeed": [0.1, 9.0, 0.5],
        "connectorx": [2.0],
        "adbc": [1.0],
        "pandas": [1.5],
        "ray": [8.0],
        "scdataset": [4.0],
        "torch": [100.0],
    }
    for rival, runs in seconds.items():
        for repeat, s in enumerate(runs):
            run = {"engine": "sqlite", "case": "cells28", "rival": rival, "repeat": repeat, "samples": 1000}
            measured = {"seconds": s, "first_batch_s": 0.1, "client_cpu_s": s, "peak_bytes": 2**20}
            found.add("run", **run, **measured, ok=True, complete=True, versions={}, order="blocks")
    opening, *rest = report.build(tmp_path).text().split("\n## ")
    assert "| SQLite | **2,000** | 1,000 (ADBC) | 250 (scDataset) | 10 |" in opening
    assert opening.count("\n| --- |") == 1
    assert [section.partition("\n")[0] for section in rest] == [
        "All tables",
        "One epoch in every way",
        "Machine, versions, commands",
    ]
    assert "| SQLite, cells28 | 2.00 (ADBC) | 0.50 | 3.0 (pandas) | 200 (a query a sample) | 2.00 |" in rest[0]


def test_one_table_stands_above_the_rest() -> None:
    """A reader of `docs/benchmarks.md` sees four engines and no second table before the first heading."""
    opening = report.PAGE.read_text().partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in opening.splitlines() if line.startswith("| ")]
    assert rows == ["", "---", "MariaDB", "PostgreSQL", "SQLite", "DuckDB"]


def test_the_page_of_a_part_of_the_results(tmp_path: Path) -> None:
    """A benchmark that was not run has no section, and the others have theirs."""
    for name in ("learning", "fit"):
        (tmp_path / f"{name}.jsonl").write_text((report.RESULTS / f"{name}.jsonl").read_text())
    text = report.build(tmp_path).text()
    assert text.count("\n## ") == 2
    assert "0.6473 ± 0.0062" in text
