import pytest
from pydantic import ValidationError

from connectors.modbus.connector import ModbusConnector
from connectors.modbus.options import ModbusOptions
from gateway.api.model import SECOND


def source(tag=None, **options):
    tags = {"tags": {"t": {"address": 0} | (tag or {})}}
    return ModbusOptions.model_validate({"type": "modbus", "host": "plc"} | tags | options)


def problems_of(tag=None, **options):
    with pytest.raises(ValidationError) as caught:
        source(tag, **options)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


STRING = {"data_type": "string", "length": 2, "enumeration": {"AUTO": 1}}


@pytest.mark.parametrize(
    ("tag", "field", "message"),
    [
        ({"table": "coil", "data_type": "float32"}, "data_type", "a coil is a single bit"),
        ({"table": "discrete", "data_type": "uint16"}, "data_type", "a discrete is a single bit"),
        ({"table": "coil", "bit": 3}, "bit", "already a single bit"),
        ({"data_type": "float32", "bit": 3}, "bit", "a bit is a bool, not a float32"),
        ({"data_type": "bool"}, "data_type", "which bit of the register?"),
        ({"data_type": "int16", "byte": "high"}, "byte", "this is int16"),
        ({"address": 65533, "data_type": "float64"}, "address", "ends beyond the last address"),
        ({"address": 65536}, "address", "less than or equal to 65535"),
        ({"low": 5, "high": 1}, "high", "is below low (5)"),
        ({"scale": 0}, "scale", "every value the same"),
        ({"scale": float("inf")}, "scale", "finite"),
        ({"no_value": 0x10000}, "no_value", "cannot be the raw value of 16 bits"),
        ({"no_value": -32769}, "no_value", "cannot be the raw value of 16 bits"),
        ({"no_value": 0.5}, "no_value", "cannot be the raw value of 16 bits"),
        ({"no_value": float("nan")}, "no_value", "NaN"),
        ({"no_value": float("inf")}, "no_value", "infinity"),
        ({"no_value": 1e300, "data_type": "float32"}, "no_value", "a float of 32 bits"),
        ({"no_value": 1, "bit": 0}, "no_value", "a single bit"),
        ({"length": 2}, "length", "belongs to a string; this is uint16"),
        ({"data_type": "string", "length": 2}, "data_type", "enumeration: {AUTO: 1"),
        ({"data_type": "string", "enumeration": {"A": 1}}, "data_type", "how long?"),
        (STRING | {"enumeration": {"ABCDE": 1}}, "enumeration", "too long for 2 registers"),
        (STRING | {"enumeration": {" A": 1}}, "enumeration", "spaces around"),
        (STRING | {"scale": 2}, "scale", "no meaning for a string"),
        (STRING | {"word_order": "little"}, "word_order", "no meaning for a string"),
        (STRING | {"no_value": 0}, "no_value", "no meaning for a string"),
        (STRING | {"table": "coil"}, "data_type", "a coil is a single bit"),
        (STRING | {"address": 65535}, "address", "ends beyond the last address"),
        ({"scale": "p_sf"}, "scale", "as in `scale_register: 84`"),
        ({"scale_register": 0}, "scale_register", "a register of the value itself"),
        ({"scale_register": 1, "data_type": "uint32"}, "scale_register", "of the value itself"),
        ({"scale_register": 5, "bit": 1}, "scale_register", "no meaning for a bool"),
        ({"scale_register": 5, "table": "coil"}, "scale_register", "no meaning for a bool"),
        (STRING | {"scale_register": 5}, "scale_register", "no meaning for a string"),
        ({"scale_register": 400085}, "scale_register", "write `address: 84`"),
        ({"data_type": "bcd16", "no_value": 0x10000}, "no_value", "the raw value of 16 bits"),
        ({"data_type": "bcd16", "no_value": -1}, "no_value", "the raw value of 16 bits"),
        ({"data_type": "mod10_48", "no_value": 2**48}, "no_value", "the raw value of 48 bits"),
        ({"data_type": "bcd32", "address": 65535}, "address", "ends beyond the last address"),
        ({"data_type": "mod10_64", "address": 65533}, "address", "ends beyond the last address"),
        ({"data_type": "bcd"}, "data_type", "bcd is called bcd16 (one register) or bcd32 (two)"),
        ({"data_type": "mod10"}, "data_type", "called mod10_32, mod10_48 or mod10_64"),
        ({"data_type": "REAL"}, "data_type", "REAL is called float32 here"),
        ({"data_type": "u16"}, "data_type", "u16 is called uint16 here"),
        ({"data_type": "bcd8"}, "data_type", "'bcd16', 'bcd32', 'bcd64'"),
        ({"bit": 16}, "bit", "less than or equal to 15"),
        ({"adress": 0}, "adress", "Extra inputs"),
    ],
)
def test_a_tag_that_cannot_be_read_is_refused_at_the_field_that_is_wrong(tag, field, message):
    problems = problems_of(tag)
    assert list(problems) == [("tags", "t", field)]
    assert message in problems["tags", "t", field]


def test_all_problems_of_a_tag_are_reported_at_once():
    problems = problems_of({"address": 65535, "data_type": "uint32", "bit": 3, "scale": 0})
    assert {loc[-1] for loc in problems} == {"address", "bit", "scale"}


def test_a_value_wider_than_a_request_is_refused_with_the_least_that_works():
    problems = problems_of({"data_type": "float64"}, max_registers=3)
    assert problems == {("max_registers",): "must be at least 4: t takes 4 registers"}


@pytest.mark.parametrize("host", ["modbus://plc", "plc/1", " plc", "", "plc 1", "10.0.0.1\t"])
def test_a_host_is_a_bare_name(host):
    assert list(problems_of(host=host)) == [("host",)]


@pytest.mark.parametrize(
    ("host", "right"),
    [
        ("127.0.0.1:5502", "write `host: 127.0.0.1` and `port: 5502`"),
        ("plc-1:502", "write `host: plc-1` and `port: 502`"),
        ("plc-1.hall.local:1502", "write `host: plc-1.hall.local` and `port: 1502`"),
        ("10.0.0.1 : 502", "write `host: 10.0.0.1` and `port: 502`"),
        ("10.0.0.1;502", "write `host: 10.0.0.1` and `port: 502`"),
        (" plc:502", "write `host: plc` and `port: 502`"),
        ("tcp://10.0.0.1:502", "write `host: 10.0.0.1` and `port: 502`"),
        ("modbus+tcp://plc:502/1", "write `host: plc` and `port: 502`"),
        ("http://plc/", "as in `host: plc`"),
        ("[::1]:502", "write `host: ::1` and `port: 502`"),
        ("[fe80::1]", '`host: "fe80::1"`'),
        ("plc/1", "as in `host: plc`"),
    ],
)
def test_a_host_with_more_than_a_name_is_refused_with_what_would_be_right(host, right):
    assert right in problems_of(host=host)["host",]


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "plc-1", "10.0.0.1", "müller", "a.b.c"])
def test_names_and_addresses_are_hosts(host):
    assert source(host=host).host == host


@pytest.mark.parametrize(
    ("address", "right"),
    [
        (400001, "400001 is a register's number in a manual: write `address: 0`"),
        (465536, "write `address: 65535`"),
        (300012, "write `address: 11, table: input`"),
        (100005, "write `address: 4, table: discrete`"),
        ("000017", "write `address: 16, table: coil`"),
        (40001.3, "a bit is a field of its own: write `address: 0, bit: 3`"),
        ("40001.3", "write `address: 0, bit: 3`"),
        ("30012.15", "write `address: 11, table: input, bit: 15`"),
        (12.5, "write `address: 12, bit: 5`"),
        ("4x0001", "write `address: 0`"),
        ("3x00012", "write `address: 11, table: input`"),
        ("4:00108", "write `address: 107`"),
        ("MW100", "MW100 is a name inside the PLC: write the address that its manual gives"),
        ("%MW100", "often `address: 100`"),
        ("%MX10.3", "often `address: 10, bit: 3`"),
        ("%QW4", "often `address: 4`"),
        ("HR100", "write `address: 100`"),
        ("IR7", "write `address: 7, table: input`"),
        ("1AH", "write a hexadecimal address as `address: 0x1A`"),
        ("16#1a", "write a hexadecimal address as `address: 0x1A`"),
        ("$7F", "write a hexadecimal address as `address: 0x7F`"),
        ("100-103", "write the first register, `address: 100`"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_would_be_right(address, right):
    message = problems_of({"address": address})["tags", "t", "address"]
    assert right in message
    assert f"must be 0 to 65535, not {address}" in message


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0x1FFFF", "valid integer"),
        ("DB1.DBW0", "valid integer"),
        ("speed", "valid integer"),
        ("", "valid integer"),
        (70000, "less than or equal to 65535"),
        (-1, "greater than or equal to 0"),
        (None, "valid integer"),
    ],
)
def test_what_is_like_no_address_is_refused_as_any_other_number(address, words):
    assert words in problems_of({"address": address})["tags", "t", "address"]


@pytest.mark.parametrize(
    ("address", "is_read_as"),
    [(0x1A, 26), ("0x1A", 26), ("0Xff", 255), ("100", 100), (40001, 40001)],
)
def test_addresses_may_be_hexadecimal_and_as_large_as_the_protocol_allows(address, is_read_as):
    assert source({"address": address}).tags["t"].address == is_read_as


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ({"address": 40001}, "`address: 0`"),
        ({"address": 40108}, "`address: 107`"),
        ({"address": 49999}, "`address: 9998`"),
        ({"address": 30001}, "`address: 0, table: input`"),
        ({"address": 30001, "table": "input"}, "`address: 0, table: input`"),
        ({"address": 10005, "table": "discrete"}, "`address: 4, table: discrete`"),
        ({"address": 10005}, "`address: 4, table: discrete`"),
        ({"address": 40000}, ""),
        ({"address": 40001, "table": "input"}, ""),
        ({"address": 0}, ""),
        ({"address": 9999}, ""),
        ({"address": 50001}, ""),
        ({"address": 20001}, ""),
        ({"address": 40083, "scale_register": 40084, "data_type": "int16"}, ""),
    ],
)
def test_an_address_that_looks_like_a_number_from_a_manual_is_doubted_but_read(
    connector, tag, meant
):
    warnings = connector(502, {"t": tag}).warnings
    assert len(warnings) == bool(meant)
    assert meant in "".join(warnings)


def test_one_warning_names_how_many_addresses_look_like_numbers(connector):
    (warning,) = connector(502, {f"t{at}": {"address": 40001 + at} for at in range(30)}).warnings
    assert warning.startswith("address 40001 (t0 and 29 more) looks like a register's number")


@pytest.mark.parametrize(("address", "scale", "most"), [(0, 125, 125), (200, 3, 125), (0, 9, 9)])
def test_a_scale_that_no_request_can_read_with_its_value_is_refused(address, scale, most):
    tag = {"address": address, "scale_register": scale, "data_type": "int16"}
    message = problems_of(tag, max_registers=most)["tags",]
    assert f"t: its scale_register {scale} is too far from its address {address}" in message
    assert source(tag | {"scale_register": address + most - 1}, max_registers=most)


@pytest.mark.parametrize("transport", ["rtu", "rtu_over_tcp", "ascii_over_tcp"])
@pytest.mark.parametrize("deviation", ["transaction_id", "protocol_id", "length"])
def test_what_only_modbus_tcp_has_cannot_be_tolerated_elsewhere(transport, deviation):
    where = {"host": "plc"} if transport != "rtu" else {"device": "/dev/ttyUSB0"}
    given = {"type": "modbus", "transport": transport, "tolerate": [deviation]} | where
    message = source_problems(given)["tolerate",]
    assert message == f"{deviation} is in the header of Modbus TCP; {transport} has none"


def test_a_source_without_tags_is_refused():
    assert list(problems_of(tags={})) == [("tags",)]


def test_the_defaults_are_what_modbus_prescribes():
    options = source()
    assert (options.tcp_port, options.unit_id, options.max_registers) == (502, 1, 125)
    assert (options.period, options.timeout, options.pause) == (SECOND, SECOND, 0)
    encoding = options.tags["t"].encoding()
    assert (encoding.byte_order, encoding.word_order) == ("big", "big")


@pytest.mark.parametrize(
    ("tag", "data_type"),
    [
        ({}, "uint16"),
        ({"bit": 2}, "bool"),
        ({"table": "coil"}, "bool"),
        ({"table": "input"}, "uint16"),
    ],
)
def test_the_default_data_type_follows_from_the_table_and_the_bit(tag, data_type):
    assert source(tag).tags["t"].resolved_type == data_type


def test_a_tag_may_have_other_orders_than_its_source():
    encoding = source({"word_order": "little"}).tags["t"].encoding("little", "big")
    assert (encoding.byte_order, encoding.word_order) == ("little", "little")


def test_every_field_explains_itself_to_an_editor():
    schema = ModbusOptions.model_json_schema()
    shown = schema["properties"] | schema["$defs"]["ModbusTag"]["properties"]
    assert [name for name, field in shown.items() if "description" not in field] == ["type"]


SERIAL = {"type": "modbus", "transport": "rtu", "device": "/dev/ttyUSB0"}
TAGS = {"tags": {"t": {"address": 0}}}


def source_problems(given):
    with pytest.raises(ValidationError) as caught:
        ModbusOptions.model_validate(TAGS | given)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"type": "modbus"}, "host", "Field required"),
        ({"type": "modbus", "transport": "rtu"}, "device", "Field required"),
        ({"type": "modbus", "host": "plc", "device": "/dev/ttyUSB0"}, "device", "this is tcp"),
        ({"type": "modbus", "host": "plc", "baudrate": 9600}, "baudrate", "belongs to `transport:"),
        ({"type": "modbus", "host": "plc", "ca": "ca.pem"}, "ca", "belongs to `transport: tls`"),
        (SERIAL | {"host": "plc"}, "host", "a serial port has none"),
        (SERIAL | {"parity": "E"}, "parity", "'none', 'even' or 'odd'"),
        (SERIAL | {"unit_id": 0}, "unit_id", "broadcast address"),
        ({"type": "modbus", "host": "h", "transport": "tls", "key": "k"}, "key", "belong together"),
    ],
)
def test_a_setting_that_a_transport_lacks_or_does_not_use_is_refused(given, field, message):
    assert message in source_problems(given)[field,]


def test_a_serial_bus_and_tls_have_the_defaults_that_modbus_prescribes():
    bus = ModbusOptions.model_validate(SERIAL | TAGS)
    assert (bus.baudrate, bus.parity, bus.stopbits, bus.bits_per_character) == (
        19200,
        "even",
        1,
        11,
    )
    assert bus.min_pause == round(3.5 * 11 / 19200 * SECOND)
    assert ModbusOptions.model_validate(SERIAL | TAGS | {"pause": "5ms"}).min_pause == 5_000_000
    assert ModbusOptions.model_validate(SERIAL | TAGS | {"baudrate": 115200}).min_pause == 1_750_000
    assert source(transport="tls").tcp_port == 802


@pytest.mark.parametrize(
    ("tag", "numbers"),
    [
        ({"no_value": -9999, "data_type": "int16"}, (-9999,)),
        ({"no_value": [0x8000, 0x7FFF], "data_type": "int16"}, (-32768, 32767)),
        ({"no_value": -1, "data_type": "uint16"}, (65535,)),
        ({"no_value": 0x8000, "data_type": "int16", "scale": 0.1, "offset": 5}, (-3271.8,)),
        ({"no_value": [-999.9], "data_type": "float32"}, (-999.9,)),
        ({"no_value": [0xFFFFFFFF], "data_type": "uint32"}, (4294967295,)),
        ({"no_value": [255, -1], "data_type": "uint8"}, (255,)),
        ({}, ()),
        (STRING, ()),
    ],
)
def test_a_tag_says_which_numbers_mean_no_value_in_its_unit(tag, numbers):
    [declared] = ModbusConnector.declared_tags("plc", source(tag))
    assert declared.no_value == pytest.approx(numbers)
