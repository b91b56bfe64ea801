"""Promise: on a full disk the daemon judges on, takes alerts, and recovers when there is room."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.fixture
def on_a_disk_of_its_own(tmp_path):
    """Runs a command on a small disk, mounted for it alone."""
    mount = f"mount -t tmpfs -o size=24m tmpfs {tmp_path}"
    if not shutil.which("unshare"):
        pytest.skip("unshare is not there")
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounting a private disk")

    def run(*command):
        words = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
        done = subprocess.run(words, cwd=SUPPORT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_running_daemon_survives_a_full_disk_and_loses_nothing(on_a_disk_of_its_own, tmp_path):
    result = on_a_disk_of_its_own(sys.executable, "full_disk.py", str(tmp_path))
    # The ballast was enough for every alert at the first try.
    assert result["refused_with_ballast"] == 0
    assert result["alerts_with_ballast"] >= 3
    assert result["windows_missed"] == result["restarts"] == 0
    assert result["dropped"] == result["lost"] == result["shown_and_not_stored"] == 0
    # What no room was left for waited in memory, in its order.
    assert result["alerts_without_room"] == 0
    assert result["out_of_turn"] == result["summary_gaps"] == 0
    assert result["summaries"] > 0
