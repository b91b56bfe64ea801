"""Tries each source, detector and sink of a line once, all concurrently.

Promises
- Nothing is written to a device and nothing is stored in a sink.
- Every part has an outcome; one that hangs or fails does not affect the others.
- A part that failed while the event loop stood still is tried again: importing a library for one
  part stops all of them.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.api.contracts import AndonError, Detector
from gateway.api.event_loop import EventLoop
from gateway.api.masking import mask
from gateway.api.model import Probe
from gateway.api.options import format_duration
from gateway.config import plugins
from gateway.config.load import LineConfig

STALL_S = 0.1
"""How long the event loop may stand still before failures meanwhile count for nothing."""


def count(number: int, noun: str) -> str:
    """1 tag, 2 tags."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of trying one part; `part` is its kind and name, as in 'source plc'."""

    part: str
    ok: bool
    detail: str


_Try = Callable[[], Awaitable[Probe]]


async def try_out(
    config: LineConfig, detectors: Mapping[str, Detector], time_limit: float
) -> list[Outcome]:
    """One outcome for each part in the order of the file; `time_limit` is in seconds per part."""
    tries = {f"source {name}": _source(config, name) for name in config.sources}
    tries |= {f"detector {name}": _detector(each) for name, each in detectors.items()}
    tries |= {f"sink {name}": _sink(config, name) for name in config.sinks}
    stalls = _Stalls()
    watch = asyncio.create_task(stalls.watch())
    try:
        work = (_tried(part, attempt, time_limit, stalls) for part, attempt in tries.items())
        return list(await asyncio.gather(*work))
    finally:
        watch.cancel()


class _Stalls:
    """Notes when the event loop stood still, as it does while a plugin imports its library."""

    def __init__(self) -> None:
        self._last = 0.0

    async def watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(STALL_S / 4)
            if time.monotonic() - began > STALL_S:
                self._last = time.monotonic()

    def since(self, began: float) -> bool:
        return self._last >= began


async def _tried(part: str, attempt: _Try, time_limit: float, stalls: _Stalls) -> Outcome:
    began = time.monotonic()
    while True:
        this_began = time.monotonic()
        outcome = await _tried_once(part, attempt, time_limit)
        left = time_limit - (time.monotonic() - began)
        if outcome.ok or left <= 0:
            return outcome
        # The watch must wake up before it is asked.
        await asyncio.sleep(STALL_S)
        if not (stalls.since(this_began) or await _names_were_late(left)):
            return outcome


async def _names_were_late(time_limit: float) -> bool:
    """Waits for look-ups of names; whether there were any, whose answer came too late."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, EventLoop) or not loop.is_looking_up:
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(time_limit):
            await loop.look_ups_ended()
    return True


async def _tried_once(part: str, attempt: _Try, time_limit: float) -> Outcome:
    try:
        async with asyncio.timeout(time_limit):
            probe = await attempt()
    except TimeoutError:
        return Outcome(part, ok=False, detail=f"no answer within {time_limit:g} s")
    except AndonError as error:
        return Outcome(part, ok=False, detail=mask(str(error)))
    except Exception as error:  # noqa: BLE001 - a third-party plugin may raise anything
        return Outcome(part, ok=False, detail=mask(f"failed with {type(error).__name__}: {error}"))
    return Outcome(part, probe.ok, mask(probe.message))


def _source(config: LineConfig, name: str) -> _Try:
    async def attempt() -> Probe:
        options = config.sources[name]
        connector = plugins.load(plugins.CONNECTORS, options.type)
        probe: Probe = await connector(name, options, config.tags_of(name), config.places).probe()
        return probe

    return attempt


def _sink(config: LineConfig, name: str) -> _Try:
    async def attempt() -> Probe:
        options = config.sinks[name]
        sink = plugins.load(plugins.SINKS, options.type)(name, options, config.places)
        probe: Probe = await sink.probe()
        return probe

    return attempt


def _detector(detector: Detector) -> _Try:
    """Describes a detector; building it has already loaded and verified its model."""

    async def attempt() -> Probe:
        spec = detector.spec
        window = f"{spec.length} x {format_duration(spec.period)}"
        tags, alarms = count(len(spec.tags), "tag"), count(len(detector.alarms), "alarm")
        return Probe(ok=True, message=f"{tags}, window {window}, {alarms}")

    return attempt
