"""The kept inputs of each target: a literal of bytes a row, in tests/fuzz/corpus.

An input is kept if it leads through code that no smaller one does.
"""

import ast
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "fuzz" / "corpus"
MOST_BYTES = 300_000
"""Of all files together."""
LONGEST = 4_096
"""Bytes of an input that is kept."""
MOST_SECONDS = 0.25
"""Of a core, for an input that is kept: a busy machine takes several times as long."""
_OURS = ("/gateway/", "/connectors/", "/detectors/", "/asyncua/ua/", "/yaml/", "/yamlcore")


def read(name: str) -> list[bytes]:
    """The inputs of a target, the shortest first."""
    path = FOLDER / f"{name}.txt"
    rows = path.read_text().splitlines() if path.exists() else []
    return [ast.literal_eval(row) for row in rows]


def write(name: str, inputs: Iterable[bytes]) -> None:
    """Replaces the inputs of a target."""
    (FOLDER / f"{name}.txt").write_text("".join(f"{each!r}\n" for each in in_order(inputs)))


def in_order(inputs: Iterable[bytes]) -> list[bytes]:
    """Each input once, the shortest first."""
    return sorted(set(inputs), key=lambda each: (len(each), each))


def size() -> int:
    """Bytes of all files together."""
    return sum(path.stat().st_size for path in FOLDER.glob("*.txt"))


def worth_keeping(function: Callable[[bytes], None], inputs: Iterable[bytes]) -> list[bytes]:
    """The inputs, the shortest first, that make a step from line to line which none before made."""
    seen: set[tuple[int, int, int]] = set()
    kept = []
    for each in in_order(inputs):
        if len(each) > LONGEST:
            continue
        try:
            if _is_slow(function, each):
                continue
            steps = _steps(function, each)
        except Exception:  # noqa: BLE001 - a fault, which is reported and kept elsewhere
            continue
        if steps - seen:
            seen |= steps
            kept.append(each)
    return kept


def _is_slow(function: Callable[[bytes], None], data: bytes) -> bool:
    """Whether it takes long twice: the first call may load something."""
    for _ in range(2):
        began = time.process_time()
        function(data)
        if time.process_time() - began <= MOST_SECONDS:
            return False
    return True


def _steps(function: Callable[[bytes], None], data: bytes) -> set[tuple[int, int, int]]:
    """Code object, line before and line of each step through the code under fuzz."""
    steps: set[tuple[int, int, int]] = set()

    def call(frame, _event, _argument):
        if not any(part in frame.f_code.co_filename for part in _OURS):
            return None
        code, before = hash((frame.f_code.co_filename, frame.f_code.co_name)), 0

        def line(frame, event, _argument):
            nonlocal before
            if event == "line":
                steps.add((code, before, frame.f_lineno))
                before = frame.f_lineno
            return line

        return line

    sys.settrace(call)
    try:
        function(data)
    finally:
        sys.settrace(None)
    return steps
