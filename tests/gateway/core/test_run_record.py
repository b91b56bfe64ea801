"""How the last run ended, as the journal says it."""

import pytest

from gateway.core.alarms.journal import EntryKind
from gateway.core.run_record import FAILED, STOPPED, RunRecord, start_note, stored_run

RUN = RunRecord(100, "boot-2", "1.2")


def test_a_run_is_read_as_it_was_stored():
    run = RunRecord(1, "boot", "1.0", STOPPED, 5)
    assert stored_run(run.state()) == run
    assert stored_run(None) is None


def test_what_another_version_stored_beside_it_is_left_out():
    assert stored_run(b'{"started_at": 1, "boot": "b", "version": "9", "mood": "good"}') == (
        RunRecord(1, "b", "9")
    )


def test_the_first_start_says_that_nothing_is_known():
    first = start_note(RUN, None)
    assert (first.kind, first.transition, first.at) == (EntryKind.NOTE, "started", 100)
    assert first.message == "andon 1.2 started: nothing is known of an earlier run"
    assert first.facts == {"version": "1.2", "last": None}


@pytest.mark.parametrize(
    ("boot", "ended", "words"),
    [
        ("boot-2", STOPPED, "the last run was stopped"),
        ("boot-1", STOPPED, "the last run was stopped"),
        ("boot-2", FAILED, "the last run ended with an error, which its log names"),
        ("boot-2", "", "the last run was killed, or it crashed"),
        ("boot-1", "", "the last run ended with the machine, by a reboot or a loss of power"),
    ],
)
def test_a_restart_says_how_the_last_run_ended(boot, ended, words):
    last = RunRecord(50, boot, "1.1", ended, 60 if ended else 0)
    entry = start_note(RUN, last)
    assert entry.transition == "restarted"
    assert entry.message == f"andon 1.2 restarted: {words}"
    assert entry.facts["last"]["started_at"] == 50
