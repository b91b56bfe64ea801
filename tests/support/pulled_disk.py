"""A daemon whose disk is pulled away: `unshare -rm python tests/support/pulled_disk.py FOLDER`.

Prints as JSON what did not come of it as it should.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from floor import outlive, seesaw
from pulled_floor import BACK_S, Deed


def run(*command):
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)


def mount(disk):
    run("mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", disk)


def read_only(state):
    # A mount with files that are open for writing is busy: a second one of the same disk is not.
    run("mount", "--bind", state.parent, state.parent)
    run("mount", "-o", "remount,bind,ro", state.parent)


def writable(state):
    run("umount", "-l", state.parent)


def mounted_over(state):
    mount(state.parent)


def mounted_over_for_a_moment(state):
    mount(state.parent)
    time.sleep(BACK_S)
    run("umount", "-l", state.parent)


def detached(state):
    run("umount", "-l", state.parent)


DEEDS = {
    "the disk is read-only": Deed(read_only, "waits", "read-only", writable),
    "another disk is mounted over it for a moment": Deed(mounted_over_for_a_moment, "back"),
    "another disk is mounted over it": Deed(mounted_over, "put back"),
    "the disk is detached": Deed(detached, "put back"),
    "the disk is detached again": Deed(detached, "put back"),
}
IN_CI = ("the disk is read-only", "the disk is detached")


async def main(folder):
    disk = folder / "disk"
    disk.mkdir()
    mount(disk)
    async with seesaw() as port:
        is_long = os.environ.get("ANDON_HOSTILE") == "long"
        deeds = {name: deed for name, deed in DEEDS.items() if is_long or name in IN_CI}
        return await outlive(folder, port, deeds, "disk/state")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
