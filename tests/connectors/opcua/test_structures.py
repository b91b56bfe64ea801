"""Structures by their descriptions: every form, and bytes that do not fit."""

import struct

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.selection import Selection, StructureValue, Unusable
from connectors.opcua.structures import OPTIONAL, PLAIN, UNION, VARIANT, Layout, Member, Structures

BOOLEAN, INT16, INT32, DOUBLE, STRING = 1, 4, 6, 11, 12
POINT = Layout("Point", PLAIN, (Member("X", DOUBLE), Member("Y", DOUBLE)))
AT = struct.pack("<dd", 1.5, 2.5)


def text(said):
    return struct.pack("<i", len(said)) + said.encode()


def structures(**layouts):
    """Structures of these types, each with the encoding ns=2;s=NAME."""
    made = Structures()
    made.layouts = {"Point": POINT, **layouts}
    made.types = {f"ns=2;s={name}": name for name in made.layouts}
    return made


def value(name, body):
    return ua.ExtensionObject(TypeId=ua.NodeId(name, 2), Body=body)


def members_of(layout, body):
    return structures(It=layout).opened(value("It", body)).members


@pytest.mark.parametrize(
    ("layout", "body", "members"),
    [
        (POINT, AT, {"X": 1.5, "Y": 2.5}),
        (Layout("L", PLAIN, (Member("B", BOOLEAN),)), b"\1", {"B": True}),
        (Layout("L", PLAIN, (Member("S", STRING),)), text("M1"), {"S": "M1"}),
        (Layout("L", PLAIN, (Member("S", STRING),)), b"\xff\xff\xff\xff", {"S": None}),
        (
            Layout("L", PLAIN, (Member("A", INT16, 1), Member("B", BOOLEAN))),
            struct.pack("<ihh?", 2, 7, -8, True),
            {"A": [7, -8], "B": True},
        ),
        (Layout("L", PLAIN, (Member("A", INT16, 1),)), struct.pack("<i", -1), {"A": None}),
        (
            Layout("L", PLAIN, (Member("M", INT16, 2),)),
            struct.pack("<iii6h", 2, 2, 3, 1, 2, 3, 4, 5, 6),
            {"M": [[1, 2, 3], [4, 5, 6]]},
        ),
        (
            Layout("L", OPTIONAL, (Member("A", INT32), Member("B", INT32, 0, True))),
            struct.pack("<Ii", 0, 5),
            {"A": 5, "B": None},
        ),
        (
            Layout("L", OPTIONAL, (Member("A", INT32, 0, True), Member("B", INT32, 0, True))),
            struct.pack("<Ii", 2, 5),
            {"A": None, "B": 5},
        ),
        (
            Layout("L", UNION, (Member("A", INT32), Member("B", DOUBLE))),
            struct.pack("<Id", 2, 5.5),
            {"B": 5.5},
        ),
        (Layout("L", UNION, (Member("A", INT32),)), struct.pack("<I", 0), {}),
        (
            Layout("L", PLAIN, (Member("P", "Point"), Member("B", BOOLEAN))),
            AT + b"\0",
            {"P": StructureValue("Point", {"X": 1.5, "Y": 2.5}), "B": False},
        ),
        (
            Layout("L", PLAIN, (Member("P", "Point", 1),)),
            struct.pack("<i", 1) + AT,
            {"P": [StructureValue("Point", {"X": 1.5, "Y": 2.5})]},
        ),
        (Layout("L", PLAIN, ()), b"", {}),
    ],
)
def test_every_form_is_decoded(layout, body, members):
    assert members_of(layout, body) == members


def test_a_variant_among_the_members_is_opened_when_it_is_read():
    made = structures(It=Layout("L", PLAIN, (Member("V", VARIANT),)))
    members = made.opened(value("It", b"\x0b" + struct.pack("<d", 1.5))).members
    assert made.opened(members["V"]) == 1.5


@pytest.mark.parametrize(
    "body",
    [b"", AT[:-1], AT + b"\0", AT * 2, AT[8:]],
)
def test_bytes_that_do_not_match_are_unusable_and_the_description_is_asked_for_again(body):
    made = structures()
    with pytest.raises(Unusable, match="structure Point does not match its description"):
        made.opened(value("Point", body))
    assert made.wanted == {"ns=2;s=Point"}


@pytest.mark.parametrize("count", [2, 1000, 2**31 - 1])
def test_an_array_longer_than_its_structure_is_unusable(count):
    layout = Layout("L", PLAIN, (Member("A", "Point", 1),))
    with pytest.raises(Unusable):
        members_of(layout, struct.pack("<i", count) + b"\0")


def test_a_type_that_contains_itself_ends():
    endless = Layout("L", PLAIN, (Member("It", "It"),))
    with pytest.raises(Unusable, match="nested too deeply"):
        members_of(endless, b"\0" * 100)


def test_an_unknown_type_is_named_and_wanted():
    made = structures()
    with pytest.raises(Unusable, match="structure of unknown type ns=2;s=New"):
        made.opened(value("New", AT))
    assert made.wanted == {"ns=2;s=New"}


def test_a_type_that_cannot_be_described_has_its_reason_and_is_not_asked_for_again():
    made = structures()
    made.faults = {"ns=2;s=Old": "the server does not describe it"}
    with pytest.raises(Unusable, match="type ns=2;s=Old: the server does not describe it"):
        made.opened(value("Old", AT))
    assert made.wanted == set()


def test_two_servers_do_not_share_their_types():
    other = Layout("Other", PLAIN, (Member("Y", DOUBLE), Member("X", DOUBLE)))
    one, two = structures(), structures(Point=other)
    assert one.opened(value("Point", AT)).members["X"] == 1.5
    assert two.opened(value("Point", AT)).members["X"] == 2.5


def test_a_forgotten_type_takes_the_types_of_its_members_with_it():
    made = structures(It=Layout("L", PLAIN, (Member("P", "Point"),)))
    made.forget("ns=2;s=It")
    assert made.layouts == {}


@pytest.mark.parametrize("raw", [1.5, "text", None, [1, 2], ua.Range(1.0, 2.0)])
def test_any_other_value_is_unchanged(raw):
    assert structures().opened(raw) is raw


def test_an_empty_structure_is_no_value():
    assert structures().opened(ua.ExtensionObject()) is None


KINDS = st.sampled_from([BOOLEAN, INT16, INT32, DOUBLE, STRING, VARIANT, 22, 13, 21, "Point", "It"])
MEMBERS = st.lists(
    st.builds(Member, st.sampled_from("ABCD"), KINDS, st.integers(0, 2), st.booleans()), max_size=4
)


@given(members=MEMBERS, form=st.sampled_from([PLAIN, OPTIONAL, UNION]), body=st.binary(max_size=60))
def test_whatever_the_bytes_are_they_are_a_structure_or_unusable(members, form, body):
    made = structures(It=Layout("It", form, tuple(members)))
    reason, opened = "", None
    try:
        opened = made.opened(value("It", body))
    except Unusable as why:
        reason = str(why)
    assert isinstance(opened, StructureValue) != bool(reason)


EMPTY = Layout("Empty", PLAIN, ())
DATA_VALUE = 23


def count(number):
    return struct.pack("<i", number)


def several(kind, times=1):
    return Layout("L", PLAIN, tuple(Member(f"m{n}", kind, 1) for n in range(times)))


LEFT_OUT = Layout("L", OPTIONAL, tuple(Member(f"m{n}", INT32, 0, True) for n in range(1000)))
COSTLY = {
    "nothings in a variant": (
        Layout("L", PLAIN, (Member("V", VARIANT),)),
        b"\x80" + count(2**31 - 1),
    ),
    "nothings in a data value": (
        Layout("L", PLAIN, (Member("V", DATA_VALUE),)),
        b"\x01\x80" + count(2**31 - 1),
    ),
    "structures without members": (
        several("Empty", 1000),
        b"".join(count(3996 - 4 * n) for n in range(1000)),
    ),
    "variants": (several(VARIANT), count(60_000) + bytes(60_000)),
    "data values": (several(DATA_VALUE), count(60_000) + bytes(60_000)),
    "texts": (several(STRING), count(60_000) + bytes(240_000)),
    "members left out": (several("Left"), count(10_000) + bytes(40_000)),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_structure_that_costs_more_than_its_bytes_is_unusable(name):
    layout, body = COSTLY[name]
    made = structures(It=layout, Empty=EMPTY, Left=LEFT_OUT)
    with pytest.raises(Unusable, match="the structures of one message have more than 50,000 parts"):
        made.opened(value("It", body))
    assert made.wanted == set()


def test_the_structures_of_a_message_share_the_number_of_parts():
    made = structures(It=several(STRING))
    body = count(20_000) + text("") * 20_000
    assert len(made.opened(value("It", body)).members["m0"]) == 20_000
    with pytest.raises(Unusable, match="the structures of one message"):
        made.opened(value("It", body))
    made.begin()
    assert len(made.opened(value("It", body)).members["m0"]) == 20_000


def test_a_long_array_of_numbers_is_one_part():
    numbers = list(range(-100, 30_000)) * 5
    body = count(len(numbers)) + struct.pack(f"<{len(numbers)}h", *numbers)
    assert members_of(several(INT16), body) == {"m0": numbers}


def test_more_dimensions_than_anything_has_are_unusable():
    layout = Layout("L", PLAIN, (Member("M", INT16, 2),))
    with pytest.raises(Unusable, match="more than 16 dimensions"):
        members_of(layout, count(30_000) + count(2**31 - 1) * 30_000)


def test_what_is_not_described_yet_is_remembered_in_bounded_number_and_length():
    made = structures()
    for name in ["x" * 1_000_000, *map(str, range(500))]:
        with pytest.raises(Unusable):
            made.opened(value(name, AT))
    assert len(made.wanted) == 200
    assert max(map(len, made.wanted)) < 20


HOSTILE_NAME = "\0\x1b[2J\udc80\u202e" + "x" * 1_000_000


@pytest.mark.parametrize(
    "layout", [None, Layout(HOSTILE_NAME, PLAIN, (Member(HOSTILE_NAME, INT16),))]
)
@pytest.mark.parametrize("steps", [(), ("X",), (0,)])
def test_names_of_a_server_are_shown_short_and_visible(layout, steps):
    made = structures() if layout is None else structures(**{HOSTILE_NAME: layout})
    with pytest.raises(Unusable) as caught:
        Selection(steps).number(value(HOSTILE_NAME, b"\0\0"), made.opened)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
