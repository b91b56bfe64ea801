"""The state folder pulled away under the running daemon, in each way and with each of its files.

Nothing is announced that is not durable: an alert that the log shows is found by the next start.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from floor import outlive, seesaw
from pulled_floor import every_deed

SUPPORT = Path(__file__).parents[1] / "support"
DEEDS = every_deed()
IN_CI = (
    "the state folder is removed",
    "the state folder is replaced by a link elsewhere",
    "buffer.db is replaced by a link elsewhere",
    "buffer.db-wal is removed",
    "lock is removed",
    "history is removed",
    "windows.dat is replaced by a link",
    "control.sock is removed",
    "the state folder is opened to all",
    "sub/points.jsonl is replaced by a link",
    "buffer.db is truncated",
)
IS_LONG = os.environ.get("ANDON_HOSTILE") == "long"
LANES = 4


def test_there_are_enough_of_them():
    assert len(DEEDS) >= 50
    assert set(IN_CI) <= set(DEEDS)


@pytest.mark.timeout(900)
async def test_nothing_is_announced_that_is_not_durable(tmp_path):
    names = list(DEEDS if IS_LONG else IN_CI)
    # What damages the buffer comes last: then the rest has a buffer that must lack nothing.
    names.sort(key=lambda name: DEEDS[name].outcome == "damaged")
    lanes = [names[lane::LANES] for lane in range(LANES)]
    async with seesaw() as port:
        work = [
            outlive(tmp_path / str(number), port, {name: DEEDS[name] for name in lane})
            for number, lane in enumerate(lanes)
        ]
        wrong = [each for found in await asyncio.gather(*work) for each in found]
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not there")
def test_a_disk_that_goes_away_or_turns_read_only_is_outlived(tmp_path):
    mount = f"mount -t tmpfs -o size=64m,mode=0700 tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("this machine does not allow mounting a private disk")
    words = ["unshare", "-rm", sys.executable, "pulled_disk.py", str(tmp_path)]
    done = subprocess.run(words, cwd=SUPPORT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
