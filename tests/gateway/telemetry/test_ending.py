"""A daemon that was asked to stop and cannot is ended by force, and says where it stood."""

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import asyncio, os, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from gateway.telemetry import ending, logs, signals
from gateway.telemetry.watch import Watch  # not imported late

ending.LAST_S = 0.5
logs.configure("press-3", "json")

def stop_soon():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()

async def main():
    signals.handle(asyncio.current_task().cancel)
    stop_soon()
    {work}

asyncio.run(main())
"""
WAYS = {
    "the loop is blocked": ("time.sleep(60)", "main ("),
    "a disk holds a thread": (
        "pool = ThreadPoolExecutor(1)\\n    pool.submit(time.sleep, 60)\\n    pool.shutdown()",
        "shutdown (",
    ),
    "a thread is left at the end": (
        "threading.Thread(target=time.sleep, args=(60,)).start()\\n    await asyncio.sleep(60)",
        "_shutdown (",
    ),
}


def outcome_of(work):
    program = textwrap.dedent(PROGRAM).format(work=work.replace("\\n", "\n"))
    return subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=50
    )


@pytest.mark.parametrize("way", WAYS)
def test_what_does_not_stop_is_ended_and_the_log_says_where_it_stood(way):
    work, place = WAYS[way]
    ended = outcome_of(work)
    assert ended.returncode == 74, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert '"event": "line.ended_by_force"' in last
    assert "it did not stop within 0.5 s" in last
    assert place in last


def test_what_stops_in_time_ends_as_it_would():
    ended = outcome_of("await asyncio.Event().wait()")
    assert "line.ended_by_force" not in ended.stderr
    assert ended.returncode == 1, "cancelled, which this program does not handle"
