import pytest

from gateway.api.alarms import Alarm
from gateway.api.conditions import parse_condition
from gateway.api.model import SECOND, Tag, WindowSpec
from gateway.core.alarms.cascade import Structure, excludes, structure, upstream

STRUCTURE = Structure(
    sources={"plc": ("speed", "flow"), "monitor": ("vibration",)},
    detectors={"pump": ("flow", "vibration"), "guard": ("speed", "flow")},
    gates={"pump": [parse_condition("speed > 100")]},
)
SENSORS = [Alarm(f"{s}.{k}", 0.5) for s in ("plc", "monitor") for k in ("lost", "no_data")]


def causes(detector, alarm, **others):
    alarms = {"data": SENSORS, **others}
    alarms[detector] = [*alarms.get(detector, ()), alarm]
    found = upstream(STRUCTURE, alarms).get(f"{detector}.{alarm.name}", ())
    return [(each.alarm, sorted(each.naming)) for each in found]


def test_what_a_source_lacks_follows_from_its_loss():
    assert causes("data", Alarm("plc.no_data", 0.5)) == [("data.plc.lost", [])]
    assert causes("data", Alarm("plc.lost", 0.5)) == []


def test_a_sensor_alarm_of_one_tag_follows_from_what_names_the_tag():
    assert causes("data", Alarm("flow.failure", 0.5, tag="flow")) == [
        ("data.plc.lost", []),
        ("data.plc.no_data", ["flow"]),
    ]


def test_a_blind_model_follows_from_the_sources_of_its_tags():
    assert causes("models", Alarm("pump.blindness", 0.2)) == [
        ("data.plc.lost", []),
        ("data.plc.no_data", ["flow"]),
        ("data.monitor.lost", []),
        ("data.monitor.no_data", ["vibration"]),
    ]
    assert causes("models", Alarm("pump.input_drift", 1.0)) == []


def test_a_process_alarm_never_follows_from_a_lost_source():
    assert causes("guard", Alarm("flow.low", 20.0, tag="flow", below=True)) == []


def test_the_alarms_of_a_model_follow_from_the_alarm_of_its_stopped_machine():
    stopped = Alarm("speed.low", 50.0, tag="speed", below=True)
    assert causes("pump", Alarm("anomaly", 1.0), guard=[stopped]) == [("guard.speed.low", [])]
    drift = Alarm("pump.score_drift", 1.0)
    assert causes("models", drift, guard=[stopped]) == [("guard.speed.low", [])]


def test_what_the_line_file_says_comes_first():
    alarm = Alarm("anomaly", 1.0, caused_by=("guard.flow.low",))
    stopped = Alarm("speed.low", 50.0, tag="speed", below=True)
    assert causes("pump", alarm, guard=[stopped]) == [
        ("guard.flow.low", []),
        ("guard.speed.low", []),
    ]


def test_a_flood_follows_from_nothing():
    assert causes("alarms", Alarm("flood", 10, caused_by=("data.plc.lost",))) == []


@pytest.mark.parametrize(
    ("kind", "threshold", "below", "condition", "does"),
    [
        ("low", 50.0, True, "speed > 100", True),
        ("low_low", 100.0, True, "speed >= 100", True),
        ("low", 120.0, True, "speed > 100", False),
        ("low", 0.5, True, "speed == 1", True),
        ("low", 50.0, True, "speed < 100", False),
        ("low", 50.0, True, "speed != 0", False),
        ("low", 50.0, True, "flow > 100", False),
        ("high", 120.0, False, "speed < 100", True),
        ("high", 120.0, False, "speed > 100", False),
        ("high_high", 1.5, False, "speed == 1", True),
        ("rate_of_change", 120.0, False, "speed < 100", False),
    ],
)
def test_a_limit_says_that_the_machine_stands_if_its_condition_cannot_hold(
    kind, threshold, below, condition, does
):
    alarm = Alarm(f"speed.{kind}", threshold, tag="speed", below=below)
    assert excludes(alarm, parse_condition(condition)) is does


def test_the_structure_is_that_of_the_line_file():
    class Pump:
        spec = WindowSpec(("flow",), SECOND, 1)

    class Options:
        when = ("speed > 100",)

    tags = [Tag("speed", "plc", SECOND), Tag("flow", "plc", SECOND)]
    found = structure(tags, {"pump": Pump(), "guard": Pump()}, {"pump": Options(), "guard": None})
    assert found == Structure(
        {"plc": ["speed", "flow"]},
        {"pump": ("flow",), "guard": ("flow",)},
        {"pump": [parse_condition("speed > 100")], "guard": []},
    )
