import pytest

from connectors.modbus.cost import cost_of, describe
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import RequestLimits, make_plan, polled_tags


def test_the_cost_of_a_plan_adds_up():
    options = ModbusOptions.model_validate(
        {
            "type": "modbus",
            "host": "plc",
            "period": "500ms",
            "tags": {
                "a": {"address": 0},
                "b": {"address": 3, "data_type": "float32"},
                "c": {"address": 40, "period": "2s"},
                "d": {"address": 2, "table": "coil", "unit_id": 9},
                "e": {"address": 4, "table": "coil", "unit_id": 9},
            },
        }
    )
    plan = make_plan(polled_tags(options), RequestLimits())
    cost = cost_of(plan, options)
    assert (cost.requests, cost.tags, cost.registers_idle, cost.bits_idle) == (3, 5, 2, 1)
    assert cost.requests_per_second == pytest.approx(2 + 0.5 + 2)
    assert cost.bytes_per_second == pytest.approx(2 * (12 + 19) + 0.5 * (12 + 11) + 2 * (12 + 10))
    assert cost.tags_per_request == pytest.approx(5 / 3)


def serial(**options):
    given = {"type": "modbus", "transport": "rtu", "device": "/dev/ttyUSB0", "baudrate": 9600}
    tags = {"a": {"address": 0}, "b": {"address": 9}, "c": {"address": 2000}}
    valid = ModbusOptions.model_validate(given | {"tags": tags} | options)
    return make_plan(polled_tags(valid), RequestLimits()), valid


def test_the_utilisation_of_a_serial_bus_counts_characters_and_silences():
    plan, options = serial(period="1s")
    # 8 + 25 and 8 + 7 characters of 11 bits, and twice two silences of 3.5 characters.
    expected = ((33 + 15) * 11 + 4 * 3.5 * 11) / 9600
    assert cost_of(plan, options).utilisation == pytest.approx(expected)
    assert "7.1 % busy at 9600 bit/s" in describe(plan, options)[1]


def test_an_overloaded_bus_is_reported():
    plan = "\n".join(describe(*serial(period="50ms")))
    assert "142 % busy at 9600 bit/s" in plan
    assert "overloaded" in plan


def test_the_plan_names_every_request_and_its_unused_registers():
    texts = describe(*serial())
    assert texts[0] == (
        "2 requests/s, 48 bytes/s, 1.5 tags per request; read but not used: 8 registers and 0 bits"
    )
    assert texts[2:] == [
        "every 1s  unit 1 holding 0..9  2 tags, 8 idle",
        "every 1s  unit 1 holding 2000..2000  1 tags, 0 idle",
    ]
