import asyncio
import sqlite3
import threading
from types import SimpleNamespace

import pytest
from patience import PATIENCE

from gateway.api.contracts import Fatal
from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer import BufferFull, BufferRefused, open_buffer
from gateway.buffer.database import Damaged
from gateway.core.wait_limits import BUFFER_S, SALVAGE_S
from gateway.telemetry.heartbeats import Part

A, S, G = Kind.ALERT, Kind.SUMMARY, Kind.GATEWAY
OPTIONS = SimpleNamespace(max_bytes=10**9, max_age=2**62)
SINKS = {"cloud": frozenset(Kind), "panel": frozenset({A})}


def points(kind, *bodies):
    return [Envelope(kind, at, body.encode()) for at, body in enumerate(bodies, 1)]


def bodies(envelopes):
    return [envelope.body.decode() for envelope in envelopes]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "buffer.db"


@pytest.fixture
async def buffer(path):
    async with open_buffer(path, OPTIONS, SINKS) as opened:
        yield opened


async def lease(buffer, sink="cloud"):
    return bodies(await buffer.lease(sink, 1000, 10**9))


def error(code, text="reported by sqlite"):
    made = sqlite3.OperationalError(text)
    made.sqlite_errorcode = code
    return made


def failing(buffer, monkeypatch, made):
    def fail(*_):
        raise made

    monkeypatch.setattr(buffer._store, "append", fail)


async def test_appended_points_are_there_after_reopening(path):
    async with open_buffer(path, OPTIONS, SINKS) as buffer:
        await buffer.append(points(A, "a1"), {"pump": b"state"})
    async with open_buffer(path, OPTIONS, SINKS) as buffer:
        assert await lease(buffer) == ["a1"]
        assert await buffer.load_checkpoint("pump") == b"state"


async def test_news_wakes_only_the_sinks_that_accept_it(buffer):
    await buffer.append(points(S, "s1") + points(G, "g1"))
    assert await buffer.wait_for_news("cloud") == {S, G}
    panel = asyncio.create_task(buffer.wait_for_news("panel"))
    await buffer.append(points(S, "s2"))
    assert await buffer.wait_for_news("cloud") == {S}
    assert not panel.done()
    await buffer.append(points(A, "a1"))
    assert await panel == {A}


async def test_news_that_came_before_the_wait_is_not_missed(buffer):
    await buffer.append(points(A, "a1"))
    await buffer.append(points(S, "s1"))
    assert await buffer.wait_for_news("cloud") == {A, S}


async def test_a_cancelled_append_is_whole_and_nothing_overtakes_it(buffer, monkeypatch):
    store, reached, go = buffer._store, threading.Event(), threading.Event()
    original, running = store.append, []

    def slow(*args):
        reached.set()
        assert go.wait(PATIENCE)
        running.append(threading.current_thread())
        return original(*args)

    monkeypatch.setattr(store, "append", slow)
    task = asyncio.create_task(buffer.append(points(A, "a1")))
    await asyncio.to_thread(reached.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    following = asyncio.create_task(lease(buffer))
    stats = asyncio.create_task(buffer.stats())
    await asyncio.sleep(0)
    assert not following.done()
    go.set()
    assert await following == ["a1"]
    assert (await stats)["alerts"] == 1
    assert len(running) == 1
    assert await buffer.wait_for_news("panel") == {A}


async def test_leaving_the_context_waits_for_running_calls(path):
    async with open_buffer(path, OPTIONS, SINKS) as buffer:
        tasks = [asyncio.create_task(buffer.append(points(A, f"a{n}"))) for n in range(20)]
        await asyncio.sleep(0)
    async with open_buffer(path, OPTIONS, SINKS) as buffer:
        assert await lease(buffer) == [f"a{n}" for n in range(20)]
    await asyncio.gather(*tasks)


async def test_leaving_the_context_closes_the_file(path):
    async with open_buffer(path, OPTIONS, SINKS) as buffer:
        await buffer.append(points(A, "a1"))
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM alert").fetchone() == (1,)
    db.close()
    assert not path.with_name("buffer.db-wal").exists()


async def test_a_full_disk_raises_until_there_is_room_again(buffer):
    db, thread = buffer._store._contents.db, buffer._thread

    def limit(pages):
        thread.submit(lambda: db.execute(f"PRAGMA max_page_count = {pages}").fetchall()).result()

    await buffer.append(points(A, "a1"))
    limit(1)
    with pytest.raises(BufferFull, match="full"):
        await buffer.append(points(A, *("x" * 1000 for _ in range(100))))
    assert await lease(buffer) == ["a1"]
    limit(10**6)
    await buffer.append(points(A, "a2"))
    assert await lease(buffer) == ["a1", "a2"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, BufferFull),
        (sqlite3.SQLITE_IOERR_WRITE, BufferFull),
        (sqlite3.SQLITE_READONLY_DBMOVED, BufferFull),
        (sqlite3.SQLITE_IOERR_FSYNC, BufferRefused),
        (sqlite3.SQLITE_CORRUPT, BufferRefused),
        (sqlite3.SQLITE_IOERR_READ, BufferRefused),
        (sqlite3.SQLITE_MISUSE, Fatal),
    ],
)
async def test_every_failure_is_classified(buffer, monkeypatch, code, kind):
    failing(buffer, monkeypatch, error(code))
    with pytest.raises(kind, match="reported by sqlite") as caught:
        await buffer.append(points(A, "a1"))
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, sqlite3.Error)


async def test_after_a_failed_fsync_the_file_is_opened_again(buffer, monkeypatch):
    await buffer.append(points(A, "a1"))
    before = buffer._store._contents.db
    with monkeypatch.context() as patch:
        failing(buffer, patch, error(sqlite3.SQLITE_IOERR_FSYNC))
        with pytest.raises(BufferRefused):
            await buffer.append(points(A, "a2"))
    assert buffer._store._contents.db is not before
    await buffer.append(points(A, "a3"))
    assert await lease(buffer) == ["a1", "a3"]


async def test_damage_found_while_running_replaces_the_file_and_the_line_goes_on(
    buffer, path, monkeypatch
):
    await buffer.append(points(A, "a1"))
    with monkeypatch.context() as patch:
        failing(buffer, patch, error(sqlite3.SQLITE_CORRUPT))
        with pytest.raises(BufferRefused):
            await buffer.append(points(A, "a2"))
    await buffer.append(points(A, "a2"))
    assert await lease(buffer) == ["a1", "a2"]
    stats = await buffer.stats()
    assert [path.with_name(name).exists() for name in stats["set_aside"]] == [True]


async def test_a_buffer_that_cannot_be_opened_leaves_no_thread_behind(tmp_path):
    (tmp_path / "buffer.db").mkdir()
    with pytest.raises(Fatal):
        async with open_buffer(tmp_path / "buffer.db", OPTIONS, SINKS):
            pytest.fail("it must not open")
    assert not [t for t in threading.enumerate() if t.name.startswith("buffer")]


async def test_stats_count_waiting_and_lost_points(buffer):
    await buffer.append(points(A, "a1") + points(S, "s1", "s2") + points(G, "g1"))
    leased = await buffer.lease("cloud", 1, 10**9)
    await buffer.reject("cloud", leased, "no")
    stats = await buffer.stats()
    waiting = {name: stats[name] for name in ("alerts", "summaries", "gateway", "oldest_at")}
    assert waiting == {"alerts": 1, "summaries": 2, "gateway": 1, "oldest_at": 1}
    assert (stats["dropped"], stats["dropped_by"]) == (1, {"alert.rejected": 1})


async def test_the_thread_of_the_file_is_named_and_one(buffer):
    assert buffer._thread._max_workers == 1
    assert [t.name for t in threading.enumerate() if t.name.startswith("buffer")] == ["buffer_0"]


async def test_the_options_the_clock_and_the_handling_reach_the_store(tmp_path):
    options, handling = SimpleNamespace(max_bytes=5_000, max_age=7), SimpleNamespace()
    handling.alarm = lambda _: None
    path = tmp_path / "deep" / "state" / "buffer.db"
    async with open_buffer(path, options, SINKS, lambda: 99, handling) as opened:
        store = opened._store
        assert (store._max_bytes, store._max_age, store._clock()) == (5_000, 7, 99)
        assert store._handling is handling
        assert store.sinks == SINKS


async def test_a_lease_keeps_to_its_limits_and_its_lowest_class(buffer):
    await buffer.append(points(S, "s1", "s2") + points(G, "g1"))
    assert bodies(await buffer.lease("cloud", 1, 10**9)) == ["s1"]
    assert bodies(await buffer.lease("cloud", 9, 2)) == ["s1"]
    assert bodies(await buffer.lease("cloud", 9, 10**9, lowest=S)) == ["s1", "s2"]
    assert bodies(await buffer.lease("cloud", 9, 10**9, lowest=A)) == []


async def test_an_ack_forgets_and_stores_what_follows_from_it(buffer):
    await buffer.append(points(A, "a1"))
    leased = await buffer.lease("cloud", 9, 10**9)
    await buffer.ack("cloud", leased, {"#budget": b"5"})
    await buffer.ack("panel", await buffer.lease("panel", 9, 10**9))
    assert (await buffer.stats())["alerts"] == 0
    assert await buffer.load_checkpoint("#budget") == b"5"


async def test_dead_letters_are_listed_and_sent_again_as_news(buffer):
    await buffer.append(points(S, "s1", "s2"))
    await buffer.wait_for_news("cloud")
    await buffer.reject("cloud", await buffer.lease("cloud", 9, 10**9), "no")
    newest, older = await buffer.dead_letters(9)
    assert [(each.body, each.why) for each in (newest, older)] == [(b"s2", "no"), (b"s1", "no")]
    assert len(await buffer.dead_letters(1)) == 1
    assert await buffer.requeue([older.id]) == 1
    assert await buffer.wait_for_news("cloud") == frozenset(Kind)
    assert await buffer.wait_for_news("panel") == {A}
    assert bodies(await buffer.lease("cloud", 9, 10**9)) == ["s1"]


async def test_maintenance_reports_losses_as_news(tmp_path):
    class Handling:
        merge_interval = 10**12

        def merge(self, summaries):
            return [summaries[-1]], [each.key for each in summaries]

        def alarm(self, alert):
            return None

        def gap_marker(self, loss, at):
            return Envelope(G, at, loss.reason.encode())

    options = SimpleNamespace(max_bytes=10**9, max_age=10)
    sinks = {"cloud": frozenset(Kind)}
    async with open_buffer(tmp_path / "b.db", options, sinks, lambda: 100, Handling()) as opened:
        await opened.append(
            [Envelope(S, 5, b"old"), Envelope(S, 95, b"s1"), Envelope(S, 96, b"s2")]
        )
        await opened.wait_for_news("cloud")
        await opened.maintain(expire=False)
        assert (await opened.stats())["summaries"] == 3
        opened.note(Loss(Kind.CLIP, "per_hour", 1))
        await opened.maintain()
        assert await opened.wait_for_news("cloud") == {G}
        assert (await opened.stats())["dropped_by"] == {"summary.expired": 1, "clip.per_hour": 1}
        assert await opened.merge() is True
        assert await opened.merge() is False
        assert bodies(await opened.lease("cloud", 9, 10**9, lowest=S)) == ["s2"]


async def test_news_is_reported_once(buffer):
    await buffer.append(points(A, "a1"))
    assert await buffer.wait_for_news("cloud") == {A}
    waiting = asyncio.create_task(buffer.wait_for_news("cloud"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await buffer.append([])
    await asyncio.sleep(0)
    assert not waiting.done(), "an empty append is no news"
    waiting.cancel()


async def test_a_refusal_says_what_the_disk_did(buffer, monkeypatch):
    for code, words in (
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_FULL, "disk"),
        (sqlite3.SQLITE_IOERR_FSYNC, "disk failed"),
    ):
        with monkeypatch.context() as patch:
            failing(buffer, patch, error(code))
            with pytest.raises(BufferRefused, match=words):
                await buffer.append(points(A, "a1"))


async def test_damage_that_sqlite_did_not_notice_is_damage_too(buffer, monkeypatch):
    await buffer.append(points(A, "a1"))
    with monkeypatch.context() as patch:
        failing(buffer, patch, Damaged("row 1 of alert cannot be found"))
        with pytest.raises(BufferRefused, match="row 1 of alert"):
            await buffer.append(points(A, "a2"))
    assert await lease(buffer) == ["a1"]
    assert len((await buffer.stats())["set_aside"]) == 1


async def test_a_bug_is_not_damage(buffer, monkeypatch):
    failing(buffer, monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        await buffer.append(points(A, "a1"))


async def test_the_buffer_says_what_its_thread_does_and_how_long_that_may_take(path, monkeypatch):
    part, reached, go = Part("buffer"), threading.Event(), threading.Event()

    def append(*_):
        reached.set()
        assert go.wait(PATIENCE)
        raise Damaged("a page")

    def start_over():
        seen.append(part.state.wait)

    seen = []
    async with open_buffer(path, OPTIONS, SINKS, part=part) as buffer:
        monkeypatch.setattr(buffer._store, "append", append)
        monkeypatch.setattr(buffer._store, "start_over", start_over)
        appending = asyncio.create_task(buffer.append(points(A, "a1")))
        assert await asyncio.to_thread(reached.wait, PATIENCE)
        seen.append(part.state.wait)
        go.set()
        with pytest.raises(BufferRefused):
            await appending
        seen.append(part.state.wait)
    assert [(wait.what, wait.limit) for wait in seen] == [
        ("append", BUFFER_S),
        ("recovering", SALVAGE_S),
        ("idle", None),
    ]
