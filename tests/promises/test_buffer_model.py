"""Promise: in any order of events, the buffer loses or duplicates nothing without reporting it.

A plain model of the plant and the clouds is compared with the real store. More steps:
`ANDON_BUFFER_STEPS=10000 .venv/bin/pytest tests/promises/test_buffer_model.py`.
"""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.api import line_protocol
from gateway.api.alarms import AlarmState, Alert, Severity, Transition
from gateway.api.model import SECOND, Envelope, Kind, Summary
from gateway.buffer.store import Store
from gateway.core import points
from gateway.core.alarms.words import Words
from gateway.core.stored_points import StoredPoints

STEPS = int(os.environ.get("ANDON_BUFFER_STEPS", "600"))
SINKS = {
    "cloud": frozenset(Kind),
    "file": frozenset(Kind),
    "panel": frozenset({Kind.ALERT}),
}
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
MAX_BYTES = 5_000
MAX_AGE = 3 * HOUR
EVICTED_ALERT = Kind.ALERT, "evicted"
ALLOWED = {(kind, why) for kind in Kind for why in ("evicted", "rejected")}
ALLOWED |= {(kind, "expired") for kind in (Kind.SUMMARY, Kind.GATEWAY, Kind.CLIP)}
EVICTED_SUMMARY = Kind.SUMMARY, "evicted"
T0 = 1_700_000_000 * SECOND
sinks = st.sampled_from(sorted(SINKS))
BATCH = st.lists(
    st.sampled_from(["flow", "flow", "level", "raise", "clear", "gateway", "clip"]), max_size=12
)


def summary(tag, serial, at):
    """A summary whose single sample is its serial number, so that a merged one shows its parts."""
    made = Summary(tag, at - MINUTE, at, 1, 0, 1.0, serial, 0.0, serial, serial, serial)
    return points.summary_envelope(made, "plant", "line")


def transition(name, at, state):
    alert = Alert(
        name,
        "pump",
        "score",
        state,
        Severity.HIGH,
        1,
        at,
        1.0,
        0.5,
        1.0,
        transition=Transition.RAISED,
        is_active=state in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED),
    )
    return points.alert_envelope(alert, "plant", "line", 0, Words())


class Cloud:
    """The server of one sink: points of the same series and time overwrite each other."""

    def __init__(self):
        self.alerts, self.parts = set(), {"flow": {}, "level": {}}

    def take(self, envelopes):
        for envelope in envelopes:
            point = line_protocol.decode(envelope.body)
            if envelope.kind is Kind.ALERT:
                self.alerts.add((point.fields["id"], point.fields["active"]))
            elif envelope.kind is Kind.SUMMARY:
                low, high = int(point.fields["min"]), int(point.fields["max"])
                assert point.fields["count"] == high - low + 1
                self.parts[point.tags["tag"]][point.at] = range(low, high + 1)

    def samples(self, tag):
        counts = Counter(n for part in self.parts[tag].values() for n in part)
        assert max(counts.values(), default=1) == 1, "a sample is in two points"
        return set(counts)


class BufferPromises(RuleBasedStateMachine):
    """Appended points, the points of each cloud, and the losses that the store reported."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.lives, self.appends, self.minutes, self.clock_error = 0, 0, 0, 0
        self.alerts, self.active, self.serials = set(), [], Counter()
        self.clouds = {sink: Cloud() for sink in SINKS}
        self.refused = {sink: Cloud() for sink in SINKS}
        self.bodies, self.reported = {}, Counter()
        self.open()

    def teardown(self):
        for sink in SINKS:
            self.drain(sink)
        self.nothing_is_lost_unreported()
        self.store.close()
        shutil.rmtree(self.folder)

    @property
    def now(self):
        return T0 + self.minutes * MINUTE

    @property
    def home(self):
        return self.folder / str(self.lives)

    def open(self):
        self.home.mkdir(exist_ok=True)
        self.store = Store(
            self.home / "buffer.db",
            MAX_BYTES,
            SINKS,
            lambda: self.now + self.clock_error,
            max_age=MAX_AGE,
            handling=StoredPoints("plant", "line"),
        )
        assert (self.store.set_aside, self.store.dropped) == ([], {})

    def move_to(self, copy):
        """Continues with a copy of the files, as a kill leaves them."""
        self.store.close()
        shutil.rmtree(self.home)
        self.lives += 1
        assert copy == self.home
        self.open()

    @property
    def next_home(self):
        return self.folder / str(self.lives + 1)

    def made(self, words):
        """The points for these words, each with its meaning in the model."""
        serials, active, made = Counter(self.serials), list(self.active), []
        for number, word in enumerate(words):
            at = self.now + number * SECOND
            if word in ("flow", "level"):
                serials[word] += 1
                made.append((summary(word, serials[word], at), word))
            elif word == "gateway":
                made.append((points.gateway_envelope({"n": number}, "plant", "line", at), word))
            elif word == "clip":
                made.append((Envelope(Kind.CLIP, at, b"andon_clip n=1i %d" % at), word))
            elif word == "raise":
                active.append(f"{self.appends}-{number}")
                raised = transition(active[-1], at, AlarmState.UNACKNOWLEDGED)
                made.append((raised, (active[-1], True)))
            elif active:
                name = active.pop(0)
                made.append((transition(name, at, AlarmState.NORMAL), (name, False)))
        return made

    def count(self, made):
        for _, meaning in made:
            if meaning in ("flow", "level"):
                self.serials[meaning] += 1
            elif meaning not in ("gateway", "clip"):
                name, is_raised = meaning
                self.alerts.add(meaning)
                if is_raised:
                    self.active.append(name)
                else:
                    self.active.remove(name)

    def append_to_store(self, made):
        self.appends += 1
        self.store.append([e for e, _ in made], {"machine": b"%d" % self.appends})

    @rule(words=BATCH)
    def append(self, words):
        """Appends the points of one window with a checkpoint."""
        self.minutes += 1
        made, before = self.made(words), Counter(self.store.dropped)
        self.append_to_store(made)
        self.count(made)
        stats = self.store.stats()
        assert self.store.load_checkpoint("machine") == b"%d" % self.appends
        if self.store.dropped[EVICTED_SUMMARY] > before[EVICTED_SUMMARY]:
            assert stats["clips"] == 0
        if stats["bytes"] > MAX_BYTES or self.store.dropped[EVICTED_ALERT] > before[EVICTED_ALERT]:
            assert stats["summaries"] == stats["gateway"] == stats["clips"] == 0

    @rule(words=BATCH, is_committed=st.booleans())
    def die_while_appending(self, words, is_committed):
        """Killed before the commit or between it and its mark: all of the append, or none."""
        self.minutes += 1
        made, write, copy = self.made(words), self.store._marks.write, self.next_home
        before, marks = Counter(self.store.dropped), []

        def copy_then_write(*args, **options):
            # Deletions are marked before the commit, everything after it.
            if len(marks) == is_committed:
                shutil.copytree(self.home, copy)
            marks.append(args)
            write(*args, **options)

        self.store._marks.write = copy_then_write
        self.append_to_store(made)
        self.reported += Counter(self.store.dropped) if is_committed else before
        self.move_to(copy)
        is_there = self.store.load_checkpoint("machine") == b"%d" % self.appends
        assert is_there == is_committed
        if is_there:
            self.count(made)

    @rule()
    def die(self):
        """Killed between two calls."""
        self.reported += self.store.dropped
        shutil.copytree(self.home, self.next_home)
        self.move_to(self.next_home)

    @rule()
    def restart(self):
        self.reported += self.store.dropped
        self.store.close()
        self.open()

    @rule(sink=sinks, rows=st.integers(1, 30), data=st.data())
    def deliver(self, sink, rows, data):
        """Delivers points: they arrive, or only the response is lost, or are rejected, or lost."""
        leased = self.lease(sink, rows)
        fates = st.lists(st.sampled_from("aaaalrn"), min_size=len(leased), max_size=len(leased))
        groups = {fate: [] for fate in "alrn"}
        for envelope, fate in zip(leased, data.draw(fates), strict=True):
            groups[fate].append(envelope)
        self.clouds[sink].take(groups["a"] + groups["l"])
        self.refused[sink].take(groups["r"])
        if groups["r"]:
            self.store.reject(sink, groups["r"], "no")
        self.store.ack(sink, groups["a"])

    @rule(sink=sinks)
    def drain(self, sink):
        """Delivers everything that is left."""
        while leased := self.lease(sink, 50):
            self.clouds[sink].take(leased)
            self.store.ack(sink, leased)

    def lease(self, sink, rows):
        leased = self.store.lease(sink, rows, 10**6)
        kinds = {e.kind for e in leased}
        assert kinds <= SINKS[sink]
        assert not {Kind.ALERT, Kind.CLIP} & kinds or len(kinds) == 1
        for e in leased:
            # A number never means two points: a late ack would match the wrong one.
            assert self.bodies.setdefault((e.kind, e.key), e.body) == e.body
        return leased

    @rule()
    def requeue(self):
        """Sends the rejected points again, as a human does."""
        self.store.requeue(None)
        self.refused = {sink: Cloud() for sink in SINKS}

    @rule(hours=st.sampled_from([-1, 1, 2, None]))
    def clock_step(self, hours):
        """By an hour or two, or to 1970."""
        self.clock_error = -self.now if hours is None else self.clock_error + hours * HOUR

    @rule()
    def clock_is_set_right(self):
        self.clock_error = 0

    @rule()
    def maintain(self):
        self.store._reported_at = self.store._checkpointed_at = float("-inf")
        self.store.maintain()

    @invariant()
    def loses_only_by_its_rules(self):
        assert set(self.store.dropped) <= ALLOWED

    def nothing_is_lost_unreported(self):
        reported = self.reported + self.store.dropped
        missing = set()
        for sink in SINKS:
            had = self.clouds[sink].alerts | self.refused[sink].alerts
            missing |= self.alerts - had
        assert len(missing) <= reported[EVICTED_ALERT]
        assert not {(name, True) for name in self.active} & missing
        for sink in ("cloud", "file"):
            for tag in ("flow", "level"):
                had = self.clouds[sink].samples(tag) | self.refused[sink].samples(tag)
                if reported[Kind.SUMMARY, "evicted"] + reported[Kind.SUMMARY, "expired"] == 0:
                    assert had == set(range(1, self.serials[tag] + 1))
                assert had <= set(range(1, self.serials[tag] + 1))


TestBufferPromises = BufferPromises.TestCase
TestBufferPromises.settings = settings(
    max_examples=max(STEPS // 40, 1),
    stateful_step_count=40,
    deadline=None,
    # A shorter example would take minutes to find.
    phases=[Phase.reuse, Phase.generate],
)
