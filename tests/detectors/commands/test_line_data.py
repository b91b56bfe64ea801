"""`andon train`, `backtest` and `models import` see recorded data as the line would."""

import csv
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import recorded
from click.testing import CliRunner
from foreign_models import distance_from_zero

from detectors.bundle.bundle import load
from gateway.api import line_protocol
from gateway.api.model import SECOND
from gateway.cli import main

ROOT = Path(__file__).parents[3]
ROWS = 700
START = 1_767_225_600
QUICK = ("--candidates", "pca", "--no-report")


def write(path, columns):
    """A CSV of these columns, a row every 10 s."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", *columns))
        rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
        writer.writerows((START + 10 * n, *row) for n, row in enumerate(rows))
    return path


def plant(seed=1):
    """Flow around 50 and power that follows it."""
    rng = np.random.default_rng(seed)
    load = 3 * np.sin(np.arange(ROWS) / 40) + rng.normal(0, 0.5, ROWS)
    return np.round(50 + load, 3), np.round(100 + 2 * load + rng.normal(0, 0.5, ROWS), 3)


FLOW, POWER = plant()
LINE = """
version: 1
line: sent
site: s
state: state
sources:
  d:
    type: modbus
    host: 127.0.0.1
    period: 10s
    tags:
      flow: {{address: 0, data_type: int16, unit: m3/h{flow}}}
      power: {{address: 1, data_type: int16{power}}}
"""


def line(folder, flow="", power="", more=""):
    path = folder / "line.yaml"
    path.write_text(LINE.format(flow=flow and f", {flow}", power=power and f", {power}") + more)
    return path


def andon(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def trained(folder, *words, name="m"):
    done = andon("train", *words, "--out", folder / name, *QUICK)
    assert done.exit_code == 0, done.output
    return done.stdout, load(folder / name).manifest


def with_sentinel(number=-9999):
    flow = FLOW.copy()
    flow[::88] = number
    return flow


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The model of the plant without a sentinel."""
    folder = tmp_path_factory.mktemp("plain")
    return trained(folder, "--data", write(folder / "d.csv", {"flow": FLOW, "power": POWER}))[1]


WAYS = {
    "no_value": (
        "no_value: [-9999]",
        (),
        "8 values (1.14%) declared as no_value (-9999)",
    ),
    "low": ("low: 0, high: 200", (), "8 values (1.14%) below low (0): not used, as on the line"),
    "an option": (
        "",
        ("--no-value", "flow=-9999"),
        "declared as no value by --no-value (-9999): not used",
    ),
    "nothing at all": ("", (), "looks like no value: not used. A line would take it as measured"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_line_calls_bad_is_not_learnt_from(tmp_path, plain, way):
    options, words, sentence = WAYS[way]
    data = write(tmp_path / "sentinel.csv", {"flow": with_sentinel(), "power": POWER})
    text, manifest = trained(tmp_path, line(tmp_path, options), "--data", data, *words)
    assert sentence in text
    assert manifest.tags[0].mean == pytest.approx(plain.tags[0].mean, abs=0.1)
    assert manifest.tags[0].std == pytest.approx(plain.tags[0].std, rel=0.05)
    fault = FLOW.copy()
    fault[300:400] *= 1.6
    data = write(tmp_path / "fault.csv", {"flow": fault, "power": POWER})
    report = json.loads(andon("backtest", tmp_path / "m", data, "--json").stdout)
    assert len(report["alarms"]) == 1
    assert report["highest_score"] > 5 * report["threshold"]


def test_without_a_line_file_a_sentinel_is_named_and_may_be_declared_real(tmp_path):
    data = write(tmp_path / "sentinel.csv", {"flow": with_sentinel(), "power": POWER})
    text, manifest = trained(tmp_path, "--data", data)
    assert "note        flow: -9999 occurs 8 times (1.14%), far from all other values" in text
    assert manifest.tags[0].mean == pytest.approx(50, abs=1)
    text, manifest = trained(tmp_path, "--data", data, "--no-value", "none", name="other")
    assert "note" not in text
    assert manifest.tags[0].mean < 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--no-value", "x"), "'x' must be a number, TAG=number, or none"),
        (("--no-value", "flow=x"), "'flow=x' must be a number"),
        (("--no-value", "none", "--no-value", "1"), "give only one of them"),
    ],
)
def test_a_wrong_no_value_is_a_usage_error(tmp_path, words, message):
    done = andon("train", "--data", "d.csv", "--out", tmp_path / "m", *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_an_import_does_not_learn_from_a_sentinel_either(tmp_path):
    data = write(tmp_path / "sentinel.csv", {"flow": with_sentinel(), "power": POWER})
    (tmp_path / "theirs.onnx").write_bytes(distance_from_zero(2))
    words = (tmp_path / "theirs.onnx", line(tmp_path, "low: 0"), "--data", data, "--kind", "score")
    done = andon("models", "import", *words, "--out", tmp_path / "m")
    assert done.exit_code == 0, done.output
    assert (
        "note        flow: 8 values (1.14%) below low (0): not used, as on the line" in done.stdout
    )
    assert load(tmp_path / "m").manifest.tags[0].mean == pytest.approx(50, abs=1)


def test_a_backtest_sees_what_the_line_sees(tmp_path, plain):
    data = write(tmp_path / "d.csv", {"flow": FLOW, "power": POWER})
    trained(tmp_path, "--data", data)
    odd = FLOW.copy()
    odd[300:330] = 900
    data = write(tmp_path / "odd.csv", {"flow": odd, "power": POWER})
    without = json.loads(andon("backtest", tmp_path / "m", data, "--json").stdout)
    assert without["highest_score"] > 100
    words = (tmp_path / "m", line(tmp_path, "high: 200"), data)
    report = json.loads(andon("backtest", *words, "--json").stdout)
    assert report["highest_score"] < 5
    assert report["remarks"] == [
        "flow: 30 values (4.29%) above high (200): not used, as on the line"
    ]
    assert "  note          flow: 30 values" in andon("backtest", *words).stdout
    done = andon("score", *words, "--out", tmp_path / "scores.csv")
    assert "  note          flow: 30 values" in done.stdout


@pytest.mark.usefixtures("logging_as_before")
def test_a_backtest_raises_the_alarms_of_a_replay(tmp_path):
    trained(tmp_path, "--data", write(tmp_path / "d.csv", {"flow": FLOW, "power": POWER}))
    odd = FLOW.copy()
    odd[[250, 251, 252, 300, 400]] = -9999
    odd[310:350] *= 1.6
    odd[420:470] = 900
    odd[480:520] *= 0.5
    data = write(tmp_path / "odd.csv", {"flow": odd, "power": POWER})
    model = "detectors: {m: {type: onnx, bundle: m}}\n"
    file = line(tmp_path, "high: 200, no_value: -9999", more=model)
    report = json.loads(andon("backtest", tmp_path / "m", file, data, "--json").stdout)
    assert len(report["alarms"]) >= 2
    done = andon("replay", file, "--data", data, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    points = map(line_protocol.decode, (tmp_path / "out" / "alerts.lp").read_bytes().splitlines())
    raised = [p.at for p in points if p.tags["detector"] == "m" and p.fields["active"]]
    expected = [datetime.fromisoformat(alarm["raised"]).timestamp() for alarm in report["alarms"]]
    assert [at / SECOND for at in raised] == pytest.approx(expected)


def test_raw_values_are_refused_and_nothing_is_scaled_silently(tmp_path):
    data = write(tmp_path / "raw.csv", {"flow": np.round(10 * FLOW), "power": POWER})
    file = line(tmp_path, "low: 0, high: 200, scale: 0.1")
    done = andon("train", file, "--data", data, "--out", tmp_path / "m", *QUICK)
    assert done.exit_code == 1
    assert "flow: most values are impossible, as 5" in done.stderr
    assert "the data seems to hold raw values; convert them to m3/h" in done.stderr
    data = write(tmp_path / "scaled.csv", {"flow": FLOW, "power": POWER})
    text, _ = trained(tmp_path, file, "--data", data)
    assert "not scaled: the data is taken in the tags' units, `scale` and `offset` of flow" in text


def test_texts_of_an_enumeration_are_its_numbers(tmp_path):
    mode = np.where(np.arange(ROWS) // 10 % 2 == 1, " AUTO", "OFF").astype(object)
    mode[5] = "FAULT"
    data = write(tmp_path / "d.csv", {"flow": FLOW, "power": mode})
    file = line(tmp_path, power="enumeration: {OFF: 0, AUTO: 3, MANUAL: 4}")
    _, manifest = trained(tmp_path, file, "--data", data)
    assert manifest.tags[1].name == "power"
    assert manifest.tags[1].mean == pytest.approx(1.5, abs=0.1)
    done = andon("backtest", tmp_path / "m", file, data)
    assert "power: read AUTO as 3, OFF as 0 (enumeration)" in done.stderr


def test_columns_without_a_tag_and_tags_without_a_column_are_named(tmp_path):
    data = write(tmp_path / "d.csv", {"flow": FLOW, "Öldruck": POWER})
    text, manifest = trained(tmp_path, line(tmp_path), "--data", data)
    assert [tag.name for tag in manifest.tags] == ["flow"]
    assert "left out, not tags of the line: Öldruck" in text
    assert 'as in tags: {"Öldruck": oeldruck}' in text
    assert "not in the data, so not in the model: power" in text


# Line files of every kind -------------------------------------------------------------------------


def test_a_table_of_tags_is_known_to_training(tmp_path):
    (tmp_path / "tf.csv").write_text("name,address,unit\nflow,1,m3/h\npower,2,kW\n")
    file = tmp_path / "line.yaml"
    file.write_text("version: 1\nline: tf\nsite: s\nsources:\n"
                    "  b: {type: modbus, host: 127.0.0.1, tags_file: tf.csv}\n")  # fmt: skip
    data = write(tmp_path / "d.csv", {"flow": FLOW, "power": POWER})
    _, manifest = trained(tmp_path, file, "--data", data)
    assert [(tag.name, tag.unit) for tag in manifest.tags] == [("flow", "m3/h"), ("power", "kW")]


def test_levels_of_a_topic_are_known_to_training(tmp_path):
    file = tmp_path / "levels.yaml"
    tag = '{topic: plant/+/t, levels: [north, south], unit: °C, path: ""}'
    source = f"{{type: mqtt, host: h, tags: {{t: {tag}}}}}"
    file.write_text(f"version: 1\nline: lv\nsite: s\nsources: {{b: {source}}}\n")
    data = write(tmp_path / "d.csv", {"north.t": FLOW, "south.t": POWER})
    _, manifest = trained(tmp_path, file, "--data", data)
    assert [(tag.name, tag.unit) for tag in manifest.tags] == [("north.t", "°C"), ("south.t", "°C")]


def test_the_hall_of_presses_can_be_trained(tmp_path):
    columns = {"press-a.oil_pressure": FLOW, "press-b.oil_pressure": POWER, "meter-2.power": FLOW}
    data = write(tmp_path / "d.csv", columns)
    _, manifest = trained(tmp_path, ROOT / "configs" / "hall.yaml", "--data", data)
    assert [tag.name for tag in manifest.tags] == list(columns)
    assert manifest.tags[2].unit == "kW"


# The line's own history ---------------------------------------------------------------------------


def test_without_data_the_lines_own_history_is_used_and_named(tmp_path):
    file = recorded.line_file(tmp_path)
    folder = recorded.record(file, 600 * SECOND, seed=3)
    text, manifest = trained(tmp_path, file)
    assert f"note        history of {recorded.load(file).line} in {folder}" in text
    assert "data        " in text
    assert manifest.training.rows > 500
    report = andon("backtest", tmp_path / "m", file)
    assert report.exit_code == 0, report.output
    assert f"  note          history of {recorded.load(file).line} in {folder}" in report.stdout


# Names that no line can have ----------------------------------------------------------------------

ODD = {"Pump 1/Flow (m³/h)": FLOW, "Öldruck": POWER}
NAMED = """
version: 1
line: l1
site: s
sources:
  d: {type: modbus, host: 127.0.0.1, tags: {flow: {address: 1%s}, oil: {address: 2}}}
detectors:
  m: {type: onnx, bundle: m%s}
"""
MAPPED = ', tags: {"Öldruck": oil, "Pump 1/Flow (m³/h)": flow}'


def named(folder, mapping, flow=""):
    path = folder / "line.yaml"
    path.write_text(NAMED % (flow, mapping))
    return path


def test_names_that_no_line_can_have_are_named_and_mapped(tmp_path):
    data = write(tmp_path / "d.csv", ODD)
    text, _ = trained(tmp_path, "--data", data)
    assert "no tag of a line can be called 'Pump 1/Flow (m³/h)' or 'Öldruck': map each" in text
    done = andon("check", named(tmp_path, ""))
    assert done.exit_code == 1
    assert "no tag 'Öldruck' in this line, and no tag can be called so: map it to" in done.output
    done = andon("check", named(tmp_path, MAPPED))
    assert done.exit_code == 0, done.output


def test_training_uses_the_mapping_of_the_line_file(tmp_path):
    data = write(tmp_path / "d.csv", ODD)
    file = named(tmp_path, MAPPED, ", unit: m3/h, low: 0, high: 52")
    text, manifest = trained(tmp_path, file, "--data", data)
    assert [(tag.name, tag.unit) for tag in manifest.tags] == [(name, unit) for name, unit in
            zip(ODD, ("m3/h", ""), strict=True)]  # fmt: skip
    assert "mapped by the line file: 'Pump 1/Flow (m³/h)' to flow, 'Öldruck' to oil" in text
    assert "Pump 1/Flow (m³/h): " in text
    assert "above high (52): not used, as on the line" in text
    assert andon("check", file).exit_code == 0
    # The line's own recording has the tags' names.
    own = write(tmp_path / "own.csv", {"flow": FLOW, "oil": POWER})
    done = andon("backtest", tmp_path / "m", file, own)
    assert done.exit_code == 0, done.output


def test_a_mapping_that_cannot_be_is_refused_by_check(tmp_path):
    trained(tmp_path, "--data", write(tmp_path / "d.csv", ODD))
    for mapping, sentence in (
        (', tags: {"Öldruck": oli, "Pump 1/Flow (m³/h)": flow}', 'did you mean "oil"?'),
        (', tags: {oil: "Öldruck", "Pump 1/Flow (m³/h)": flow}', 'then the tag: "Öldruck": oil'),
        (', tags: {"Öldruck": oil}', "no tag 'Pump 1/Flow (m³/h)' in this line"),
        (', tags: {"Öldruck": oil, "Pump 1/Flow (m³/h)": oil}', "both get the line's oil"),
        (MAPPED[:-1] + ", speed: flow}", "has no tag 'speed', it has 'Pump 1/Flow (m³/h)'"),
    ):  # fmt: skip
        done = andon("check", named(tmp_path, mapping))
        assert done.exit_code == 1, mapping
        assert sentence in done.output
        assert done.output.count("line.yaml:") == 2
    swapped = ', tags: {"Öldruck": flow, "Pump 1/Flow (m³/h)": oil}'
    done = andon("check", named(tmp_path, swapped, ", high: 80"))
    assert "'Öldruck' is usually 1" in done.output or "'Öldruck' is usually 99.9" in done.output
    assert "which is above high (80) of the line's flow: map it to another tag" in done.output
