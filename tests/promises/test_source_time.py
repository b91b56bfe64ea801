"""Promise: a source whose clock is wrong is never fresh and silent; a line can live with it."""

import asyncio
import contextlib
import json
import math
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import aiomqtt
import pytest
from asyncua import Server, ua
from rig import Rig, detector
from servers import free_port, mosquitto

HOURS = {"good": 0.0, "ahead": 2.0, "behind": -2.0, "y2000": None}
"""By how much the clock of each tag is ahead; None is a clock that begins in 2000."""
NORMAL, ALARM = 20.0, 90.0

LINE = """
version: 1
line: uat
site: here
state: state
health: {{port: 0}}
sources:
  p:
{source}
detectors:
  guard: {{type: limits, period: 1s, tags: {{{limits}}}}}
"""


class Clocks:
    """Four clocks, of which one is right, and the value that is published with each."""

    def __init__(self):
        self.value, self.started, self.hours = NORMAL, time.time(), dict(HOURS)

    def now(self, tag):
        hours = self.hours[tag]
        if hours is None:
            return datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC) + timedelta(
                seconds=time.time() - self.started
            )
        return datetime.now(UTC) + timedelta(hours=hours)


@contextlib.asynccontextmanager
async def opcua(clocks):
    """An OPC UA server whose values come with these times; the options of its source."""
    port, server, nodes = free_port(), Server(), {}
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/x")
    space = await server.register_namespace("urn:plant")
    for tag in clocks.hours:
        node = ua.NodeId(tag, space)
        nodes[tag] = await server.nodes.objects.add_variable(node, tag, NORMAL)

    async def write():
        for count in range(10**6):
            for tag, node in nodes.items():
                at = clocks.now(tag).replace(tzinfo=None)
                value = ua.Variant(clocks.value + count % 2 * 0.1, ua.VariantType.Double)
                data = ua.DataValue(value, ua.StatusCode(0), at, at)
                await server.write_attribute_value(node.nodeid, data)
            await asyncio.sleep(0.5)

    async with server, writing(write):
        tags = "".join(
            f'\n      {tag}: {{node: "nsu=urn:plant;s={tag}", period: 1s}}' for tag in nodes
        )
        yield (
            f"    type: opcua\n    url: opc.tcp://127.0.0.1:{port}/x\n    insecure: true\n"
            f"    timeout: 60s\n    publishing_interval: 500ms\n    tags:{tags}"
        )


@contextlib.asynccontextmanager
async def mqtt(clocks, folder):
    """A broker and devices that publish these times; the options of the source."""
    with mosquitto(folder) as broker:

        async def publish():
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                while True:
                    for tag in clocks.hours:
                        message = {"v": clocks.value, "ts": clocks.now(tag).isoformat()}
                        await client.publish(f"z/{tag}", json.dumps(message))
                    await asyncio.sleep(0.5)

        async with writing(publish):
            tags = "".join(
                f"\n      {tag}: {{topic: z/{tag}, path: v, time_path: ts, time_format: iso,"
                " period: 1s}"
                for tag in clocks.hours
            )
            yield f"    type: mqtt\n    host: 127.0.0.1\n    port: {broker.port}\n    tags:{tags}"


@contextlib.asynccontextmanager
async def writing(work):
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        while not task.done():
            # Python 3.11's wait_for, by which aiomqtt publishes, may swallow a cancellation.
            task.cancel()
            await asyncio.wait([task], timeout=1.0)


def plant(kind, clocks, folder):
    return opcua(clocks) if kind == "opcua" else mqtt(clocks, folder)


def rig_of(folder, source, clocks, more=""):
    limits = ", ".join(f"{tag}: {{high: 50}}" for tag in clocks.hours)
    file = folder / "line.yaml"
    file.write_text(LINE.format(source=source, limits=limits) + more)
    return Rig(None, file, folder)


def states(facts):
    return {tag["tag"]: tag["state"] for tag in facts["tags"]}


def reasons(facts):
    return {tag["tag"]: tag["reason"] for tag in facts["tags"]}


def active(facts):
    return {f"{alert['detector']}.{alert['alarm']}" for alert in facts["active"]}


def get(facts, path):
    url = f"http://127.0.0.1:{facts['http_port']}/{path}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("kind", ["opcua", "mqtt"])
async def test_a_wrong_clock_is_said_everywhere(tmp_path, kind):
    clocks = Clocks()
    async with plant(kind, clocks, tmp_path) as source:
        rig = rig_of(tmp_path, source, clocks)
        async with rig.daemon():
            wanted = {"good": "fresh", "ahead": "bad", "behind": "stale", "y2000": "stale"}
            await rig.until(lambda f: states(f) == wanted and "data.p.no_data" in active(f))
            clocks.value = ALARM
            facts = await rig.until(lambda f: "guard.good.high" in active(f))

            why = reasons(facts)
            assert why["good"] == ""
            assert why["ahead"] == "its time is 2 h ahead of this machine's clock"
            assert why["behind"] == "its time is 2 h behind this machine's clock"
            assert "years behind this machine's clock" in why["y2000"]
            assert all(tag["age_s"] is None or tag["age_s"] >= 0 for tag in facts["tags"])

            guard = detector(facts, "guard")
            assert guard["state"] == "blind"
            assert "3 of 4 tags" in guard["reason"]
            assert "ahead (its time is 2 h ahead of this machine's clock)" in guard["reason"]
            assert facts["health"] == "blind"
            ready, text = await asyncio.to_thread(get, facts, "readyz")
            assert ready == 503
            assert "2 h ahead" in text

            # A further tag is an update of the same alarm.
            facts = await rig.until(lambda f: no_data(f)["message"].startswith("3 of 4 tags"))
            assert "2 h ahead" in no_data(facts)["message"]
            assert "2 h behind" in no_data(facts)["message"]
            log = [json.loads(row) for row in rig.log.splitlines()]
            told = {
                (row["event"], *row["tags"]): row["why"] for row in log if "tags." in row["event"]
            }
            assert "2 h ahead" in told["tags.bad", "ahead"]
            assert "2 h behind" in told["tags.stale", "behind"]

            _, metrics = await asyncio.to_thread(get, facts, "metrics")
            assert metric(metrics, 'andon_sensors{line="uat",state="bad"}') == 1
            assert metric(metrics, "andon_source_wrong_time_tags") == 3
            assert metric(metrics, "andon_source_time_offset_seconds") < -20 * 365 * 86_400
            assert metric(metrics, "andon_model_blind") == 1

            # The clocks are set right: it recovers by itself and says so.
            clocks.hours = dict.fromkeys(clocks.hours, 0.0)
            facts = await rig.until(
                lambda f: set(states(f).values()) == {"fresh"} and "data.p.no_data" not in active(f)
            )
            await rig.until(lambda f: {f"guard.{tag}.high" for tag in HOURS} <= active(f))
            assert "tags.fresh" in rig.log


def no_data(facts):
    found = [alert for alert in facts["active"] if alert["alarm"] == "p.no_data"]
    return found[0] if found else {"message": ""}


def metric(text, name):
    rows = [row for row in text.splitlines() if row.startswith(name)]
    return float(rows[0].rsplit(" ", 1)[1]) if rows else math.nan


@pytest.mark.parametrize("timestamp", ["receive", "corrected"])
@pytest.mark.parametrize("kind", ["opcua", "mqtt"])
async def test_a_line_can_live_with_wrong_clocks(tmp_path, kind, timestamp):
    clocks = Clocks()
    async with plant(kind, clocks, tmp_path) as source:
        rig = rig_of(tmp_path, f"{source}\n    timestamp: {timestamp}", clocks)
        async with rig.daemon():
            facts = await rig.until(
                lambda f: (
                    detector(f, "guard")["state"] == "ok"
                    and set(states(f).values()) == {"fresh"}
                    and (timestamp == "receive" or len(f["sources"][0]["corrected"]) == 3)
                )
            )
            clocks.value = ALARM
            await rig.until(lambda f: {f"guard.{tag}.high" for tag in HOURS} <= active(f))
            if timestamp == "corrected":
                (p,) = facts["sources"]
                assert p["corrected"].keys() == {"ahead", "behind", "y2000"}
                assert (p["corrected"]["ahead"], p["corrected"]["behind"]) == ("-2 h", "+2 h")
                assert "source.time_corrected" in rig.log


@pytest.mark.parametrize(
    ("hours", "kind", "reason"),
    [
        ({"east": 1.0, "utc": 0.0}, "mqtt", "1 h ahead"),
        ({"west": -5.0, "utc": 0.0}, "mqtt", "5 h behind"),
        ({"far": 24 * 365.25 * 50, "utc": 0.0}, "mqtt", "50 years ahead"),
        ({"slow": -0.01, "utc": 0.0}, "mqtt", "36 s behind"),
        ({"all": 0.5}, "mqtt", "30 min ahead"),
    ],
)
async def test_other_clocks_are_said_too(tmp_path, hours, kind, reason):
    clocks = Clocks()
    clocks.hours = dict(hours)
    async with plant(kind, clocks, tmp_path) as source:
        rig = rig_of(tmp_path, source, clocks)
        async with rig.daemon():
            name = next(iter(hours))
            facts = await rig.until(lambda f: reason in reasons(f)[name] and f["active"])
            assert states(facts)[name] in ("bad", "stale")
            assert detector(facts, "guard")["state"] == "blind"
            alarm = "data.p.lost" if len(hours) == 1 else "data.p.no_data"
            assert alarm in active(facts)
