"""Structures by their descriptions: every form, and bytes that do not fit."""

import struct

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.selection import StructureValue, Unusable
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
