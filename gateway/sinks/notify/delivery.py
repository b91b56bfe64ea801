"""The delivery to one receiver: one message at a time, and what became of the last.

Promises
- A receiver that hangs or is away delays no other one.
- Nothing sleeps here: an attempt before its time fails with the error of the last.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from gateway.api.contracts import SinkUnavailable
from gateway.api.local_time import local_time
from gateway.api.model import SECOND, Nanos
from gateway.api.wording import counted
from gateway.sinks.alert_news import AlertNews
from gateway.sinks.notify.courier import Courier
from gateway.sinks.notify.letter import Letter, facts_for_template, letter_about, one_row
from gateway.sinks.notify.mailbox import Mailbox
from gateway.sinks.templates import Fill

log = structlog.get_logger()

FIRST_WAIT_S, LONGEST_WAIT_S, LONGEST_FOR_A_PERSON_S = 0.25, 5.0, 60.0
_BUSY_S = 1.0


class Delivery:
    """Sends what may leave of one mailbox. `save` keeps what has changed."""

    def __init__(
        self,
        name: str,
        box: Mailbox,
        courier: Courier,
        *,
        limit: float,
        acknowledge: str,
        fills: dict[str, Fill],
        clock: Callable[[], Nanos],
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self.name, self.box, self.courier = name, box, courier
        self._limit, self._acknowledge, self._fills = limit, acknowledge, fills
        self._clock, self._save = clock, save
        self._task: asyncio.Task[int] | None = None
        self._failures = 0
        self._not_before: Nanos = 0
        self.error: SinkUnavailable | None = None
        """Why the last message was not sent; None if it was."""
        self.since: Nanos = 0

    def start(self) -> asyncio.Task[int] | None:
        """A new attempt; None if one is under way, or if nothing is due."""
        if self._task is not None or not self._is_due():
            return None
        self._task = asyncio.create_task(self._send_all(), name=f"notify {self.name}")
        return self._task

    def _is_due(self) -> bool:
        now = self._clock()
        return now >= self._not_before and bool(self.box.next(now))

    def collect(self) -> int:
        """The bytes of an attempt that has ended; what is a bug is raised."""
        task = self._task
        if task is None or not task.done():
            return 0
        self._task = None
        return task.result()

    async def _send_all(self) -> int:
        sent = 0
        while news := self.box.next(now := self._clock()):
            letter = self._letter(news, now)
            try:
                sent += await self.courier.send(letter, self._limit)
            except SinkUnavailable as error:
                self._note_failure(error)
                return sent
            self._note_success()
            self.box.note_sent(news, self._clock())
            await self._save()
        return sent

    def _letter(self, news: Any, now: Nanos) -> Letter:
        letter = letter_about(news, now, self.box.unreported, self._acknowledge)
        if len(news) > 1 or not self._fills:
            return letter
        return self._from_templates(letter, news[0], now)

    def _from_templates(self, letter: Letter, news: AlertNews, now: Nanos) -> Letter:
        facts = facts_for_template(news, now)
        subject, text = letter.subject, letter.text
        try:
            if "subject" in self._fills:
                subject = one_row(self._fills["subject"](facts)) or subject
            if "text" in self._fills:
                text = self._fills["text"](facts) or text
        except Exception as error:  # noqa: BLE001 - an alarm must not be lost for its wording
            log.error("notify.template_failed", target=self.name, why=str(error))
            return letter
        html = letter.html if text == letter.text else _as_html(text)
        short = letter.short if subject == letter.subject else subject
        return Letter(letter.key, subject, text, html, short, letter.thread, letter.severity)

    def _note_failure(self, error: SinkUnavailable) -> None:
        named = SinkUnavailable(f"{self.name}: {error}", needs_human=error.needs_human)
        is_news = self.error is None or self.error.needs_human != named.needs_human
        self.since = self._clock() if self.error is None else self.since
        self.error = named
        most = LONGEST_FOR_A_PERSON_S if error.needs_human else LONGEST_WAIT_S
        wait = min(most, FIRST_WAIT_S * 2 ** min(self._failures, 20))
        self._failures += 1
        self._not_before = self._clock() + round(wait * SECOND)
        if is_news:
            level = log.error if error.needs_human else log.warning
            level("notify.away", target=self.name, why=str(error), needs_human=error.needs_human)

    def _note_success(self) -> None:
        if self.error is not None:
            away = round((self._clock() - self.since) / SECOND, 1)
            log.info("notify.back", target=self.name, away_s=away)
        self.error, self._failures, self._not_before = None, 0, 0

    @property
    def due_in(self) -> float | None:
        """The seconds until something may leave; None if nothing waits."""
        if self._task is not None:
            return 0.0 if self._task.done() else _BUSY_S
        now = self._clock()
        due = self.box.due_in(now)
        return None if due is None else max(due, self._not_before - now, 0) / SECOND

    @property
    def sentence(self) -> str:
        """What was sent, waits and was left out, for `andon status`."""
        box = self.box
        parts = [f"{self.name}: {counted(box.sent, 'message')} sent"]
        if box.waiting:
            parts.append(f"{counted(len(box.waiting), 'alert')} waiting")
        parts += [f"{count:,} left out ({why})" for why, count in sorted(box.left_out.items())]
        if self.error is not None:
            why = str(self.error).removeprefix(f"{self.name}: ")
            parts.append(f"away since {local_time(self.since)}: {why}")
        return ", ".join(parts)

    async def stop(self) -> None:
        """Ends an attempt that is under way; the alert stays and is sent again later."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _as_html(text: str) -> str:
    from html import escape

    return "<br>".join(escape(text).split("\n"))
