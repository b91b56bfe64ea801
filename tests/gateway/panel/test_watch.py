"""One line as the panel knows it."""

import asyncio

import pytest
from fake_daemon import FakeDaemon, alarm, answering, status, tag
from patience import PATIENCE

from gateway.api.contracts import AndonError
from gateway.control.client import ControlError
from gateway.panel.listeners import Listeners
from gateway.panel.watch import KEPT, MOST_ALARMS, Watch


@pytest.fixture
def socket(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def watch(tmp_path, socket):
    sockets = [tmp_path / "elsewhere" / "control.sock", socket]
    return Watch("press-3", sockets, Listeners(), lambda: 42)


async def test_a_line_is_away_until_its_daemon_answers_and_again_afterwards(watch, socket):
    await watch.poll()
    assert (watch.away, watch.heard_at) == ("no daemon answers at its socket", 0)
    async with answering(FakeDaemon([alarm("d.x", "x")]), socket):
        await watch.poll()
        assert (watch.away, watch.heard_at, len(watch.alarms)) == ("", 42, 1)
        assert watch.status["line"] == "press-3"
    await watch.poll()
    assert watch.away
    assert watch.heard_at == 42
    async with answering(FakeDaemon(), socket):
        await watch.poll()
        assert (watch.away, watch.alarms) == ("", [])


async def test_those_who_look_are_woken_by_news_alone(socket):
    listeners = Listeners()
    watch = Watch("press-3", [socket], listeners)
    daemon = FakeDaemon()
    async with answering(daemon, socket):
        await watch.poll()
        with listeners.listening() as changed:
            await watch.poll()
            changed.clear()
            await watch.poll()
            assert not changed.is_set()
            daemon.alarms = [alarm("d.x", "x")]
            await watch.poll()
            assert changed.is_set()


async def test_the_status_is_asked_for_more_rarely_than_the_alarms(watch, socket):
    daemon = FakeDaemon()
    async with answering(daemon, socket):
        for _ in range(5):
            await watch.poll()
    assert daemon.asked.count("/alarms") == 5
    assert daemon.asked.count("/status") == 1


async def test_texts_of_a_daemon_steer_nothing(watch, socket):
    hostile = alarm("d.x", "\u202eevil\x1b[2J")
    daemon = FakeDaemon([hostile], status(tags=[tag("a\u202eb")]))
    async with answering(daemon, socket):
        await watch.poll()
    assert watch.alarms[0]["message"] == "\\u202eevil\\x1b[2J"
    assert watch.status["tags"][0]["tag"] == "a\\u202eb"


@pytest.mark.parametrize("wrong", [{}, [1], [{"id": "x"}], "alarms", [[]]])
async def test_what_is_no_list_of_alarms_is_a_daemon_that_is_away(watch, socket, wrong):
    async with answering(FakeDaemon(wrong), socket):
        await watch.poll()
    assert "another one" in watch.away


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


async def test_an_answer_that_is_nested_deeply_is_a_daemon_that_is_away(watch, socket):
    async with answering(FakeDaemon([alarm("d.x", "x", odd=nested(700))]), socket):
        await watch.poll()
        assert "nested too deeply" in watch.away


async def test_a_fault_of_the_panel_is_no_line_on_which_all_is_well(watch, socket, monkeypatch):
    monkeypatch.setattr("gateway.panel.line_view.tiles", lambda _status: 1 / 0)
    async with answering(FakeDaemon(), socket):
        await watch.poll()
        assert "cannot be shown" in watch.away
        monkeypatch.undo()
        await watch.poll()
        assert watch.away == ""


async def test_of_very_many_alarms_some_are_only_counted(watch, socket):
    many = [alarm(f"d.{number}", "x") for number in range(MOST_ALARMS + 7)]
    async with answering(FakeDaemon(many), socket):
        await watch.poll()
    assert (len(watch.alarms), watch.left_out) == (MOST_ALARMS, 7)


async def test_another_question_is_asked_once_for_all(watch, socket):
    daemon = FakeDaemon()
    async with answering(daemon, socket):
        await asyncio.gather(*(watch.ask("/journal?limit=5") for _ in range(10)))
        assert daemon.asked.count("/journal?limit=5") == 1
        for limit in range(3 * KEPT):
            await watch.ask(f"/journal?limit={limit}")
    assert len(watch._answers) == KEPT


async def test_an_act_while_the_daemon_is_away_says_that_nothing_was_done(watch):
    with pytest.raises(ControlError, match="nothing was done"):
        await watch.act("/alarms/act", {"id": "x"})


async def test_it_goes_on_asking_by_itself(watch, socket):
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(PATIENCE), answering(FakeDaemon([alarm("d.x", "x")]), socket):
        while watch.away:
            await asyncio.sleep(0.01)
    running.cancel()


async def test_a_daemon_that_hangs_leaves_a_page_its_time(watch, socket, monkeypatch):
    monkeypatch.setattr("gateway.panel.watch.PATIENT_S", 0.05)
    taken = []
    server = await asyncio.start_unix_server(lambda *streams: taken.append(streams), socket)
    async with asyncio.timeout(PATIENCE), server:
        with pytest.raises(AndonError, match="does not answer within"):
            await watch.ask("/trend")
        watch._lost("it hangs")
        asked = len(taken)
        assert await watch.ask("/trend") is None
        assert len(taken) == asked
        for _, writer in taken:
            writer.close()


async def test_the_names_of_a_line_are_kept_as_texts(watch, socket):
    odd = {"state": {"shelved": "zurückgestellt", "normal": 7}, "severity": [], "ne107": "x"}
    async with answering(FakeDaemon(status=status(names=odd)), socket):
        await watch.poll()
    assert watch.names == {"state": {"shelved": "zurückgestellt", "normal": ""}}
