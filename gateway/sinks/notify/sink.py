"""Tells people of alarms by mail, chat and text message, with Apprise.

Promises
- An alert is taken when what waits is on disk; it is kept until its message is sent. A kill between
  a message and the note of it has the message sent again: at least once, with the same key.
- While no receiver can be reached the sink is away and the gateway keeps the alerts; while some
  can, each of the others has what waits for it in the sink's own file.
- No receiver delays another one, and none delays the gateway for more than `GRACE_S`.
- What waits, is left out or fails is in `diagnostics`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import structlog

from gateway.api.contracts import ConfigError, Places, SinkRejected, SinkUnavailable
from gateway.api.going_on import made_progress
from gateway.api.model import SECOND, Envelope, Kind, Nanos, Probe
from gateway.sinks.alert_news import AlertNews
from gateway.sinks.notify import kept
from gateway.sinks.notify.courier import Courier, import_apprise
from gateway.sinks.notify.delivery import Delivery
from gateway.sinks.notify.letter import example, facts_for_template, letter_about
from gateway.sinks.notify.options import NotifyOptions, TargetOptions
from gateway.sinks.notify.post import Post
from gateway.sinks.templates import Fill, compiled

log = structlog.get_logger()

GRACE_S = 3.0
"""How long a write waits for its messages; what takes longer goes on by itself."""


class NotifySink:
    """One mailbox and one delivery for each receiver."""

    Options: ClassVar[type[NotifyOptions]] = NotifyOptions
    accepts = frozenset({Kind.ALERT})

    def __init__(
        self,
        name: str,
        options: Any,
        places: Places,
        clock: Callable[[], Nanos] = time.time_ns,
    ) -> None:
        self.name, self._options, self._clock = name, options, clock
        self._path: Path = places.state / f"notify-{name}.json"
        self._line = str(getattr(places, "line", "")) or name
        self._post = Post(options)
        self._saving = asyncio.Lock()
        self._unsaved = ""
        self.diagnostics: list[str] = []
        self._deliveries = {
            target: self._delivery(target, each) for target, each in options.targets.items()
        }

    def _delivery(self, name: str, options: TargetOptions) -> Delivery:
        return Delivery(
            name,
            self._post.boxes[name],
            Courier(options.apprise),
            limit=self._options.timeout / SECOND,
            acknowledge=self._options.acknowledge,
            fills=_fills(options),
            clock=self._clock,
            save=self._save,
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Imports Apprise and reads what waits; ends the attempts that are under way at the end."""
        await asyncio.to_thread(import_apprise)
        await self._restore()
        try:
            yield
        finally:
            await asyncio.gather(*(each.stop() for each in self._deliveries.values()))

    async def _restore(self) -> None:
        facts, why = await asyncio.to_thread(kept.load, self._path)
        lost = [why] if why else self._post.restore(facts) if facts else []
        if why:
            await asyncio.to_thread(kept.set_aside, self._path)
        for each in lost:
            log.error("notify.lost", sink=self.name, why=each)
        self._describe()

    async def write(self, batch: Sequence[Envelope]) -> int:
        """Takes all alerts and sends what is due; the bytes. SinkUnavailable or SinkRejected."""
        news, invalid = _read(batch)
        if self._post.take(news, self._clock()) or self._unsaved:
            await self._save()
        sent = await self._attempt()
        self._raise_if_away()
        if self._unsaved and any(box.waiting for box in self._post.boxes.values()):
            raise SinkUnavailable(f"what waits cannot be kept: {self._unsaved}", sent_bytes=sent)
        if invalid:
            raise SinkRejected(invalid, "not a point of line protocol", sent_bytes=sent)
        return sent

    @property
    def due_in(self) -> float | None:
        """The seconds until a message may leave without a new alert; None if nothing waits."""
        waits = [each.due_in for each in self._deliveries.values()]
        return min((wait for wait in waits if wait is not None), default=None)

    async def send_due(self) -> int:
        """Sends what has become due; the bytes. SinkUnavailable if no receiver can be reached."""
        sent = await self._attempt()
        self._raise_if_away()
        return sent

    async def _attempt(self) -> int:
        started = (each.start() for each in self._deliveries.values())
        tasks = [task for task in started if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
            made_progress()
        sent = sum(each.collect() for each in self._deliveries.values())
        self._describe()
        return sent

    def _raise_if_away(self) -> None:
        """SinkUnavailable if the last message to each receiver failed."""
        errors = [each.error for each in self._deliveries.values()]
        if all(errors):
            why = "; ".join(map(str, errors))
            raise SinkUnavailable(why, needs_human=all(e.needs_human for e in errors if e))

    def _describe(self) -> None:
        self.diagnostics[:] = [each.sentence for each in self._deliveries.values()]
        if self._unsaved:
            self.diagnostics.append(f"what waits cannot be kept: {self._unsaved}")

    async def _save(self) -> None:
        async with self._saving:
            try:
                await asyncio.to_thread(kept.save, self._path, self._post.facts())
            except OSError as error:
                if not self._unsaved:
                    log.error("notify.not_kept", sink=self.name, why=str(error))
                self._unsaved = error.strerror or str(error)
            else:
                self._unsaved = ""

    async def probe(self) -> Probe:
        """Tries each receiver without sending a message, as far as that is possible."""
        try:
            await asyncio.to_thread(import_apprise)
        except ConfigError as error:
            return Probe(ok=False, message=str(error))
        limit = self._options.timeout / SECOND
        names = list(self._deliveries)
        probes = await asyncio.gather(*(d.courier.probe(limit) for d in self._deliveries.values()))
        told = [f"{name}: {probe.message}" for name, probe in zip(names, probes, strict=True)]
        return Probe(ok=all(probe.ok for probe in probes), message="; ".join(told))

    async def send_test(self, target: str = "") -> Mapping[str, Probe]:
        """Sends a test message to one receiver, or to all; the outcomes. KeyError: no such one."""
        await asyncio.to_thread(import_apprise)
        names = [target] if target else list(self._deliveries)
        attempts = (self._test(self._deliveries[name].courier) for name in names)
        return dict(zip(names, await asyncio.gather(*attempts), strict=True))

    async def _test(self, courier: Courier) -> Probe:
        now = self._clock()
        letter = letter_about([example(self._line, now)], now, {}, "")
        letter = type(letter)(f"test.{now}", letter.subject, letter.text, letter.html, letter.short)
        try:
            await courier.send(letter, self._options.timeout / SECOND)
        except SinkUnavailable as error:
            return Probe(ok=False, message=str(error))
        return Probe(ok=True, message="the test message was taken")


def _read(batch: Sequence[Envelope]) -> tuple[list[AlertNews], list[int]]:
    """The alerts of a batch, and the indices of what is none."""
    news, invalid = list[AlertNews](), list[int]()
    for index, envelope in enumerate(batch):
        try:
            news.append(AlertNews.of(envelope))
        except ValueError:
            invalid.append(index)
    return news, invalid


def _fills(options: TargetOptions) -> dict[str, Fill]:
    """The templates of a receiver, by what they are for."""
    facts = facts_for_template(example(), 0)
    given = {"subject": options.subject, "text": options.text}
    return {option: compiled(text, facts) for option, text in given.items() if text}
