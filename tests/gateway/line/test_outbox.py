from fakes import MemoryStore

from gateway.api.model import Envelope, Kind
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
