"""Progress: shown where a terminal is, and nowhere else."""

import io

import pytest
import rich.console

from gateway.api.progress import share, steps


@pytest.fixture
def stderr(monkeypatch):
    """What is written to stderr, which is a terminal or not."""
    made = io.StringIO()
    console = rich.console.Console

    def use(*, terminal):
        monkeypatch.setattr(
            rich.console,
            "Console",
            lambda **given: (
                console(file=made, force_terminal=terminal, width=80)
                if given == {"stderr": True}
                else None
            ),
        )
        return made

    return use


def test_without_a_terminal_nothing_is_written(stderr):
    written = stderr(terminal=False)
    with steps() as step, share("reading") as bar:
        step("training")
        bar(0.5)
    assert written.getvalue().strip() == ""


def test_on_a_terminal_the_step_is_shown(stderr):
    written = stderr(terminal=True)
    with steps() as step:
        step("training")
    assert "training" in written.getvalue()


def test_on_a_terminal_the_share_is_shown(stderr):
    written = stderr(terminal=True)
    with share("reading") as bar:
        bar(1.0)
    assert "reading" in written.getvalue()
    assert "100%" in written.getvalue()
