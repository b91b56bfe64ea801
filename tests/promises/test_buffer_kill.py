"""Promise: when `append` has returned, its points and entries survive kill -9 of the daemon.

A thousand kills: `python tests/support/crash.py --kills 1000`.
"""

import subprocess
import sys
from pathlib import Path

CRASH = Path(__file__).parents[1] / "support" / "crash.py"


def test_no_acknowledged_point_is_lost_in_a_hundred_kills():
    # In a separate process, because only one without threads may fork.
    command = [sys.executable, str(CRASH), "--kills", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("100 kills")
