"""Settings that seem to do something and do not: each is told at its own key."""

import copy

import pytest
import yaml

from gateway.config.load import load
from gateway.config.problems import ConfigProblems

LINE = """
version: 1
line: press
site: berlin
sources:
  plc:
    type: modbus
    host: plc-3
    tags: {oil: {address: 0, low: 0, high: 250}, speed: {address: 1}}
detectors:
  guard: {type: limits, tags: {oil: {low: 40}}}
"""
SINK = "sinks.cloud"
OIL = "detectors.guard.tags.oil"
TAG = "sources.plc.tags.oil"
CLOUD = {"type": "influx", "url": "http://influx", "bucket": "lines"}
FILE = {"type": "file"}
BROKER = {"type": "mqtt", "host": "broker"}
SCADA = {**BROKER, "payload": "sparkplug"}

WARNINGS = [
    ({OIL: {"high": 250}}, "high", "never raised: a value of oil above 250 is bad"),
    ({OIL: {"high": 300}}, "high", "never raised"),
    ({OIL: {"high_high": 251, "high": 100}}, "high_high", "never raised"),
    ({OIL: {"low": 0}}, "low", "never raised: a value of oil below 0 is bad"),
    ({OIL: {"low": 10, "low_low": -5}}, "low_low", "never raised"),
    ({OIL: {"high": 50, "low": 40, "hysteresis": 10}}, "hysteresis", "as wide as the range"),
    ({"detectors.guard.when": "oil > 300"}, "when", "never holds, so this detector judges nothing"),
    ({"detectors.guard.when": ["speed > 1", "oil < 0"]}, "when", "'oil < 0' never holds"),
    ({"detectors.guard.when": "oil == -1"}, "when", "a value of oil below 0 is bad"),
    ({"summaries.every": "100ms"}, "every", "shorter than the period of every tag"),
    ({"summaries.every": "2h", "buffer.max_age": "1h"}, "every", "older than buffer.max_age (1h)"),
    ({"history": {"flush": "2d", "max_age": "1d"}}, "flush", "longer than history keeps"),
    ({"timing.lateness": "1h"}, "lateness", "every alarm comes 1h late"),
    (
        {"sinks": {"a": CLOUD, "b": {**CLOUD}}},
        "b",
        "the same as a: every point is sent there twice",
    ),
    (
        {"sinks": {"a": BROKER, "b": {**BROKER, "topic": "lamp/{severity}"}}},
        "b",
        "publishes the same states and status as a: give it another `prefix`, or `states: false`",
    ),
    (
        {"sinks": {"a": SCADA, "b": {**SCADA, "device": "other", "port": 1883}}},
        "b",
        "the same edge node as a: give it another `node`",
    ),
    ({f"{TAG}.enumeration": {"off": 0, "out": 0}}, "out", "never shown: 0 is off already"),
    ({f"{TAG}.enumeration": {"broken": 999}}, "broken", "out of the tag's bounds"),
]
ERRORS = [
    (
        {f"{TAG}.frozen_after": "1500ms"},
        "frozen_after",
        "shorter than two periods of oil (1s each)",
    ),
    ({"buffer.max_bytes": "0B"}, "max_bytes", "0B is too small to keep anything"),
    ({"history.max_bytes": "10kB"}, "max_bytes", "too small to keep anything"),
    ({"state": ""}, "state", "at least 1 character"),
    ({"sinks": {"a": FILE, "b": {**FILE}}}, "path", "points.jsonl is written by a too"),
    ({SINK: {**FILE, "max_bytes": "1B"}}, "max_bytes", "too small for a file of points"),
    ({SINK: {**CLOUD, "proxy_username": "me"}}, "cloud", "`proxy_username` needs `proxy`"),
    ({SINK: {**CLOUD, "bucket": ""}}, "cloud", "`bucket` is missing"),
    (
        {SINK: {"type": "mqtt", "host": "broker", "password": "${env:HOME}"}},
        "cloud",
        "no password without a `username`",
    ),
]
FINE = [
    {f"{TAG}.frozen_after": "2s"},
    {OIL: {"high": 249, "low": 1, "hysteresis": 10}},
    {"detectors.guard.when": ["oil > 0", "oil <= 250", "speed > 1000"]},
    {"detectors.guard.when": "oil >= 250"},
    {"summaries.every": "1s"},
    {"sinks": {"a": BROKER, "b": SCADA}},
    {"sinks": {"a": BROKER, "b": {**BROKER, "topic": "lamp/{severity}", "states": False}}},
    {"sinks": {"a": BROKER, "b": {**BROKER, "prefix": "other/{line}"}}},
    {"sinks": {"a": BROKER, "b": {**BROKER, "port": 1884}}},
    {"sinks": {"a": SCADA, "b": {**SCADA, "node": "{line}-2"}}},
    {"sinks": {"a": CLOUD, "b": {**CLOUD, "bucket": "other"}}},
    {"sinks": {"a": FILE, "b": {**FILE, "path": "other.jsonl"}}},
    {f"{TAG}.enumeration": {"off": 0, "full": 250}},
    {"buffer.max_bytes": "1MiB", "history": {}},
]


def changed(changes, tmp_path):
    """The line file with these keys set."""
    data = copy.deepcopy(yaml.safe_load(LINE))
    for path, value in changes.items():
        *outer, last = path.split(".")
        inner = data
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[last] = copy.deepcopy(value)
    file = tmp_path / "line.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return file


@pytest.mark.parametrize(("changes", "key", "message"), WARNINGS)
def test_a_setting_without_effect_is_a_warning_at_its_key(tmp_path, changes, key, message):
    warnings = load(changed(changes, tmp_path)).warnings

    [warning] = [each for each in warnings if message in each.message]
    assert warning.path.endswith(key)
    assert warning.level == "warning"
    assert key in warning.text or warning.text.lstrip().startswith("- ")


@pytest.mark.parametrize(("changes", "key", "message"), ERRORS)
def test_one_that_would_lose_data_or_do_nothing_is_an_error(tmp_path, changes, key, message):
    with pytest.raises(ConfigProblems) as refused:
        load(changed(changes, tmp_path))

    [problem] = refused.value.problems
    assert message in problem.message
    assert problem.path.endswith(key)


@pytest.mark.parametrize("changes", FINE)
def test_what_has_an_effect_is_accepted_without_a_word(tmp_path, changes):
    assert load(changed(changes, tmp_path)).warnings == ()


def test_the_devices_of_a_template_are_told_once(tmp_path):
    file = tmp_path / "line.yaml"
    file.write_text(
        "version: 1\nline: l\nsite: s\ntemplates:\n  press:\n    type: modbus\n"
        "    host: 10.0.0.{n}\n    tags: {mode: {address: 0, enumeration: {a: 0, b: 0}}}\n"
        "sources:\n  hall: {template: press, devices: 1-3}\n"
        "detectors:\n  guard: {type: limits, tags: {hall-1.mode: {high: 5}}}\n"
    )

    told = [each for each in load(file).warnings if "never shown" in each.message]

    assert len(told) == 1
    assert told[0].line == 8


def test_a_line_that_sets_one_key_of_the_buffer_keeps_the_others_of_the_site(tmp_path):
    (tmp_path / "site.yaml").write_text(
        "version: 1\nsite: berlin\nbuffer: {max_bytes: 10GiB, max_age: 10d}\n"
    )
    file = changed({"site_file": "site.yaml", "buffer.max_age": "30d"}, tmp_path)

    buffer = load(file).resolved()["buffer"]

    assert buffer == {"max_bytes": "10GiB", "max_age": "30d"}
