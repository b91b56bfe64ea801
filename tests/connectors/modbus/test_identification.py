import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.framing import ExpectedResponse, rtu_frame
from connectors.modbus.identification import FUNCTION, identification
from connectors.modbus.rtu_frames import parse_rtu
from connectors.modbus.tolerance import STRICT


def response(*texts):
    objects = b"".join(bytes((at, len(text))) + text for at, text in enumerate(texts))
    return bytes((FUNCTION, 0x0E, 1, 1, 0, 0, len(texts))) + objects


def test_vendor_product_and_revision_are_one_text():
    assert identification(response(b"Acme ", b"PM-7", b"V1.2")) == "Acme PM-7 V1.2"


def test_control_characters_do_not_reach_the_file():
    assert identification(response(b"Ac\nme\x1b[31m")) == "Ac?me?[31m"


@pytest.mark.parametrize(
    "pdu", [b"", b"\xab\x01", response(b"Acme")[:-1], response(b"A", b"B")[:9]]
)
def test_a_malformed_identification_is_empty(pdu):
    assert identification(pdu) == ""


@given(st.binary(max_size=60))
def test_any_bytes_give_a_printable_text(junk):
    text = identification(bytes((FUNCTION, 0x0E)) + junk)
    assert text.isprintable()
    assert "\n" not in text


@pytest.mark.parametrize("size", range(4, 30))
def test_an_identification_on_rtu_is_accepted_only_whole(size):
    pdu = response(b"Acme", b"PM-7", b"V1.2")
    frame = rtu_frame(3, pdu)
    parsed = parse_rtu(frame[:size], ExpectedResponse(3, FUNCTION), b"", STRICT)
    assert (parsed.pdu == pdu) is (size >= len(frame))
    assert parsed.pdu in (b"", pdu)


def test_an_identification_is_not_the_response_to_a_read():
    parsed = parse_rtu(rtu_frame(3, response(b"Acme")), ExpectedResponse(3, 3, 4), b"", STRICT)
    assert parsed.pdu == b""
    assert "function 43" in parsed.why
