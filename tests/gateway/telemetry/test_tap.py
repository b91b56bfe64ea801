"""The tap: what flows through the line, for subscribers, at no cost to the line."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner
from fakes import LastValue, MemoryStore, batch, tag
from patience import PATIENCE
from rig import rig

from gateway.api.contracts import Places
from gateway.api.model import SECOND
from gateway.cli.tap import command as tap_command
from gateway.config.load import LineConfig
from gateway.config.schema import LineFileBase, SecuritySection
from gateway.control import tap_routes
from gateway.control.client import ControlError, subscribe
from gateway.control.server import SOCKET, serve
from gateway.line.line import Line
from gateway.telemetry import tap as tapping

CONFIGS = Path(__file__).parents[3] / "configs"
T0 = 1_700_000_040 * SECOND
TAGS = (tag("flow", unit="m3/h"), tag("level"))


@pytest.fixture
async def line(tmp_path):
    """A line with one detector, its socket open."""
    file = LineFileBase.model_validate({"version": 1, "line": "l", "site": "s", "sources": {}})
    places = Places(tmp_path, tmp_path)
    config = LineConfig(
        tmp_path / "l.yaml", "l", "s", file, SecuritySection(), TAGS, places, "digest"
    )
    press = Line(config, {"pump": LastValue("flow")}, MemoryStore(), T0, clock=lambda: T0)
    routes = tap_routes.routes(press.tap, TAGS, press.alarm_names)
    where = {"host": "127.0.0.1", "port": 0, "socket": tmp_path / SOCKET}
    async with serve(press.health, lambda: b"", lambda: T0, routes=routes, **where):
        yield press


async def subscribed(line, folder, topic, glob="*", count=1):
    """The first facts of a topic, and a task that gets them while the line plays on."""
    facts = []

    async def hear():
        async for some in subscribe(folder / SOCKET, f"/tap/{topic}", {"glob": glob}):
            facts.extend(some)
            if len(facts) >= count:
                return facts
        return facts

    hearing = asyncio.create_task(hear())
    async with asyncio.timeout(PATIENCE):
        while not line.tap._subscribers.get(topic):
            await asyncio.sleep(0.01)
    return hearing


async def play(line, *values):
    for k, value in enumerate(values):
        line.inbox.put(batch(T0 + k * SECOND + SECOND // 2, value, 1.0), 0)
        await line.tick(T0 + (k + 1) * SECOND + SECOND // 2)
        await asyncio.sleep(0)


async def test_samples_are_told_by_glob_with_their_quality(line, tmp_path):
    hearing = await subscribed(line, tmp_path, "samples", "fl*", count=2)
    await play(line, 5.0, np.nan)
    first, second = await asyncio.wait_for(hearing, PATIENCE)
    assert first == {
        "at": T0 + SECOND // 2, "tag": "flow", "value": 5.0, "unit": "m3/h",
        "quality": "good", "reason": "",
        "arrived": T0 + SECOND + SECOND // 2,
    }  # fmt: skip
    assert (second["value"], second["quality"]) == (None, "bad")


async def test_a_sample_is_told_with_what_is_wrong_with_it(line, tmp_path):
    def sample(second, value, offset=0.0, reasons=MappingProxyType({})):
        at = T0 + round((second + offset) * SECOND)
        return replace(batch(at, value, 1.0), reasons=reasons)

    hearing = await subscribed(line, tmp_path, "samples", "flow", count=9)
    line.inbox.put(sample(0, np.nan, reasons={0: "exception 2, illegal data address"}), 0)
    await line.tick(T0 + SECOND)
    for second in range(1, 9):
        line.inbox.put(sample(second, 5.0, offset=7200.0), 0)
        await line.tick(T0 + (second + 1) * SECOND)
        await asyncio.sleep(0)
    first, second, *_, last = await asyncio.wait_for(hearing, PATIENCE)
    assert first["reason"] == "exception 2, illegal data address"
    assert second["reason"] == ""
    assert last["reason"] == "its time is 2 h ahead of this machine's clock"


@pytest.mark.parametrize("topic", ["windows", "scores", "alerts"])
async def test_windows_scores_and_alerts_are_told_as_they_come(line, tmp_path, topic):
    hearing = await subscribed(line, tmp_path, topic, "pump*")
    await play(line, 20.0)
    (fact,) = await asyncio.wait_for(hearing, PATIENCE)
    assert (fact["at"], fact["detector"]) == (T0 + SECOND, "pump")
    expected = {
        "windows": ("last", {"flow": 20.0}),
        "scores": ("values", {"anomaly": 20.0}),
        "alerts": ("state", "unacknowledged"),
    }[topic]
    assert fact[expected[0]] == expected[1]


async def test_what_a_slow_asker_missed_is_counted_and_told(line):
    with line.tap.subscribe("samples") as subscriber:
        for k in range(tapping.WAITING + 10):
            line.tap.offer("samples", k)
        assert await subscriber.get() == (10, 10)
        assert await subscriber.get() == (11, 0)
    assert not line.tap._subscribers["samples"]


async def test_of_very_many_samples_some_are_told_and_the_rest_is_counted(line, tmp_path):
    hearing = await subscribed(line, tmp_path, "samples", count=tap_routes.ROWS)
    many = batch(T0, *[1.0] * 2)
    line.tap.offer("samples", (T0, type(many)(*(np.tile(c, 3000) for c in columns(many))), {}))
    facts = await asyncio.wait_for(hearing, PATIENCE)
    assert len(facts) == tap_routes.ROWS + 1
    assert facts[-1] == {"dropped": 6000 - tap_routes.ROWS}


def columns(batch):
    return batch.tag, batch.at, batch.value, batch.quality


async def test_an_asker_who_has_gone_is_forgotten_and_no_error(line, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tapping, "PATIENCE_S", 0.05)
    hearing = await subscribed(line, tmp_path, "alerts")
    hearing.cancel()
    async with asyncio.timeout(PATIENCE):
        while line.tap._subscribers["alerts"]:
            await asyncio.sleep(0.02)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_unknown_topic_is_refused_with_those_that_exist(line, tmp_path):
    with pytest.raises(ControlError, match="choose one of samples, windows") as caught:
        _ = [some async for some in subscribe(tmp_path / SOCKET, "/tap/secrets", {})]
    assert caught.value.status == 404


async def tapping_in_a_terminal(*words):
    """The process, once it is connected."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "tap", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        return process, (await process.stderr.readline()).decode()


async def said_once(*words):
    process, _ = await tapping_in_a_terminal(*words, "--once")
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.mark.parametrize(("words", "code"), [(["--once"], 1), ([], 0)])
async def test_a_stream_that_the_daemon_ends_is_reported(tmp_path, monkeypatch, words, code):
    async def cut(*_):
        yield []

    monkeypatch.setattr("gateway.control.client.subscribe", cut)
    file = tmp_path / "line.yaml"
    file.write_text((CONFIGS / "minimal.yaml").read_text())
    ended = await asyncio.to_thread(CliRunner().invoke, tap_command, [str(file), "alerts", *words])
    assert ended.exit_code == code
    assert "the daemon has ended, or the connection to it" in ended.output


@pytest.mark.timeout(300)
async def test_a_running_daemon_is_tapped_from_a_terminal(tmp_path, bundle):
    # On a loaded machine samples come late, and a model that lacks them is blind.
    async with rig(tmp_path, bundle, "timing: {lateness: 5s}\n") as rigged:
        process, complained = await tapping_in_a_terminal(rigged.file, "samples")
        assert (await process.wait(), "is `andon run" in complained) == (1, True)
        async with rigged.daemon():
            await rigged.until(lambda f: f["counters"]["windows_scored"] > 3)
            alerts, _ = await tapping_in_a_terminal(rigged.file, "alerts", "*", "--once")
            await rigged.plant.inject("bearing_wear")
            output, _ = await alerts.communicate()
            assert "unacknowledged" in output.decode()
            facts = (await said_once(rigged.file, "samples", "vib*", "--json")).splitlines()
            assert {json.loads(fact)["tag"][:3] for fact in facts} == {"vib"}
            assert " m3/h  good" in await said_once(rigged.file, "samples", "flow")
            assert "% observed" in await said_once(rigged.file, "windows", "pump")
            assert "pump  anomaly" in await said_once(rigged.file, "scores", "pump")


@pytest.mark.parametrize(
    ("topic", "glob", "why"),
    [
        ("samples", "nosuch*", "no tag matches 'nosuch*': known: flow, level"),
        ("samples", "flo", "no tag matches 'flo': did you mean \"flow\"?"),
        ("samples", "FLOW", 'did you mean "flow"?'),
        ("samples", "pump", "no tag matches 'pump'"),
        ("samples", "", "no tag matches ''"),
        ("windows", "flow", "no detector matches 'flow'"),
        ("windows", "pum", 'did you mean "pump"?'),
        ("scores", "pump.*", "no detector matches 'pump.*': did you mean \"pump\"?"),
        ("scores", "[", "no detector matches '['"),
        ("alerts", "pump", "no alarm matches 'pump': did you mean"),
        ("alerts", "pump.nosuch", "no alarm matches 'pump.nosuch'"),
        ("alerts", "guard.*", "no alarm matches 'guard.*'"),
    ],
)
async def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest(
    line, tmp_path, topic, glob, why
):
    with pytest.raises(ControlError) as refused:
        _ = [some async for some in subscribe(tmp_path / SOCKET, f"/tap/{topic}", {"glob": glob})]
    assert why in str(refused.value)


async def test_a_pattern_of_the_own_alarms_is_taken(line, tmp_path):
    for glob in ("data.*", "*no_data*", "pump.*"):
        hearing = await subscribed(line, tmp_path, "alerts", glob)
        hearing.cancel()
