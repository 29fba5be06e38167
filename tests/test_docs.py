"""What `make docs` makes is what is committed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def script(name):
    """A script of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["order-light.svg", "order-dark.svg"])
def test_the_picture_shows_the_order(name):
    """The picture of blocks, windows and batches is that of the plan as it is now."""
    text = script("order").pictures()[name]
    assert (DOCS / name).read_text() == text, f"expected docs/{name} as the plan is; got another. Run `make docs`."


@pytest.mark.keras
def test_the_page_of_the_api_is_that_of_the_docstrings():
    """Nobody edits docs/api.md, or forgets to make it anew."""
    text = script("api").page()
    assert (DOCS / "api.md").read_text() == text, "expected docs/api.md as the docstrings are. Run `make docs`."


@pytest.mark.keras
def test_the_page_of_the_api_has_every_public_name():
    """A name without a place in the script is still on the page."""
    import rowfeed.keras

    headings = re.findall("^### (.*)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    public = [f"rowfeed.{name}" for name in rowfeed.__all__] + [f"rowfeed.keras.{n}" for n in rowfeed.keras.__all__]
    assert sorted(headings) == sorted(public)
