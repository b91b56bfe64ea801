"""What is planted in the state folder before the start: it is never followed, and never a hang."""

import asyncio
import contextlib
import fcntl
import os
import stat
from pathlib import Path

import pytest
from floor import line_file, seesaw
from limited_daemon import MOST_RSS, limited_daemon
from patience import PATIENCE
from pulled_floor import link_to_canary, untouched

KINDS = {
    "a link": link_to_canary,
    "a link to nothing": lambda path: path.symlink_to(path.parent.parent / "canary.nothing"),
    "a link in a circle": lambda path: path.symlink_to(path),
    "a link to a folder": lambda path: path.symlink_to(path.parent.parent),
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
}
REFUSED = {"buffer.db": 74, "buffer.db-wal": 74, "lock": 78}
"""What no daemon starts with, and its exit code."""
HARMLESS = (
    "buffer.db.marks",
    "buffer.db.ballast",
    "buffer.db.partial",
    "windows.dat",
    "windows.new",
    "history",
    "sub/points.jsonl",
    "sub/points.jsonl.1",
)
"""What a daemon starts with, and says what is wrong or puts its own file there."""
PLANTED = [(name, kind) for name in (*REFUSED, *HARMLESS) for kind in KINDS]
IS_LONG = os.environ.get("ANDON_HOSTILE") == "long"
ENDING = [(name, kind) for name in REFUSED for kind in KINDS if IS_LONG or kind == "a link"]


def test_there_are_enough_of_them():
    assert len(PLANTED) >= 50


@pytest.fixture
async def plc():
    async with seesaw() as port:
        yield port


@pytest.fixture
def line(tmp_path):
    """A line file whose source is away."""
    return line_file(tmp_path, 9)


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


async def ended(line):
    """The exit code of a daemon that does not start, and what it said."""
    async with limited_daemon(line) as daemon:
        code = await asyncio.wait_for(daemon.process.wait(), PATIENCE)
        return code, daemon.log


@pytest.mark.parametrize("mask", [0o000, 0o777])
async def test_all_that_the_daemon_makes_is_private_whatever_the_umask(tmp_path, plc, mask):
    line = line_file(tmp_path, plc)
    with umask(mask):
        daemon = await _started(line)
    async with daemon as running:
        await running.until(lambda f: f["sinks"][0]["sent"] and f["history"]["written"])
        await running.until(lambda _: (tmp_path / "state" / "windows.dat").exists())
        modes = {
            str(path.relative_to(tmp_path)): stat.S_IMODE(path.lstat().st_mode)
            for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]
            if "windows.new" not in path.name
        }
    assert {"state/buffer.db", "state/buffer.db-wal", "state/control.sock"} <= set(modes)
    folders = {"state", "state/history", "state/sub"}
    assert {name: oct(mode) for name, mode in modes.items() if mode != 0o600} == dict.fromkeys(
        folders, "0o700"
    )


async def _started(line):
    """The daemon's context, entered: its process has the umask of now."""
    stack = contextlib.AsyncExitStack()
    running = await stack.enter_async_context(limited_daemon(line))

    @contextlib.asynccontextmanager
    async def rest():
        async with stack:
            yield running

    return rest()


@pytest.mark.timeout(600)
async def test_a_daemon_does_not_start_on_what_is_no_file_of_its_own(tmp_path):
    some_at_once = asyncio.Semaphore(3)

    async def try_it(number, name, kind):
        folder = tmp_path / str(number)
        state = folder / "state"
        state.mkdir(0o700, parents=True)
        KINDS[kind](state / name)
        async with some_at_once:
            code, said = await ended(line_file(folder, 9))
        assert (code, "Traceback" in said) == (REFUSED[name], False), f"{name} is {kind}: {said}"
        assert str(state / name) in said, f"{name} is {kind}: {said}"
        assert ("symbolic link" in said) == ("link" in kind), f"{name} is {kind}: {said}"
        assert untouched(folder)

    await asyncio.gather(*(try_it(number, *each) for number, each in enumerate(ENDING)))


@pytest.mark.timeout(600)
async def test_a_daemon_runs_with_what_it_can_do_without(tmp_path, plc):
    for kind, plants in KINDS.items():
        if not IS_LONG and kind != "a link":
            continue
        folder = tmp_path / kind.replace(" ", "-")
        (folder / "state" / "sub").mkdir(parents=True, mode=0o700)
        # A sink's file that is certainly none is a mistake in the line file, and told as one.
        is_mistake = kind in ("a link to a folder", "a FIFO", "a folder")
        for name in HARMLESS:
            if not (is_mistake and name == "sub/points.jsonl"):
                plants(folder / "state" / name)
        async with limited_daemon(line_file(folder, plc)) as daemon:
            facts = await daemon.until(
                lambda f, is_mistake=is_mistake: (
                    f["counters"]["alerts_raised"] >= 2 and (is_mistake or f["sinks"][0]["error"])
                )
            )
            assert is_mistake or "points.jsonl" in facts["sinks"][0]["error"]
            await daemon.until_log("history.refused" if kind != "a folder" else "line.started")
            await daemon.until_log("windows.")
            assert daemon.rss < MOST_RSS
            assert await daemon.late_ticks() == 0
            assert await daemon.stop(PATIENCE) == 0
        assert "Traceback" not in daemon.log
        assert untouched(folder / "state")
        assert untouched(folder)


async def test_a_state_folder_that_is_a_link_is_refused(line, tmp_path):
    (tmp_path / "other").mkdir(0o700)
    (tmp_path / "state").symlink_to(tmp_path / "other")
    code, said = await ended(line)
    assert code == 78
    assert f"{tmp_path / 'state'} is a symbolic link" in said
    assert str(tmp_path / "other") in said
    assert not list((tmp_path / "other").iterdir())


async def test_a_state_folder_that_everyone_may_write_into_is_refused(line, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    code, said = await ended(line)
    assert code == 78
    assert f"chmod 700 {tmp_path / 'state'}" in said


async def test_a_state_folder_that_others_may_read_is_said_once(line, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    async with limited_daemon(line) as daemon:
        await daemon.until(lambda f: not f["state_folder"])
        assert await daemon.stop(PATIENCE) == 0
        (said,) = daemon.said("state.caution")
        assert f"chmod 700 {tmp_path / 'state'}" in said["why"]


async def test_no_second_daemon_starts_when_the_lock_file_is_gone(line, tmp_path):
    async with limited_daemon(line) as daemon:
        await daemon.until(bool)
        (tmp_path / "state" / "lock").unlink()
        second = tmp_path / "second.yaml"
        second.write_text(line.read_text())
        code, said = await ended(second)
        assert (code, "another andon already runs this line" in said) == (74, True)
        await daemon.until_log("state.lock_renewed")
        assert daemon.process.returncode is None


async def test_a_daemon_ends_with_74_when_another_has_its_folder(line, tmp_path):
    state = tmp_path / "state"
    async with limited_daemon(line) as daemon:
        await daemon.until(bool)
        state.rename(tmp_path / "away")
        state.mkdir(0o700)
        other = os.open(state, os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert await asyncio.wait_for(daemon.process.wait(), PATIENCE) == 74
        finally:
            os.close(other)
    assert "another andon already runs this line" in daemon.log
    assert "Traceback" not in daemon.log
    assert not list(state.iterdir())
