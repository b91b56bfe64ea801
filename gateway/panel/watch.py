"""What the panel knows of one line: the answers of its daemon, asked for once for all browsers.

Promises
- The alarms are asked for every ALARMS_S, the rest every STATUS_S while somebody looks and every
  IDLE_S otherwise; a status that takes long to answer is asked for more rarely.
- A daemon that does not answer is away from that moment on. What it last said is not shown as if it
  still held. It is asked on, and is back with its next answer.
- Whatever answers at the socket, what is kept is plain data of bounded size with visible texts, and
  asking goes on.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from gateway.api.contracts import AndonError
from gateway.api.model import Nanos
from gateway.api.visible import SENTENCE, brief, shown
from gateway.control.client import ControlError, request
from gateway.panel import line_view
from gateway.panel.alarm_view import is_alarm
from gateway.panel.line_view import Tile
from gateway.panel.listeners import Listeners

log = structlog.get_logger()

ALARMS_S = 0.5
STATUS_S = 5.0
IDLE_S = 60.0
SHARE = 0.02
"""Of the time, that the daemon may spend on answering for its status."""
FRESH_S = 2.0
"""How long an answer to another question is kept for the next browser."""
PATIENT_S = 3.0
"""How long a page waits for such an answer: it asks two of them, and has 10 s in all."""
KEPT = 32
MOST_ALARMS = 1000
"""More are counted, not shown."""

Facts = Mapping[str, Any]


class Watch:
    """The daemon of one line, reached at the first of `sockets` that answers."""

    def __init__(
        self, line: str, sockets: Sequence[Path], listeners: Listeners,
        clock: Callable[[], Nanos] = time.time_ns,
    ) -> None:  # fmt: skip
        self.line, self._sockets, self._listeners = line, list(sockets), listeners
        self._clock = clock
        self.alarms: Sequence[Facts] = ()
        self.left_out = 0
        """How many alarms are not shown, because there are too many."""
        self.status: Facts = {}
        self.units: Mapping[str, str] = {}
        self.names: Mapping[str, Mapping[str, str]] = {}
        """The states and severities in the language of the line."""
        self.tiles: Sequence[Tile] = ()
        """What every page shows of the status, made once for all browsers."""
        self.away = "it has not answered yet"
        """Why nothing is known of it now; empty if it answers."""
        self.changes = 0
        """How often something has changed."""
        self.view: tuple[Any, Any] = None, None
        """What pages show of it, and when that was made; see `visit.line`."""
        self.heard_at: Nanos = 0
        """When it last answered; 0 if it never has."""
        self._was_asked = False
        self._status_due = 0.0
        self._now = asyncio.Event()
        self._answers: dict[str, tuple[float, Any]] = {}
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.poll()
            self._now.clear()
            try:
                async with asyncio.timeout(ALARMS_S):
                    await self._now.wait()
            except TimeoutError:
                continue

    def hurry(self) -> None:
        """Ask at once: something was just done, or a person begins to look."""
        self._status_due = min(self._status_due, time.monotonic() + 0.2)
        self._now.set()

    async def poll(self) -> None:
        """Ask for the alarms, and for the status if that is due."""
        try:
            await self._poll_alarms()
            if self.heard_at and time.monotonic() >= self._due():
                await self._poll_status()
        except AndonError as error:
            self._lost(str(error))
        except Exception as error:
            # Otherwise this line would stay as it is for ever, and look as if all were well.
            log.exception("panel.answer_failed", line=self.line, error_type=type(error).__name__)
            self._lost("its answer cannot be shown; the log of the panel has the reason")

    def _due(self) -> float:
        is_watched = bool(len(self._listeners))
        return self._status_due if is_watched else self._status_due + IDLE_S - STATUS_S

    async def _poll_alarms(self) -> None:
        answer = await self._ask("/alarms")
        if answer is None:
            return
        alarms, left_out = _alarms(answer)
        was_away, self.away = self.away, ""
        self.heard_at = self._clock()
        is_news = bool(was_away) or (alarms, left_out) != (self.alarms, self.left_out)
        self.alarms, self.left_out = alarms, left_out
        if was_away:
            self._status_due = 0.0
        if is_news:
            self._announce()

    async def _poll_status(self) -> None:
        began = time.monotonic()
        answer = await self._ask("/status")
        if not isinstance(answer, dict):
            return
        took = time.monotonic() - began
        self._status_due = time.monotonic() + max(STATUS_S, took / SHARE)
        self.status = _plain(answer)
        self.units, self.tiles = line_view.units(self.status), line_view.tiles(self.status)
        self.names = line_view.names(self.status)
        self._announce()

    async def _ask(self, path: str, body: Any = None) -> Any:
        """The answer of the first socket that gives one; None, and the line is away, if none."""
        for socket in self._sockets:
            answer = await request(socket, path, body)
            if answer is not None:
                # The one that answers is asked first the next time.
                self._sockets.sort(key=socket.__ne__)
                return answer
        self._lost("no daemon answers at its socket")
        return None

    def _lost(self, why: str) -> None:
        self._was_asked = True
        why = brief(why, SENTENCE)
        is_news, self.away = self.away != why, why
        if is_news:
            self._answers.clear()
            self._announce()

    def _announce(self) -> None:
        self.changes += 1
        self._listeners.announce()

    async def ask(self, path: str) -> Any:
        """The answer to another question, at most FRESH_S old; None if no daemon answers.

        ControlError for what the daemon refuses, AndonError for what is no daemon's answer. Both
        a daemon that is away and one that answers slowly leave the page its time.
        """
        if self.away and self._was_asked:
            return None
        try:
            async with asyncio.timeout(PATIENT_S):
                return await self._asked(path)
        except TimeoutError as error:
            raise AndonError(f"the daemon does not answer within {PATIENT_S:g} s") from error

    async def _asked(self, path: str) -> Any:
        async with self._asking:
            at, answer = self._answers.get(path, (-FRESH_S, None))
            if time.monotonic() - at < FRESH_S:
                return answer
            answer = _plain(await self._ask(path))
            while len(self._answers) >= KEPT:
                del self._answers[next(iter(self._answers))]
            self._answers[path] = time.monotonic(), answer
            return answer

    async def act(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the daemon says of an act; AndonError if it refuses or is away."""
        answer = await self._ask(path, dict(body))
        if answer is None:
            raise ControlError(503, "no daemon answers: nothing was done")
        self._answers.clear()
        self.hurry()
        return _plain(answer)


def _plain(answer: Any) -> Any:
    """The answer with visible texts; AndonError if it is nested too deeply."""
    try:
        return shown(answer)
    except RecursionError as error:
        raise AndonError("the daemon's answer is nested too deeply") from error


def _alarms(answer: Any) -> tuple[list[Facts], int]:
    """The alarms of an answer, and how many more it has; AndonError if it is no list of alarms."""
    if isinstance(answer, list) and all(map(is_alarm, answer)):
        return [_plain(alarm) for alarm in answer[:MOST_ALARMS]], len(answer[MOST_ALARMS:])
    raise AndonError("the daemon does not answer as this version expects: is it of another one?")
