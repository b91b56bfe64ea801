"""Promise: raw samples leave only as a clip that was asked for, and such a clip arrives.

`andon run` as a process, a real Modbus server, and what goes over the wire.
"""

import contextlib
import json
import urllib.parse
import urllib.request
from types import SimpleNamespace

import servers
from fake_influx import FakeInflux
from modbus_plc import serving
from patience import PATIENCE
from rig import Rig

from gateway.api import line_protocol
from gateway.api.model import SECOND
from gateway.history import table
from gateway.history.names import files_in

LINE = """
version: 1
line: press-3
site: plant
state: state
health: {{port: 0}}
summaries: {{every: 1s}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 50ms
    tags: {{pressure: {{address: 0}}, counter: {{address: 1}}}}
detectors:
  guard: {{type: limits, tags: {{pressure: {{high: 1000}}}}}}
sinks:
  cloud: {{type: influx, url: "{url}", bucket: lines}}
history: {history}
"""
CLIP = "{flush: 1h, clip: {before: 2s, after: 500ms}}"
ASKED = {"andon_alert", "andon_summary", "andon_gateway"}


@contextlib.asynccontextmanager
async def press(folder, url, history):
    """A press whose pressure counts up and is too high while `too_high` is set."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    plc = SimpleNamespace(too_high=False, count=0)

    async def refresh(_function, _first, _address, _count, registers, _set):
        plc.count += 1
        registers[0:2] = [plc.count % 1000 + 2000 * plc.too_high, plc.count % 60_000]

    data = SimData(0, count=2, values=0, datatype=DataType.REGISTERS)
    async with serving(SimDevice(1, simdata=[data], action=refresh)) as server:
        file = folder / "press-3.yaml"
        file.write_text(LINE.format(port=server.port, url=url, history=history))
        yield Rig(None, file, folder), plc


def recorded(folder, tag, since, until):
    """(time in ns, value) of a tag's samples in the history."""
    rows = []
    for path in files_in(folder / "state" / "history"):
        content = table.read(path)
        columns = (content["tag"].to_pylist(), content["time"].cast("int64").to_pylist())
        rows += zip(*columns, content["value"].to_pylist(), strict=True)
    return [(at, value) for name, at, value in rows if name == tag and since <= at <= until]


def stored(cloud, name):
    """(labels, time in ms, value) of every point of a series that the server holds."""
    query = urllib.parse.urlencode({"match[]": name, "start": "0"})
    urllib.request.urlopen(f"{cloud.url}/internal/force_flush", timeout=PATIENCE).close()
    with urllib.request.urlopen(f"{cloud.url}/api/v1/export?{query}", timeout=PATIENCE) as answer:
        rows = [json.loads(line) for line in answer.read().splitlines()]
    return [
        (row["metric"], at, value)
        for row in rows
        for at, value in zip(row["timestamps"], row["values"], strict=True)
    ]


def is_sent(facts):
    """The clip and its report have arrived."""
    clips = facts["history"]["clips"]
    return clips["cut"] and facts["sinks"][0]["sent"]["clip"] == clips["sent"] + 1


async def test_a_clip_that_a_kill_interrupted_arrives_after_the_start_once(tmp_path):
    with servers.victoria_metrics(tmp_path) as cloud:
        async with press(tmp_path, cloud.url, CLIP) as (line, plc):
            async with line.daemon() as process:
                await line.until(lambda f: f["counters"]["values_read"] > 20)
                plc.too_high = True
                facts = await line.until(lambda f: f["active"] and f["history"]["written"] > 20)
                assert facts["history"]["clips"]["owed"] == 1
                process.kill()
                await process.wait()
            async with line.daemon() as process:
                facts = await line.until(is_sent)
                alert = facts["active"][0]
                process.terminate()
                await process.wait()
        clip = stored(cloud, "andon_clip_value")
        assert {labels["tag"] for labels, *_ in clip} == {"pressure"}
        at = alert["opened_at"]
        expected = recorded(tmp_path, "pressure", at - 2 * SECOND, at + SECOND // 2)
        assert sorted((at, v) for _, at, v in clip) == [(at // 10**6, v) for at, v in expected]
        assert min(v for *_, v in clip) < 1000 < max(v for *_, v in clip)
        ((labels, *report),) = stored(cloud, "andon_clip_sent")
        assert "tag" not in labels
        assert report == [at // 10**6, len(expected)]
        assert facts["sinks"][0]["sent"]["clip"] == len(expected) + 1
        assert 0 < facts["sinks"][0]["clip_bytes"] < facts["sinks"][0]["sent_bytes"]


async def test_without_a_clip_nothing_raw_goes_over_the_wire(tmp_path):
    fake = FakeInflux()
    async with (
        fake.serving(),
        press(tmp_path, fake.url, "{flush: 200ms}") as (line, plc),
        line.daemon(),
    ):
        await line.until(lambda f: f["counters"]["values_read"] > 20)
        plc.too_high = True
        await line.until(lambda f: f["active"])
        plc.too_high = False
        await line.until(lambda f: f["history"]["written"] > 100)
        facts = await line.until(lambda f: f["sinks"][0]["sent"]["alert"] == 2)
    points = [line_protocol.decode(row) for r in fake.requests for row in r.body.split(b"\n")]
    assert {point.measurement for point in points} == ASKED
    assert all("value" not in p.fields for p in points if p.measurement != "andon_alert")
    assert facts["history"]["clips"] is None
    raw = {at for at, _ in recorded(tmp_path, "pressure", 0, 2**62)}
    assert len(raw) > 50
    assert not raw & {point.at for point in points}


async def test_what_waits_is_dropped_and_counted_when_no_clip_is_asked_for_any_more(tmp_path):
    fake, away = FakeInflux(), "http://127.0.0.1:1"
    async with press(tmp_path, away, CLIP) as (line, plc), line.daemon():
        await line.until(lambda f: f["counters"]["values_read"] > 20)
        plc.too_high = True
        facts = await line.until(lambda f: f["buffer"].get("clips"))
    async with fake.serving(), press(tmp_path, fake.url, "{}") as (line, _), line.daemon():
        again = await line.until(lambda f: f["sinks"][0]["sent"]["gateway"] > 1)
    assert again["buffer"]["dropped_by"]["clip.no_sink"] >= facts["buffer"]["clips"]
    wire = b"\n".join(request.body for request in fake.requests)
    assert b"andon_alert" in wire
    assert b"andon_clip" not in wire
    assert b'gap_class="clip",gap_reason="no_sink"' in wire
