"""Recordings in text, written and read for a test."""

import numpy as np

from gateway.api.model import SECOND
from gateway.history.reading import Reading
from gateway.history.wide import read_file

EIGHT = 1_773_129_600 * SECOND
"""2026-03-10T08:00:00Z."""
NOW = EIGHT + 300 * 86_400 * SECOND


def read(folder, content, name="data.csv", **options):
    """The recording in this content, and the sentences that were said."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = []
    recording = read_file(path, Reading(**{"now": NOW, "tell": said.append} | options))
    assert list(recording.notes) == said
    return recording, "\n".join(said)


def lines(*parts):
    """The lines of these parts, each a line or a list of lines."""
    flat = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return "\n".join(flat) + "\n"


def column(*times, header="time,flow"):
    """A table with these times, each with a value of its own."""
    return lines(header, [f"{time},{n}.5" for n, time in enumerate(times)])


def stamps(recording):
    """The times as ISO 8601 in UTC, in seconds where they are whole."""
    texts = [str(np.datetime64(at, "ns")) for at in recording.times.tolist()]
    return [text.removesuffix(".000000000") for text in texts]
