import asyncio
import time

import pytest

from gateway.api.contracts import SinkUnavailable
from gateway.api.model import Probe
from gateway.config import plugins
from gateway.config.build import build_detectors
from gateway.config.load import load
from gateway.config.try_out import try_out

LINE = """\
version: 1
line: press-3
site: demo-plant
sources:
  plc: {type: modbus, host: 127.0.0.1, tags: {oil: {address: 0}}}
detectors:
  guard: {type: limits, tags: {oil: {high: 65}}}
sinks:
  archive: {type: file}
"""


@pytest.fixture
def outcomes(tmp_path, monkeypatch):
    """A function that tries the line out with the given probes for its source and its sink."""
    (tmp_path / "line.yaml").write_text(LINE)
    config = load(tmp_path / "line.yaml")
    detectors = build_detectors(config)

    async def ask(source, sink, time_limit=5.0):
        probes = {plugins.CONNECTORS: source, plugins.SINKS: sink}

        def plugin(group, _name):
            return lambda *_: type("Part", (), {"probe": staticmethod(probes[group])})

        monkeypatch.setattr(plugins, "load", plugin)
        return [(o.part, o.ok, o.detail) for o in await try_out(config, detectors, time_limit)]

    return ask


async def fine():
    return Probe(ok=True, message="fine")


async def test_every_part_has_one_outcome_in_the_order_of_the_file(outcomes):
    assert await outcomes(fine, fine) == [
        ("source plc", True, "fine"),
        ("detector guard", True, "1 tag, window 2 x 1s, 1 alarm"),
        ("sink archive", True, "fine"),
    ]


async def test_a_part_that_fails_or_hangs_does_not_affect_the_others(outcomes):
    async def hangs():
        await asyncio.Event().wait()

    async def breaks():
        raise ZeroDivisionError("oh")

    source, _, sink = await outcomes(hangs, breaks, time_limit=0.05)

    assert source == ("source plc", False, "no answer within 0.05 s")
    assert sink == ("sink archive", False, "failed with ZeroDivisionError: oh")


async def test_an_error_raised_on_purpose_is_shown_as_it_is(outcomes):
    async def away():
        raise SinkUnavailable("401: the token is wrong")

    assert (await outcomes(fine, away))[2] == ("sink archive", False, "401: the token is wrong")


async def test_a_source_does_not_fail_for_the_time_that_another_part_imports(outcomes):
    imports, tries = [0.5, 0.5], []

    async def imports_its_library():
        if imports:
            time.sleep(imports.pop())  # noqa: ASYNC251 - as an import does
            await asyncio.sleep(0)
            return await imports_its_library()
        return Probe(ok=True, message="fine")

    async def answers_soon():
        tries.append(time.monotonic())
        try:
            async with asyncio.timeout(0.3):
                for _ in range(3):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return Probe(ok=False, message="no response within 0.3 s")
        return Probe(ok=True, message="answers")

    assert (await outcomes(answers_soon, imports_its_library))[0] == ("source plc", True, "answers")
    assert len(tries) > 1


async def test_a_source_that_fails_by_itself_is_tried_once(outcomes):
    tries = []

    async def away():
        tries.append(1)
        return Probe(ok=False, message="connection refused")

    assert (await outcomes(away, fine))[0] == ("source plc", False, "connection refused")
    assert tries == [1]
