"""The page in a real Chromium, with a real daemon that reads a real Modbus server.

One daemon, one panel and one browser for all tests of this file; each brings its own alarm about.
The panel runs in this process: as one of its own it is tried in tests/gateway/cli/test_panel.py.
"""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import datetime
from types import SimpleNamespace

import pytest
import servers
from chromium import chromium, is_grey
from modbus_plc import serving
from patience import PATIENCE

from gateway.control.client import request
from gateway.panel.server import panel
from gateway.panel.settings import Settings

pytestmark = pytest.mark.server("chromium")
ANDON = [sys.executable, "-m", "gateway"]
SOON_S = 2.0
"""Within which an alarm is on the page after its commit; a loaded machine takes longer."""
LINE = """
version: 1
line: press-3
site: works-1
state: state
health: {{port: 0}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    period: 100ms
    tags:
{tags}
detectors:
  guard:
    type: limits
    period: 200ms
    on_delay: 0s
    off_delay: 0s
    severity: high
    tags: {{{limits}}}
timing: {{lateness: 100ms}}
sinks:
  log: {{type: file, path: out}}
"""


BEARINGS = 8
"""Each with an alarm of its own: one that came three times within a minute would be chattering."""
TAGS = "\n".join(
    f"      bearing_temperature_{n}: {{address: {n}, unit: °C, description: Bearing temperature}}"
    for n in range(BEARINGS)
)
LIMITS = ", ".join(f"bearing_temperature_{n}: {{high: 85}}" for n in range(BEARINGS))


@contextlib.contextmanager
def machine():
    """A Modbus server in a thread of its own, whose registers a test sets."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    ready, loop = threading.Event(), asyncio.new_event_loop()
    plc = SimpleNamespace(temperature=60, turn=0, loop=loop)

    async def refresh(_function, _first, _address, _count, registers, _set):
        registers[0:BEARINGS] = [60] * BEARINGS
        registers[plc.turn % BEARINGS] = plc.temperature

    async def serve():
        data = SimData(0, count=BEARINGS, values=0, datatype=DataType.REGISTERS)
        plc.stop = asyncio.Event()
        async with serving(SimDevice(1, simdata=[data], action=refresh)) as server:
            plc.port = server.port
            ready.set()
            await plc.stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield plc
    finally:
        loop.call_soon_threadsafe(plc.stop.set)
        thread.join(PATIENCE)
        loop.close()


MOST_ALARMS = 8
"""The eleventh within ten minutes would begin a flood, whose alarm stays for as long."""


class Floor:
    """The daemon as a process and the panel in a thread, and what a test asks of them."""

    def __init__(self, folder, plc):
        self.folder, self.plc = folder, plc
        self.file, self.log = folder / "press-3.yaml", folder / "daemon.log"
        self.file.write_text(LINE.format(port=plc.port, tags=TAGS, limits=LIMITS))
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.daemon = self.panel = None
        self.raised_before = 0

    def start_daemon(self):
        with self.log.open("ab") as log:
            command = [*ANDON, "run", str(self.file), "--log-format", "json"]
            self.daemon = subprocess.Popen(command, stderr=log, cwd=self.folder)

    @property
    def socket(self):
        return self.folder / "state" / "control.sock"

    def start_panel(self):
        ready = threading.Event()
        self.panel = asyncio.run_coroutine_threadsafe(self._show(ready), self.plc.loop)
        assert ready.wait(PATIENCE)

    async def _show(self, ready):
        self.panel_ends = asyncio.Event()
        async with panel({"press-3": [self.socket]}, Settings(port=self.port)):
            ready.set()
            await self.panel_ends.wait()

    def stop_panel(self):
        self.plc.loop.call_soon_threadsafe(self.panel_ends.set)
        self.panel.result(PATIENCE)

    def stop(self):
        if self.panel is not None and not self.panel.done():
            self.stop_panel()
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon.wait()

    def go_on(self):
        """A test that failed may have left one of them stopped."""
        if self.daemon.poll() is not None:
            self.start_daemon()
        if self.panel.done():
            self.start_panel()

    def ask(self, path, body=None):
        # Not asyncio.run: Playwright has an event loop in this thread.
        asked = request(self.socket, path, body)
        return asyncio.run_coroutine_threadsafe(asked, self.plc.loop).result(PATIENCE)

    def alarms(self):
        return self.ask("/alarms")

    def state(self):
        return [each["state"] for each in self.alarms()]

    def calm(self):
        """No alarm is left."""
        self.plc.temperature = 60
        if self.raised() - self.raised_before >= MOST_ALARMS:
            self.begin_again()

        def is_calm():
            for each in self.alarms() or ():
                if not each["active"]:
                    with contextlib.suppress(Exception):
                        act = "acknowledge" if "unack" in each["state"] else "unshelve"
                        self.ask("/alarms/act", {"id": each["id"], "act": act, "by": "test"})
            return self.alarms() == []

        until(is_calm)
        self.plc.turn += 1

    def begin_again(self):
        """A daemon that has seen no alarm yet."""
        self.daemon.kill()
        self.daemon.wait()
        shutil.rmtree(self.folder / "state")
        self.raised_before = self.raised()
        self.start_daemon()
        until(lambda: self.alarms() is not None)

    def raised(self):
        return self.log.read_text().count('"alert.raised"')

    def committed_at(self):
        """When the newest alarm was logged, which is when it was on disk."""
        events = [json.loads(row) for row in self.log.read_text().splitlines()]
        raised = [each for each in events if each["event"] == "alert.raised"]
        return datetime.fromisoformat(raised[-1]["timestamp"]).timestamp()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    with machine() as plc:
        floor = Floor(tmp_path_factory.mktemp("floor"), plc)
        try:
            floor.start_daemon()
            floor.start_panel()
            until(lambda: floor.alarms() is not None)
            yield floor
        finally:
            floor.stop()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def asked():
    """Everything that the browser asked for in the tests of this file."""
    return []


@pytest.fixture
def visit(floor, browser, asked):
    """Opens the page in a browser of its own, with these options."""
    with contextlib.ExitStack() as stack:

        def opened(path="/", name="Anna", **options):
            context = browser.new_context(reduced_motion="reduce", **options)
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE * 1000)
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: pytest.fail(str(error)))
            if name:
                page.goto(f"{floor.url}/name?back={urllib.parse.quote(path)}")
                page.fill("#name", name)
                page.click("button.main")
            else:
                page.goto(f"{floor.url}{path}")
            page.wait_for_selector("#main")
            return page

        yield opened
        floor.go_on()
        floor.calm()


def faults(page, *rules):
    """The serious faults that axe finds, by these rules alone if some are given."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = Axe().run(page, options=options).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious]


CARD = "[data-alarm]"
HOT = "text=Bearing temperature high"


def alarmed(floor, page):
    floor.plc.temperature = 90
    page.locator(HOT).first.wait_for()


def test_an_alarm_is_on_the_page_within_two_seconds_of_its_commit(floor, visit, record_property):
    page = visit()
    page.locator("text=No alarm").first.wait_for()
    waits = []
    for _ in range(3):
        alarmed(floor, page)
        seen_at = time.time()
        waits.append(seen_at - until(lambda: floor.alarms() and floor.committed_at()))
        assert "limit 85 °C" in page.locator(f"{CARD} .details").first.inner_text()
        floor.calm()
        page.locator("text=No alarm").first.wait_for()
    record_property("seconds from commit to page", waits)
    print("seconds from commit to page:", [round(wait, 2) for wait in waits])
    # The quickest of them: another job of the machine may have held one up.
    assert min(waits) < SOON_S


def test_it_is_acknowledged_by_a_click(floor, visit):
    page = visit()
    alarmed(floor, page)
    page.click("button[data-act=acknowledge]")
    page.locator("text=Acknowledged by Anna").first.wait_for()
    assert floor.state() == ["acknowledged"]
    assert "acknowledged by Anna" in page.locator("#said").inner_text()


def test_it_is_acknowledged_by_keyboard_alone(floor, visit):
    page = visit()
    alarmed(floor, page)
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.locator("text=Acknowledged by Anna").first.wait_for()
    # The focus stays on the alarm, though its button is gone.
    assert page.evaluate("document.activeElement.hasAttribute('data-alarm')")


def test_it_is_acknowledged_by_tab_and_enter(floor, visit):
    page = visit()
    alarmed(floor, page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.act") == "acknowledge":
            break
    page.keyboard.press("Enter")
    page.locator("text=Acknowledged by Anna").first.wait_for()


def test_it_is_shelved_and_brought_back(floor, visit):
    page = visit()
    alarmed(floor, page)
    page.click("details[data-menu=shelve] summary")
    page.fill("details[data-menu=shelve] input[name=why]", "seal is on order")
    page.click("details[data-menu=shelve] button[value='900']")
    page.locator("text=1 hidden").first.wait_for()
    assert floor.state() == ["shelved"]
    page.click(".hidden-alarms > summary")
    page.click("button[data-act=unshelve]")
    page.locator("text=Not acknowledged").first.wait_for()


def test_it_is_given_a_verdict_while_the_page_goes_on(floor, visit):
    page = visit()
    alarmed(floor, page)
    page.keyboard.press("j")
    page.keyboard.press("v")
    page.keyboard.type("bearing")
    before = page.locator("#clock").inner_text()
    page.wait_for_function(
        "before => document.getElementById('clock').textContent !== before", arg=before
    )
    page.keyboard.type(" is dry")
    # What was typed and the focus survive what comes meanwhile.
    assert page.input_value("details[open] input[name=why]") == "bearing is dry"
    page.click("details[open] button[value=real]")
    page.locator("text=verdict: a real fault").first.wait_for()
    assert floor.alarms()[0]["verdict"] == "real"


def test_without_a_name_it_is_asked_for_first(floor, visit):
    page = visit(name="")
    alarmed(floor, page)
    page.click("button[data-act=acknowledge]")
    page.fill("#name", "Ben")
    page.click("button.main")
    page.locator(HOT).first.wait_for()
    assert floor.state() == ["unacknowledged"]
    page.click("button[data-act=acknowledge]")
    page.locator("text=Acknowledged by Ben").first.wait_for()


def test_it_works_without_javascript(floor, visit):
    floor.plc.temperature = 90
    until(floor.alarms)
    page = visit(java_script_enabled=False)
    until(lambda: page.reload() and page.locator(HOT).count())
    page.click("button[data-act=acknowledge]")
    page.locator("text=Acknowledged by Anna").first.wait_for()
    page.click(".tabs >> text=Tags")
    page.locator("text=bearing_temperature").first.wait_for()


def test_without_a_daemon_it_is_grey_all_over_and_comes_back_by_itself(floor, visit):
    page = visit()
    alarmed(floor, page)
    assert not is_grey(page)
    floor.daemon.kill()
    floor.daemon.wait()
    page.locator(".away-banner").wait_for()
    said = page.locator(".away-banner").inner_text()
    assert re.search(r"No data since \d\d:\d\d:\d\d", said)
    assert page.locator("button[data-act]").count() == 0
    assert is_grey(page)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert faults(page) == []
    floor.start_daemon()
    page.locator(".away-banner").wait_for(state="detached")
    page.locator("button[data-act=acknowledge]").first.wait_for()
    assert not is_grey(page)


def test_without_the_panel_it_is_grey_all_over_and_comes_back_by_itself(floor, visit):
    page = visit()
    alarmed(floor, page)
    floor.stop_panel()
    page.locator("#lost:not(:empty)").wait_for()
    assert re.match(r"No data since \d\d:\d\d:\d\d", page.locator("#lost").inner_text())
    assert is_grey(page)
    floor.start_panel()
    page.locator("#lost:not(:empty)").wait_for(state="detached")
    page.locator(HOT).first.wait_for()


def test_a_hidden_tab_leaves_its_connection_to_others_and_comes_back(floor, visit):
    page = visit()
    events = []
    page.on("request", lambda request: events.append(request.url))
    page.on("requestfailed", lambda request: events.append("ended"))
    hide = "is => {{ Object.defineProperty(document, 'hidden', {{value: is, configurable: true}});"
    hide = hide.replace("{{", "{").replace("}}", "}")
    hide += " document.dispatchEvent(new Event('visibilitychange')); return stream.readyState; }"
    assert page.evaluate(hide, True) == 2
    floor.plc.temperature = 90
    until(floor.alarms)
    assert page.locator(HOT).count() == 0
    page.evaluate(hide, False)
    page.locator(HOT).first.wait_for()
    assert f"{floor.url}/events/" in events
    assert page.locator("#lost:not(:empty)").count() == 0


PATHS = ("/", "/line/press-3/tags", "/line/press-3/state", "/line/press-3/trend", "/help", "/name")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_any_state(floor, visit, scheme):
    # The dark scheme differs in its colours alone.
    rules = ["color-contrast"] if scheme == "dark" else []
    page = visit(color_scheme=scheme)
    assert faults(page, *rules) == []
    alarmed(floor, page)
    page.click("details[data-menu=shelve] summary")
    assert faults(page, *rules) == []
    (alarm,) = floor.alarms()
    of_alarm = f"/line/press-3/alarm?id={urllib.parse.quote(alarm['id'])}"
    for path in (*PATHS, of_alarm, "/line/press-3/journal"):
        page.goto(f"{floor.url}{path}")
        page.wait_for_selector("#main")
        assert (path, faults(page, *rules)) == (path, [])


def test_what_can_be_touched_is_large_enough_and_nothing_is_wider_than_a_phone(floor, visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    alarmed(floor, page)
    sizes = page.evaluate(
        "[...document.querySelectorAll('button, .button, summary, nav a')]"
        ".filter(e => e.checkVisibility() && e.getClientRects().length)"
        ".map(e => [e.textContent.trim(), e.getBoundingClientRect().height])"
    )
    assert [each for each in sizes if 0 < each[1] < 44] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for path, last in (("journal", ".journal td:last-child"), ("tags", ".rows td:last-child")):
        page.goto(f"{floor.url}/line/press-3/{path}")
        page.locator(last).first.wait_for(state="attached")
        # What is read first does not lie beside the screen.
        ends = f"[...document.querySelectorAll('{last}')].map(e => e.getBoundingClientRect().right)"
        assert max(page.evaluate(ends)) <= 390
        assert faults(page) == []


def test_no_request_left_the_machine(floor, visit, asked):
    visit()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith(f"{floor.url}/")] == []
