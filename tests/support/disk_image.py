"""What a disk holds after a power cut, made from the system calls that a process really made.

`record` runs a program under strace and returns what it did to the files of one folder; `Disk`
replays that up to a cut and draws a state in which the power may have left them:

- What fsync or fdatasync returned for is there. A name is there when its folder was synced.
- Every other sector (512 bytes or 4 KiB) is as it was after any of the writes since the last sync:
  kept, dropped, torn in the middle of a write, or out of order with its neighbours.
- The size is that of any moment since the last sync; a sector within it that was never written
  holds zeros or noise. Names change in their order, up to any of them.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

_CALLS = (
    "openat,creat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,msync,"
    "mmap,ftruncate,truncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,link,linkat"
)
_LINE = re.compile(r"(?P<call>\w+)\((?P<args>.*)\) += (?P<result>\S+)")
_FD = re.compile(r"(?P<number>\d+)<(?P<path>[^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBER = re.compile(r", (\d+)(?=,|$)")


@dataclass(frozen=True, slots=True)
class Op:
    """One call that did something: create, write, resize, sync, remove, rename or say."""

    what: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    to: str = ""


def record(command: list[str], folder: Path, trace: Path) -> list[Op]:
    """What the program, which must have one thread, did to the files of `folder`, in order.

    What it writes to its standard output is in between as `say`.
    """
    strace = ["strace", "-z", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}", "-o", trace]
    done = subprocess.run([*strace, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with trace.open() as lines:
        ops = (_op(line, str(folder)) for line in lines)
        return [op for op in ops if op is not None]


def _op(line: str, folder: str) -> Op | None:
    match = _LINE.match(line)
    if match is None:
        return None
    call, args = match["call"], match["args"]
    texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(args)]
    fd = _FD.match(args)
    if call == "write" and fd is not None and fd["number"] == "1":
        return Op("say", data=texts[0])
    path = _plain(fd["path"]) if fd is not None else texts[0].decode() if texts else ""
    if call == "openat":
        path = texts[0].decode()
        if "O_CREAT" not in args:
            return None
        assert "O_TRUNC" not in args, line
    if path != folder and not path.startswith(folder + "/"):
        assert call != "mmap" or _is_harmless(args, folder), (
            f"a mapped write cannot be seen: {line}"
        )
        return None
    return _change(call, path.removeprefix(folder).lstrip("/"), texts, args, folder)


def _is_harmless(mapping: str, folder: str) -> bool:
    """Whether a file is outside this folder, or a -shm, which SQLite recreates from the WAL."""
    match = _FD.search(mapping)
    path = _plain(match["path"]) if match else ""
    return not path.startswith(folder) or path.endswith("-shm")


def _plain(escaped: str) -> str:
    return bytes.fromhex(escaped.replace("\\x", "")).decode()


_WHAT = {
    "openat": "create",
    "pwrite64": "write",
    "fsync": "sync",
    "fdatasync": "sync",
    "ftruncate": "resize",
    "fallocate": "resize",
    "unlink": "remove",
    "rename": "rename",
}


def _change(call: str, name: str, texts: list[bytes], args: str, folder: str) -> Op:
    assert call in _WHAT, f"{call} of {name} is not understood"
    numbers = [int(number) for number in _NUMBER.findall(args)]
    if call == "fallocate":
        numbers = [sum(numbers[-2:])]
    data = texts[0] if call == "pwrite64" else b""
    to = texts[1].decode().removeprefix(folder + "/") if call == "rename" else ""
    return Op(_WHAT[call], name, numbers[-1] if numbers else 0, data, to)


_SECTOR = 512
_PAGE = 8  # sectors of 4 KiB that some drives write as one


@dataclass(slots=True)
class _File:
    """One file: what is sure, and each later version of its sectors and of its size."""

    sure: bytes = b""
    now: bytearray = field(default_factory=bytearray)
    sizes: list[int] = field(default_factory=list)
    sectors: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        self.now.extend(bytes(max(end - len(self.now), 0)))
        self.now[offset:end] = data
        self._note(offset, end)

    def resize(self, size: int) -> None:
        old = len(self.now)
        self.now[size:] = bytes(max(size - old, 0))
        self._note(size, max(size, old))

    def _note(self, start: int, end: int) -> None:
        self.sizes.append(len(self.now))
        moment = len(self.sizes)
        for number in range(start // _SECTOR, -(-end // _SECTOR)):
            sector = bytes(self.now[number * _SECTOR : (number + 1) * _SECTOR])
            self.sectors.setdefault(number, []).append((moment, sector.ljust(_SECTOR, b"\0")))

    def sync(self) -> None:
        self.sure = bytes(self.now)
        self.sizes.clear()
        self.sectors.clear()

    def drawn(self, dice: Random) -> bytes:
        """One of the states in which the power may have left it."""
        fate = dice.choice(("kept", "dropped", "mixed", "mixed"))
        if fate == "kept" or not self.sizes:
            return bytes(self.now)
        if fate == "dropped":
            return self.sure
        size = dice.choice([len(self.sure), *self.sizes])
        grown = max(size - len(self.sure), 0)
        left = bytearray(self.sure[:size]) + dice.choice((bytes(grown), dice.randbytes(grown)))
        step = dice.choice((1, _PAGE))
        for page in sorted({number // step for number in self.sectors}):
            self._put(left, range(page * step, page * step + step), dice)
        return bytes(left)

    def _put(self, left: bytearray, numbers: range, dice: Random) -> None:
        """These sectors as they were at one moment."""
        moments = {moment for number in numbers for moment, _ in self.sectors.get(number, ())}
        chosen = dice.choice([0, *sorted(moments)])
        for number in numbers:
            writes = [body for moment, body in self.sectors.get(number, ()) if moment <= chosen]
            start = number * _SECTOR
            if writes and start < len(left):
                end = min(start + _SECTOR, len(left))
                left[start:end] = writes[-1][: end - start]


class Disk:
    """The files of one folder; `files` were on the disk and synced before."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._names = {name: _File(body, bytearray(body)) for name, body in files.items()}
        self._folders = [dict(self._names)]
        """The folder when it was last synced, and after each change of a name since."""

    def do(self, op: Op) -> None:
        """Replay one call."""
        match op.what:
            case "write":
                self._names[op.name].write(op.offset, op.data)
            case "resize":
                self._names[op.name].resize(op.offset)
            case "sync" if op.name:
                self._names[op.name].sync()
            case "sync":
                self._folders = [dict(self._names)]
            case "create" | "remove" | "rename":
                self._rename(op)

    def _rename(self, op: Op) -> None:
        if op.what == "create":
            self._names.setdefault(op.name, _File())
        elif op.what == "remove":
            del self._names[op.name]
        else:
            self._names[op.to] = self._names.pop(op.name)
        self._folders.append(dict(self._names))

    def after_a_cut(self, dice: Random) -> dict[str, bytes]:
        """The files as the power may have left them."""
        return {name: file.drawn(dice) for name, file in dice.choice(self._folders).items()}


def put(folder: Path, files: dict[str, bytes]) -> None:
    """The folder with these files and no others."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, body in files.items():
        (folder / name).write_bytes(body)
