"""The package as a whole: its public names, its imports, its prose."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rowfeed

SOURCE = Path(rowfeed.__file__).parent

FLOORS = [
    {"errors", "messages"},
    {"plan", "values", "access"},
    {"request"},
    {"layouts", "dialects"},
    {"database", "reading", "models"},
    {"keras"},
    {"feed"},
    {"cli"},
    {"__main__", ""},
]
"""The house, ground floor first: a folder, or a file beside them, imports from floors below its own alone, type hints
included. `""` is the package itself."""


def modules():
    """The path of each module, by its name without the package's."""
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
        for path in sorted(SOURCE.rglob("*.py"))
    }


def imports(path):
    """The rowfeed modules that a module names in an import, wherever that stands."""
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rowfeed":
            base = node.module.removeprefix("rowfeed").removeprefix(".")
            inner = (f"{base}.{alias.name}".removeprefix(".") for alias in node.names)
            yield from (name if name in known else base for name in inner)
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("rowfeed").removeprefix(".") for a in node.names if is_ours(a.name))


def is_ours(name):
    """Whether a module is one of rowfeed."""
    return name.split(".")[0] == "rowfeed"


def folder(name):
    """The folder of a module, or the module itself where it stands beside them."""
    return name.split(".")[0]


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
        "Layout",
        "MissingIndexWarning",
        "Samples",
        "SchemaError",
        "Stats",
        "connect",
    ]
    assert all(getattr(rowfeed, name).__doc__ for name in rowfeed.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Fed'"):
        _ = rowfeed.Fed


def test_type_checkers_see_the_public_names():
    """The imports that only type checkers see are those of the public names, from the same modules."""
    checked = next(n for n in ast.walk(ast.parse(Path(rowfeed.__file__).read_text())) if isinstance(n, ast.If))
    seen = {a.asname: n.module.removeprefix("rowfeed.") for n in checked.body for a in n.names}
    assert seen == rowfeed._HOMES


def test_every_folder_has_a_floor():
    """FLOORS lists each folder, and each file beside them, once."""
    assert sorted(name for floor in FLOORS for name in floor) == sorted({folder(name) for name in modules()})


@pytest.mark.parametrize("name", modules())
def test_imports_run_downwards(name):
    """A folder imports from floors below its own alone: one direction, no way back, no exception."""
    number = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}
    others = {folder(other) for other in imports(modules()[name])} - {folder(name)}
    assert {other for other in others if number[other] >= number[folder(name)]} == set()


def test_no_circles():
    """No two modules import each other, be it through others or inside of one folder."""
    graph = {name: set(imports(path)) - {name} for name, path in modules().items()}
    list(TopologicalSorter(graph).static_order())


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
