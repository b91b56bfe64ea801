import pytest
import structlog
from fakes import MemoryStore

from gateway.api.contracts import AndonError, Fatal
from gateway.api.model import Envelope, Kind, Loss
from gateway.buffer.errors import BufferFull
from gateway.core.alarms.journal import note
from gateway.line import outbox
from gateway.line.outbox import Outbox

A, S, G, C = Kind


def points(kind, *times):
    return [Envelope(kind, at, b"%d" % at) for at in times]


async def test_when_memory_is_full_clips_go_first_then_the_oldest_and_never_an_alert(monkeypatch):
    monkeypatch.setattr(outbox, "LIMIT", 6)
    store, lost = MemoryStore(), []
    store.refuse, store.note = True, lost.append
    full = Outbox(store)
    full.add(points(S, 1, 2) + points(C, 3, 4, 5) + points(G, 6) + points(A, 7, 8) + points(S, 9))
    await full.send({})
    assert [(loss.kind, loss.reason, loss.count) for loss in lost] == [(C, "no_room", 3)]
    full.add(points(S, 10))
    await full.send({})
    assert [(loss.kind, loss.count, loss.until) for loss in lost[1:]] == [(S, 1, 1)]
    assert full.dropped == 4
    store.refuse = False
    await full.send({})
    assert [(row.kind, row.at) for row in store.rows] == [
        (A, 7), (A, 8), (S, 2), (G, 6), (S, 9), (S, 10),
    ]  # fmt: skip


class Full(MemoryStore):
    """A store that has room for nothing but alerts; `error` is raised before anything is stored."""

    def __init__(self, error=None):
        super().__init__()
        self.error, self.full, self.calls, self.losses = error, True, [], []
        self.note = self.losses.append

    async def append(self, envelopes, checkpoint=None, journal=()):
        self.calls.append(([e.at for e in envelopes], checkpoint))
        if self.error is not None:
            raise self.error
        if self.full and any(e.kind is not A for e in envelopes):
            raise BufferFull("no room")
        await super().append(envelopes, checkpoint, journal)


async def test_points_and_changed_states_are_stored_in_one_call():
    store = Full()
    store.full = False
    out = Outbox(store)
    out.add(points(S, 1))
    out.add(points(A, 2))
    assert out.newest == 2
    assert await out.send({"pump": b"one", "fan": b"two"}) is True
    assert store.calls == [([1, 2], {"pump": b"one", "fan": b"two"})]
    assert out.newest is None


async def test_a_state_that_did_not_change_is_not_stored_again():
    store = Full()
    store.full = False
    out = Outbox(store)
    await out.send({"pump": b"one", "fan": b"two"})
    out.add(points(S, 1))
    await out.send({"pump": b"one", "fan": b"three"})
    assert store.calls[1] == ([1], {"fan": b"three"})
    assert await out.send({"pump": b"one", "fan": b"three"}) is None
    assert len(store.calls) == 2


async def test_an_empty_state_that_was_never_stored_is_nothing_to_do():
    store = Full()
    assert await Outbox(store).send({"pump": b"{}"}) is None
    assert store.calls == []


async def test_a_state_that_the_last_run_left_is_not_stored_again():
    store = Full()
    store.checkpoints["pump"] = b"one"
    out = Outbox(store)
    assert await out.restore("pump") == b"one"
    assert await out.restore("fan") is None
    assert await out.send({"pump": b"one"}) is None
    assert await out.send({"pump": b"two"}) is True


async def test_after_a_refusal_every_state_is_stored_again():
    """The store may have been replaced by an empty one meanwhile."""
    store = Full()
    store.full = False
    out = Outbox(store)
    await out.send({"pump": b"one", "fan": b"two"})
    store.error = AndonError("damaged")
    out.add(points(S, 1))
    assert await out.send({"pump": b"one", "fan": b"two"}) is False
    store.error = None
    assert await out.send({"pump": b"one", "fan": b"two"}) is True
    assert store.calls[-1] == ([1], {"pump": b"one", "fan": b"two"})


async def test_a_state_that_became_empty_while_the_store_refused_is_stored():
    store = Full()
    store.full = False
    out = Outbox(store)
    await out.send({"pump": b"raised"})
    store.error = AndonError("no room")
    out.add(points(A, 1))
    await out.send({"pump": b"raised", "fan": b"{}"})
    store.error = None
    out.add(points(A, 2))
    await out.send({"pump": b"{}", "fan": b"{}"})
    assert store.calls[-1] == ([1, 2], {"pump": b"{}", "fan": b"{}"})
    assert await out.send({"pump": b"{}", "fan": b"{}"}) is None


async def test_what_is_refused_is_kept_in_order_and_offered_again():
    store = Full(AndonError("away"))
    out = Outbox(store)
    out.add(points(S, 1))
    assert await out.send({}) is False
    out.add(points(A, 2))
    assert await out.send({}) is False
    assert out.failures == 2
    store.error, store.full = None, False
    assert await out.send({}) is True
    assert [at for at, _ in store.calls] == [[1], [1, 2], [1, 2]]
    assert await out.send({}) is None


async def test_a_refusal_is_logged_once_and_its_end_with_how_often():
    store = Full(AndonError("away"))
    out = Outbox(store)
    out.add(points(S, 1, 2))
    with structlog.testing.capture_logs() as logs:
        await out.send({})
        await out.send({})
        store.error, store.full = None, False
        await out.send({})
        out.add(points(S, 3))
        await out.send({})
    assert logs == [
        {"event": "buffer.refused", "log_level": "error", "why": "away", "kept": 2},
        {"event": "buffer.accepts", "log_level": "info", "failures": 2},
    ]


async def test_what_is_fatal_goes_through():
    out = Outbox(Full(Fatal("the disk is gone")))
    out.add(points(A, 1))
    with pytest.raises(Fatal, match="the disk is gone"):
        await out.send({})
    assert out.failures == 0


async def test_on_a_full_disk_the_alerts_go_alone_with_the_states():
    store = Full()
    out = Outbox(store)
    out.add(points(S, 1) + points(A, 2) + points(G, 3) + points(A, 4))
    assert await out.send({"pump": b"one"}) is True
    assert store.calls[1:] == [([2, 4], {"pump": b"one"})]
    assert out.newest == 3
    store.full = False
    await out.send({"pump": b"one"})
    assert store.calls[-1] == ([1, 3], {})


async def test_a_full_disk_without_room_for_alerts_is_a_refusal():
    store = Full(BufferFull("no room"))
    out = Outbox(store)
    out.add(points(A, 1, 2))
    assert await out.send({}) is False
    assert store.calls == [([1, 2], {})], "the same is not tried twice"
    assert out.newest == 2


async def test_a_full_disk_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(outbox, "LIMIT", 3)
    store = Full()
    out = Outbox(store)
    for at in range(1, 8):
        out.add(points(A, 100 + at) + points(S, at))
        assert await out.send({}) is True
    assert [row.at for row in store.rows] == [101, 102, 103, 104, 105, 106, 107]
    assert store.losses == [Loss(S, "no_room", 1, at, at) for at in (1, 2, 3, 4)]
    assert out.dropped == 4
    store.full = False
    await out.send({})
    assert [row.at for row in store.rows[7:]] == [5, 6, 7]


async def test_exactly_the_limit_is_kept(monkeypatch):
    monkeypatch.setattr(outbox, "LIMIT", 3)
    store = Full(AndonError("away"))
    out = Outbox(store)
    out.add(points(S, 1, 2, 3))
    await out.send({})
    assert (out.dropped, store.losses) == (0, [])


async def test_what_is_dropped_is_reported_by_class_with_its_times(monkeypatch):
    monkeypatch.setattr(outbox, "LIMIT", 2)
    store = Full(AndonError("away"))
    out = Outbox(store)
    out.add(points(S, 1) + points(C, 9, 7, 8) + points(G, 2) + points(S, 3, 4))
    await out.send({})
    assert store.losses == [
        Loss(S, "no_room", 1, 1, 1),
        Loss(G, "no_room", 1, 2, 2),
        Loss(C, "no_room", 3, 7, 9),
    ]
    assert out.dropped == 5


async def test_twenty_thousand_points_are_kept_in_memory():
    store = Full(AndonError("away"))
    out = Outbox(store)
    out.add(points(S, *range(20_001)))
    await out.send({})
    assert store.losses == [Loss(S, "no_room", 1, 0, 0)]


async def test_a_loss_of_the_line_is_noted_by_the_store():
    store = Full()
    Outbox(store).lose(Loss(C, "per_hour", 3, 1, 2))
    assert store.losses == [Loss(C, "per_hour", 3, 1, 2)]


async def test_entries_of_the_journal_go_with_the_points_and_checkpoints():
    store = Full()
    store.full = False
    out = Outbox(store)
    out.add(points(A, 1))
    out.note(note(1, "one"))
    assert await out.send({"pump": b"one"}) is True
    assert store.calls == [([1], {"pump": b"one"})]
    assert [entry.message for entry in store.journal] == ["one"]
    out.note(note(2, "two"))
    assert await out.send({"pump": b"one"}) is True
    assert [entry.message for entry in store.journal] == ["one", "two"]
    assert await out.send({"pump": b"one"}) is None


async def test_on_a_full_disk_entries_go_with_the_alerts_and_only_once():
    store = Full()
    out = Outbox(store)
    out.add(points(S, 1) + points(A, 2))
    out.note(note(2, "two"))
    assert await out.send({}) is True
    assert [row.at for row in store.rows] == [2]
    assert [entry.message for entry in store.journal] == ["two"]
    store.full = False
    assert await out.send({}) is True
    assert [row.at for row in store.rows] == [2, 1]
    assert [entry.message for entry in store.journal] == ["two"]


async def test_entries_that_were_refused_are_kept_in_their_order():
    store = Full(AndonError("no"))
    out = Outbox(store)
    out.note(note(1, "one"))
    assert await out.send({}) is False
    out.note(note(2, "two"))
    store.error = None
    assert await out.send({}) is True
    assert [entry.message for entry in store.journal] == ["one", "two"]


async def test_when_memory_is_full_the_oldest_entries_go_and_a_note_says_so(monkeypatch):
    monkeypatch.setattr(outbox, "LIMIT", 3)
    store = Full(AndonError("no"))
    out = Outbox(store)
    for n in range(1, 6):
        out.note(note(n, f"{n}"))
        assert await out.send({}) is False
    store.error = None
    assert await out.send({}) is True
    missing, *rest = store.journal
    assert missing.message.startswith("2 entries are missing before this one")
    assert missing.facts == {"lost": 2, "why": "no_room"}
    assert [entry.message for entry in rest] == ["3", "4", "5"]
    out.note(note(6, "6"))
    await out.send({})
    assert len(store.journal) == 5
