"""Browse paths: how they are written, and what they find."""

import pytest

from connectors.opcua.items import Reference
from connectors.opcua.paths import OBJECTS, PathElement, find_nodes, parse_path, written

NAMESPACES = ["http://opcfoundation.org/UA/", "urn:server", "http://plant/a;b/", "urn:other"]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("Objects/Press", [PathElement("Press")]),
        ("Objects/2:Press/2:Speed", [PathElement("Press", None, 2), PathElement("Speed", None, 2)]),
        ("/Objects/0:Server", [PathElement("Server", None, 0)]),
        ("Root/Objects/Press", [PathElement("Press")]),
        ("0:Objects/Press", [PathElement("Press")]),
        (
            "Objects/nsu=http://plant/a%3Bb/;Press/Speed",
            [PathElement("Press", "http://plant/a;b/"), PathElement("Speed")],
        ),
        ("Objects/a&/b", [PathElement("a/b")]),
        ("Objects/a&&b", [PathElement("a&b")]),
        ("Objects/a&/", [PathElement("a/")]),
        ('Objects/3:"DB_1"."Speed"', [PathElement('"DB_1"."Speed"', None, 3)]),
        ("Objects/2:3:x", [PathElement("3:x", None, 2)]),
        ("Objects/Öl druck", [PathElement("Öl druck")]),
    ],
)
def test_a_path_is_its_elements(text, elements):
    assert list(parse_path(text)) == elements


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "Objects", "Objects/", "Press/Speed", "objects/Press", "Types/X"),
        *("Objects//Speed", "Objects/Press/", "Objects/a&", "Objects/ns=2;Press"),
        *("Objects/nsu=urn:x", "Objects/2:"),
    ],
)
def test_a_path_that_is_none_says_what_would_be_right(text):
    with pytest.raises(ValueError, match="write it as in Objects/2:Press/2:Speed"):
        parse_path(text)


@pytest.mark.parametrize(
    "name",
    [
        *("a", "a/b", "a&b", "&/", "/", "2:x", "Öl", "a;b", "65535:", "123456:x", "1:2:x", "a:1"),
        *("nsu=foo;bar", "ns=2;x", "nsu=", "  lead", "trail ", "2&:x", "=", ":"),
    ],
)
@pytest.mark.parametrize("uri", [None, "urn:a", "http://plant/a;b/", "urn:50%3B&/é"])
def test_a_name_is_written_as_it_is_read(name, uri):
    (element,) = parse_path(f"Objects/{written(name, uri)}")
    assert element == PathElement(name, uri)
    assert parse_path(f"Objects/0:{written(name)}") == (PathElement(name, None, 0),)
    assert parse_path(f"Objects/{element}") == (element,)


TREE = {
    OBJECTS: [("press", 2, "Press"), ("other", 3, "Press"), ("line", 1, "Line")],
    "press": [("speed", 2, "Speed"), ("twin", 2, "Twin"), ("twin2", 2, "Twin")],
    "other": [("speed3", 3, "Speed")],
}


async def found(*texts):
    asked = []

    async def browse(nodes):
        asked.append(list(nodes))
        return [
            [Reference(node, at, name, is_variable=True, kind="") for node, at, name in below]
            for below in (TREE.get(node, []) for node in nodes)
        ]

    paths = {number: parse_path(text) for number, text in enumerate(texts)}
    nodes, faults = await find_nodes(paths, NAMESPACES, browse)
    return nodes, faults, asked


async def test_paths_that_share_nodes_browse_them_once():
    nodes, faults, asked = await found(
        "Objects/2:Press/2:Speed", "Objects/nsu=urn:other;Press/Speed", "Objects/2:Press/2:Speed"
    )
    assert nodes == {0: "speed", 1: "speed3", 2: "speed"}
    assert (faults, asked) == ({}, [[OBJECTS], ["press", "other"]])


ELSEWHERE = "in this namespace, but in http://plant/a;b/"
BY_NAMESPACE = "add the namespace: nsu=http://plant/a%3Bb/;Press or nsu=urn:other;Press"
SEVERAL = "name one of them by `node`"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Objects/Pump", "Pump: 'Pump' not found below 'Objects'"),
        ("Objects/Line/Speed", "Line/Speed: 'Speed' not found below 'Line'"),
        ("Objects/1:Press", f"1:Press: 'Press' not found below 'Objects' {ELSEWHERE}"),
        (
            "Objects/Press",
            f"Press: 2 nodes named 'Press' below 'Objects' (other, press); {BY_NAMESPACE}",
        ),
        (
            "Objects/2:Press/2:Twin",
            f"2:Press/2:Twin: 2 nodes named 'Twin' below 'Press' (twin, twin2); {SEVERAL}",
        ),
    ],
)
async def test_a_path_without_its_node_says_where_it_ends(text, why):
    nodes, faults, _ = await found(text, "Objects/2:Press/2:Speed")
    assert (nodes, faults) == ({1: "speed"}, {0: f"browse path Objects/{why}"})


async def test_no_path_browses_nothing():
    assert await found() == ({}, {}, [])
