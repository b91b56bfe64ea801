import asyncio
import contextlib

import numpy as np
import pytest
from fakes import ScriptedConnector, batch, tag

from gateway.api.contracts import ConfigError, SourceLost
from gateway.line.inbox import Inbox
from gateway.line.source import keep_reading
from gateway.telemetry.health import SourceHealth

TAGS = [tag(f"t{number}", high=1e6) for number in range(6)]


async def read(connector, until):
    inbox, health = Inbox(TAGS), SourceHealth("plc")
    task = asyncio.create_task(keep_reading(connector, range(5, 6), inbox, health))
    async with asyncio.timeout(20):
        while not until(inbox, health) and not task.done():
            await asyncio.sleep(0.01)
    if task.done():
        return inbox, health, task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return inbox, health, task


async def test_a_lost_session_is_opened_again_and_its_samples_go_on():
    lost = SourceLost("connection reset")
    connector = ScriptedConnector([batch(1, 1.0), lost], [batch(2, 2.0), lost])
    inbox, health, _ = await read(connector, lambda inbox, _: len(inbox) == 4)
    found = inbox.drain()
    assert found.tag.tolist() == [5, 5, 5, 5]
    assert found.quality.tolist() == [0, 2, 0, 2], "bad as soon as the source is lost"
    assert np.isnan(found.value[1])
    assert health.connects == 2
    assert health.samples == 2


async def test_a_source_that_is_away_says_why_and_is_not_up():
    connector = ScriptedConnector()
    _, health, _ = await read(connector, lambda _, health: connector.opened >= 2)
    assert not health.up
    assert health.error == "the script is over"


async def test_a_source_that_can_only_listen_is_up_before_anybody_speaks():
    connector = ScriptedConnector([SourceLost("broker gone")], [])
    connector.listens = True
    _, health, _ = await read(connector, lambda _, health: health.connects == 2)
    assert health.samples == 0


async def test_a_source_that_asks_is_not_up_before_it_has_an_answer():
    connector = ScriptedConnector([SourceLost("no answer")], [SourceLost("no answer")])
    _, health, _ = await read(connector, lambda _, health: connector.opened == 3)
    assert health.connects == 0


async def test_what_a_connector_has_to_say_of_its_tags_is_known_as_it_changes():
    connector = ScriptedConnector([batch(1, 1.0)])
    connector.diagnostics = []
    _, health, _ = await read(connector, lambda _, health: health.connects == 1)
    connector.diagnostics.append("flow: polled")
    assert list(health.diagnostics) == ["flow: polled"]


async def test_a_session_that_just_ends_is_a_lost_one():
    connector = ScriptedConnector([batch(1, 1.0)], [])
    _, health, _ = await read(connector, lambda _, health: health.losses == 1)
    assert health.error in {"the session ended", "the script is over"}


async def test_a_bug_in_a_connector_is_not_swallowed():
    connector = ScriptedConnector([ZeroDivisionError("a bug")])
    _, _, task = await read(connector, lambda *_: False)
    with pytest.raises(ZeroDivisionError):
        await task


async def test_what_a_human_must_mend_is_said_and_does_not_end_the_task():
    connector = ScriptedConnector([ConfigError("client.pem does not exist")])
    _, health, task = await read(connector, lambda _, health: health.error)
    assert health.error == "client.pem does not exist"
    assert task.cancelled()


class Deaf:
    """Goes on when it is cancelled, as asyncio.wait_for of Python 3.11 may."""

    @contextlib.asynccontextmanager
    async def open(self):
        async def batches():
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
                yield batch(1, 1.0)

        yield batches()


async def test_a_cancellation_that_a_library_swallows_ends_the_reading_all_the_same():
    inbox, _, task = await read(Deaf(), lambda inbox, _: len(inbox) >= 2)
    assert task.cancelled()
    assert len(inbox) >= 2
