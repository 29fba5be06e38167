"""What layouts share: the memory of windows."""

from __future__ import annotations

import subprocess
import sys

FORKED = """
import os
import numpy as np
from rowfeed.layouts.base import filled
array = filled((1 << 20,), 0, np.dtype("float32"))
child = os.fork()
if not child:
    array[:] = 1
    os._exit(0)
os.waitpid(child, 0)
print(array.max())
"""


def test_a_window_is_of_one_process():
    """What a forked process writes into a window, as one that loads batches may, is not seen in another."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.0"
