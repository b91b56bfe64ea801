"""A real daemon tells people: through an outage of the mail server, and through a kill."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

import servers
from aiohttp import web
from mail_server import MailServer
from modbus_plc import serving
from patience import PATIENCE

from gateway.control.client import request

CANARY = "Qx7CANARYz9"
LINE = """
version: 1
line: press-3
site: plant
state: state
health: {{port: 0}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 100ms
    tags: {{oil: {{address: 0, unit: °C}}, water: {{address: 1}}}}
detectors:
  guard:
    type: limits
    period: 200ms
    tags: {{oil: {{high: 50}}, water: {{high: 50}}}}
alarms: {{escalate_after: [1s]}}
sinks:
  people:
    type: notify
    targets:
      shift: {{apprise: "${{env:SHIFT}}", transitions: [raised, returned]}}
      boss: {{apprise: "${{env:BOSS}}", escalation: 1, transitions: [escalated]}}
  mes: {{type: webhook, url: "${{env:HOOK}}"}}
"""
# A message counts as late after two minutes, for which no test waits.
RUN = """
import sys
from gateway.sinks.notify import letter
letter.LATE = 10**9
from gateway.cli import main
main(["run", *sys.argv[2:]])
"""


class Values:
    """What the device measures: set by the test."""

    def __init__(self):
        self.now = [20, 20]

    async def refresh(self, _function, _first, _address, _count, registers, _set):
        registers[0:2] = self.now


@asynccontextmanager
async def device(values):
    from pymodbus.simulator import DataType, SimData, SimDevice

    data = SimData(0, count=2, values=0, datatype=DataType.REGISTERS)
    async with serving(SimDevice(1, simdata=[data], action=values.refresh)) as plc:
        yield plc.port


@asynccontextmanager
async def receiver(port, posted):
    async def post(request):
        posted.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hooks/{any}", post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


class Daemon:
    def __init__(self, folder, environment):
        self.file, self.log = folder / "line.yaml", folder / "log"
        self.environment = os.environ | environment
        self.process = None

    async def start(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", RUN, "run", str(self.file), "--log-format", "json"),
                stdout=log,
                stderr=log,
                env=self.environment,
            )

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def tells(self, words):
        """Waits until the status has these words about the people."""
        socket = self.file.parent / "state" / "control.sock"
        async with asyncio.timeout(PATIENCE):
            while words not in json.dumps((await request(socket))["sinks"]):
                await asyncio.sleep(0.05)

    def said(self, event):
        entries = [json.loads(row) for row in self.log.read_text().splitlines()]
        return [each for each in entries if each["event"] == event]


async def until(fits, daemon):
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := fits()):
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        raise AssertionError(daemon.log.read_text()[-4000:]) from None


async def test_an_alarm_reaches_people_through_an_outage_and_a_kill(tmp_path):
    values, posted, hook = Values(), [], servers.free_port()
    login = f"andon:{CANARY}@"
    shift, boss = (MailServer(login=(b"andon", CANARY.encode())) for _ in range(2))
    environment = {
        "SHIFT": shift.url("shift@plant.example", login),
        "BOSS": boss.url("boss@plant.example", login),
        "HOOK": f"http://127.0.0.1:{hook}/hooks/{CANARY}2",
    }
    async with device(values) as port, receiver(hook, posted), boss:
        daemon = Daemon(tmp_path, environment)
        daemon.file.write_text(LINE.format(port=port))
        await shift.start()
        await daemon.start()
        try:
            # One alarm: a mail, then one to the next address, and the return.
            await until(lambda: daemon.said("line.started"), daemon)
            values.now = [87, 20]
            (mail,) = await until(lambda: shift.mails.messages, daemon)
            assert mail["Subject"].startswith("[MEDIUM] press-3: Oil high: 87 °C, limit 50 °C")
            (escalated,) = await until(lambda: boss.mails.messages, daemon)
            assert "not acknowledged" in escalated["Subject"]
            assert escalated["References"] == mail["References"]
            values.now = [20, 20]
            await until(lambda: len(shift.mails.messages) == 2, daemon)

            # Another one while the mail server is away; the daemon is killed meanwhile.
            await shift.stop()
            values.now = [20, 87]
            await until(lambda: daemon.said("notify.away"), daemon)
            await daemon.tells("shift: 2 messages sent, 1 alert waiting")
            await daemon.kill()
            await daemon.start()
            await until(lambda: len(daemon.said("line.started")) == 2, daemon)
            await shift.start()
            await until(lambda: "Water" in shift.mails.messages[-1]["Subject"], daemon)
            await until(lambda: len(boss.mails.messages) >= 2, daemon)
        finally:
            await daemon.kill()
            await shift.stop()
    late = shift.mails.messages[-1]
    assert "Late: raised " in late.get_body(("plain",)).get_content()
    assert len({mail["X-Andon-Key"] for mail in shift.mails.messages}) == 3
    told = [(each["alarm"], each["transition"]) for each in posted]
    wanted = [("oil.high", "raised"), ("oil.high", "returned"), ("water.high", "raised")]
    assert [each for each in dict.fromkeys(told) if each in wanted] == wanted
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
