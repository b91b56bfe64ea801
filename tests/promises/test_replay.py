"""Promise: what a daemon sent is what a replay of its own history gives, byte by byte."""

import asyncio
import json
import signal
import subprocess
import sys

from patience import PATIENCE
from rig import rig

from gateway.sinks.file import to_json

FILES = {"andon_alert": "alerts.lp", "andon_summary": "summaries.lp"}
MORE = "history: {flush: 2s}\nsummaries: {every: 5s}\nsinks: {file: {type: file}}\n"


async def test_a_live_run_and_its_replay_send_the_same_alerts_and_summaries(tmp_path, bundle):
    async with rig(tmp_path, bundle, MORE) as line:
        async with line.daemon() as process:
            await line.until(lambda f: f["counters"]["windows_scored"] > 30)
            await line.plant.inject("bearing_wear")
            await line.until(lambda f: f["active"])
            await line.command("clear")
            await line.until(lambda f: any(not alert["active"] for alert in f["alerts"]))
            await line.until(lambda f: not f["buffer"]["alerts"])
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "gateway", "replay", line.file, "--out", tmp_path / "out"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sent = (tmp_path / "state" / "points.jsonl").read_bytes().splitlines(keepends=True)
        for measurement, name in FILES.items():
            live = [each for each in sent if json.loads(each)["measurement"] == measurement]
            again = [to_json(each) for each in (tmp_path / "out" / name).read_bytes().splitlines()]
            assert len(live) >= 2
            # The daemon may have ended before its last points left.
            assert live == again[: len(live)]
