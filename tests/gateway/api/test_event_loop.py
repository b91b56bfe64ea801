"""Look-ups of names hold nothing up. `socket.getaddrinfo` is replaced by one that waits."""

import asyncio
import socket
import threading

import pytest
from patience import PATIENCE

from gateway.api import event_loop
from gateway.api.event_loop import EventLoop, NameNotResolved

ADDRESS = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 502))]


class Resolver:
    """Stands for the system's: a name has an answer, an error, or waits until `release`."""

    def __init__(self):
        self.asked, self.answers, self.released = [], {}, threading.Event()

    def __call__(self, host, *_):
        self.asked.append(host)
        if host not in self.answers:
            self.released.wait(PATIENCE)
        answer = self.answers.get(host, ADDRESS)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def resolver(monkeypatch):
    stand_in = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", stand_in)
    yield stand_in
    stand_in.released.set()


async def look_up(name, port=502):
    return await asyncio.get_running_loop().getaddrinfo(name, port)


async def why(name):
    with pytest.raises(NameNotResolved) as caught:
        await look_up(name)
    assert isinstance(caught.value, OSError)
    return str(caught.value)


def test_a_name_that_is_known_is_resolved(resolver):
    resolver.answers["plc"] = ADDRESS
    assert event_loop.run(look_up("plc")) == ADDRESS


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (socket.EAI_NONAME, "no name server knows it"),
        (socket.EAI_AGAIN, "no answer from a name server"),
        (socket.EAI_NODATA, "it has no address"),
    ],
)
def test_a_failure_is_said_in_a_sentence(resolver, code, reason):
    resolver.answers["plc"] = socket.gaierror(code, "in the words of the C library")
    assert event_loop.run(why("plc")) == f"the name plc cannot be resolved: {reason}"


def test_an_unanswered_look_up_fails_in_time_with_the_same_words_each_time(resolver):
    async def ask():
        return [await why("plc") for _ in range(3)]

    words = "the name plc cannot be resolved: no answer from a name server"
    assert event_loop.run(ask(), answer_within=0.05) == [words] * 3
    assert resolver.asked == ["plc"]


def test_a_name_is_looked_up_by_one_thread_even_if_who_asked_gives_up(resolver):
    async def ask():
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await look_up("plc")
        await asyncio.gather(*(why("plc") for _ in range(5)))

    event_loop.run(ask(), answer_within=0.2)
    assert resolver.asked == ["plc"]


def test_a_name_is_looked_up_once_for_all_of_its_ports(resolver):
    async def ask():
        waiting = [asyncio.create_task(look_up("plc", port)) for port in (502, 503, 4840)]
        while not resolver.asked:
            await asyncio.sleep(0.001)
        resolver.released.set()
        return [found[0][4] for found in await asyncio.gather(*waiting)]

    ports = event_loop.run(ask(), answer_within=PATIENCE)
    assert ports == [("192.0.2.1", 502), ("192.0.2.1", 503), ("192.0.2.1", 4840)]
    assert resolver.asked == ["plc"]


def test_a_hundred_hanging_names_delay_neither_another_name_nor_a_thread(resolver):
    resolver.answers["cloud"] = ADDRESS

    async def ask():
        hanging = [asyncio.create_task(why(f"plc-{n}")) for n in range(100)]
        while len(resolver.asked) < 100:
            await asyncio.sleep(0.001)
        assert await look_up("cloud") == ADDRESS
        assert await asyncio.to_thread(lambda: "done") == "done"
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)

    event_loop.run(ask(), answer_within=PATIENCE)


def test_an_answer_that_came_too_late_serves_the_next_attempt(resolver):
    async def ask():
        assert "no answer" in await why("plc")
        resolver.released.set()
        await asyncio.get_running_loop().look_ups_ended()
        return await look_up("plc")

    assert event_loop.run(ask(), answer_within=0.01) == ADDRESS
    assert resolver.asked == ["plc"]


def test_an_answer_in_time_is_not_kept(resolver):
    resolver.answers["plc"] = ADDRESS

    async def ask():
        await look_up("plc")
        await look_up("plc")

    event_loop.run(ask(), answer_within=PATIENCE)
    assert resolver.asked == ["plc", "plc"]


def test_a_late_failure_is_what_the_next_attempts_say(resolver):
    async def ask():
        first = await why("plc")
        resolver.answers["plc"] = socket.gaierror(socket.EAI_NONAME, "")
        resolver.released.set()
        await asyncio.get_running_loop().look_ups_ended()
        return first, await why("plc")

    first, second = event_loop.run(ask(), answer_within=0.01)
    assert first.endswith("no answer from a name server")
    assert second.endswith("no name server knows it")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%lo", None, ""])
def test_an_address_needs_no_thread(resolver, address):
    threads = threading.active_count()
    resolver.answers[address] = ADDRESS
    assert event_loop.run(look_up(address)) == ADDRESS
    assert threading.active_count() <= threads


def test_the_end_waits_for_no_look_up(resolver):
    async def ask():
        with pytest.raises(NameNotResolved):
            await look_up("plc")

    event_loop.run(ask(), answer_within=0.01)
    assert not resolver.released.is_set()
    assert any(each.daemon and each.name == "andon.worker" for each in threading.enumerate())


def test_whoever_gave_up_earlier_can_ask_why(resolver):
    async def ask():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await look_up("plc")
        return str(event_loop.unresolved("plc")), event_loop.unresolved("other")

    why_not, nothing = event_loop.run(ask(), answer_within=PATIENCE)
    assert why_not == "the name plc cannot be resolved: no answer from a name server"
    assert nothing is None


def test_an_error_in_a_thread_reaches_who_waits():
    async def ask():
        await asyncio.to_thread(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        event_loop.run(ask())


def test_a_pool_of_ones_own_is_used_as_in_asyncio():
    async def ask():
        assert isinstance(asyncio.get_running_loop(), EventLoop)
        names = await asyncio.gather(
            *(asyncio.to_thread(lambda: threading.current_thread().name) for _ in range(2))
        )
        return set(names)

    assert event_loop.run(ask()) == {"andon.worker"}
