"""Tries each source, detector and sink of a line once, all concurrently.

Promises
- Nothing is written to a device and nothing is stored in a sink.
- Every part has an outcome; one that hangs or fails does not affect the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.api.contracts import AndonError, Detector
from gateway.api.model import Probe
from gateway.api.options import format_duration
from gateway.config import plugins
from gateway.config.load import LineConfig


def count(number: int, noun: str) -> str:
    """1 tag, 2 tags."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of trying one part; `part` is its kind and name, as in 'source plc'."""

    part: str
    ok: bool
    detail: str


async def try_out(
    config: LineConfig, detectors: Mapping[str, Detector], time_limit: float
) -> list[Outcome]:
    """One outcome for each part in the order of the file; `time_limit` is in seconds per part."""
    tries = [_tried(f"source {name}", _source(config, name), time_limit) for name in config.sources]
    tries += [
        _tried(f"detector {name}", _detector(detector), time_limit)
        for name, detector in detectors.items()
    ]
    tries += [_tried(f"sink {name}", _sink(config, name), time_limit) for name in config.sinks]
    return list(await asyncio.gather(*tries))


_Try = Callable[[], Awaitable[Probe]]


async def _tried(part: str, attempt: _Try, time_limit: float) -> Outcome:
    try:
        async with asyncio.timeout(time_limit):
            probe = await attempt()
    except TimeoutError:
        return Outcome(part, ok=False, detail=f"no answer within {time_limit:g} s")
    except AndonError as error:
        return Outcome(part, ok=False, detail=str(error))
    except Exception as error:  # noqa: BLE001 - a third-party plugin may raise anything
        return Outcome(part, ok=False, detail=f"failed with {type(error).__name__}: {error}")
    return Outcome(part, probe.ok, probe.message)


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
