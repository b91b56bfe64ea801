"""What every registered sink must keep to, whoever wrote it."""

import asyncio
import subprocess
import sys
from typing import Literal, get_args, get_origin

import pytest
import servers
from fake_influx import LyingInflux
from pydantic import BaseModel, ValidationError

from gateway.api.contracts import Places, SinkUnavailable
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point, Probe
from gateway.config import plugins

AT = 1_700_000_000_000_000_000
NAMES = sorted(plugins.installed(plugins.SINKS))
ANSWERING = "influx, and a server that answers"

# The least that each built-in needs to be built; a stranger's sink must do with nothing.
NEEDED = {
    "influx": lambda: {"url": f"http://127.0.0.1:{servers.free_port()}", "bucket": "lines"},
    "mqtt": lambda: {"host": "127.0.0.1", "port": servers.free_port()},
}


@pytest.fixture(params=[*NAMES, ANSWERING])
async def harness(request):
    """A sink's name, and what it needs to be built."""
    if request.param == ANSWERING:
        # The server that lies elsewhere is held here to what a server does that does not.
        async with LyingInflux(seed=0, share=0.0).serving() as server:
            yield "influx", {"url": server.url, "bucket": "lines"}
    else:
        yield request.param, NEEDED.get(request.param, dict)()


@pytest.fixture
def name(harness):
    return harness[0]


@pytest.fixture
def sink_class(name):
    return plugins.load(plugins.SINKS, name)


@pytest.fixture
def options(harness, sink_class):
    name, needed = harness
    return sink_class.Options.model_validate({"type": name, **needed})


@pytest.fixture
def places(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "state").mkdir()
    return Places(tmp_path / "config", tmp_path / "state")


@pytest.fixture
def sink(sink_class, options, places):
    return sink_class("mine", options, places)


def batch(sink):
    tags = {"site": "s", "line": "l", "detector": "d", "severity": "low"}
    kinds = sorted(sink.accepts)
    return [
        Envelope(kind, AT + n, encode(Point("m", tags, {"x": 1.0}, AT + n)))
        for n, kind in enumerate(kinds)
    ]


def test_the_built_in_sinks_are_registered_like_a_strangers():
    assert {"file", "influx", "mqtt"} <= set(NAMES)


def test_its_options_name_its_type_and_refuse_an_unknown_key(name, sink_class, options):
    field = sink_class.Options.model_fields["type"]
    assert issubclass(sink_class.Options, BaseModel)
    assert get_origin(field.annotation) is Literal
    assert get_args(field.annotation) == (name,)
    with pytest.raises(ValidationError):
        sink_class.Options.model_validate({**options.model_dump(), "no_such_key": 1})


def test_it_says_which_classes_it_accepts(sink_class):
    assert isinstance(sink_class.accepts, frozenset)
    assert sink_class.accepts
    assert sink_class.accepts <= set(Kind)


def test_building_it_touches_nothing(sink, places):
    assert list(places.state.iterdir()) == list(places.config.iterdir()) == []


async def test_it_opens_and_closes_whether_its_server_is_there_or_not(sink):
    async with sink.open():
        pass
    async with sink.open():
        pass


async def attempt(sink):
    """The bytes that a write sent, or why it did not."""
    try:
        return await sink.write(batch(sink))
    except SinkUnavailable as error:
        return error


async def test_a_write_counts_bytes_or_says_why_not(sink):
    async with sink.open():
        outcome = await attempt(sink)
    if isinstance(outcome, SinkUnavailable):
        assert str(outcome)
        assert outcome.wait >= 0
    else:
        assert outcome > 0


async def test_it_says_at_once_that_it_failed_and_leaves_trying_again_to_the_gateway(sink):
    async with sink.open(), asyncio.timeout(5):
        outcomes = [await attempt(sink) for _ in range(3)]
    assert len({type(outcome) for outcome in outcomes}) == 1


async def test_a_probe_is_an_answer_and_stores_nothing(sink, places):
    async with sink.open():
        probe = await sink.probe()
    assert isinstance(probe, Probe)
    assert probe.said
    assert list(places.state.iterdir()) == []


def test_importing_it_loads_no_protocol_library(name):
    module = plugins.installed(plugins.SINKS)[name].value.split(":")[0]
    heavy = {"influxdb_client", "aiohttp", "aiomqtt", "paho"}
    code = f"import sys, {module}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
