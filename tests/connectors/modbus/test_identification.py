import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.framing import Expected, rtu_frame, take_rtu
from connectors.modbus.identification import FUNCTION, identification


def answer(*texts):
    objects = b"".join(bytes((at, len(text))) + text for at, text in enumerate(texts))
    return bytes((FUNCTION, 0x0E, 1, 1, 0, 0, len(texts))) + objects


def test_vendor_product_and_revision_are_one_line():
    assert identification(answer(b"Acme ", b"PM-7", b"V1.2")) == "Acme PM-7 V1.2"


def test_control_characters_do_not_reach_the_file():
    assert identification(answer(b"Ac\nme\x1b[31m")) == "Ac?me?[31m"


@pytest.mark.parametrize("pdu", [b"", b"\xab\x01", answer(b"Acme")[:-1], answer(b"A", b"B")[:9]])
def test_what_is_not_said_properly_is_not_said(pdu):
    assert identification(pdu) == ""


@given(st.binary(max_size=60))
def test_any_bytes_give_a_printable_line(junk):
    said = identification(bytes((FUNCTION, 0x0E)) + junk)
    assert said.isprintable()
    assert "\n" not in said


@pytest.mark.parametrize("size", range(4, 30))
def test_an_identification_on_rtu_is_taken_only_whole(size):
    pdu = answer(b"Acme", b"PM-7", b"V1.2")
    frame = rtu_frame(3, pdu)
    taken = take_rtu(frame[:size], Expected(3, FUNCTION))
    assert (taken.pdu == pdu) is (size >= len(frame))
    assert taken.pdu in (b"", pdu)


def test_an_identification_never_answers_a_read():
    taken = take_rtu(rtu_frame(3, answer(b"Acme")), Expected(3, 3, 4))
    assert taken.pdu == b""
    assert "function 43" in taken.why
