"""Prometheus metrics of one line: `Health` as a collector, beside the histograms of `Timings`.

Names follow Prometheus's rules and Vector's component spec: base units, `_total` for counters,
timestamps instead of ages, `line` on every series, no label per tag. docs/metrics.md lists them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from prometheus_client import (
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.api.model import SECOND, Nanos, Severity
from gateway.telemetry.health import Health
from gateway.telemetry.timings import Timings

_COMPONENT = ["component_id", "component_kind", "component_type"]


Rows = Sequence[tuple[tuple[str, ...], float]]
"""Label values (without `line`) and the value."""


class HealthCollector(Collector):
    """`Health` at the moment of the scrape; `types` are the plugins' types by part name."""

    def __init__(
        self, health: Health, types: Mapping[str, str], clock: Callable[[], Nanos]
    ) -> None:
        self._health, self._types, self._clock = health, types, clock

    def collect(self) -> Iterator[Metric]:
        yield from self._line()
        yield from self._sources()
        yield from self._detectors()
        yield from self._delivery()
        yield from self._services()
        if self._health.history is not None:
            yield from self._history(self._health.history())

    def _gauge(self, name: str, text: str, labels: list[str], rows: Rows) -> Metric:
        return self._fill(GaugeMetricFamily(name, text, labels=["line", *labels]), rows)

    def _counter(self, name: str, text: str, labels: list[str], rows: Rows) -> Metric:
        return self._fill(CounterMetricFamily(name, text, labels=["line", *labels]), rows)

    def _fill(self, family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
        for labels, value in rows:
            family.add_metric([self._health.line, *labels], value)
        return family

    def _id(self, name: str, kind: str) -> tuple[str, str, str]:
        return name, kind, self._types.get(f"{kind}.{name}", "")

    def _line(self) -> Iterator[Metric]:
        health = self._health
        yield self._gauge(
            "andon_build_info", "The running version.", ["version"], [((__version__,), 1)]
        )
        yield self._gauge(
            "andon_line_state",
            "1 for the state that the line is in.",
            ["state"],
            [((state,), health.overall == state) for state in ("ok", "degraded", "blind")],
        )
        yield self._gauge(
            "andon_clock_trusted",
            "Whether the wall clock is trusted.",
            [],
            [((), not health.clock)],
        )
        yield self._gauge(
            "andon_state_folder_ok",
            "Whether the state folder is in its place and its disk takes writes.",
            [],
            [((), not health.state_folder)],
        )
        yield self._counter(
            "andon_clock_steps", "Steps of the wall clock.", [], [((), health.clock_steps)]
        )
        active = [alert.severity for alert in health.active.values()]
        yield self._gauge(
            "andon_alarms_active",
            "Alarms that are active now.",
            ["severity"],
            [((severity.value,), active.count(severity)) for severity in Severity],
        )
        yield self._counter(
            "andon_alerts_raised", "Alarms raised since the start.", [], [((), health.raised)]
        )
        yield self._counter(
            "andon_task_restarts",
            "Tasks that failed unexpectedly and were started again.",
            [],
            [((), health.restarts)],
        )
        yield self._gauge(
            "andon_sensors",
            "Tags by the state of their data.",
            ["state"],
            [((s,), n) for s, n in health.freshness.counts(self._clock()).items()],
        )

    def _sources(self) -> Iterator[Metric]:
        sources = [(self._id(s.name, "source"), s) for s in self._health.sources.values()]
        yield self._gauge(
            "andon_source_up",
            "Whether the source delivers.",
            _COMPONENT,
            [(name, s.up) for name, s in sources],
        )
        yield self._counter(
            "andon_source_connects",
            "Sessions that were opened or lost.",
            [*_COMPONENT, "result"],
            [((*name, "opened"), s.connects) for name, s in sources]
            + [((*name, "lost"), s.losses) for name, s in sources],
        )
        offsets = self._health.freshness.offsets()
        yield self._gauge(
            "andon_source_time_offset_seconds",
            "Own time of its newest samples minus their arrival; of its tags the farthest.",
            _COMPONENT,
            [(name, off) for name, s in sources if (off := offsets[s.name][0]) is not None],
        )
        yield self._gauge(
            "andon_source_wrong_time_tags",
            "Tags whose samples cannot be used, or come late, for their own time.",
            _COMPONENT,
            [(name, offsets[s.name][1]) for name, s in sources],
        )
        yield self._gauge(
            "andon_source_last_sample_timestamp_seconds",
            "Time of the newest sample.",
            _COMPONENT,
            [(name, s.last_sample_at / SECOND) for name, s in sources],
        )
        yield self._counter(
            "andon_component_received_events",
            "Samples read.",
            _COMPONENT,
            [(name, s.samples) for name, s in sources],
        )
        yield self._counter(
            "andon_component_received_bytes",
            "Bytes that the protocols carried for them.",
            _COMPONENT,
            [(name, s.wire_bytes) for name, s in sources],
        )
        health, line = self._health, self._id(self._health.line, "line")
        yield self._counter(
            "andon_component_discarded_events",
            "Samples, messages or points given up, by reason.",
            [*_COMPONENT, "reason"],
            [
                ((*line, "late"), health.late),
                ((*line, "future"), health.future),
                ((*line, "inbox_full"), health.dropped),
                ((*line, "buffer_refused"), health.dropped_points),
                *(((*name, "lost_at_source"), s.lost_samples) for name, s in sources),
                *(((*name, "unmatched"), s.unmatched) for name, s in sources),
            ],
        )

    def _detectors(self) -> Iterator[Metric]:
        detectors = [((d.name,), d) for d in self._health.detectors.values()]
        yield self._counter(
            "andon_model_windows",
            "Windows scored, those that could not be judged, and those of a machine at rest.",
            ["detector", "result"],
            [((*name, "scored"), d.scored) for name, d in detectors]
            + [((*name, "refused"), d.refused) for name, d in detectors]
            + [((*name, "idle"), d.idle) for name, d in detectors],
        )
        yield self._gauge(
            "andon_model_blind",
            "1 if the detector cannot judge all its alarms.",
            ["detector"],
            [(name, d.state in ("blind", "failed")) for name, d in detectors],
        )
        single = [(name, d) for name, d in detectors if d.threshold is not None]
        yield self._gauge(
            "andon_model_score",
            "The last score.",
            ["detector"],
            [(name, d.score) for name, d in single if d.score is not None],
        )
        yield self._gauge(
            "andon_model_threshold",
            "The score above which it alarms.",
            ["detector"],
            [(name, d.threshold or 0.0) for name, d in single],
        )
        yield self._gauge(
            "andon_model_coverage_ratio",
            "Observed cells of the last window.",
            ["detector"],
            [(name, d.coverage) for name, d in detectors],
        )

    def _delivery(self) -> Iterator[Metric]:
        sinks = [(self._id(d.name, "sink"), d) for d in self._health.deliveries.values()]
        yield self._gauge(
            "andon_sink_up",
            "Whether the sink took the last batch.",
            _COMPONENT,
            [(name, d.up) for name, d in sinks],
        )
        yield self._counter(
            "andon_component_sent_bytes",
            "Bytes that left for a sink.",
            _COMPONENT,
            [(name, d.sent_bytes) for name, d in sinks],
        )
        facts = [(name, d.facts()) for name, d in sinks]
        yield self._counter(
            "andon_sink_retries",
            "Batches that were sent again.",
            _COMPONENT,
            [(name, _number(f["retries"])) for name, f in facts],
        )
        yield self._gauge(
            "andon_sink_last_success_timestamp_seconds",
            "When the sink last took a batch.",
            _COMPONENT,
            [(name, _number(f["last_success_at"]) / SECOND) for name, f in facts],
        )
        limited = [(name, f) for name, f in facts if f["budget"]]
        yield self._gauge(
            "andon_sink_budget_bytes",
            "Bytes an hour that summaries may bring a sink's traffic to, where that is limited.",
            _COMPONENT,
            [(name, _number(f["budget"])) for name, f in limited],
        )
        yield self._gauge(
            "andon_sink_budget_spent_bytes",
            "Bytes that left since the full hour, where they are limited.",
            _COMPONENT,
            [(name, _number(f["spent"])) for name, f in limited],
        )
        yield self._counter(
            "andon_component_sent_events",
            "Points that arrived, by class.",
            [*_COMPONENT, "lane"],
            [
                ((*name, lane), count)
                for name, f in facts
                for lane, count in cast("dict[str, int]", f["sent"]).items()
            ],
        )
        yield self._counter(
            "andon_raw_bytes",
            "Bytes that forwarding every sample as line protocol would have sent.",
            [],
            [((), self._health.raw.plain)],
        )
        yield self._counter(
            "andon_raw_gzip_bytes",
            "The same, compressed in requests of 1,000 lines.",
            [],
            [((), self._health.raw.zipped)],
        )
        now = self._clock()
        self._health.record_bytes(now)
        yield self._gauge(
            "andon_day_bytes",
            "The present day's bytes (UTC), restarts included.",
            ["flow"],
            [((flow,), count) for flow, count in self._health.ledger.today(now).items()],
        )
        yield from self._buffer()

    def _buffer(self) -> Iterator[Metric]:
        facts = self._health.buffer
        yield self._gauge(
            "andon_buffer_events",
            "Points that wait for a sink, by class.",
            ["lane"],
            [
                ((lane,), _number(facts.get(lane)))
                for lane in ("alerts", "summaries", "gateway", "clips")
            ],
        )
        yield self._gauge(
            "andon_buffer_size_bytes",
            "Bytes that they cost.",
            [],
            [((), _number(facts.get("bytes")))],
        )
        yield self._gauge(
            "andon_buffer_oldest_event_timestamp_seconds",
            "Time of the oldest point that waits; 0 if none does.",
            [],
            [((), _number(facts.get("oldest_at")) / SECOND)],
        )
        yield self._counter(
            "andon_buffer_discarded_events",
            "Points that the buffer gave up, by class and reason.",
            ["lane", "reason"],
            [
                (tuple(name.split(".", 1)), count)
                for name, count in cast("dict[str, int]", facts.get("dropped_by", {})).items()
            ],
        )
        yield self._gauge(
            "andon_buffer_dead_letters",
            "Points that a sink refused for good.",
            [],
            [((), _number(facts.get("dead_letters")))],
        )
        yield self._gauge(
            "andon_buffer_given_up_events",
            "Points given up of which no one has taken note, by sink (empty: lost) and class.",
            ["sink", "lane"],
            list(_given_up(cast("Sequence[Mapping[str, object]]", facts.get("given_up", ())))),
        )

    def _services(self) -> Iterator[Metric]:
        services = self._health.services.items()
        yield self._gauge(
            "andon_service_connections",
            "Open connections to the HTTP port and the control socket.",
            ["service"],
            [((name,), service.open) for name, service in services],
        )
        yield self._counter(
            "andon_service_refused_connections",
            "Connections to them that were refused or given up, by reason.",
            ["service", "reason"],
            [
                ((name, reason), count)
                for name, service in services
                for reason, count in service.ended.items()
            ],
        )

    def _history(self, facts: Mapping[str, object]) -> Iterator[Metric]:
        yield self._counter(
            "andon_history_samples",
            "Samples written to the history, and samples that the disk did not take.",
            ["result"],
            [((result,), _number(facts[result])) for result in ("written", "dropped")],
        )
        yield self._gauge(
            "andon_history_size_bytes",
            "Bytes that its files take.",
            [],
            [((), _number(facts.get("bytes")))],
        )
        yield self._gauge(
            "andon_history_oldest_sample_timestamp_seconds",
            "Time of its oldest sample; 0 if there is none.",
            [],
            [((), _number(facts.get("oldest_at")) / SECOND)],
        )
        clips = cast("dict[str, int]", facts.get("clips"))
        if clips:
            yield from self._clips(clips)

    def _clips(self, facts: Mapping[str, int]) -> Iterator[Metric]:
        yield self._counter(
            "andon_clips",
            "Clips around an alarm that were cut for the sinks, and that were left out.",
            ["result"],
            [((result,), facts[result]) for result in ("cut", "left_out")],
        )
        yield self._counter(
            "andon_clip_samples",
            "Raw samples that clips would have held, and that they were sent with.",
            ["result"],
            [((result,), facts[result]) for result in ("found", "sent")],
        )


def _given_up(facts: Sequence[Mapping[str, object]]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Their number by sink and class."""
    counts = Counter[tuple[str, ...]]()
    for each in facts:
        counts[str(each["sink"]), str(each["class"])] += int(_number(each["count"]))
    yield from counts.items()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def exposition(timings: Timings, collector: HealthCollector) -> Callable[[], bytes]:
    """A function that renders everything in Prometheus's text format."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # their `_created` series double every histogram for no use
    timings.registry.register(collector)
    ProcessCollector(registry=timings.registry)
    PlatformCollector(registry=timings.registry)
    return lambda: generate_latest(timings.registry)
