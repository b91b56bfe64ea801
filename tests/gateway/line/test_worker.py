import asyncio
import gc
import subprocess
import sys
import threading

import pytest
from patience import PATIENCE

from gateway.line.worker import Worker


async def test_jobs_run_one_after_the_other_in_one_thread_of_that_name():
    worker = Worker("scores")
    names = [await worker.run(lambda: threading.current_thread().name) for _ in range(3)]
    assert names == ["scores"] * 3


async def test_what_a_job_raises_is_raised_to_whoever_waits():
    def fail():
        raise ValueError("a bug")

    worker = Worker("scores")
    with pytest.raises(ValueError, match="a bug"):
        await worker.run(fail)
    assert await worker.run(lambda: 5) == 5


async def test_a_job_whose_caller_has_gone_ends_all_the_same():
    may_end, ended = threading.Event(), threading.Event()

    def work():
        may_end.wait(PATIENCE)
        ended.set()

    future = Worker("scores").run(work)
    future.cancel()
    may_end.set()
    assert await asyncio.to_thread(ended.wait, PATIENCE)


@pytest.mark.parametrize("how", ["end", "forget"])
async def test_the_thread_ends_with_the_worker(how):
    worker = Worker("scores")
    thread = await worker.run(threading.current_thread)
    if how == "end":
        worker.end()
    else:
        del worker
        gc.collect()
    await asyncio.to_thread(thread.join, PATIENCE)
    assert not thread.is_alive()


def test_the_program_ends_though_a_job_does_not():
    program = (
        "import asyncio, threading\n"
        "from gateway.line.worker import Worker\n"
        "async def main():\n"
        "    Worker('stuck').run(threading.Event().wait)\n"
        "asyncio.run(main())\n"
        "print('ended')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr
