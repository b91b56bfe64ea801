"""Faults that a run finds: each is saved once, by where it was raised, and the run goes on."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path

MOST_CPU_SECONDS = 2.0
"""Of one input: whoever sends it stops a line for as long."""
MOST = 20
"""Faults of one run: beyond that something more general is wrong, and the run ends."""


class Faults:
    """A target that notes what leaves it instead of raising it; `name` begins its files."""

    def __init__(self, target: Callable[[bytes], None], folder: Path, name: str) -> None:
        self._target, self._folder, self._name = target, folder, name
        self._known: set[tuple[str, str, int | None]] = set()

    def __call__(self, data: bytes) -> None:
        try:
            self._take_in_time(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, is the question
            self._note(data, error)

    def _take_in_time(self, data: bytes) -> None:
        began = time.process_time()
        self._target(data)
        if time.process_time() - began > MOST_CPU_SECONDS:
            raise TimeoutError(f"more than {MOST_CPU_SECONDS:g} s of a core")

    def _note(self, data: bytes, error: Exception) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = (type(error).__name__, frame.filename, frame.lineno)
        if place in self._known:
            return
        if len(self._known) >= MOST:
            raise error
        self._known.add(place)
        path = self._folder / f"{self._name}-{len(self._known)}.input"
        path.write_bytes(data)
        said = "".join(traceback.format_exception(error, limit=-6))
        shown = repr(data) if len(data) <= 400 else f"{data[:400]!r} … {len(data)} bytes"
        path.with_suffix(".txt").write_text(f"{path}: {shown}\n{said}", errors="replace")
