"""What `caused_by` of a line file may name; the files that are refused are in tests/configs."""

import pytest

from gateway.config.build import build_detectors
from gateway.config.load import load
from gateway.config.problems import ConfigProblems
from gateway.core.alarms.cascade import structure, upstream

LINE = """
version: 1
line: l
site: s
sources:
  plc:
    type: modbus
    host: 192.168.0.10
    tags:
      speed: {address: 0, data_type: int16}
      flow: {address: 1, data_type: int16}
detectors:
  guard:
    type: limits
    caused_by: CAUSE
    tags:
      flow: {low: 5, flat_line: 10s, alarms: {flat_line: {caused_by: OTHER}}}
  drive:
    type: limits
    tags:
      speed: {low: 50, low_low: 10}
"""


def detectors(tmp_path, cause, other="[]"):
    file = tmp_path / "line.yaml"
    file.write_text(LINE.replace("CAUSE", cause).replace("OTHER", other))
    config = load(file)
    return config, build_detectors(config)


@pytest.mark.parametrize("cause", ["drive.speed.low", "[drive.speed.low, data.plc.lost]"])
def test_alarms_follow_from_what_their_detector_names_and_one_of_them_from_its_own(tmp_path, cause):
    config, built = detectors(tmp_path, cause, "data.plc.no_data")
    alarms = {name: detector.alarms for name, detector in built.items()}
    causes = upstream(structure(config.tags, built, config.detectors), alarms)
    wanted = cause.strip("[]").split(", ")
    assert [each.alarm for each in causes["guard.flow.low"]] == wanted
    assert [each.alarm for each in causes["guard.flow.flat_line"]] == ["data.plc.no_data"]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("drive.speed.lo", "the line has no alarm drive.speed.lo"),
        ("alarms.flood", "the line has no alarm alarms.flood"),
        ("guard.flow.low", "follows from itself"),
        ("speed", "write its detector and its name, as in guard.speed.low"),
        ("[drive.speed.low, 3]", "3 is not an alarm"),
        ("{drive: speed}", "must be an alarm, or a list"),
    ],
)
def test_what_is_no_alarm_of_the_line_is_refused_where_it_is_written(tmp_path, cause, words):
    with pytest.raises(ConfigProblems) as refused:
        detectors(tmp_path, cause)
    (problem,) = refused.value.problems
    assert words in str(problem)
    assert problem.line == 15
