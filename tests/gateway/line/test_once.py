import numpy as np
import pytest
from fakes import ScriptedConnector

from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import Quality, SampleBatch, Tag
from gateway.line.once import read_once


@pytest.mark.parametrize("error", [SourceLost("it is away"), ConfigError("no such secret")])
async def test_a_source_that_cannot_be_read_is_named_and_the_others_are_shown(error):
    good = SampleBatch(np.array([0]), np.array([5]), np.array([2.5]), np.array([Quality.GOOD]))
    tags = [Tag("flow", "plc", 10**9), Tag("power", "broker", 10**9)]
    sources = {"plc": ScriptedConnector([good]), "broker": ScriptedConnector([error])}

    reading = await read_once(tags, sources, 5)

    assert reading.values == {"flow": 2.5}
    assert reading.errors == {"broker": str(error)}


async def test_a_value_out_of_bounds_is_shown_as_bad():
    batch = SampleBatch(np.array([0]), np.array([5]), np.array([2.5]), np.array([Quality.GOOD]))
    tags = [Tag("flow", "plc", 10**9, high=2.0)]

    reading = await read_once(tags, {"plc": ScriptedConnector([batch])}, 5)

    assert reading.qualities == {"flow": Quality.BAD}
    assert reading.facts()[0]["value"] is None
