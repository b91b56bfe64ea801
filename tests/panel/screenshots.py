"""`make screenshots`: writes docs/panel/*.png, each state of the page as an operator sees it."""

import asyncio
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

from fake_daemon import FakeDaemon, alarm, answering, detector, sink, status, tag, top
from PIL import Image
from playwright.async_api import async_playwright

from gateway.api.model import SECOND
from gateway.panel.server import panel
from gateway.panel.settings import Settings

OUT = Path(__file__).parents[2] / "docs" / "panel"
PANEL_PC, PHONE, WALL = (1280, 800), (390, 844), (1280, 800)
MINUTE = 60 * SECOND
NOW = time.time_ns()


def clock(at):
    return time.strftime("%H:%M:%S", time.localtime(at / 1e9))


def troubled():
    """A press on which several things are wrong, one of them the cause of two others."""
    bearing = alarm(
        "guard.bearing_temperature.high",
        f"Bearing temperature high: 87.2 °C, limit 85 °C, since {clock(NOW - 4 * MINUTE)}; "
        "Check the lubrication",
        at=NOW - 4 * MINUTE,
        tag="bearing_temperature",
        top_tags=[top("bearing_temperature", 1.0, 87.2, 85.0)],
        advice="Check the lubrication",
        severity="critical",
    )
    model = alarm(
        "press.anomaly",
        "Press 3 behaves unlike its normal running: power 46 % (5.1 kW, expected 4.2), "
        "current 31 % (9.8 A, expected 8.3)",
        at=NOW - 3 * MINUTE,
        top_tags=[
            top("power", 0.46, 5.1, 4.2),
            top("current", 0.31, 9.8, 8.3),
            top("vibration", 0.12, 3.4, 2.6),
        ],
        model="press@2026-10-02",
        coverage=0.98,
        caused_by=bearing["id"],
    )
    vibration = alarm(
        "guard.vibration.high",
        f"Vibration high: 4.7 mm/s, limit 4.5 mm/s, since {clock(NOW - 2 * MINUTE)}",
        severity="medium",
        state="acknowledged",
        acknowledged_by="Anna Weber",
        at=NOW - 2 * MINUTE,
        tag="vibration",
        top_tags=[top("vibration", 1.0, 4.7, 4.5)],
        caused_by=bearing["id"],
    )
    flow = alarm(
        "guard.flow.low",
        f"Flow low: 18.4 l/min, limit 20 l/min, since {clock(NOW - 31 * MINUTE)}",
        severity="low",
        state="returned_unacknowledged",
        active=False,
        at=NOW - 31 * MINUTE,
        tag="flow",
        top_tags=[top("flow", 1.0, 18.4, 20.0)],
    )
    shelved = alarm(
        "guard.level.high",
        "Level high: 83 %, limit 80 %, since 06:12:40",
        severity="medium",
        state="shelved",
        at=NOW - 200 * MINUTE,
        tag="level",
        top_tags=[top("level", 1.0, 83.0, 80.0)],
    )
    daemon = FakeDaemon([bearing, model, vibration, flow, shelved], now=NOW)
    daemon.status = status(
        now=NOW,
        started=NOW - 50 * 60 * MINUTE,
        health="degraded",
        tags=[
            tag("bearing_temperature", 87.2, "°C"),
            tag("power", 5.1, "kW"),
            tag("current", 9.8, "A"),
            tag("vibration", 4.7, "mm/s"),
            tag("flow", 22.1, "l/min"),
            tag("level", 83.0, "%"),
            tag("oil_pressure", 3.1, "bar", "stale", "no sample for 12 s: timeout", 12.0),
            tag("ram_position", None, "mm", "bad", "exception 2, illegal data address", None),
        ],
        detectors=[
            detector("guard"),
            detector("press", model="press@2026-10-02", score=3.1, threshold=1.0),
        ],
        sinks=[
            sink("cloud", up=False, error="connection refused", at=NOW - 42 * MINUTE),
            sink("plant-mqtt", at=NOW - SECOND),
        ],
        buffer={
            "alerts": 6, "summaries": 336, "gateway": 42, "clips": 0,
            "oldest_at": NOW - 42 * MINUTE,
        },
    )  # fmt: skip
    daemon.journal = [
        entry(number, each, transition, by, minutes)
        for number, (each, transition, by, minutes) in enumerate(
            [
                (vibration, "acknowledged", "Anna Weber", 1),
                (vibration, "raised", "", 2),
                (model, "raised", "", 3),
                (bearing, "raised", "", 4),
                (flow, "returned", "", 12),
                (flow, "raised", "", 31),
                (shelved, "shelved", "Ben Ott", 195),
                (shelved, "raised", "", 200),
            ]
        )
    ]
    return daemon


def entry(number, facts, transition, by, minutes):
    return {
        "seq": 1000 - number, "at": NOW - minutes * MINUTE, "recorded_at": NOW - minutes * MINUTE,
        "kind": "alarm", "id": facts["id"], "transition": transition, "state": facts["state"],
        "severity": facts["severity"], "by": by, "reason": "", "message": facts["message"],
        "facts": facts,
    }  # fmt: skip


def well(line):
    daemon = FakeDaemon(now=NOW)
    daemon.status = status(
        line, now=NOW, started=NOW - 50 * 60 * MINUTE,
        tags=[tag(name) for name in ("flow", "speed", "level", "power")],
        detectors=[detector("guard"), detector("pump", model="pump@2026-09-11")],
        sinks=[sink("cloud", at=NOW)],
    )  # fmt: skip
    return daemon


class Camera:
    """A browser that photographs pages of the panel."""

    def __init__(self, browser, url):
        self._browser, self._url = browser, url

    @contextlib.asynccontextmanager
    async def page(self, size, scheme="light", path="/"):
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.goto(f"{self._url}/name?back=/")
        await page.fill("#name", "Anna Weber")
        await page.click("button.main")
        await page.locator("section.line").first.wait_for()
        if path != "/":
            await page.goto(f"{self._url}{path}")
        await page.wait_for_timeout(700)
        yield page
        await context.close()

    async def take(self, name, size, scheme="light", path="/", then=None):
        async with self.page(size, scheme, path) as page:
            if then is not None:
                await then(page)
            shot = Image.open(io.BytesIO(await page.screenshot()))
            # Few colours: a third of the bytes, and no visible difference.
            shot.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
                OUT / f"{name}.png", optimize=True
            )
        print(f"{name}.png  {(OUT / f'{name}.png').stat().st_size:,} bytes")


async def photographs(camera, press, folder):
    """All states; `press` answers until its context is left."""
    async with contextlib.AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(answering(troubled(), press))
        await asyncio.sleep(1.2)
        of_model = f"/line/press-3/alarm?id={daemon.alarms[1]['id']}"
        await camera.take("alarms", PANEL_PC)
        await camera.take("alarms-dark", WALL, "dark")
        await camera.take("alarms-phone", PHONE)
        await camera.take(
            "shelve", PANEL_PC, then=lambda page: page.click("details[data-menu=shelve] summary")
        )
        await camera.take("why", PANEL_PC, path=of_model)
        await camera.take("why-dark", WALL, "dark", path=of_model)
        await camera.take("why-phone", PHONE, path=of_model)
        await camera.take("state", PANEL_PC, path="/line/press-3/state")
        await camera.take("tags", PANEL_PC, path="/line/press-3/tags")
        await camera.take("journal", PANEL_PC, path="/line/press-3/journal")
        await camera.take(
            "trend-dark", WALL, "dark", path="/line/press-3/trend?tag=bearing_temperature"
        )
        daemon.alarms, daemon.status = [], well("press-3").status
        daemon.status["maintenance"] = {
            "on": True, "since": NOW - 20 * MINUTE, "until": NOW + 100 * MINUTE,
            "by": "Ben Ott", "why": "tool change", "source": "command",
        }  # fmt: skip
        await asyncio.sleep(1.2)
        await camera.take("maintenance", PANEL_PC, then=wait_for(".maintenance"))
        del daemon.status["maintenance"]
        await camera.take("well", PANEL_PC, then=gone(".maintenance"))
        await camera.take("well-dark", WALL, "dark")
        daemon.alarms = troubled().alarms[:2]
        await asyncio.sleep(1.2)
    (folder / "pump" / "control.sock").unlink()
    await asyncio.sleep(1.2)
    await camera.take("away", PANEL_PC, then=wait_for(".away-banner"))
    await camera.take("away-phone", PHONE, then=wait_for(".away-banner"))


def wait_for(selector):
    return lambda page: page.locator(selector).first.wait_for()


def gone(selector):
    return lambda page: page.locator(selector).first.wait_for(state="detached")


async def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sockets = {line: folder / line / "control.sock" for line in ("press-3", "pump")}
        for socket in sockets.values():
            socket.parent.mkdir()
        lines = {line: [socket] for line, socket in sockets.items()}
        async with (
            answering(well("pump"), sockets["pump"]),
            panel(lines, Settings(port=0)) as port,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            camera = Camera(browser, f"http://127.0.0.1:{port}")
            await photographs(camera, sockets["press-3"], folder)
            await browser.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
