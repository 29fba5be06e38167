"""One room per layout: what it asks the database for, and how columns become one array per sample."""

from rowfeed.layouts.base import Layout
from rowfeed.layouts.columns import Columns
from rowfeed.layouts.grid import Grid

__all__ = ["Columns", "Grid", "Layout"]
