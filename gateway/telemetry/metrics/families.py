"""Families of one line's metrics: `line` on every series, rows by their other labels."""

from collections.abc import Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["COMPONENT", "Families", "Metric", "number"]

COMPONENT = ["component_id", "component_kind", "component_type"]

Rows = Sequence[tuple[tuple[str, ...], float]]
"""Label values (without `line`) and the value."""


class Families:
    """Makes families for one line; `types` are the plugins' types by part name."""

    def __init__(self, line: str, types: Mapping[str, str]) -> None:
        self._line, self._types = line, types

    def gauge(self, name: str, text: str, labels: list[str], rows: Rows) -> Metric:
        """A gauge."""
        return self._fill(GaugeMetricFamily(name, text, labels=["line", *labels]), rows)

    def counter(self, name: str, text: str, labels: list[str], rows: Rows) -> Metric:
        """A counter, without its `_total`."""
        return self._fill(CounterMetricFamily(name, text, labels=["line", *labels]), rows)

    def _fill(self, family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
        for labels, value in rows:
            family.add_metric([self._line, *labels], value)
        return family

    def id(self, name: str, kind: str) -> tuple[str, str, str]:
        """The labels `COMPONENT` of a source, a sink or the line."""
        return name, kind, self._types.get(f"{kind}.{name}", "")


def number(value: object) -> float:
    """A fact as a number; 0 where there is none."""
    return float(value) if isinstance(value, int | float) else 0.0
