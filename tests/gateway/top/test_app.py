"""`andon top` by keyboard against a real control server."""

import asyncio
import contextlib
import time

import pytest
from fake_daemon import FakeDaemon, alarm, answering
from patience import PATIENCE
from top_lines import ENTRY, NASTY, Press

from gateway.top.app import Top
from gateway.top.lines import Watched
from gateway.top.pane import JUMP_S, Pane

SIZE = (80, 24)


@pytest.fixture
async def press(tmp_path):
    press = Press(tmp_path, unit=NASTY, journal=[ENTRY])
    await press.start()
    async with press.serving():
        yield press


@contextlib.asynccontextmanager
async def shown(*lines, size=SIZE):
    app = Top(lines, "anna", pause_s=0.05)
    async with app.run_test(size=size) as pilot:
        pilot.text = lambda: text_of(app)
        yield pilot


def text_of(app):
    """What is on the screen, row by row."""
    app.screen._compositor.reflow(app.screen, app.size)
    rows = app.screen._compositor.render_strips(app.size)
    return "\n".join("".join(segment.text for segment in row) for row in rows)


async def until(pilot, condition):
    """Waits until what is on the screen, or any other condition, holds."""
    check = (lambda: condition in pilot.text()) if isinstance(condition, str) else condition
    try:
        async with asyncio.timeout(PATIENCE):
            while not check():
                await pilot.pause(0.02)
    except TimeoutError:
        pytest.fail(f"{condition} is not on the screen:\n{pilot.text()}")


async def test_everything_is_on_one_small_screen(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "press-3: degraded, 1 alarm")
        await until(pilot, "flow since")
        screen = pilot.text()
        for word in ("ALARMS", "medium", "unack", "TAGS", "STATE", "detector pump", "JOURNAL",
                     "raised", "a ack", "q quit"):  # fmt: skip
            assert word in screen, (word, screen)
        assert len(screen.splitlines()) == 24
        assert max(map(len, screen.splitlines())) == 80


async def test_hostile_texts_stay_texts(press):
    async with shown(press.watched, size=(160, 40)) as pilot:
        await until(pilot, "[bold]the journal[/]\\x1b[2J")
        await until(pilot, "[bold red]\\x1b[2J\\u202eflow[/]")
        assert "\x1b" not in pilot.text()
        assert "\u202e" not in pilot.text()


async def test_an_alarm_is_acknowledged_by_one_key(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "unack")
        await pilot.press("a")
        await until(pilot, "acknowledged by anna")
        await until(pilot, " acked ")
        assert press.alarm.acknowledged_by == "anna"
        await pilot.press("a")
        await until(pilot, "already acknowledged by anna")


async def test_an_alarm_is_shelved_for_a_time_and_unshelved(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "unack")
        await pilot.press("s")
        await until(pilot, "2  1 hour")
        await pilot.press("2")
        await until(pilot, "Why?")
        await pilot.press(*"seal", "enter")
        await until(pilot, " shelved ")
        assert (press.alarm.state, press.reasons) == ("shelved", {"", "seal"})
        await until(pilot, "no alarm")
        await pilot.press("u")
        await until(pilot, lambda: press.alarm.state == "unacknowledged")


async def test_a_verdict_and_a_comment_are_given(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "unack")
        await pilot.press("v", "down", "enter", "enter")
        await until(pilot, "a false alarm, says anna")
        assert press.alarm.verdict == "false"
        await pilot.press("c", *"valve", "enter")
        await until(pilot, "valve")
        assert "valve" in press.reasons


async def test_escape_leaves_a_dialog_and_nothing_is_done(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "unack")
        for keys in (("s", "escape"), ("v", "1", "escape"), ("c", "escape"), ("s", "9", "escape")):
            await pilot.press(*keys)
            await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
        assert press.alarm.transition == "raised"


async def test_enter_shows_all_that_is_known_and_help_the_keys(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "unack")
        await pilot.press("enter")
        await until(pilot, f"id: {press.alarm.id}")
        assert "score 20, threshold 10, peak 20" in pilot.text()
        await pilot.press("escape", "question_mark")
        await until(pilot, "acknowledge the alarm under the cursor")


async def test_tab_goes_to_the_next_pane_and_the_trend_follows_the_cursor(press):
    async with shown(press.watched) as pilot:
        await until(pilot, "flow since")
        tags = pilot.app.query_one("#tags", Pane)
        await until(pilot, lambda: tags.row_count == 2)
        await pilot.press("tab")
        await until(pilot, lambda: pilot.app.focused is tags)
        assert tags.chosen.key == "level"
        await until(pilot, "level  no value since")
        await pilot.press("down")
        await until(pilot, lambda: tags.chosen.key == "flow")
        await until(pilot, "flow since")
        await pilot.press("tab", "tab", "tab")
        await until(pilot, lambda: pilot.app.focused.id == "alarms")


async def test_a_daemon_that_went_is_named_with_the_time_and_comes_back_by_itself(tmp_path):
    press = Press(tmp_path)
    await press.start()
    async with shown(press.watched) as pilot:
        await until(pilot, "press-3: NO ANSWER since")
        async with press.serving():
            await until(pilot, "press-3: degraded, 1 alarm")
            await until(pilot, lambda: pilot.app.query_one("#alarms", Pane).chosen is not None)
        await until(pilot, "NO ANSWER since")
        await until(pilot, lambda: "what was known at" in " ".join(pilot.text().split()))
        await until(pilot, "unack")
        await pilot.press("a")
        await until(pilot, "acknowledge refused: no daemon answers for press-3")
        async with press.serving():
            await until(pilot, "press-3: degraded, 1 alarm")


async def test_several_lines_are_on_one_screen(press, tmp_path_factory):
    other = Press(tmp_path_factory.mktemp("other"), "press-4")
    async with shown(press.watched, other.watched, size=(120, 40)) as pilot:
        await until(pilot, "press-3: degraded, 1 alarm")
        await until(pilot, "press-4: NO ANSWER since")
        await other.start()
        async with other.serving():
            await until(pilot, "press-4: degraded, 1 alarm")
            alarms = pilot.app.query_one("#alarms", Pane)
            await until(pilot, lambda: alarms.row_count == 2)
            await pilot.press("down")
            await until(pilot, lambda: alarms.cursor_row == 1)
            first, second = (press, other) if alarms.chosen.line == "press-4" else (other, press)
            await pilot.press("a")
            await until(pilot, lambda: second.alarm.acknowledged_by == "anna")
            assert first.alarm.acknowledged_by == ""


async def test_without_colours_everything_is_still_a_word(press, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(press.watched) as pilot:
        await until(pilot, "medium")
        await until(pilot, "unack")
        assert pilot.app.no_color


@pytest.mark.parametrize("size", [(1, 1), (12, 4)])
async def test_a_terminal_of_any_size_ends_nothing(press, size):
    watched = press.watched
    async with shown(watched, size=size) as pilot:
        await until(pilot, lambda: watched.alarms)
        for key in ("s", "v", "c", "enter", "question_mark", "tab"):
            await pilot.press(key)
            await pilot.pause(0.02)
            await pilot.press("escape")
        assert pilot.app.is_running
    assert press.alarm.acknowledged_by == ""


async def test_a_key_that_comes_just_after_its_alarm_went_acts_on_no_other(tmp_path):
    gone, other = alarm("d.gone", "gone", "critical"), alarm("d.other", "other", "low")
    daemon = FakeDaemon([gone, other])
    async with (
        answering(daemon, tmp_path / "control.sock"),
        shown(Watched("press-3", [tmp_path])) as pilot,
    ):
        await until(pilot, "gone")
        daemon.alarms = [other]
        # The screen of the moment in which the alarm is gone, however slow the machine is.
        pane = pilot.app._pane("alarms")
        await until(pilot, lambda: len(pane._shown) == 1)
        assert pane._jumped_at > 0
        pane._jumped_at = time.monotonic()
        await pilot.press("a")
        await until(pilot, "has just gone")
        assert daemon.acts == []
        pane._jumped_at -= JUMP_S
        await pilot.press("a")
        await until(pilot, lambda: [each["id"] for each in daemon.acts] == [other["id"]])
