"""What is done to the state folder of a running daemon, and what must come of it.

A deed takes the state folder and does something to it or to a file in it. Its outcome is one of:

- `put back`: nothing is announced until the buffer is in its place again, all of it.
- `back`: the same, but the deed itself brings everything back.
- `waits`: nothing is announced until a person removes what is in the way.
- `said`: the daemon works on and says what is wrong, in the log and by /readyz.
- `mended`: the daemon works on, and makes the file anew or uses the next occasion to.
- `damaged`: the buffer is replaced by its sound rows, and what is missing is counted.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

AWAY, CANARY, WORDS = "away", "canary", b"not andon's\n"
BACK_S = 1.5
"""How long something is away that comes back."""


@dataclass(frozen=True)
class Deed:
    """What is done, what comes of it, the file that must be named, and how it is undone."""

    do: Callable[[Path], None]
    outcome: str
    named: str = "state"
    undo: Callable[[Path], None] | None = None


def _beside(path: Path, name: str) -> Path:
    """A path outside of the state folder, on the same disk."""
    state = next(each for each in (path, *path.parents) if each.name == "state")
    return state.parent / f"{name}.{path.name}"


def remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
        return
    while path.is_dir():
        # The daemon may make a file in it meanwhile.
        shutil.rmtree(path, ignore_errors=True)


def _clear(path: Path) -> None:
    """Removes whatever is there."""
    if os.path.lexists(path):
        path.unlink() if path.is_symlink() else remove(path)


def move(path: Path) -> None:
    path.rename(_beside(path, AWAY))


def move_and_back(path: Path) -> None:
    move(path)
    time.sleep(BACK_S)
    _beside(path, AWAY).rename(path)


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Moves it away and puts something else in its place."""

    def replace(path: Path) -> None:
        move(path)
        make(path)

    return replace


def bring_back(path: Path) -> None:
    """Puts what was moved back, in place of whatever is there."""
    while _beside(path, AWAY).exists():
        _clear(path)
        # The daemon may have made another one meanwhile.
        with contextlib.suppress(OSError):
            _beside(path, AWAY).rename(path)


def canary(path: Path) -> Path:
    """A file outside that nobody may write into."""
    kept = _beside(path, CANARY)
    kept.write_bytes(WORDS)
    return kept


def link_to_canary(path: Path) -> None:
    path.symlink_to(canary(path))


def link_to_itself(path: Path) -> None:
    path.symlink_to(_beside(path, AWAY))


def link_to_folder(path: Path) -> None:
    other = _beside(path, CANARY)
    other.mkdir()
    path.symlink_to(other)


def copy(path: Path) -> None:
    shutil.copy(_beside(path, AWAY), path)


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (words TEXT)")
        db.execute("INSERT INTO mine VALUES ('of another program')")
        db.commit()


def folder(path: Path) -> None:
    path.mkdir(0o700)


def folder_of_another(path: Path) -> None:
    path.mkdir(0o700)
    other_database(path / "buffer.db")
    (path / "notes.txt").write_bytes(WORDS)


def open_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def emptied(path: Path) -> None:
    for each in path.iterdir():
        remove(each)


def mode(bits: int) -> Callable[[Path], None]:
    return lambda path: path.chmod(bits)


def owned_by(uid: int) -> Callable[[Path], None]:
    return lambda path: os.chown(path, uid, -1)


def truncate(left: Callable[[int], int]) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, left(path.stat().st_size))


def _at(name: str, deed: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda state: deed(state / name)


def _folder_deeds() -> dict[str, Deed]:
    put = "put back"
    return {
        "removed": Deed(remove, put),
        "moved away": Deed(move, put),
        "moved away and back": Deed(move_and_back, "back"),
        "emptied": Deed(emptied, put),
        "replaced by an empty folder": Deed(replaced_by(folder), put),
        "replaced by another's folder": Deed(replaced_by(folder_of_another), put),
        "replaced by a link to itself": Deed(replaced_by(link_to_itself), "waits", undo=bring_back),
        "replaced by a link elsewhere": Deed(replaced_by(link_to_folder), "waits", undo=_clear),
        "replaced by a file": Deed(replaced_by(garbage), "waits", undo=_clear),
        "replaced by an open folder": Deed(replaced_by(open_folder), "waits", undo=mode(0o700)),
        "opened to all": Deed(mode(0o777), "said", undo=mode(0o700)),
        "opened to a group": Deed(mode(0o750), "said", undo=mode(0o700)),
        "closed to its owner": Deed(mode(0o000), "said", undo=mode(0o700)),
        "given to another": Deed(owned_by(65534), "said", undo=owned_by(os.geteuid())),
    }


def _buffer_deeds(name: str) -> dict[str, Deed]:
    deeds = {
        "removed": (remove, "put back"),
        "moved away": (move, "put back"),
        "moved away and back": (move_and_back, "back"),
        "replaced by its copy": (replaced_by(copy), "put back"),
        "replaced by garbage": (replaced_by(garbage), "put back"),
        "replaced by another database": (replaced_by(other_database), "put back"),
        "replaced by an empty file": (replaced_by(Path.touch), "put back"),
        "replaced by a link to itself": (replaced_by(link_to_itself), "put back"),
        "replaced by a link elsewhere": (replaced_by(link_to_canary), "put back"),
        "replaced by a folder": (replaced_by(folder), "put back"),
        "replaced by a FIFO": (replaced_by(os.mkfifo), "put back"),
        "truncated": (truncate(lambda _: 0), "damaged"),
        "cut in half": (truncate(lambda size: size // 2), "damaged"),
        "cut by a byte": (truncate(lambda size: size - 1), "damaged"),
    }
    return {how: Deed(_at(name, do), outcome, name) for how, (do, outcome) in deeds.items()}


def _small_deeds(name: str) -> dict[str, Deed]:
    deeds = {
        "removed": remove,
        "moved away": move,
        "replaced by garbage": replaced_by(garbage),
        "replaced by a link": replaced_by(link_to_canary),
        "replaced by a folder": replaced_by(folder),
        "replaced by a FIFO": replaced_by(os.mkfifo),
    }
    undo = _at(name, bring_back)
    return {
        how: Deed(_at(name, do), "mended", name, None if do is remove else undo)
        for how, do in deeds.items()
    }


def untouched(folder: Path) -> bool:
    """Whether nothing was written to what the links in the state folder led to."""
    found = list(folder.glob(f"{CANARY}.*"))
    files = [path for path in found if path.is_file()]
    return all(path.read_bytes() == WORDS for path in files) and not any(
        list(path.iterdir()) for path in found if path.is_dir()
    )


def clear(folder: Path) -> None:
    """Removes what a deed left beside the state folder."""
    for each in (*folder.glob(f"{CANARY}.*"), *folder.glob(f"{AWAY}.*")):
        _clear(each)


def every_deed() -> dict[str, Deed]:
    """All of them by name."""
    deeds = {f"the state folder is {how}": deed for how, deed in _folder_deeds().items()}
    for name in ("buffer.db", "buffer.db-wal"):
        deeds |= {f"{name} is {how}": deed for how, deed in _buffer_deeds(name).items()}
    for name in SMALL:
        deeds |= {f"{name} is {how}": deed for how, deed in _small_deeds(name).items()}
    return deeds


SMALL = (
    "buffer.db.marks",
    "buffer.db.ballast",
    "lock",
    "windows.dat",
    "sub",
    "sub/points.jsonl",
    "history",
    "control.sock",
)
