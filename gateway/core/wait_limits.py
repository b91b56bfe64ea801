"""How long each part of a line may wait, in seconds, before it is called stuck. Plain figures.

They leave room for what is slow and healthy: two loaded cores, a server that needs 30 s, a large
checkpoint of SQLite's log on an SD card. docs/operations.md lists them.
"""

EVENT_LOOP_S = 5.0
"""The event loop does not run: a plugin blocks it, or the machine is far too slow."""
LINE_S = 15.0
"""From one tick of the line to the next, besides waiting for detectors and the buffer."""
SCORING_S = 20.0
"""One call of a detector."""
BUFFER_S = 30.0
"""One statement of the buffer, such as an append, with its checkpoint of SQLite's log."""
SALVAGE_S = 3600.0
"""Salvaging a damaged buffer, which reads each of its pages."""
SENDING_S = 30.0
"""A sink that neither ends a batch nor makes progress with it; at least `TIMEOUTS` time limits."""
CONNECTING_S = 300.0
"""From opening a session with a source to its first data: a slow PLC may have 5,000 tags."""
SILENCE_S = 60.0
"""A source that delivers nothing, in addition to `PERIODS` of its slowest tag."""
HISTORY_S = 120.0
"""Writing samples to the history, or reading a clip from it."""
WINDOWS_S = 60.0
"""Saving the detectors' windows."""
FAILING_S = 15.0
"""A task that fails again and again."""

TIMEOUTS = 3
"""Time limits of its own that a source or a sink may use up in one step."""
PERIODS = 3
"""Periods of its slowest tag that a source may be silent for."""


def of_sink(timeout: float) -> float:
    """For a sink with this time limit of its own in s, 0 if it has none."""
    return max(SENDING_S, TIMEOUTS * timeout)


def of_silence(period: float, timeout: float) -> float:
    """For a source whose slowest tag has this period, with this time limit of its own, both in s.

    A device that does not respond is tried again before it is given up.
    """
    return max(SILENCE_S, TIMEOUTS * timeout) + PERIODS * period
