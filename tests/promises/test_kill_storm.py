"""Promise: kills and full disks together lose and double nothing that was announced."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
KILLS = os.environ.get("ANDON_KILLS", "5")
# What history leaves free, and some room for it.
MOUNT = "mount -t tmpfs -o size=128m,mode=700 tmpfs"


@pytest.mark.timeout(300 + 20 * int(KILLS))
@pytest.mark.server("mosquitto")
def test_kill_minus_9_while_the_disk_fills_and_empties(tmp_path, bundle):
    state = tmp_path / "state"
    state.mkdir()
    mount = f"{MOUNT} {state}"
    if not shutil.which("unshare"):
        pytest.skip("unshare is not there")
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounting a private disk")
    storm = [sys.executable, "kill_storm.py", str(tmp_path), str(bundle), "--kills", KILLS]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *storm],
        cwd=SUPPORT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    # With a disk that is full at the start it may end by itself, to be started again.
    assert result["ends"].pop("0") == 1
    assert set(result["ends"]) <= {"-9", "74"}
    assert sum(result["ends"].values()) == int(KILLS)
    assert result["fills"] > 0
    assert result["announced"] > int(KILLS)
    # Lost.
    assert result["announced_and_not_at_the_server"] == 0
    assert result["announced_and_not_at_the_panel"] == 0
    assert result["at_one_and_not_the_other"] == 0
    assert result["dropped"] == result["gaps"] == 0
    # Doubled.
    assert result["doubled_at_the_server"] == result["doubled_with_other_words"] == 0
    assert result["changed_at_the_server"] == result["out_of_turn"] == 0
    # The journal holds each alert that was stored, once, and a note of each start.
    assert result["entries"] == result["alerts"]
    assert result["alerts_without_an_entry"] == result["entries_without_an_alert"] == 0
    assert (result["numbers_left_out"], result["first_number"]) == (0, 1)
    assert 1 <= sum(result["notes"].values()) <= int(KILLS) + 1
    assert set(result["notes"]) <= {"started", "restarted"}
    assert result["history_samples"] > 0
    assert result["history_doubled"] == 0
    assert result["tracebacks"] == 0
