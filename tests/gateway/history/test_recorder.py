"""The recorder, between a line that must not wait and a disk that may fail."""

import asyncio
import contextlib

import pytest
from fakes import batch
from patience import PATIENCE

from gateway.api.model import SECOND
from gateway.history.recorder import EARLY, LIMIT, Recorder

T0 = 1_700_000_000 * SECOND


class Disk:
    """An archive that fails while `refuses` is set."""

    def __init__(self):
        self.stored = []
        self.refuses = False
        self.came = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def store(self, arrivals):
        if self.refuses:
            raise OSError(28, "No space left on device")
        self.stored += [now for now, _ in arrivals]
        self.loop.call_soon_threadsafe(self.came.set)

    def maintain(self, now):
        pass

    def facts(self):
        return {"files": 1}


@pytest.fixture
async def disk():
    return Disk()


@pytest.fixture
async def recorder(disk):
    with contextlib.closing(Recorder(lambda: disk, 3600 * SECOND)) as recorder:
        yield recorder


async def test_samples_wait_while_the_disk_fails_and_are_written_in_order(recorder, disk):
    disk.refuses = True
    recorder.note(T0, batch(T0, 1.0))
    await recorder.flush()
    assert (recorder.facts()["waiting"], recorder.error != "") == (1, True)
    recorder.note(T0 + 1, None)
    disk.refuses = False
    await recorder.flush()
    assert disk.stored == [T0, T0 + 1]
    assert recorder.facts() == {
        "written": 1, "waiting": 0, "dropped": 0, "error": "", "files": 1,
    }  # fmt: skip


async def test_memory_is_bounded_and_dropped_samples_are_counted(recorder, disk):
    disk.refuses = True
    many = batch(T0, *[0.0] * 100_000)
    for k in range(LIMIT // 100_000 + 3):
        recorder.note(T0 + k, many)
    assert recorder.facts()["waiting"] <= LIMIT
    assert recorder.facts()["dropped"] == 300_000


async def test_many_samples_are_written_before_the_interval_is_over(recorder, disk):
    running = asyncio.create_task(recorder.run())
    recorder.note(T0, batch(T0, *[0.0] * EARLY))
    await asyncio.wait_for(disk.came.wait(), PATIENCE)
    running.cancel()
    assert disk.stored == [T0]


async def test_closing_writes_the_rest(disk):
    with contextlib.closing(Recorder(lambda: disk, 3600 * SECOND)) as recorder:
        recorder.note(T0, batch(T0, 1.0))
    assert disk.stored == [T0]
