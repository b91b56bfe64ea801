"""The composition root: builds a line from its file and runs all its tasks in one TaskGroup.

Promises
- SIGTERM or SIGINT ends it politely once, also while it starts; a second one at once. Correctness
  needs neither. Other signals do not end it (telemetry/signals.py).
- Each part is in the table of heartbeats, from which status, metrics, /readyz and the watchdog
  follow: a dead PLC does not restart the daemon, a stuck line, detector or buffer does.
- One daemon a line: the state folder is locked, because the buffer allows one connection only
  (gateway/buffer/state_folder.py).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from gateway import __version__
from gateway.api.contracts import AndonError, Connector, Detector, ShowsAlarms, Sink
from gateway.api.model import SECOND, Kind, Nanos
from gateway.api.wording import kind_of
from gateway.buffer import Buffer, BufferRefused, open_buffer
from gateway.buffer.journal import JournalLimits
from gateway.buffer.state_folder import StateFolder, only_daemon
from gateway.config.build import build_connectors, build_detectors, build_sinks, part_warnings
from gateway.config.load import LineConfig
from gateway.control import (
    alarm_routes,
    buffer_routes,
    journal_routes,
    maintenance_routes,
    tap_routes,
    trend_routes,
)
from gateway.control.server import SOCKET, serve
from gateway.core import wait_limits
from gateway.core.byte_budget import Budget
from gateway.core.clips import ClipPlan
from gateway.core.run_record import FAILED, STOPPED, RunRecord, start_note, stored_run
from gateway.core.stored_points import StoredPoints
from gateway.core.time_correction import TimeCorrection
from gateway.delivery.forwarder import Forwarder
from gateway.history import FOLDER
from gateway.history.recent import Recent
from gateway.line.checkpoints import RUN
from gateway.line.line import Line
from gateway.line.past_alarms import PastAlarms
from gateway.line.removed_alarms import removed_alarms
from gateway.line.source import keep_reading
from gateway.line.supervise import supervise
from gateway.line.window_store import WindowStore
from gateway.telemetry import signals
from gateway.telemetry.heartbeats import LOOP, Heartbeats, Part
from gateway.telemetry.metrics import HealthCollector, exposition
from gateway.telemetry.system_clock import system_clock_watch
from gateway.telemetry.systemd import notify
from gateway.telemetry.watch import Watch

if TYPE_CHECKING:
    from gateway.history.recorder import Recorder

log = structlog.get_logger()

UPKEEP_S = 2.0
"""How often the buffer is maintained and its figures are taken."""


async def run(config: LineConfig) -> None:
    """Run the line until a signal asks to stop."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    signals.handle(task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await _run_line(config)
    log.info("line.stopped")
    notify("STOPPING=1")


async def _run_line(config: LineConfig) -> None:
    # A file or model that takes long must not delay a signal until it is read.
    detectors, sinks, connectors = await asyncio.to_thread(_parts, config)
    for problem in part_warnings(config, connectors, detectors):
        event = "source.caution" if problem.path.startswith("sources.") else "detector.caution"
        log.warning(event, where=problem.path, why=problem.message)
    started, beats = time.time_ns(), Heartbeats()
    with (
        only_daemon(config.places.state) as folder,
        Watch(beats, f"{config.line}: starting") as watch,
        _history(config, started, folder, beats) as history,
    ):
        async with _buffer(config, sinks, folder, beats) as buffer, _opened(sinks, beats):
            clips = _clips(config)
            recent = history or Recent(len(config.tags), started)
            line = Line(
                config,
                detectors,
                buffer,
                started,
                recorder=recent,
                clock_watch=system_clock_watch(),
                clips=clips,
                beats=beats,
            )
            watch.report_on(lambda: line.health.words, line.timings.lagged)
            if history is not None:
                line.health.history = lambda: _history_facts(history, clips)
            await line.restore()
            await line.end(await removed_alarms(buffer, line.alarm_names))
            run = RunRecord(started, _boot(), __version__)
            last = stored_run(await buffer.load_checkpoint(RUN))
            line.note(start_note(run, last), {RUN: run.state()})
            windows = WindowStore(config, folder.misplaced)
            line.recall(windows.load())
            forwarders = [
                Forwarder(
                    name,
                    sink,
                    buffer,
                    budget=_budget(config.sinks[name]),
                    part=beats.part(f"sink {name}"),
                    limit=wait_limits.of_sink(_timeout(config.sinks[name])),
                )
                for name, sink in sinks.items()
            ]
            for forwarder in forwarders:
                await forwarder.restore()
            for sink in sinks.values():
                if isinstance(sink, ShowsAlarms):
                    sink.set_alarms(line.alarms)
            line.health.deliveries = {forwarder.name: forwarder for forwarder in forwarders}
            parts = (connectors, forwarders, buffer, windows, history, recent, clips)
            async with _recorded(run, buffer):
                await _run_tasks(config, line, folder, *parts)


@contextlib.asynccontextmanager
async def _recorded(run: RunRecord, buffer: Buffer) -> AsyncIterator[None]:
    """Stores how the run ended, if that is possible."""
    ended = FAILED
    try:
        yield
    except asyncio.CancelledError:
        ended = STOPPED
        raise
    finally:
        record = replace(run, ended=ended, ended_at=time.time_ns())
        with contextlib.suppress(AndonError):
            await buffer.append([], {RUN: record.state()})


def _boot() -> str:
    """What names this start of the machine; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _parts(
    config: LineConfig,
) -> tuple[Mapping[str, Detector], Mapping[str, Sink], Mapping[str, Connector]]:
    return build_detectors(config), build_sinks(config), build_connectors(config)


@contextlib.contextmanager
def _history(
    config: LineConfig, started: Nanos, state: StateFolder, beats: Heartbeats
) -> Iterator["Recorder | None"]:
    """The recorder of a line that keeps history; None for others, which need no pyarrow."""
    options = config.file.history
    if options is None:
        yield None
        return
    from gateway.history.archive import Archive
    from gateway.history.recorder import Recorder

    facts = {"line": config.line, "site": config.site, "config": config.digest}
    facts["started"] = str(started)
    tags, folder = [tag.name for tag in config.tags], config.places.state / FOLDER
    part = beats.part("history")
    with contextlib.closing(
        Recorder(
            lambda: Archive(folder, options, facts, tags, misplaced=state.misplaced),
            options.flush,
            part=part,
        )
    ) as recorder:
        yield recorder


def _clips(config: LineConfig) -> ClipPlan | None:
    """The clips of a line that asks for them."""
    history = config.file.history
    if history is None or history.clip is None:
        return None
    return ClipPlan(history.clip, config.tags, config.file.timing.lateness)


def _history_facts(history: "Recorder", clips: ClipPlan | None) -> dict[str, object]:
    return history.facts() | {"clips": clips.facts() if clips else None}


def _timeout(options: Any) -> float:
    """The time limit in s of a sink's or source's own, 0 if it has none."""
    timeout = getattr(options, "timeout", 0)
    return timeout / SECOND if isinstance(timeout, int) else 0.0


def _budget(options: Any) -> Budget:
    # A sink for which bytes cost nothing has no such option.
    return Budget(getattr(options, "budget", None))


def _buffer(
    config: LineConfig, sinks: Mapping[str, Sink], folder: StateFolder, beats: Heartbeats
) -> contextlib.AbstractAsyncContextManager[Buffer]:
    # A raw sample that the line file does not ask for has no way out, whatever a sink accepts.
    unasked = frozenset() if _clips(config) else frozenset({Kind.CLIP})
    accepts = {name: sink.accepts - unasked for name, sink in sinks.items()}
    return open_buffer(
        config.places.state / "buffer.db",
        config.file.buffer,
        accepts,
        handling=StoredPoints(config.site, config.line),
        folder=folder,
        part=beats.part("buffer", restart_helps=True),
        journal=JournalLimits(config.file.journal.keep, config.file.journal.max_bytes),
    )


async def _run_tasks(
    config: LineConfig,
    line: Line,
    folder: StateFolder,
    connectors: Mapping[str, Connector],
    forwarders: list[Forwarder],
    buffer: Buffer,
    windows: WindowStore,
    history: "Recorder | None",
    recent: "Recorder | Recent",
    clips: ClipPlan | None,
) -> None:
    health, beats = line.health, line.health.beats
    types = {f"source.{n}": o.type for n, o in config.sources.items()}
    types |= {f"sink.{n}": o.type for n, o in config.sinks.items()}
    metrics = exposition(line.timings, HealthCollector(health, types, time.time_ns))
    web = serve(
        health,
        metrics,
        time.time_ns,
        host=config.file.health.host,
        port=config.file.health.port,
        socket=config.places.state / SOCKET,
        hosts=config.file.health.hosts,
        misplaced=folder.misplaced,
        routes=[
            *buffer_routes.routes(buffer),
            *tap_routes.routes(line.tap, config.tags, line.alarm_names),
            *alarm_routes.routes(health, line.act, time.time_ns, PastAlarms(buffer, line)),
            *journal_routes.routes(buffer, health),
            *maintenance_routes.routes(health, line.maintain, time.time_ns),
            *trend_routes.routes(recent, config.tags, time.time_ns),
        ],
    )
    async with web as port, asyncio.TaskGroup() as tasks:
        health.http_port = port

        def start(name: str, work: Callable[[], Awaitable[object]], part: Part | None) -> None:
            def note_failure(why: str) -> None:
                health.restarts += 1
                if part is not None:
                    part.fail(why)

            tasks.create_task(supervise(name, work, note_failure), name=name)

        start(f"line[{config.line}]", line.run, line.part)
        first = 0
        for name, connector in connectors.items():
            mine = range(first, first + len(config.tags_of(name)))
            first = mine.stop
            reading = partial(
                keep_reading,
                connector,
                mine,
                line.inbox,
                health.sources[name],
                _timestamps(config, name),
                part=beats.part(f"source {name}"),
                silence=_silence(config, name),
            )
            # What fails here is in the health of sources and sinks already.
            start(f"source[{name}]", reading, None)
        for forwarder in forwarders:
            start(f"sink[{forwarder.name}]", forwarder.run, None)
        saving = beats.part("windows")
        start("windows", lambda: windows.keep(line.memory, saving), saving)
        if history is not None:
            start("history", history.run, beats.part("history"))
        if history is not None and clips is not None:
            from gateway.history.clipper import Clipper

            part = beats.part("clips")
            clipper = Clipper(clips, history, config.site, config.line, part=part)
            start("clips", clipper.run, part)
        upkeep = beats.part("upkeep")
        start("upkeep", lambda: _keep_up(line, buffer, upkeep), upkeep)
        notify("READY=1", f"STATUS={config.line}: started, http on port {port}")
        log.info(
            "line.started", http_port=port, tags=len(config.tags), state=str(config.places.state)
        )


def _timestamps(config: LineConfig, source: str) -> TimeCorrection:
    # A source whose protocol carries no times has no such option.
    timestamp = getattr(config.sources[source], "timestamp", "source")
    return TimeCorrection(config.tags_of(source), timestamp)


def _silence(config: LineConfig, source: str) -> float:
    """How long a source may deliver nothing, in s."""
    slowest = max((tag.period for tag in config.tags_of(source)), default=0) / SECOND
    return wait_limits.of_silence(slowest, _timeout(config.sources[source]))


async def _keep_up(line: Line, buffer: Buffer, part: Part) -> None:
    """Look after the buffer, and keep its figures fresh."""
    known = ""
    while True:
        # Without a limit: the buffer has its own. The daemon works on without a full disk.
        part.does("waiting for the buffer")
        with contextlib.suppress(BufferRefused):
            await buffer.maintain(expire=not line.health.clock)
        with contextlib.suppress(BufferRefused):
            line.health.buffer = await buffer.stats()
        line.health.state_folder = buffer.trouble
        given_up = "; ".join(line.health.given_up)
        if kind_of(given_up) != kind_of(known):
            log.log(logging.ERROR if given_up else logging.INFO, "points.given_up", what=given_up)
        known = given_up
        part.beat()
        await asyncio.sleep(UPKEEP_S)


@contextlib.asynccontextmanager
async def _opened(sinks: Mapping[str, Sink], beats: Heartbeats) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for name, sink in sinks.items():
            with beats.part(f"sink {name}").during("opening", wait_limits.SENDING_S):
                await stack.enter_async_context(sink.open())
        try:
            yield
        finally:
            # The tasks have ended, and their parts with them.
            beats.end(LOOP)
