"""An OPC UA server that means harm, against the whole daemon."""

from functools import partial

import pytest
from hostile_peers import besieged, ended, few, groups, hostile, judge, quiet, until_each
from opcua_members import MEMBERS
from opcua_nodes import quick_opcua_servers  # noqa: F401 - a fixture
from opcua_plant import Plant
from servers import free_port

# Each of these gave way before.
ONCE_BAD = (
    "an error that begins anew",
    "chunks without an end",
    "two billion nothings",
    "a million empty values",
    "wide dimensions",
    "a million dimensions",
    "gaps in the numbers",
)


def test_there_are_enough_of_them():
    assert len(MEMBERS) >= 50


def source(name, port):
    return f"""\
  {name}:
    type: opcua
    url: opc.tcp://127.0.0.1:{port}
    insecure: true
    timeout: 2s
    publishing_interval: 200ms
    tags:
      {name}-x: {{node: "nsu=urn:andon:test;s=flow", period: 500ms}}
      {name}-p: {{node: "nsu=urn:andon:test;s=speed", mode: poll, period: 500ms}}
      {name}-b: {{path: "Objects/2:flow"}}
"""


def has_all(names, facts):
    """The good server's values, fresh ones of each source."""
    tags = {each["tag"]: each for each in facts["tags"]}
    return all(
        (tags[f"{name}-x"]["state"], tags[f"{name}-x"]["value"], tags[f"{name}-p"]["value"])
        == ("fresh", 1.5, 1450)
        for name in names
    )


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("quick_opcua_servers")
async def test_a_source_outlives_every_server(tmp_path):
    good = Plant(free_port())
    await good.start()
    for n, names in enumerate(groups(MEMBERS, ONCE_BAD)):
        folder = tmp_path / str(n)
        folder.mkdir()
        parts = {f"s{n}": name for n, name in enumerate(names)}
        async with hostile({name: MEMBERS[name] for name in names}) as peers:
            text = "".join(source(part, peers[name].port) for part, name in parts.items())
            async with besieged(folder, sources=text) as daemon:
                await until_each(peers, lambda peer: peer.connections, daemon)
                await quiet(peers, daemon)
                for peer in peers.values():
                    peer.become_good(good.port)
                await daemon.until(partial(has_all, parts))
                said = await judge(daemon, parts)
                assert await ended(daemon) == 0
        assert few(said) == {}
    await good.stop()
