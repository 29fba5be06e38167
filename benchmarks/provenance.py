"""Where numbers come from: machine, versions, commit, date, command line."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SOURCE = HERE.parent / "src"


def provenance() -> dict[str, Any]:
    """Of a run that starts now."""
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD")
        + ("+changes" if _git("status", "--porcelain", "src") else ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["python", *(_relative(argument) for argument in sys.argv)]),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in ("rowfeed", "numpy", "SQLAlchemy", "keras", "jax")},
        "machine": {
            "cpu": _field("/proc/cpuinfo", r"model name\s*:\s*(.+)"),
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "system": f"{platform.system()} {platform.release()}",
            "load": round(os.getloadavg()[0], 2),
        },
    }


def _version(distribution: str) -> str | None:
    if distribution == "rowfeed":
        import rowfeed

        return rowfeed.__version__
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE.parent, capture_output=True, text=True)
    return done.stdout.strip()


def _relative(argument: str) -> str:
    """An argument without the directories of this machine."""
    return Path(argument).name if argument.startswith("/") else argument


def _field(path: str, pattern: str) -> str | None:
    found = re.search(pattern, Path(path).read_text())
    return found[1].strip() if found else None
