"""The file in which a notify sink keeps what waits.

Promises
- After `save` the content is on disk under its name (fsync), whole or as it was before.
- A file that cannot be read is left aside under another name, never a reason not to start.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from gateway.api import private
from gateway.api.durable import sync_folder
from gateway.api.files import FileUnreadable, read_file

MOST_BYTES = 64 * 2**20
"""More than 20 receivers of 500 alerts each take, with all their texts at full length."""


def save(path: Path, facts: dict[str, Any]) -> None:
    """Replaces the file; OSError."""
    beside = path.with_name(f"{path.name}.new")
    content = json.dumps(facts, ensure_ascii=True).encode()
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    file = private.open_file(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def load(path: Path) -> tuple[dict[str, Any], str]:
    """What was saved, empty if nothing was; and why it cannot be read, empty if it can."""
    if not path.exists():
        return {}, ""
    try:
        if why := private.refusal(path):
            return {}, why
        facts = json.loads(read_file(path, MOST_BYTES))
    except FileUnreadable as error:
        return {}, str(error)
    except (ValueError, RecursionError):
        return {}, f"{path} is damaged: what waited in it is lost"
    if not isinstance(facts, dict):
        return {}, f"{path} is damaged: what waited in it is lost"
    return facts, ""


def set_aside(path: Path) -> None:
    """Gives a damaged file another name, so that it can be looked at."""
    with contextlib.suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))
