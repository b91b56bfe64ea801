"""Promise: the journal outlives the daemon, and says how each run of it ended."""

import json
import time
from collections import Counter
from contextlib import closing

from full_disk import LINE, raised
from rig import Rig

from gateway.api import line_protocol
from gateway.api.model import Kind
from gateway.buffer.journal_file import read_file
from gateway.buffer.journal_query import JournalQuery
from gateway.buffer.store import Store
from gateway.control.client import request
from gateway.core.run_record import STOPPED
from gateway.demo.processes import PlantProcess
from gateway.line.checkpoints import RUN


async def test_the_journal_of_a_daemon_that_was_killed_and_one_that_was_stopped(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ANDON_TEST_TOKEN", "not-a-real-token")
    path = tmp_path / "state" / "buffer.db"
    async with PlantProcess.started(7) as plant:
        ready = await plant.event("ready")
        file = tmp_path / "line.yaml"
        file.write_text(LINE.format(port=ready["modbus"]))
        line = Rig(plant, file, tmp_path)
        async with line.daemon() as daemon:
            await line.until(lambda facts: raised(facts) >= 2)
            daemon.kill()
            await daemon.wait()
        async with line.daemon() as daemon:
            await line.until(lambda facts: raised(facts) >= 1)
            while_it_ran = await request(line.socket, "/journal?limit=1000")
            daemon.terminate()
            assert await daemon.wait() == 0
    entries = [entry.as_json() for entry in read_file(path, JournalQuery(10_000)).entries()]
    assert while_it_ran["entries"] == entries[-len(while_it_ran["entries"]) :]
    notes = [entry["message"].split(": ")[1] for entry in entries if entry["kind"] == "note"]
    assert notes == [
        "the last run was killed, or it crashed",
        "nothing is known of an earlier run",
    ]
    with closing(Store(path, 10**9, {"away": frozenset(Kind)}, time.time_ns)) as store:
        assert json.loads(store.load_checkpoint(RUN))["ended"] == STOPPED
        stored = store._contents.rows[Kind.ALERT].between(0, 10**9).sound
    fields = [line_protocol.decode(row.body).fields for row in stored]
    assert Counter((each["id"], each["transition"]) for each in fields) == Counter(
        (entry["id"], entry["transition"]) for entry in entries if entry["kind"] == "alarm"
    )
