import pytest

from detectors.data.line_tags import LineTag, read_line_tags
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND

LINE = """
version: 1
line: pump
sources:
  plc:
    type: modbus
    period: 500ms
    tags:
      speed: {address: 0, unit: rpm}
      flow: {address: 2, unit: m3/h, period: 2s}
  broker:
    type: mqtt
    tags:
      "on": {topic: a}
"""


def write(folder, text):
    path = folder / "line.yaml"
    path.write_text(text)
    return path


def test_names_units_and_periods_are_read(tmp_path):
    assert read_line_tags(write(tmp_path, LINE)) == {
        "speed": LineTag("rpm", SECOND // 2),
        "flow": LineTag("m3/h", 2 * SECOND),
        "on": LineTag("", None),
    }


def test_yaml_1_2_decides_what_is_a_name(tmp_path):
    tags = read_line_tags(write(tmp_path, LINE.replace('"on"', "on")))
    assert "on" in tags


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", "cannot be read"),
        ("hello", "is not a line file: run `andon check"),
        ("sources: {plc: {type: modbus}}", "is not a line file"),
        ("sources: {plc: {tags: {a: {period: fast}}}}", "is not a line file"),
        ("sources: {plc: {tags: {}}}", "has no tags"),
        ("a: 1\na: 2", "cannot be read"),
    ],
)
def test_a_file_that_is_not_a_line_file_is_refused_with_its_name(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as refused:
        read_line_tags(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_line_tags(tmp_path / "line.yaml")
