"""Node ids as people write them: which are accepted, and how the others are refused."""

import base64
import uuid

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.nodes import STANDARD, NodeName, parse_node

URIS = [STANDARD, "urn:server", "urn:plant"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nsu=urn:plant;s=Pump.Speed", NodeName("urn:plant", "s=Pump.Speed")),
        ("  nsu=urn:plant;s=Pump.Speed\n", NodeName("urn:plant", "s=Pump.Speed")),
        ("nsu=http://plant/UA/;i=4294967295", NodeName("http://plant/UA/", "i=4294967295")),
        ("nsu=a%3Bb%25c;i=1", NodeName("a;b%c", "i=1")),
        ("nsu=a%253Bb;i=1", NodeName("a%3Bb", "i=1")),
        ("nsu=urn:plant;b=AQID", NodeName("urn:plant", "b=AQID")),
        ("i=2258", NodeName(STANDARD, "i=2258")),
        ("ns=0;i=2258", NodeName(STANDARD, "i=2258")),
        ('nsu=urn:s7;s="DB"."a;b=1"', NodeName("urn:s7", 's="DB"."a;b=1"')),
        (
            "nsu=urn:plant;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            NodeName("urn:plant", "g=09087e75-8e5e-499b-954f-f2a9603db28a"),
        ),
    ],
)
def test_a_node_is_named_by_namespace_uri_and_identifier(text, name):
    assert parse_node(text) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ns=2;s=Pump.Speed", "another namespace after the server's next restart"),
        ("ns=x;i=1", "name it by its URI"),
        ("Pump.Speed", "nsu=urn:plant;s=Pump.Speed"),
        ("", "is not a node id"),
        ("nsu=urn:plant", "is not a node id"),
        ("nsu=urn:plant;s=", "is not a node id"),
        ("nsu=;i=1", "the namespace URI is missing"),
        ("nsu=urn:plant;x=1", "is not a node id"),
        ("i=-1", "0 to 4294967295"),
        ("i=4294967296", "0 to 4294967295"),
        ("i=1.5", "0 to 4294967295"),
        ("i=٣", "0 to 4294967295"),
        ("g=1234", "is not a GUID"),
        ("b=*", "is not base64"),
        ("b=AQI", "is not base64"),
        ("b=0x0102", "write it as base64"),
        ("svr=1;i=1", "is not a node id"),
    ],
)
def test_a_node_id_that_cannot_be_resolved_is_refused_with_what_would_be_right(text, why):
    with pytest.raises(ValueError, match=why):
        parse_node(text)


def test_a_node_has_the_current_index_of_its_namespace():
    name = parse_node("nsu=urn:plant;s=Pump.Speed")
    assert name.on(URIS) == "ns=2;s=Pump.Speed"
    assert name.on([STANDARD, "urn:plant"]) == "ns=1;s=Pump.Speed"
    assert name.on([STANDARD]) is None


def test_a_node_of_the_standard_needs_no_namespace_array():
    assert parse_node("i=2258").on([]) == "i=2258"
    assert parse_node(f"nsu={STANDARD};i=2258").on([]) == "i=2258"


IDENTIFIERS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
    .filter(lambda text: text == text.strip())
    .map(lambda text: ("s", text, text)),
    st.integers(0, 2**32 - 1).map(lambda number: ("i", number, str(number))),
    st.uuids().map(lambda guid: ("g", uuid.UUID(str(guid)), str(guid))),
    st.binary(min_size=1).map(lambda raw: ("b", raw, base64.b64encode(raw).decode())),
)


@given(IDENTIFIERS)
def test_an_accepted_node_id_is_the_same_node_in_the_protocol_library(identifier):
    kind, meant, written = identifier
    if kind == "b" and written.startswith("0x"):
        return
    node = parse_node(f"nsu=urn:plant;{kind}={written}").on(URIS)
    assert ua.NodeId.from_string(node) == ua.NodeId(meant, 2)
