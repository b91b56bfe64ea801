"""A Modbus device that means harm, against the whole daemon."""

from functools import partial

import pytest
from hostile_peers import besieged, ended, few, groups, hostile, judge, quiet, until_each
from modbus_members import MEMBERS, RTU
from odd_modbus import odd_device

# None of them gave way: these are the ones that keep it busiest.
BUSIEST = (
    "a flood of answers",
    "a flood after an answer",
    "headers of nothing",
    "dripping fast",
    "RTU: a flood",
    "RTU: garbage",
)


def test_there_are_enough_of_them():
    assert len(MEMBERS) >= 50


def source(part, name, port):
    transport = "rtu_over_tcp" if name in RTU else "tcp"
    return f"""\
  {part}:
    type: modbus
    host: 127.0.0.1
    port: {port}
    transport: {transport}
    timeout: 1s
    tags:
      {part}-x: {{address: 5, period: 500ms}}
"""


def has_all(names, facts):
    """The good device's value, fresh from each source."""
    tags = {each["tag"]: each for each in facts["tags"]}
    return all(
        (tags[f"{name}-x"]["state"], tags[f"{name}-x"]["value"]) == ("fresh", 51) for name in names
    )


@pytest.mark.timeout(900)
async def test_a_source_outlives_every_device(tmp_path):
    async with (
        odd_device(lambda asked: [asked.tcp()]) as good,
        odd_device(lambda asked: [asked.rtu()], is_rtu=True) as good_rtu,
    ):
        for n, names in enumerate(groups(MEMBERS, BUSIEST)):
            folder = tmp_path / str(n)
            folder.mkdir()
            parts = {f"s{n}": name for n, name in enumerate(names)}
            async with hostile({name: MEMBERS[name] for name in names}) as peers:
                text = "".join(source(part, name, peers[name].port) for part, name in parts.items())
                async with besieged(folder, sources=text) as daemon:
                    await until_each(peers, lambda peer: peer.connections, daemon)
                    await quiet(peers, daemon)
                    for name, peer in peers.items():
                        peer.become_good((good_rtu if name in RTU else good).port)
                    await daemon.until(partial(has_all, parts))
                    said = await judge(daemon, parts)
                    assert await ended(daemon) == 0
            assert few(said) == {}
