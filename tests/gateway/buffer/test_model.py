"""The store compared with a plain model of its promises."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.api.model import Envelope, Kind
from gateway.buffer.rows import cost
from gateway.buffer.space import EVICTED
from gateway.buffer.store import LANES, Store

SINKS = {
    "cloud": frozenset(Kind),
    "file": frozenset(Kind),
    "panel": frozenset({Kind.ALERT}),
}
MAX_BYTES = 25 * cost(b"12345678")
BATCH = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 40)), max_size=8)
sinks = st.sampled_from(sorted(SINKS))


class BufferModel(RuleBasedStateMachine):
    """A model of the store with lists in memory."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rows = {kind: {} for kind in Kind}
        self.next = dict.fromkeys(Kind, 1)
        self.done = {sink: {kind: set() for kind in Kind} for sink in SINKS}
        self.loose = {sink: {kind: set() for kind in Kind} for sink in SINKS}
        self.dropped = Counter()
        self.state = None
        self.serial = 0
        self.open()

    def open(self):
        path = Path(self.folder.name) / "buffer.db"
        self.store = Store(path, MAX_BYTES, SINKS, lambda: 0)

    def teardown(self):
        self.store.close()
        self.folder.cleanup()

    def pending(self, sink):
        """What the sink must still get, in the order in which it must get it."""
        return [
            (kind, seq, body)
            for kind in Kind
            if kind in SINKS[sink]
            for seq, body in self.rows[kind].items()
            if seq not in self.done[sink][kind]
        ]

    def forget(self):
        """Drop what every sink is done with, from the front: the cursors leave no gap."""
        for kind in Kind:
            for seq in list(self.rows[kind]):
                if not all(seq in self.done[s][kind] for s in SINKS if kind in SINKS[s]):
                    break
                del self.rows[kind][seq]

    def finish(self, sink, envelopes):
        for envelope in envelopes:
            self.done[sink][envelope.kind].add(envelope.key)
        if envelopes:
            self.forget()

    def used(self):
        return sum(cost(body) for rows in self.rows.values() for body in rows.values())

    @rule(batch=BATCH, keep_state=st.booleans())
    def append(self, batch, keep_state):
        envelopes = []
        for kind, size in batch:
            self.serial += 1
            body = f"{self.serial:08}".encode() + b"x" * size
            envelopes.append(Envelope(kind, self.serial, body))
            self.rows[kind][self.next[kind]] = body
            self.next[kind] += 1
        if keep_state:
            self.state = f"state {self.serial}".encode()
        self.store.append(envelopes, {"machine": self.state} if keep_state else {})
        for kind in (Kind.CLIP, *EVICTED):
            while self.used() > MAX_BYTES and self.rows[kind]:
                del self.rows[kind][min(self.rows[kind])]
                self.dropped[kind, "evicted"] += 1
        self.forget()

    @rule(sink=sinks, rows=st.integers(1, 12), data=st.data())
    def deliver(self, sink, rows, data):
        """Lease, then acknowledge some, reject some and leave the rest."""
        leased = self.store.lease(sink, rows, 10**6)
        pending = self.pending(sink)
        lanes = [[p for p in pending if p[0] in lane] for lane in LANES]
        expected = next((lane[:rows] for lane in lanes if lane), [])
        assert [(e.kind, e.key, e.body) for e in leased] == expected
        fate = data.draw(st.lists(st.sampled_from("ark"), min_size=rows, max_size=rows))
        acked = [e for e, f in zip(leased, fate, strict=False) if f == "a"]
        rejected = [e for e, f in zip(leased, fate, strict=False) if f == "r"]
        if rejected:
            self.store.reject(sink, rejected, "no")
            self.dropped.update((e.kind, "rejected") for e in rejected)
        self.store.ack(sink, acked)
        self.finish(sink, rejected)
        self.finish(sink, acked)
        self.note_loose(sink, acked, rejected)

    def note_loose(self, sink, acked, rejected):
        """Acks beyond a gap are remembered until a restart only, rejections for good."""
        for envelope in acked:
            self.loose[sink][envelope.kind].add(envelope.key)
        for envelope in rejected:
            self.loose[sink][envelope.kind].discard(envelope.key)

    @rule(sink=sinks)
    def drain(self, sink):
        """Everything that is pending arrives, once, in order."""
        expected, got = self.pending(sink), []
        while leased := self.store.lease(sink, 7, 200):
            got += [(e.kind, e.key, e.body) for e in leased]
            self.store.ack(sink, leased)
            self.finish(sink, leased)
            self.note_loose(sink, leased, [])
        assert sorted(got) == sorted(expected)
        assert [p for p in got if p[0] is Kind.ALERT] == [p for p in expected if p[0] is Kind.ALERT]

    @rule()
    def reopen(self):
        """After a restart only acks beyond a gap are forgotten."""
        self.store.close()
        for sink, by_kind in self.loose.items():
            for kind, numbers in by_kind.items():
                gap = [s for s in self.rows[kind] if s not in self.done[sink][kind]]
                if gap:
                    self.done[sink][kind] -= {s for s in numbers if s > gap[0]}
                numbers.clear()
        self.dropped.clear()
        self.open()

    @invariant()
    def stats_match_the_model(self):
        stats = self.store.stats()
        assert stats["bytes"] == self.used() <= MAX_BYTES
        assert [stats[n] for n in ("alerts", "summaries", "gateway", "clips")] == [
            len(self.rows[kind]) for kind in Kind
        ]
        assert self.store.dropped == self.dropped
        assert self.store.load_checkpoint("machine") == self.state


TestBufferModel = BufferModel.TestCase
TestBufferModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
