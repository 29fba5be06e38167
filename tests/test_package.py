"""The package as a whole: its public names, its imports, its prose."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rowfeed

SOURCE = Path(rowfeed.__file__).parent

LAYERS = [
    {"errors"},
    {"dates", "ids", "passwords", "plan", "stats", "throttle"},
    {"exact", "failures"},
    {"request"},
    {"rows"},
    {"samples"},
    {"dialects._catalogue", "dialects._skip_scan", "dialects._storage"},
    {"dialects.generic"},
    {"dialects"},
    {
        "dialects._duckdb_dialect",
        "dialects._mysql_statements",
        "dialects._mysql_storage",
        "dialects._mysql_tls",
        "dialects._mysql_wire",
        "dialects._postgresql_query",
        "dialects._sqlite_query",
    },
    {"dialects._mysql_columns", "dialects._sqlite_packing"},
    {"dialects.duckdb", "dialects.mysql", "dialects.postgresql", "dialects.sqlite"},
    {"dialects.mariadb"},
    {"layouts.base"},
    {"layouts.columns", "layouts.grid"},
    {"layouts"},
    {"scan", "write"},
    {"database"},
    {"read", "retry"},
    {"listing", "prefetch"},
    {"batches"},
    {"options"},
    {"survey"},
    {"feed"},
    {"autoencoder"},
    {"keras"},
    {"command"},
    {
        "command.backend",
        "command.comparison",
        "command.meter",
        "command.pictures",
        "command.populate",
        "command.recipe",
        "command.stages",
        "command.words",
    },
    {"command.report", "command.steps", "command.verdict"},
    {"command.arguments", "command.training"},
    {"command.bench", "command.findings"},
    {"command.study"},
    {"demo"},
    {"cli"},
    {"__main__"},
    {""},
]
"""The house, ground floor first. A room imports from floors below its own alone; a dialect's or layout's package room
may name its files. `""` is the package itself."""


def modules():
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
        for path in sorted(SOURCE.rglob("*.py"))
    }


def imports(path):
    """The rowfeed modules that a module imports when it is loaded or run, type checking left out."""
    tree = ast.parse(path.read_text())
    checked = [n for n in ast.walk(tree) if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING"]
    skipped = {id(inner) for node in checked for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").startswith("rowfeed"):
            base = node.module.removeprefix("rowfeed").removeprefix(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(".")
                yield inner if inner in modules() else base


def test_public_names():
    """The surface is these names and no more."""
    assert rowfeed.__all__ == [
        "ArgumentError",
        "Columns",
        "DataError",
        "Database",
        "DatabaseError",
        "DependencyError",
        "Error",
        "Feed",
        "Grid",
        "MissingIndexWarning",
        "Samples",
        "SchemaError",
        "connect",
    ]
    assert all(getattr(rowfeed, name).__doc__ for name in rowfeed.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Fed'"):
        _ = rowfeed.Fed


def test_every_room_has_a_floor():
    """LAYERS lists every module once."""
    assert sorted(name for layer in LAYERS for name in layer) == sorted(modules())


@pytest.mark.parametrize("name", modules())
def test_imports_run_downwards(name):
    """A room imports from floors below it alone: one direction, no way back."""
    floor = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    upwards = [other for other in imports(modules()[name]) if floor[other] >= floor[name] and other != name]
    allowed = {"database": {"write"}, "feed": {"keras"}}.get(name, set())  # methods that hand over, loaded when called
    assert set(upwards) <= allowed


def test_no_room_is_crowded():
    """No module is above 400 lines."""
    assert {n: len(p.read_text().splitlines()) for n, p in modules().items() if p.read_text().count("\n") > 400} == {}


def loaded(code):
    script = f"{code}\nimport sys; print(' '.join(sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


FRAMEWORKS = {"keras", "jax", "tensorflow", "torch", "matplotlib", "sklearn", "scipy", "pandas", "pyarrow"}


def test_importing_rowfeed_imports_no_framework():
    """`import rowfeed`, and using its names, loads no framework."""
    assert not FRAMEWORKS & loaded("import rowfeed; [getattr(rowfeed, name) for name in rowfeed.__all__]")


def test_the_test_for_frameworks_can_fail():
    """The test above would notice one."""
    assert "scipy" in FRAMEWORKS & loaded("import rowfeed, scipy")


def test_importing_rowfeed_is_cheap():
    """`import rowfeed` takes less than 0.5 s of CPU, the interpreter's start included."""
    code = "import rowfeed, time; print(time.process_time())"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert seconds < 0.5


def test_without_a_backend_the_way_out_is_named():
    """Where Keras finds no backend, the error says which extra to install and what to set."""
    code = """
import os, sys
sys.modules["tensorflow"] = None
os.environ.pop("KERAS_BACKEND", None)
os.environ["KERAS_HOME"] = os.devnull
import rowfeed.keras
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "rowfeed.errors.DependencyError: expected Keras with a backend; tensorflow is not installed" in done.stderr
    assert 'pip install "rowfeed[jax]"' in done.stderr
    assert "KERAS_BACKEND=jax" in done.stderr
