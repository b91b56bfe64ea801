"""The terminal application of `andon top`.

Promises
- The keys that act ask the daemon and show its answer, or why it refuses; nothing else acts.
- A key that comes just after the alarm under the cursor went away acts on no other alarm.
- Texts of daemons, devices and files are shown without markup.
- Everything is reachable by keyboard, fits 80 columns and 24 rows, and needs no colour.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widgets import Static

from gateway.api.contracts import AndonError
from gateway.api.visible import visible
from gateway.top.details import details
from gateway.top.dialogs import Choice, Question, Reading
from gateway.top.facts import Facts, clock, every, first_tags, of, words
from gateway.top.lines import Watched
from gateway.top.pane import Pane
from gateway.top.rows import Row, alarm_rows, bounded, headline, journal_rows, state_rows, tag_rows
from gateway.top.sparkline import caption, sparkline

PAUSE_S = 1.0
TREND_S = 5.0
PARTS = ("head", "alarms", "tags", "state", "journal", "trend", "notice", "keys")
DRAWN_S = 3.0
"""A picture is drawn after this time, in which the daemons have answered."""
KEYS = "a ack  s shelve  u unshelve  v verdict  c comment  ⏎ details  ? help  q quit"
HELP = """\
a      acknowledge the alarm under the cursor
s      shelve it: it stays quiet for a time that you choose
u      unshelve it
v      give a verdict: real, false or unclear
c      comment on it
enter  all that is known of it, with its entries in the journal
tab    to the next pane: alarms, tags, state, journal
up, down, page up, page down, home, end: move within a pane
?      this page
q      quit

Below the panes is the last hour of the tag under the cursor, or of the first tag of the alarm
under the cursor. A gap is a time without a value.

States: unack (active and not acknowledged), acked, returned (over, and not acknowledged),
latched (over, and stays until it is reset), shelved, suppressed, out of service.

escape closes this page."""
SHELVE = (
    ("900", "15 minutes"),
    ("3600", "1 hour"),
    ("14400", "4 hours"),
    ("28800", "8 hours"),
    ("86400", "1 day"),
    ("once", "until it returns to normal"),
)
VERDICTS = (
    ("real", "real: something was wrong"),
    ("false", "false: nothing was wrong"),
    ("unclear", "unclear: an expert should look"),
)


class Top(App[None]):
    """The application over some lines, in the name of `by`."""

    CSS_PATH = "top.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("a", "acknowledge", "ack"),
        Binding("s", "shelve", "shelve"),
        Binding("u", "unshelve", "unshelve"),
        Binding("v", "verdict", "verdict"),
        Binding("c", "comment", "comment"),
        Binding("question_mark", "help", "help"),
    ]

    def __init__(self, lines: Sequence[Watched], by: str, pause_s: float = PAUSE_S) -> None:
        super().__init__()
        self._lines, self._by, self._pause_s = lines, by, pause_s
        self._changed, self._of_alarm = asyncio.Event(), True

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Pane("alarms", ("ALARMS", "state", "since", "message", "tags"), "no alarm")
        yield Pane("tags", ("TAGS", "value", "state", "age", "why"), "no tags are known")
        yield Pane("state", ("STATE", "state", "what"), "nothing is known")
        yield Pane("journal", ("JOURNAL", "what", "by", "words"), "no entry")
        yield Static(id="trend", markup=False)
        yield Static(id="notice", markup=False)
        yield Static(KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Starts to ask each daemon."""
        self._draw()
        for line in self._lines:
            self.run_worker(self._watch(line))
        self.run_worker(self._watch_trend())
        self._pane("alarms").focus()

    async def _watch(self, line: Watched) -> None:
        while True:
            took = await line.refresh()
            self._draw()
            await asyncio.sleep(max(self._pause_s, took))

    def _pane(self, name: str) -> Pane:
        return self.screen_stack[0].query_one(f"#{name}", Pane)

    def _static(self, name: str) -> Static:
        return self.screen_stack[0].query_one(f"#{name}", Static)

    @property
    def _is_whole(self) -> bool:
        """Whether everything is there to draw on; it ends piece by piece."""
        there = (
            {child.id for child in self.screen_stack[0].children} if self.screen_stack else set()
        )
        return there.issuperset(PARTS)

    def _draw(self) -> None:
        if not self._is_whole:
            return
        now, lines, several = time.time_ns(), self._lines, len(self._lines) > 1
        head = self._static("head")
        head.update("\n".join(headline(line, now) for line in lines))
        head.set_class(any(line.why for line in lines), "away")
        rows = {
            "alarms": alarm_rows(lines, now),
            "tags": bounded(tag_rows(lines)),
            "state": state_rows(lines, now),
            "journal": journal_rows(lines, now),
        }
        for name, shown in rows.items():
            pane = self._pane(name)
            pane.show(shown, several=several)
            pane.set_class(all(line.why for line in lines), "away")

    def draw(self, path: Path, size: tuple[int, int]) -> None:
        """Writes what a terminal of this size shows to a file, as an SVG picture."""
        pictures: list[str] = []

        async def look(pilot: Pilot[object]) -> None:
            await asyncio.sleep(DRAWN_S)
            await pilot.pause()
            pictures.append(self.export_screenshot(title="andon top"))
            self.exit()

        self.run(headless=True, size=size, auto_pilot=look)
        # The picture must not load fonts from the internet.
        path.write_text(re.sub(r"@font-face\s*\{.*?\}\s*", "", pictures[0], flags=re.DOTALL))

    # -- the trend of a tag ------------------------------------------------------------------

    async def _watch_trend(self) -> None:
        while True:
            self._changed.clear()
            await self._draw_trend()
            try:
                await asyncio.wait_for(self._changed.wait(), TREND_S)
            except TimeoutError:
                continue

    async def _draw_trend(self) -> None:
        if not self._is_whole:
            return
        line, tag = self._selected_tag()
        if line is None or not tag:
            self._static("trend").update("")
            return
        width = max(self.size.width - 2, 10)
        answer = await line.trend(tag, min(width, 2_000))
        trend, since = of(answer.get("trend")), clock(answer, "since", time.time_ns())
        if not self._is_whole:
            return
        bars, said = sparkline(trend, width), caption(visible(tag), trend, since)
        self._static("trend").update(f"{said}\n{bars or words(answer, 'why')}")

    def _selected_tag(self) -> tuple[Watched | None, str]:
        """The tag under the cursor, or the first one of the alarm under the cursor."""
        alarm, tag = self._pane("alarms").chosen, self._pane("tags").chosen
        if alarm is not None and self._of_alarm:
            return self._line(alarm), next(iter(first_tags(self._alarm(alarm))), "")
        return (self._line(tag), tag.key) if tag is not None else (None, "")

    def on_data_table_row_highlighted(self) -> None:
        """The cursor moved."""
        self._changed.set()

    def on_descendant_focus(self) -> None:
        """Another pane has the cursor; the trend stays if there is no tag in it."""
        if not self._is_whole:
            return
        if self._pane("alarms").has_focus or self._pane("tags").has_focus:
            self._of_alarm = self._pane("alarms").has_focus
        self._changed.set()

    # -- what a person does ------------------------------------------------------------------

    def _line(self, row: Row) -> Watched | None:
        return next((line for line in self._lines if line.name == row.line), None)

    def _alarm(self, row: Row) -> Facts:
        line = self._line(row)
        alarms = line.alarms if line else []
        return next((alarm for alarm in alarms if words(alarm, "id") == row.key), {})

    def _meant(self) -> Row | None:
        """The alarm that a key is about; None, and a note, if there is none or it has just gone."""
        pane = self._pane("alarms")
        if pane.chosen is None:
            self._note("there is no alarm")
        elif pane.has_jumped:
            self._note("the alarm under the cursor has just gone: look, then press the key again")
        else:
            return pane.chosen
        return None

    def _note(self, text: str) -> None:
        if self._is_whole:
            self._static("notice").update(visible(text))

    @work
    async def action_acknowledge(self) -> None:
        """Acknowledges the alarm under the cursor."""
        await self._act("acknowledge")

    @work
    async def action_unshelve(self) -> None:
        """Unshelves it."""
        await self._act("unshelve")

    @work
    async def action_shelve(self) -> None:
        """Asks for how long, and why."""
        row = self._meant()
        time_ = await self._choose("Shelve for how long?", SHELVE, row)
        if time_ is not None:
            await self._act_with_why(
                "shelve", row, {} if time_ == "once" else {"for_s": int(time_)}
            )

    @work
    async def action_verdict(self) -> None:
        """Asks what was found out about it."""
        row = self._meant()
        verdict = await self._choose("What was it?", VERDICTS, row)
        if verdict is not None:
            await self._act_with_why("comment", row, {"verdict": verdict})

    @work
    async def action_comment(self) -> None:
        """Asks for a comment."""
        row = self._meant()
        if row is None:
            return
        said = await self.push_screen_wait(Question("Comment:"))
        if said:
            await self._act("comment", row, {"why": said})

    async def _choose(
        self, title: str, options: Sequence[tuple[str, str]], row: Row | None
    ) -> str | None:
        if row is None:
            return None
        return await self.push_screen_wait(Choice(title, options))

    async def _act_with_why(self, act: str, row: Row | None, more: Mapping[str, Any]) -> None:
        why = await self.push_screen_wait(Question("Why? (enter for no reason)"))
        if why is not None:
            await self._act(act, row, {**more, **({"why": why} if why else {})})

    async def _act(
        self, act: str, row: Row | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        """Has the daemon do it; says what it answers."""
        row = row or self._meant()
        line = self._line(row) if row else None
        if row is None or line is None:
            return
        self._note("asking the daemon …")
        try:
            answer = await line.act({"id": row.key, "act": act, "by": self._by, **(more or {})})
        except AndonError as error:
            self._note(f"{act.replace('_', ' ')} refused: {error}")
            return
        self._note(words(answer, "message") or f"done: {act}")
        await line.refresh()
        self._draw()

    def on_data_table_row_selected(self, event: Pane.RowSelected) -> None:
        """Enter shows all that is known of an alarm, and the whole text of any other row."""
        if isinstance(event.data_table, Pane) and event.data_table.chosen is not None:
            self._show(event.data_table.chosen, is_alarm=event.data_table.id == "alarms")

    @work
    async def _show(self, row: Row, *, is_alarm: bool) -> None:
        line = self._line(row)
        if not is_alarm or line is None:
            await self.push_screen_wait(Reading("\n".join(filter(None, row.cells))))
            return
        answer = await line.show(row.key)
        alarm = of(answer.get("alarm")) or self._alarm(row)
        entries, clip = every(answer.get("entries")), words(answer, "clip")
        await self.push_screen_wait(Reading(details(alarm, entries, clip, time.time_ns())))

    def action_help(self) -> None:
        """Shows the keys."""
        self.push_screen(Reading(HELP))
