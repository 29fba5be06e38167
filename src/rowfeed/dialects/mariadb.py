"""MariaDB, for URLs that begin with `mariadb`: the same room as MySQL's."""

from __future__ import annotations

from rowfeed.dialects.mysql import Session

__all__ = ["Session"]
