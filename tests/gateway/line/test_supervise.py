import asyncio
from types import SimpleNamespace

import pytest
import structlog
from patience import PATIENCE

from gateway.api.contracts import Fatal
from gateway.core.backoff import Backoff
from gateway.line import supervise as module
from gateway.line.supervise import supervise


async def test_a_task_that_fails_is_counted_and_started_again():
    runs, failures = [], []
    steady = asyncio.Event()

    async def work():
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError("a bug")
        steady.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervise("work", work, failures.append))
    await asyncio.wait_for(steady.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(runs), len(failures)) == (3, 2)


async def test_a_task_that_fails_while_it_is_cancelled_is_not_started_again():
    started = asyncio.Event()

    async def work():
        started.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise RuntimeError("a bug") from None

    task = asyncio.create_task(supervise("work", work, lambda _why: None))
    await asyncio.wait_for(started.wait(), PATIENCE)
    task.cancel()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_is_fatal_goes_through():
    async def work():
        raise Fatal("the disk is gone")

    with pytest.raises(Fatal, match="the disk is gone"):
        await supervise("work", work, lambda _why: None)


BUG = RuntimeError("a bug")


class Enough(BaseException):
    """The test has seen as many waits as it wants."""


@pytest.fixture
def waits(monkeypatch):
    """The waits between two runs, which take no time."""
    made = []

    async def sleep(seconds):
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(module, "Backoff", lambda **limits: Backoff(**limits, draw=lambda: 1.0))
    return made


async def supervised(monkeypatch, lengths, outcome=BUG):
    """Runs of these lengths in seconds, each with the same outcome; failures and the log."""
    clock, left, failures = SimpleNamespace(now=1000.0), list(lengths), []

    async def work():
        if not left:
            raise Enough
        clock.now += left.pop(0)
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with structlog.testing.capture_logs() as logs, pytest.raises(Enough):
        await supervise("work", work, failures.append)
    return failures, logs


async def test_the_waits_grow_to_five_seconds(monkeypatch, waits):
    assert (await supervised(monkeypatch, [0] * 6))[0] == ["RuntimeError: a bug"] * 6
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(("length", "wait"), [(30.0, 4.0), (30.5, 0.5)])
async def test_only_a_run_of_more_than_half_a_minute_forgives_the_failures(
    monkeypatch, waits, length, wait
):
    await supervised(monkeypatch, [0, 0, 0, length])
    assert waits == [0.5, 1.0, 2.0, wait]


async def test_a_failure_is_logged_with_its_traceback(monkeypatch, waits):
    _, logs = await supervised(monkeypatch, [0])
    assert logs == [
        {
            "event": "task.failed",
            "log_level": "error",
            "task": "work",
            "error_type": "RuntimeError",
            "exc_info": True,
        }
    ]


async def test_a_task_that_ends_by_itself_is_a_failure_too(monkeypatch, waits):
    failures, logs = await supervised(monkeypatch, [0, 0], outcome=None)
    assert failures == ["it ended"] * 2
    assert logs == [{"event": "task.ended", "log_level": "error", "task": "work"}] * 2
    assert waits == [0.5, 1.0]


async def test_a_failure_that_repeats_is_logged_ever_less_often(monkeypatch, waits):
    failures, logs = await supervised(monkeypatch, [0] * 20)
    assert len(failures) == 20
    assert [entry.get("times", 1) for entry in logs] == [1, 2, 4, 8, 16]
    assert ["exc_info" in entry for entry in logs] == [True, False, False, False, False]


async def test_a_failure_after_a_healthy_run_is_new(monkeypatch, waits):
    _, logs = await supervised(monkeypatch, [0, 0, 31, 0])
    assert [entry.get("times", 1) for entry in logs] == [1, 2, 1]
