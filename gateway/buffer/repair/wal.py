"""The frames of a write-ahead log, those behind a damaged one too. Pure.

SQLite stops replaying at the first frame whose checksum is wrong, and drops without a word what was
committed behind it. The format: sqlite.org/fileformat2.html, chapter 4.

Promises
- What SQLite would replay is told exactly as it does that.
- Frames that an older turn of the log, or a transaction without its commit, left behind are
  not taken.
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
_PAGES = 2**22  # 16 GiB: what damage makes of a number is nearly always beyond

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A page as a transaction left it.

    `numbers`: one, or those between which damage leaves the choice, or none. `commits`: the last
    one of a transaction. `is_sound`: nothing of it is damaged.
    """

    numbers: tuple[int, ...]
    page: bytes
    commits: bool
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Log:
    """The committed frames, oldest first, and how many of these SQLite replays.

    `hidden`: the transactions that it drops. One may be a torn one that nobody was told of: a
    transaction is on disk before the next one begins. Of two at least one was durable.
    """

    frames: list[Frame]
    replayed: int = 0
    hidden: int = 0


def read(log: bytes) -> Log:
    """The content of a log's file."""
    found = [log[at : at + _SIZE].ljust(_SIZE, b"\0") for at in range(_HEAD, len(log), _SIZE)]
    if not found:
        return Log([])
    before = _PAIR.unpack_from(log, 24)
    is_whole = _forward(_START.unpack_from(log)) == before
    # Those of this turn of the log. Its first frame says them too.
    salts = log[16:24] if is_whole else found[0][8:16]
    frames: list[Frame] = []
    replayed = committed = hidden = 0
    is_ours = True
    for raw in found:
        frame, before = _frame(raw, before)
        frames.append(frame)
        is_ours = raw[8:16] == salts or (frame.is_sound and is_ours)
        is_whole &= raw[8:16] == salts and frame.is_sound
        if is_ours and frame.commits:
            committed = len(frames)
            replayed, hidden = (committed, 0) if is_whole else (replayed, hidden + 1)
    return Log(frames[:committed], replayed, hidden)


def _frame(raw: bytes, before: Pair) -> tuple[Frame, Pair]:
    """The frame, and its checksum; `before` is that of the frame before it.

    The checksum is undone over the page, which gives what the header must have said if it was the
    header that was hit. Damage to the page nearly always makes nonsense of both of its words.
    """
    said, after = _PAIR.unpack_from(raw), _PAIR.unpack_from(raw, 16)
    must = _backward(_WORDS.unpack_from(raw, _FRAME), before, after)
    pairs = [said] if said[0] != must[0] and said[1] != must[1] else [said, must]
    pairs = [pair for pair in pairs if 0 < pair[0] < _PAGES and pair[1] < _PAGES]
    numbers = tuple(dict.fromkeys(number for number, _ in pairs))
    return Frame(numbers, raw[_FRAME:], any(size for _, size in pairs), said == must), after


def _forward(words: tuple[int, ...]) -> Pair:
    """SQLite's checksum of these words."""
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = first + even + second & _32
        second = second + odd + first & _32
    return first, second


def _backward(words: tuple[int, ...], before: Pair, after: Pair) -> Pair:
    """The two words that, ahead of these, lead from one checksum to the other."""
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
