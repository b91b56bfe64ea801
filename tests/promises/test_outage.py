"""The cloud away, a fault, the daemon killed: what was committed arrives, once."""

import asyncio
import json
import os
import urllib.parse
import urllib.request

import pytest
import servers
from patience import PATIENCE
from rig import rig

OUTAGE_S = float(os.environ.get("ANDON_OUTAGE_S", "3"))
SINK = """
    type: influx
    url: {url}
    org: plant
    bucket: lines
    token: ${{env:ANDON_TEST_TOKEN}}
"""
SINKS = f"""
summaries: {{{{every: 5s}}}}
sinks:
  cloud:{SINK}
  again:{SINK}
"""


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("ANDON_TEST_TOKEN", "not-a-real-token")


def series(cloud, pattern):
    """What the server holds: (metric's labels, [(time in ms, value)]) of each series."""
    query = urllib.parse.urlencode({"match[]": f'{{__name__=~"{pattern}"}}', "start": "0"})
    urllib.request.urlopen(f"{cloud.url}/internal/force_flush", timeout=PATIENCE).close()
    with urllib.request.urlopen(f"{cloud.url}/api/v1/export?{query}", timeout=PATIENCE) as answer:
        rows = [json.loads(line) for line in answer.read().splitlines()]
    return [
        (row["metric"], list(zip(row["timestamps"], row["values"], strict=True))) for row in rows
    ]


def alerts(cloud):
    """Each stored transition as (time in ms, detector, severity, is it active)."""
    return sorted(
        (at, labels["detector"], labels["severity"], bool(value))
        for labels, points in series(cloud, "andon_alert_active")
        for at, value in points
    )


def committed(facts):
    return sorted(
        (alert["at"] // 1_000_000, alert["detector"], alert["severity"], alert["active"])
        for alert in facts["alerts"]
    )


async def until(check, within=PATIENCE):
    async with asyncio.timeout(within):
        while not (result := await asyncio.to_thread(check)):
            await asyncio.sleep(0.2)
    return result


async def test_every_alert_committed_before_a_kill_arrives_once_the_cloud_is_back(tmp_path, bundle):
    cloud = servers.victoria_metrics(tmp_path)
    more = SINKS.format(url=cloud.url)
    with cloud:
        async with rig(tmp_path, bundle, more) as plant:
            async with plant.daemon() as process:
                await plant.until(lambda f: f["sinks"][0]["sent"]["summary"] > 0)
                assert committed(await plant.until(lambda _: True)) == []
                await asyncio.to_thread(cloud.stop)
                await plant.plant.inject("bearing_wear")
                facts = await plant.until(lambda f: f["active"])
                await asyncio.sleep(OUTAGE_S / 2)
                facts = await plant.until(lambda _: True)
                process.kill()
                await process.wait()
            before = committed(facts)
            assert before
            async with plant.daemon():
                again = await plant.until(lambda f: f["active"])
                assert {a["id"] for a in facts["active"]} <= {a["id"] for a in again["active"]}
                await asyncio.sleep(OUTAGE_S / 2)
                await asyncio.to_thread(cloud.start)
                await until(lambda: set(before) <= set(alerts(cloud)))
                await plant.until(lambda f: f["buffer"]["alerts"] == 0)
        stored = alerts(cloud)
        # Both sinks wrote every point to the same server: each is there once.
        assert len(stored) == len(set(stored))
        names = {labels["__name__"] for labels, _ in series(cloud, ".*")}
        assert {"_".join(name.split("_")[:2]) for name in names} == {
            "andon_alert",
            "andon_summary",
            "andon_gateway",
        }
        for _, points in series(cloud, "andon_summary_.*"):
            assert len(points) == len({at for at, _ in points})
