"""Durations of one line's work that want a distribution, as Prometheus histograms."""

from prometheus_client import CollectorRegistry, Histogram

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Timings:
    """Durations that want a distribution, in seconds."""

    def __init__(self, line: str) -> None:
        self.registry = CollectorRegistry()
        self._line = line
        # With their labels already, a histogram shows its zeros before the first observation.
        self._decision = self._histogram(
            "andon_decision_duration_seconds", "From a due window to its durable append."
        ).labels(line)
        self._commit = self._histogram(
            "andon_buffer_commit_duration_seconds", "One durable append."
        ).labels(line)
        self._latency = self._histogram(
            "andon_alert_latency_seconds", "From a window's close to its alert on disk."
        ).labels(line)
        self._lateness = self._histogram(
            "andon_tick_lateness_seconds", "How late the line began a tick, after it was due."
        ).labels(line)
        self._lag = self._histogram(
            "andon_event_loop_lag_seconds", "How long the event loop took to answer."
        ).labels(line)
        self._inference = self._histogram(
            "andon_model_inference_duration_seconds",
            "One call of a detector with the windows that closed together.",
            "detector",
        )

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, ["line", *labels], buckets=_FAST, registry=self.registry)

    def decided(self, seconds: float) -> None:
        self._decision.observe(seconds)

    def committed(self, seconds: float) -> None:
        self._commit.observe(seconds)

    def alerted(self, seconds: float) -> None:
        self._latency.observe(seconds)

    def ticked(self, late: float) -> None:
        self._lateness.observe(late)

    def lagged(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def scored(self, detector: str, seconds: float) -> None:
        self._inference.labels(self._line, detector).observe(seconds)
