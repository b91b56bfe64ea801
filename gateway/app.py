"""The composition root: builds a line from its file and runs all its tasks in one TaskGroup.

Promises
- SIGTERM or SIGINT ends it politely once, also while it starts; a second one at once. Correctness
  needs neither. Other signals do not end it (telemetry/signals.py).
- The watchdog is fed only while the line ticks: a dead PLC does not restart the daemon, a stuck
  line does.
- One daemon a line: the state folder is locked, because the buffer allows one connection only
  (gateway/buffer/state_folder.py).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from gateway.api.contracts import Connector, Detector, Sink
from gateway.api.model import Kind, Nanos
from gateway.api.wording import kind_of
from gateway.buffer import Buffer, BufferRefused, open_buffer
from gateway.buffer.state_folder import StateFolder, only_daemon
from gateway.config.build import build_connectors, build_detectors, build_sinks, part_warnings
from gateway.config.load import LineConfig
from gateway.control import alarm_routes, buffer_routes, tap_routes
from gateway.control.server import SOCKET, serve
from gateway.core.byte_budget import Budget
from gateway.core.clips import ClipPlan
from gateway.core.stored_points import StoredPoints
from gateway.core.time_correction import TimeCorrection
from gateway.delivery.forwarder import Forwarder
from gateway.history import FOLDER
from gateway.line.line import Line
from gateway.line.source import keep_reading
from gateway.line.supervise import supervise
from gateway.line.window_store import WindowStore
from gateway.telemetry import signals
from gateway.telemetry.metrics import HealthCollector, exposition
from gateway.telemetry.system_clock import system_clock_watch
from gateway.telemetry.systemd import notify, watchdog_interval

if TYPE_CHECKING:
    from gateway.history.recorder import Recorder

log = structlog.get_logger()

STUCK_S = 15.0
"""A line that has not ticked for this long is stuck; it ticks at least once a second."""


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
    started = time.time_ns()
    with (
        only_daemon(config.places.state) as folder,
        _history(config, started, folder) as history,
    ):
        async with (
            _buffer(config, sinks, folder) as buffer,
            _opened(sinks),
        ):
            clips = _clips(config)
            line = Line(
                config,
                detectors,
                buffer,
                started,
                recorder=history,
                clock_watch=system_clock_watch(),
                clips=clips,
            )
            if history is not None:
                line.health.history = lambda: _history_facts(history, clips)
            await line.restore()
            windows = WindowStore(config, folder.misplaced)
            line.recall(windows.load())
            forwarders = [
                Forwarder(name, sink, buffer, budget=_budget(config.sinks[name]))
                for name, sink in sinks.items()
            ]
            for forwarder in forwarders:
                await forwarder.restore()
            line.health.deliveries = {forwarder.name: forwarder for forwarder in forwarders}
            parts = (connectors, forwarders, buffer, windows, history, clips)
            await _run_tasks(config, line, folder, *parts)


def _parts(
    config: LineConfig,
) -> tuple[Mapping[str, Detector], Mapping[str, Sink], Mapping[str, Connector]]:
    return build_detectors(config), build_sinks(config), build_connectors(config)


@contextlib.contextmanager
def _history(config: LineConfig, started: Nanos, state: StateFolder) -> Iterator["Recorder | None"]:
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
    with contextlib.closing(
        Recorder(
            lambda: Archive(folder, options, facts, tags, misplaced=state.misplaced), options.flush
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


def _budget(options: Any) -> Budget:
    # A sink for which bytes cost nothing has no such option.
    return Budget(getattr(options, "budget", None))


def _buffer(
    config: LineConfig, sinks: Mapping[str, Sink], folder: StateFolder
) -> contextlib.AbstractAsyncContextManager[Buffer]:
    # A raw sample that the line file does not ask for has no way out, whatever a sink accepts.
    unasked = frozenset() if _clips(config) else frozenset({Kind.CLIP})
    accepts = {name: sink.accepts - unasked for name, sink in sinks.items()}
    path, handling = config.places.state / "buffer.db", StoredPoints(config.site, config.line)
    return open_buffer(path, config.file.buffer, accepts, handling=handling, folder=folder)


async def _run_tasks(
    config: LineConfig,
    line: Line,
    folder: StateFolder,
    connectors: Mapping[str, Connector],
    forwarders: list[Forwarder],
    buffer: Buffer,
    windows: WindowStore,
    history: "Recorder | None",
    clips: ClipPlan | None,
) -> None:
    health = line.health

    def count_restart() -> None:
        health.restarts += 1

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
            *alarm_routes.routes(health, line.acknowledge),
        ],
    )
    async with web as port, asyncio.TaskGroup() as tasks:
        health.http_port = port

        def start(name: str, work: object) -> None:
            tasks.create_task(supervise(name, work, count_restart), name=name)  # type: ignore[arg-type]

        start(f"line[{config.line}]", line.run)
        first = 0
        for name, connector in connectors.items():
            mine = range(first, first + len(config.tags_of(name)))
            first = mine.stop
            times = _timestamps(config, name)
            start(
                f"source[{name}]",
                lambda c=connector, m=mine, s=health.sources[name], t=times: keep_reading(
                    c, m, line.inbox, s, t
                ),
            )
        for forwarder in forwarders:
            start(f"sink[{forwarder.name}]", forwarder.run)
        start("windows", lambda: windows.keep(line.memory))
        if history is not None:
            start("history", history.run)
        if history is not None and clips is not None:
            from gateway.history.clipper import Clipper

            start("clips", Clipper(clips, history, config.site, config.line).run)
        start("heartbeat", lambda: _heartbeat(line, buffer))
        notify("READY=1", f"STATUS={config.line}: started, http on port {port}")
        log.info(
            "line.started", http_port=port, tags=len(config.tags), state=str(config.places.state)
        )


def _timestamps(config: LineConfig, source: str) -> TimeCorrection:
    # A source whose protocol carries no times has no such option.
    timestamp = getattr(config.sources[source], "timestamp", "source")
    return TimeCorrection(config.tags_of(source), timestamp)


async def _heartbeat(line: Line, buffer: Buffer) -> None:
    """Feed the watchdog, look after the buffer, keep its figures and systemd's words fresh."""
    interval = min(watchdog_interval() or 2.0, 2.0)
    known = ""
    while True:
        # A full disk must not stop the watchdog's food: the daemon works on without.
        with contextlib.suppress(BufferRefused):
            await buffer.maintain(expire=not line.health.clock)
        with contextlib.suppress(BufferRefused):
            line.health.buffer = await buffer.stats()
        line.health.state_folder = buffer.trouble
        given_up = "; ".join(line.health.given_up)
        if kind_of(given_up) != kind_of(known):
            log.log(logging.ERROR if given_up else logging.INFO, "points.given_up", what=given_up)
        known = given_up
        stuck = time.monotonic() - line.health.ticked > STUCK_S
        words = f"STATUS={line.health.line}: {'stuck' if stuck else line.health.overall}"
        notify(words, *([] if stuck else ["WATCHDOG=1"]))
        await asyncio.sleep(interval)


@contextlib.asynccontextmanager
async def _opened(sinks: Mapping[str, Sink]) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for sink in sinks.values():
            await stack.enter_async_context(sink.open())
        yield
