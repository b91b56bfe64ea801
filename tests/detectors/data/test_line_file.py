"""A line file is read for training as for running: whatever declares a tag declares it here too."""

import pytest

from detectors.data.line_file import read_line_file
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND

LINE = """
version: 1
line: pump
site: here
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    period: 500ms
    tags:
      speed: {address: 0, unit: rpm, scale: 0.1, data_type: int16, no_value: [0x8000, -1]}
      flow: {address: 2, unit: m3/h, period: 2s, low: 0, high: 90, enumeration: {OFF: 0, "NO": 0}}
  broker:
    type: mqtt
    host: 127.0.0.1
    tags:
      "on": {topic: a}
detectors:
  one: {type: onnx, bundle: m1, tags: {"Öldruck": speed}}
  two: {type: onnx, bundle: m2, tags: {"Durchfluß": flow}}
"""


def write(folder, text=LINE):
    path = folder / "line.yaml"
    path.write_text(text)
    return path


def test_units_periods_bounds_and_states_are_those_of_the_line(tmp_path):
    tags = read_line_file(write(tmp_path)).tags
    assert list(tags) == ["speed", "flow", "on"]
    assert (tags["speed"].unit, tags["speed"].period) == ("rpm", SECOND // 2)
    assert (tags["flow"].low, tags["flow"].high, tags["flow"].period) == (0, 90, 2 * SECOND)
    assert tags["flow"].texts == {"OFF": 0, "NO": 0}


def test_no_value_is_in_the_unit_of_the_tag(tmp_path):
    tags = read_line_file(write(tmp_path)).tags
    assert tags["speed"].no_value == pytest.approx((-3276.8, -0.1))


TABLE = "name,address,unit\nflow,1,m3/h\npower,2,kW\n"
WAYS = {
    "a table of tags": (
        "sources: {b: {type: modbus, host: 127.0.0.1, tags_file: tags.csv}}",
        ["flow", "power"],
    ),
    "a template": (
        (
            "templates: {p: {type: modbus, host: '10.0.0.{n}', tags: {t: {address: 0}}}}\n"
            "sources: {press: {template: p, devices: 1-2}}"
        ),
        ["press-1.t", "press-2.t"],
    ),
    "a template with a placeholder in the name": (
        (
            "templates: {p: {type: modbus, host: h, tags: {'{name}_t': {address: 0}}}}\n"
            "sources: {press: {template: p, devices: [a, b]}}"
        ),
        ["a_t", "b_t"],
    ),
    "a template with a table of tags": (
        (
            "templates: {p: {type: modbus, host: h, tags_file: tags.csv}}\n"
            "sources: {press: {template: p, devices: [a]}}"
        ),
        ["a.flow", "a.power"],
    ),
    "levels of a topic": (
        "sources: {b: {type: mqtt, host: h, tags: {t: {topic: x/+/t, levels: [n, s], path: ''}}}}",
        ["n.t", "s.t"],
    ),
    "named levels": (
        (
            "sources: {b: {type: mqtt, host: h, tags: {t: {topic: x/+/t, levels: {N: north}, "
            "path: ''}}}}"
        ),
        ["N.t"],
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_declare_tags_is_known(tmp_path, way):
    (tmp_path / "tags.csv").write_text(TABLE)
    text, names = WAYS[way]
    path = write(tmp_path, f"version: 1\nline: l\nsite: s\n{text}\n")
    assert list(read_line_file(path).tags) == names


def test_a_site_file_is_read_too(tmp_path):
    (tmp_path / "site.yaml").write_text("version: 1\nsite: plant\n")
    path = write(tmp_path, LINE.replace("site: here", "site_file: site.yaml"))
    assert read_line_file(path).config.site == "plant"


def test_the_mapping_is_that_of_the_models_detector_or_of_all(tmp_path):
    path = write(tmp_path)
    assert read_line_file(path, tmp_path / "m2").mapped == {"Durchfluß": "flow"}
    assert read_line_file(path).mapped == {"Öldruck": "speed", "Durchfluß": "flow"}
    assert read_line_file(path, tmp_path / "new").mapped == read_line_file(path).mapped


def test_a_column_belongs_to_the_tag_of_its_name_or_of_its_mapping(tmp_path):
    line = read_line_file(write(tmp_path))
    found = line.of_columns(["Öldruck", "flow", "other"])
    assert {column: tag.name for column, tag in found.items()} == {
        "Öldruck": "speed",
        "flow": "flow",
    }
    with pytest.raises(ConfigError, match="'Öldruck' and 'speed' both belong to the tag speed"):
        line.of_columns(["Öldruck", "speed"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", "line.yaml:1:10: not YAML"),
        ("hello", "line.yaml:1:1"),
        ("version: 1\nline: l\nsite: s\nsources: {plc: {type: modbus}}", '"tags" is missing'),
        (LINE.replace("500ms", "fast"), "'fast' is not a duration"),
        ("version: 1\nline: a\nline: b", "line: duplicate key"),
        ("a: 1\na: 2", "not a line file, and so nothing of it is shown"),
    ],
)
def test_a_file_that_is_not_a_line_file_is_refused_as_by_check(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_line_file(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        read_line_file(tmp_path / "line.yaml")
