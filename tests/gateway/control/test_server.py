"""The daemon's HTTP side and its local socket, asked as Prometheus and a technician ask."""

import asyncio
import json
import re
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import servers
from fakes import LastValue, batch, tag
from patience import PATIENCE

from gateway.api.alarms import AlarmState, Alert, Severity, Transition
from gateway.api.contracts import ConfigError, Places
from gateway.api.model import SECOND
from gateway.control.client import request
from gateway.control.server import SOCKET, serve
from gateway.core.freshness import FreshnessWatch
from gateway.delivery.forwarder import Forwarder
from gateway.sinks.file import FileOptions, FileSink
from gateway.telemetry.health import DetectorHealth, Health
from gateway.telemetry.metrics import HealthCollector, exposition
from gateway.telemetry.timings import Timings

ROOT = Path(__file__).parents[3]
NOW = 1_700_000_000 * SECOND


@pytest.fixture
def health():
    tags = [tag("flow", unit="m3/h"), tag("speed", unit="rpm")]
    watch = FreshnessWatch(tags, 5.0, 3.0)
    made = Health("press-3", "berlin", tags, watch)
    detector = LastValue("flow")
    made.detectors = {"pump": DetectorHealth("pump", detector.alarms)}
    made.deliveries = {"cloud": Forwarder("cloud", None, None)}
    made.buffer = {"alerts": 2, "summaries": 7, "dropped": 1, "oldest_at": NOW}
    clips = {"owed": 1, "cut": 5, "left_out": 2, "found": 900, "sent": 800}
    clips |= {"unclear": 1, "near_misses": 0}
    made.history = lambda: {
        "written": 70, "dropped": 3, "bytes": 4096, "oldest_at": NOW, "clips": clips,
    }  # fmt: skip
    return made


@pytest.fixture
async def daemon(health, tmp_path):
    timings = Timings("press-3")
    timings.decided(0.01)
    timings.committed(0.002)
    timings.scored("pump", 0.0001)
    metrics = exposition(timings, HealthCollector(health, {"source.plc": "modbus"}, lambda: NOW))
    socket = tmp_path / SOCKET
    async with serve(health, metrics, lambda: NOW, host="127.0.0.1", port=0, socket=socket) as port:
        yield f"http://127.0.0.1:{port}", socket


async def get(url):
    def fetch():
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


def make_well(health):
    health.sources["plc"].note_up()
    health.sources["plc"].note(batch(NOW, 1.0, 2.0))
    health.freshness.push(batch(NOW, 1.0, 2.0), NOW)
    health.note_samples(batch(NOW, 41.5, 1450.0), NOW)
    health.detectors["pump"].state = "ok"


async def test_liveness_and_readiness_are_two_questions(daemon, health):
    url, _ = daemon
    assert (await get(url + "/healthz"))[0] == 200
    status, body = await get(url + "/readyz")
    assert status == 503
    assert "source plc" in json.loads(body)["not_ready"][0]
    make_well(health)
    assert await get(url + "/readyz") == (200, '{"ready": true, "not_ready": []}')


async def test_the_metrics_pass_prometheus_own_check(daemon, health):
    promtool = servers.program("promtool")
    url, _ = daemon
    make_well(health)
    _, text = await get(url + "/metrics")
    checked = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], input=text, text=True, capture_output=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert 'andon_sensors{line="press-3",state="fresh"} 2.0' in text
    assert 'andon_source_up{component_id="plc",component_kind="source"' in text
    assert 'andon_model_threshold{detector="pump",line="press-3"} 10.0' in text
    assert "andon_decision_duration_seconds_bucket" in text
    assert 'andon_buffer_events{lane="summaries",line="press-3"} 7.0' in text
    assert 'andon_sink_up{component_id="cloud"' in text
    assert 'andon_history_samples_total{line="press-3",result="dropped"} 3.0' in text
    assert 'andon_clips_total{line="press-3",result="left_out"} 2.0' in text
    assert 'andon_clip_samples_total{line="press-3",result="sent"} 800.0' in text


async def test_a_part_that_is_stuck_is_in_readyz_status_and_metrics(daemon, health):
    url, socket = daemon
    make_well(health)
    sink = health.beats.part("sink cloud")
    sink.does("sending 3 points", 0.0)
    health.beats.hangs["sink cloud"] = 2
    health.beats.part("line", restart_helps=True).does("ticking", 15.0)
    status, body = await get(url + "/readyz")
    assert status == 503
    assert json.loads(body)["not_ready"] == ["sink cloud: sending 3 points for 0 s, limit 0 s"]
    parts = {part["part"]: part for part in (await request(socket))["parts"]}
    assert parts["sink cloud"]["stuck"] == "sending 3 points for 0 s, limit 0 s"
    assert (parts["line"]["stuck"], parts["line"]["does"]) == ("", "ticking")
    _, text = await get(url + "/metrics")
    assert 'andon_part_stuck{line="press-3",part="sink cloud"} 1.0' in text
    assert 'andon_part_stuck{line="press-3",part="line"} 0.0' in text
    assert 'andon_part_hangs_total{line="press-3",part="sink cloud"} 2.0' in text
    (beat,) = re.findall(r'andon_part_beat_timestamp_seconds{.*part="line"} (\S+)', text)
    assert 0 <= NOW / SECOND - float(beat) < PATIENCE
    sink.rest()
    assert (await get(url + "/readyz"))[0] == 200


async def test_the_socket_answers_with_everything_the_daemon_knows(daemon, health):
    _, socket = daemon
    make_well(health)
    health.note_alert(
        Alert(
            "pump.anomaly-1", "pump", "anomaly", AlarmState.UNACKNOWLEDGED, Severity.HIGH,
            NOW, NOW, 12.0, 10.0, 12.0, transition=Transition.RAISED, is_active=True)
    )  # fmt: skip
    facts = await request(socket)
    assert facts["line"] == "press-3"
    assert facts["tags"][0].pop("age_s") >= 0
    assert facts["tags"][0] == {
        "tag": "flow",
        "source": "plc",
        "unit": "m3/h",
        "value": 41.5,
        "state": "fresh",
        "reason": "",
        "ne107": "normal",
        "name": "",
    }
    assert facts["active"][0]["id"] == "pump.anomaly-1"
    assert facts["alerts"][0]["active"] is True
    assert socket.stat().st_mode & 0o077 == 0


async def test_nobody_there_is_not_an_error(tmp_path):
    assert await request(tmp_path / SOCKET) is None


async def test_a_taken_port_is_said_with_what_to_do(daemon, health, tmp_path):
    port = int(daemon[0].rsplit(":", 1)[1])
    with pytest.raises(ConfigError, match="give each line of a machine its own port"):
        async with serve(
            health, lambda: b"", lambda: NOW, host="127.0.0.1", port=port, socket=tmp_path / "s"
        ):
            pytest.fail("it may not start")


async def test_every_metric_is_in_the_documentation(daemon, health):
    make_well(health)
    _, text = await get(daemon[0] + "/metrics")
    helps = [line.split(" ", 3) for line in text.splitlines() if line.startswith("# HELP andon")]
    page = (ROOT / "docs" / "metrics.md").read_text()
    documented = dict(re.findall(r"^\| `(andon_\w+)` \|.*\| (.*) \|$", page, re.MULTILINE))
    assert {name: documented.get(name) for *_, name, _ in helps} == {
        name: help_text for *_, name, help_text in helps
    }


def test_what_a_local_file_takes_was_sent_to_nobody(health, tmp_path):
    local = FileSink("disk", FileOptions(), Places(tmp_path, tmp_path))
    health.deliveries["disk"] = Forwarder("disk", local, None)
    health.deliveries["disk"].tally.sent_bytes = 5_000
    health.deliveries["cloud"].tally.sent_bytes = 70
    health.deliveries["cloud"].tally.clip_bytes = 30
    health.record_bytes(NOW)
    (day,) = health.ledger.days()
    assert (day["sent"], day["clips"], day["sent_by"]) == (70, 30, {"cloud": 70})
    assert health.gateway_fields(NOW)["bytes_forwarded"] == 70
