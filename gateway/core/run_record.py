"""How the daemon's last run ended, and the note of it in the alarm journal. Pure.

Promises
- Only a run that said so itself was stopped. Every other one was killed, or the machine went down.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from gateway.api.model import Nanos
from gateway.core.alarms.journal import EntryKind, JournalEntry

STOPPED, FAILED = "stopped", "failed"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of the daemon, as it is stored. `boot` names the start of the machine."""

    started_at: Nanos
    boot: str
    version: str
    ended: str = ""
    """STOPPED or FAILED; empty while it runs, and for ever if it was killed."""
    ended_at: Nanos = 0

    def state(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()


def stored_run(state: bytes | None) -> RunRecord | None:
    """The last run, if one was stored."""
    if state is None:
        return None
    known: dict[str, Any] = json.loads(state)
    return RunRecord(**{name: known[name] for name in RunRecord.__slots__ if name in known})


def start_note(run: RunRecord, last: RunRecord | None) -> JournalEntry:
    """The entry that says that a run began, and how the last one ended."""
    transition = "restarted" if last else "started"
    facts = {"version": run.version, "last": asdict(last) if last else None}
    message = f"andon {run.version} {transition}: {_last_words(run, last)}"
    at = run.started_at
    return JournalEntry(at, EntryKind.NOTE, message, transition=transition, facts=facts)


def _last_words(run: RunRecord, last: RunRecord | None) -> str:
    if last is None:
        return "nothing is known of an earlier run"
    if last.ended == STOPPED:
        return "the last run was stopped"
    if last.ended == FAILED:
        return "the last run ended with an error, which its log names"
    if last.boot != run.boot:
        return "the last run ended with the machine, by a reboot or a loss of power"
    return "the last run was killed, or it crashed"
