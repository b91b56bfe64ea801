from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from gateway.api.click_types import DURATION, MOMENT
from gateway.api.model import SECOND


@pytest.mark.parametrize(
    ("text", "nanos"), [("500ms", SECOND // 2), ("2h", 7200 * SECOND), ("0s", 0), (SECOND, SECOND)]
)
def test_a_duration_carries_its_unit(text, nanos):
    assert DURATION.convert(text, None, None) == nanos


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1970-01-01T00:00:01.000001Z", SECOND + 1_000),
        ("1970-01-01T00:00:01", SECOND),
        ("1970-01-01T01:00:01+01:00", SECOND),
        ("1970-01-02", 86_400 * SECOND),
        (SECOND, SECOND),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text, nanos):
    assert MOMENT.convert(text, None, None) == nanos


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (DURATION, "5", "'5' is not a duration: write a number and a unit, as in 500ms, 5s, 2h"),
        (DURATION, "-5s", "'-5s' is not a duration"),
        (MOMENT, "noon", "'noon' is not a time: write it as in 2026-01-31T12:00:00Z"),
    ],
)
def test_what_is_neither_is_refused_with_what_would_be_right(kind, text, said):
    with pytest.raises(click.BadParameter, match=said):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("module", "name", "option", "more"),
    [
        ("gateway.cli.clip", "command", "--before", (__file__, "pump.anomaly-19b2c4d5e6f")),
        ("gateway.cli.demo", "command", "--for", ()),
        ("connectors.simulator.command", "simulate", "--for", ()),
        ("connectors.discover.command", "mqtt", "--for", ("localhost",)),
        ("detectors.commands.train", "train", "--settle", ("--out", "x")),
        ("detectors.commands.backtest", "score", "--on-delay", ("b", "d.csv", "--out", "x")),
        ("detectors.commands.backtest", "backtest", "--grace", ("b", "d.csv")),
        ("detectors.commands.models", "import_model", "--hop", ("m.onnx", "--out", "x")),
    ],
)
def test_every_command_says_the_same_of_a_wrong_duration(module, name, option, more):
    command = getattr(import_module(module), name)
    done = CliRunner().invoke(command, [*more, option, "5"])
    assert done.exit_code == 2
    said = f"Invalid value for '{option}': '5' is not a duration: write a number and a unit, as in"
    assert said in done.stderr
