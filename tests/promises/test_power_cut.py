"""Promise: what `append` has returned for survives a kernel crash and a power cut.

More cuts: `python tests/support/power_cut.py --images 600`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from servers import program

POWER_CUT = Path(__file__).parents[1] / "support" / "power_cut.py"


@pytest.fixture
def cut():
    """Makes images of power cuts and counts in how many of them something was wrong."""
    program("strace")

    def run(*words):
        command = [sys.executable, str(POWER_CUT), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_no_acknowledged_point_is_lost_in_power_cuts(cut):
    tally = cut("--images", 120)
    del tally["seconds"]
    wrong = dict.fromkeys(("lost_alerts", "lost_summaries", "damaged", "false_losses"), 0)
    assert tally == {"images": 120} | wrong


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_the_cuts_find_what_a_weaker_promise_to_the_disk_would_lose(cut, synchronous):
    assert cut("--images", 60, "--synchronous", synchronous)["lost_alerts"] > 5
