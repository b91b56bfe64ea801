"""Reads the frames of a write-ahead log, including those behind a damaged one. Pure.

SQLite stops replaying at the first frame with a wrong checksum, and silently drops what was
committed behind it. The format: sqlite.org/fileformat2.html, chapter 4.

Promises
- The number of replayed frames is exactly the one that SQLite replays.
- Frames of an older epoch of the log, or of a transaction without its commit, are left out.
"""

import struct
import sys
from dataclasses import dataclass

PAGE = 4096
_HEAD, _FRAME = 32, 24
_SIZE = _FRAME + PAGE
_WORDS = struct.Struct(f"{'<' if sys.byteorder == 'little' else '>'}{PAGE // 4}I")
_START = struct.Struct(_WORDS.format[0] + "6I")
_PAIR = struct.Struct(">II")
_32 = 0xFFFFFFFF
_PAGES = 2**22  # 16 GiB: a damaged number is nearly always larger

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class WalFrame:
    """A page as written by a transaction.

    `numbers` holds the page's number, several candidates if it is damaged, or none. `commits`: the
    last frame of a transaction. `is_sound`: no part of the frame is damaged.
    """

    numbers: tuple[int, ...]
    page: bytes
    commits: bool
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Wal:
    """The committed frames, oldest first, and the number of them that SQLite replays.

    `hidden` is the number of transactions that SQLite drops. A single one may be a torn transaction
    that was never acknowledged. Of two, at least one was durable, because a transaction is on disk
    before the next one begins.
    """

    frames: list[WalFrame]
    replayed: int = 0
    hidden: int = 0


def read(log: bytes) -> Wal:
    """The content of a WAL file."""
    raw_frames = [log[at : at + _SIZE].ljust(_SIZE, b"\0") for at in range(_HEAD, len(log), _SIZE)]
    if not raw_frames:
        return Wal([])
    before = _PAIR.unpack_from(log, 24)
    is_whole = _forward(_START.unpack_from(log)) == before
    # The salts of this epoch of the log, which its first frame has too.
    salts = log[16:24] if is_whole else raw_frames[0][8:16]
    frames: list[WalFrame] = []
    replayed = committed = hidden = 0
    is_current = True
    for raw in raw_frames:
        frame, before = _frame(raw, before)
        frames.append(frame)
        is_current = raw[8:16] == salts or (frame.is_sound and is_current)
        is_whole &= raw[8:16] == salts and frame.is_sound
        if is_current and frame.commits:
            committed = len(frames)
            replayed, hidden = (committed, 0) if is_whole else (replayed, hidden + 1)
    return Wal(frames[:committed], replayed, hidden)


def _frame(raw: bytes, before: Pair) -> tuple[WalFrame, Pair]:
    """The frame and its checksum; `before` is the checksum of the previous frame.

    Computing the checksum backwards over the page gives the header that must have been written, if
    only the header is damaged. If the page is damaged, both computed words are nearly always wrong.
    """
    stored, after = _PAIR.unpack_from(raw), _PAIR.unpack_from(raw, 16)
    computed = _backward(_WORDS.unpack_from(raw, _FRAME), before, after)
    differ = stored[0] != computed[0] and stored[1] != computed[1]
    pairs = [stored] if differ else [stored, computed]
    pairs = [pair for pair in pairs if 0 < pair[0] < _PAGES and pair[1] < _PAGES]
    numbers = tuple(dict.fromkeys(number for number, _ in pairs))
    return WalFrame(
        numbers, raw[_FRAME:], any(size for _, size in pairs), stored == computed
    ), after


def _forward(words: tuple[int, ...]) -> Pair:
    """The checksum of these words as SQLite computes it."""
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = first + even + second & _32
        second = second + odd + first & _32
    return first, second


def _backward(words: tuple[int, ...], before: Pair, after: Pair) -> Pair:
    """The two words that, placed before `words`, lead from checksum `before` to `after`."""
    first, second = after
    for odd, even in zip(words[::-2], words[-2::-2], strict=True):
        second = second - odd - first & _32
        first = first - even - second & _32
    # The header's words are big-endian, but summed as the machine reads them.
    number = first - before[0] - before[1] & _32
    size = second - before[1] - first & _32
    return _swapped(number), _swapped(size)


def _swapped(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, sys.byteorder), "big")
