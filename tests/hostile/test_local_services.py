"""Whoever holds, floods or misuses the daemon's local services, the line goes on and says so."""

import asyncio
import contextlib
import json
import os
import resource
import socket
from pathlib import Path

import modbus_plc
import pytest
from limited_daemon import MOST_RSS, limited_daemon
from patience import PATIENCE
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.control.connections import LIFE_S
from gateway.control.connections import MOST as CONNECTIONS
from gateway.telemetry.tap import MOST as TAPS

LONG = os.environ.get("ANDON_HOSTILE") == "long"
LINE = """
version: 1
line: l
site: s
state: state
health: {{port: 0, hosts: [press-3.plant.example]}}
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    unit_id: 1
    period: 200ms
    timeout: 60s
    tags: {{flow: {{address: 0}}}}
sinks:
  disk: {{type: file}}
"""


def get(path="/healthz", host="127.0.0.1", *headers, method="GET", version="HTTP/1.1"):
    lines = f"{method} {path} {version}", f"Host: {host}", *headers, "", ""
    return "\r\n".join(lines).encode()


def post(path, body, *headers, kind="application/json", length=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    given = f"Content-Type: {kind}", f"Content-Length: {size}", *headers
    return get(path, "andon", *given, method="POST") + content


def acknowledge(content, *headers, **more):
    if isinstance(content, dict):
        content = {"act": "acknowledge", **content}
    return post("/alarms/act", content, *headers, **more)


def requeue(content, **more):
    return post("/buffer/requeue", content, **more)


MACHINES = {
    "a plain request": (get(), 200),
    "HTTP/1.0": (get(version="HTTP/1.0"), 200),
    "HTTP/1.0 without a host": (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 200),
    "HTTP/9.9": (get(version="HTTP/9.9"), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "random bytes": (bytes(range(256)) * 40, 400),
    "zeros": (bytes(100_000), 400),
    "an unknown method": (get(method="BREW"), 400),
    **{f"method {m}": (get(method=m), 405) for m in ("POST", "PUT", "DELETE", "PATCH", "TRACE")},
    "an unknown path": (get("/metrics/.."), 404),
    "out of the folder": (get("/../../../etc/passwd"), 404),
    "a path in percent": (get("/%2e%2e%2f%00%ff"), 404),
    "a path of controls": (get("/\x01\x1b[2J"), 400),
    "a huge path": (get("/" + "a" * 1_000_000), 400),
    "a huge query": (get("/healthz?" + "a=1&" * 250_000), 400),
    "a huge header": (get("/healthz", "localhost", "X: " + "y" * 1_000_000), 400),
    "many headers": (get("/healthz", "localhost", *(f"X-{n}: y" for n in range(10_000))), 400),
    "a header without a colon": (get("/healthz", "localhost", "nonsense"), 400),
    "a negative length": (get("/healthz", "localhost", "Content-Length: -1"), 400),
    "two lengths": (get("/healthz", "localhost", "Content-Length: 1", "Content-Length: 2"), 400),
    "a length of 400 digits": (get("/healthz", "localhost", "Content-Length: " + "9" * 400), 400),
    "a length and chunks": (
        get("/healthz", "localhost", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n",
        400,
    ),
    "an unknown transfer": (get("/healthz", "localhost", "Transfer-Encoding: rot13"), 400),
    "an unknown expectation": (get("/healthz", "localhost", "Expect: miracles"), 417),
    "an upgrade to WebSocket": (
        get("/healthz", "localhost", "Upgrade: websocket", "Connection: Upgrade") + bytes(100_000),
        200,
    ),
    "an upgrade to HTTP/2": (
        get("/healthz", "localhost", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
        200,
    ),
    "many requests at once": (get() * 5_000, 200),
    "a foreign name": (get(host="evil.example"), 403),
    "a foreign name with our port": (get(host="evil.example:9464"), 403),
    "a name that begins as ours": (get(host="localhost.evil.example"), 403),
    "an address in a name": (get(host="127.0.0.1.evil.example"), 403),
    "a number": (get(host="2130706433"), 403),
    "an empty name": (get(host=""), 403),
    "a user before the name": (get(host="127.0.0.1@evil.example"), 403),
    "two names": (get("/healthz", "127.0.0.1", "Host: evil.example"), 400),
    "a page of another site": (get("/metrics", "localhost", "Origin: http://evil.example"), 403),
    "a page without an origin": (get("/metrics", "localhost", "Origin: null"), 403),
    "what a page of another site loads": (
        get("/metrics", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
        403,
    ),
    "a frame in a page of another site": (
        get("/metrics", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe"),
        403,
    ),
    "a link that was followed": (
        get("/metrics", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document"),
        200,
    ),
    "an address": (get(host="192.168.0.7:9464"), 200),
    "an address of IPv6": (get(host="[::1]:9464"), 200),
    "the name of loopback": (get(host="LOCALHOST."), 200),
    "a name of the line file": (get(host="press-3.plant.example:9464"), 200),
    "the machine's own name": (get(host=socket.gethostname()), 200),
}  # fmt: skip
PEOPLE = {
    "a plain request": (get("/status", "andon"), 200),
    "no route": (get("/secrets", "andon"), 404),
    "an act by GET": (get("/alarms/act", "andon"), 405),
    "a status by POST": (post("/status", {}), 405),
    "an unknown alarm": (acknowledge({"id": "x", "by": "anna"}), 409),
    **{
        f"acknowledge {str(content)[:40]!r}": (acknowledge(content), 400)
        for content in (
            {}, [], None, 5, "x", {"id": "x"}, {"by": "x"}, {"id": 1, "by": "anna"},
            {"id": "x", "by": None}, {"id": ["x"], "by": "anna"}, {"id": {"x": 1}, "by": "anna"},
            {"id": "x", "by": ""}, {"id": "x", "by": "  "}, {"id": "x", "by": "\x1b[2J"},
            {"id": "x", "by": "an\nna"}, {"id": "x", "by": "\u202e"}, {"id": "x", "by": "\ud800"},
            {"id": "x", "by": "a" * 101}, {"id": "x" * 100_000, "by": "anna"},
            {"id": "x", "by": "anna", "all": True},
            b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 30_000, b'{"id": "\xff", "by": "a"}',
            b'{"id": "x", "id": "y", "by": "a"}', b"NaN", b'{"id": "x", "by": NaN}',
            b'{"id": ' + b"9" * 5_000 + b', "by": "a"}', b"\x00" * 1_000, b"\x1f\x8b" + bytes(50),
        )
    },
    **{
        f"requeue {str(ids)[:40]}": (requeue({"ids": ids}), 400)
        for ids in (
            0, -1, "all", True, {}, [0], [-1], [True], [1.5], ["1"], [None], [[1]], [float("nan")],
            [float("inf")], [10**400], [2**63], [2**64], [-(2**63)],
        )
    },
    **{
        f"act {str(content)[:60]!r}": (acknowledge({"id": "x", "by": "anna", **content}), 400)
        for content in (
            {"act": ""}, {"act": "write"}, {"act": "Acknowledge"}, {"act": ["reset"]},
            {"for_s": 60}, {"act": "shelve", "for_s": 10**400},
            {"act": "shelve", "for_s": 0}, {"act": "shelve", "for_s": -1},
            {"act": "reset", "why": ""}, {"act": "shelve", "for_s": 1e300},
            {"act": "shelve", "for_s": True},
            {"act": "shelve", "for_s": "1h"}, {"act": "shelve", "for_s": None},
            {"act": "shelve", "for_s": float("nan")},
            {"act": "comment"}, {"act": "comment", "verdict": "maybe"}, {"verdict": "real"},
            {"act": "comment", "verdict": 1}, {"act": "take_out_of_service"},
            {"act": "take_out_of_service", "why": "a" * 201}, {"act": "reset", "why": "\x1b[2J"},
        )
    },
    "an act on what is unknown": (acknowledge({"id": "x", "act": "unshelve", "by": "anna"}), 409),
    "a verdict on what never was": (
        acknowledge({"id": "x-1", "act": "comment", "verdict": "real", "by": "anna"}), 409,
    ),
    "maintenance is shown": (get("/maintenance", "andon"), 200),
    "maintenance that is not on": (post("/maintenance", {"on": False, "by": "anna"}), 409),
    **{
        f"maintenance {str(content)[:50]}": (post("/maintenance", content), 400)
        for content in (
            {}, [], None, {"on": True}, {"by": "anna"}, {"on": "yes", "by": "anna"},
            {"on": 1, "by": "anna"}, {"on": True, "by": "\x1b[2J"}, {"on": True, "by": "a" * 101},
            {"on": True, "by": "anna", "for_s": 0}, {"on": True, "by": "anna", "for_s": 10**400},
            {"on": True, "by": "anna", "for_s": "2h"}, {"on": False, "by": "anna", "for_s": 5},
            {"on": True, "by": "anna", "why": "a" * 201}, {"on": True, "by": "anna", "until": 5},
        )
    },
    "requeue nothing said": (requeue({}), 400),
    "requeue what is not there": (requeue({"ids": [2**63 - 1]}), 200),
    "requeue very many": (requeue({"ids": [7] * 80_000}), 200),
    "a text for JSON": (acknowledge({"id": "x", "by": "a"}, kind="text/plain"), 400),
    "a form": (acknowledge(b"id=x&by=a", kind="application/x-www-form-urlencoded"), 400),
    "another character set": (
        acknowledge({"id": "x", "by": "a"}, kind="application/json; charset=klingon"), 409,
    ),
    "gzip": (acknowledge(bytes(1_000), "Content-Encoding: gzip"), 400),
    "a body of 1 GB": (requeue(b"[" * 20_000_000, length=10**9), 413),
    "chunks that are none": (
        get("/buffer/requeue", "andon", "Content-Type: application/json",
            "Transfer-Encoding: chunked", method="POST") + b"zz\r\nabc",
        400,
    ),
    "chunks without an end": (
        get("/buffer/requeue", "andon", "Content-Type: application/json",
            "Transfer-Encoding: chunked", method="POST") + b"100000\r\n" + b"[" * 5_000_000,
        413,
    ),
    **{
        f"letters {query[:30]}": (get(f"/buffer/letters?{query}", "andon"), 400)
        for query in (
            "limit=-1", "limit=x", "limit=", "limit=1e3", "limit=1001", "limit=" + "9" * 1_000,
            "limit=%C2%B2", "limit=%D9%A3", "limit=1&limit=2", "before=-1", f"before={2**63}",
            "most=5", "limit=%00",
        )
    },
    "a page of the journal": (get("/journal?limit=5&since=0&id=x", "andon"), 200),
    "a journal by POST": (post("/journal", {}), 405),
    **{
        f"journal {query[:30]}": (get(f"/journal?{query}", "andon"), 400)
        for query in (
            "limit=-1", "limit=x", "limit=1001", "limit=" + "9" * 1_000, "limit=1&limit=2",
            "since=-1", "since=8h", f"until={2**63}", "before=1.5", "before=%D9%A3",
            "id=" + "a" * 401, "id=%1b[2J", "id=%00", "order=up",
        )
    },
    "an alarm that never was": (get("/alarms/show?id=../../etc/passwd", "andon"), 404),
    **{
        f"show {query[:30]}": (get(f"/alarms/show?{query}", "andon"), 400)
        for query in ("", "id=", "id=a&id=b", "id=%1b[2J", "id=" + "a" * 401, "name=x")
    },
    "a tap of nothing": (get("/tap/secrets", "andon"), 404),
    "a tap of no tag": (get("/tap/samples?glob=nosuch", "andon"), 404),
    "a long pattern": (get("/tap/samples?glob=" + "a*" * 150, "andon"), 400),
    "a pattern of stars": (get("/tap/samples?glob=" + "*a" * 90 + "b", "andon"), 404),
    "a pattern of brackets": (get("/tap/samples?glob=" + "[" * 190, "andon"), 404),
    "a trend": (get("/trend?tag=flow&points=2000", "andon"), 200),
    "a trend of no tag": (get("/trend?tag=nosuch", "andon"), 404),
    **{
        f"trend {query[:30]}": (get(f"/trend?{query}", "andon"), 400)
        for query in (
            "", "&".join(f"tag={n}" for n in range(9)), "tag=flow&points=0", "tag=flow&points=2001",
            "tag=flow&points=-1",
            "tag=flow&points=1e3", "tag=flow&since=-1", f"tag=flow&until={2**63}",
            "tag=flow&since=x", "tag=flow&since=" + "9" * 1_000, "tag=flow&since=%D9%A3",
            "tag=flow&since=2&until=1", "tag=flow&since=1&until=1", "tag=flow&since=0",
            f"tag=flow&since=0&until={2**60}", "tag=flow&since=1&since=2", "tag=flow&glob=*",
        )
    },
    "two patterns": (get("/tap/samples?glob=a&glob=b", "andon"), 400),
}  # fmt: skip
SLOW = {
    "idle": [b""],
    "half a request line": [b"GET /hea"],
    "half a header": [b"GET /healthz HTTP/1.1\r\nHost: 127."],
    "no end of the headers": [get()[:-2]],
    "a header byte by byte": [get()[:30], *[b"x"] * 200],
    "headers without an end": [get()[:-2], *[b"X: y\r\n"] * 60],
    "half a body": [post("/buffer/requeue", b'{"ids": ', length=100)],
    "a body byte by byte": [post("/buffer/requeue", b"", length=1_000), *[b" "] * 200],
    "a chunk byte by byte": [
        get("/buffer/requeue", "andon", "Content-Type: application/json",
            "Transfer-Encoding: chunked", method="POST") + b"ff\r\n",
        *[b" "] * 200,
    ],
}  # fmt: skip


def test_there_are_enough_of_them():
    assert len(MACHINES) + len(PEOPLE) + len(SLOW) >= 140


HELD = []
"""What a test holds open until its end."""


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    let_go()


def let_go():
    while HELD:
        HELD.pop().close()


@pytest.fixture
async def daemon(tmp_path):
    """A daemon with few descriptors and little memory, which reads a device every 200 ms."""
    device = SimDevice(1, simdata=[SimData(0, values=[7] * 10, datatype=DataType.REGISTERS)])
    async with modbus_plc.serving(device) as plc:
        file = tmp_path / "l.yaml"
        file.write_text(LINE.format(port=plc.port))
        async with limited_daemon(file, RLIMIT_NOFILE=64) as running:
            await running.until(lambda facts: facts["tag_states"]["fresh"] == 1)
            yield running


async def connected(daemon, service):
    if service == "people":
        return await asyncio.open_unix_connection(str(daemon.socket))
    return await asyncio.open_connection("127.0.0.1", await port_of(daemon))


async def port_of(daemon):
    """The HTTP port, which the log names."""
    await daemon.until_log("line.started")
    return daemon.said("line.started")[0]["http_port"]


async def answer(daemon, service, *pieces, pause=0.0):
    """Whatever comes until the daemon closes the connection."""
    reader, writer = await connected(daemon, service)
    received = bytearray()

    async def read():
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                received.extend(piece)

    async with asyncio.timeout(PATIENCE):
        reading = asyncio.create_task(read())
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if reading.done():
                    break
                await asyncio.sleep(pause)
        await reading
    writer.transport.abort()
    return bytes(received)


def status_of(answer):
    head = answer.split(b"\r\n", 1)[0].split()
    return int(head[1]) if len(head) > 1 else None


def facts_of(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def check(daemon):
    """The line went on, in time and memory, and nothing that it said is a traceback."""
    samples = (await daemon.until(bool))["counters"]["values_read"]
    facts = await daemon.until(lambda f: f["counters"]["values_read"] > samples + 2)
    assert [source["losses"] for source in facts["sources"]] == [0]
    assert await daemon.late_ticks() == 0
    assert daemon.rss < MOST_RSS
    assert "Traceback" not in daemon.log
    return facts


def ended(facts, service):
    return next(s["ended"] for s in facts["services"] if s["name"] == service)


@pytest.mark.timeout(400)
async def test_each_request_is_answered_or_refused_in_a_sentence(daemon):
    wrong, silent = {}, {}
    for service, members in (("machines", MACHINES), ("people", PEOPLE)):
        for name, (request, expected) in members.items():
            got = await answer(daemon, service, request)
            if status_of(got) != expected:
                wrong[service, name] = got[:300], expected
            elif expected >= 400 and not facts_or_text(got):
                silent[service, name] = got[:300]
            if expected < 400 or expected == 403:
                assert b"nosniff" in got, name
    assert wrong == {}, wrong
    assert silent == {}
    facts = await check(daemon)
    refused = {name for name, (_, expected) in MACHINES.items() if expected == 403}
    assert ended(facts, "health")["foreign"] == len(refused)
    assert ended(facts, "health")["malformed"] > 10
    assert len(daemon.said("service.refused")) < 20, "each reason is said ever more rarely"
    assert facts["services"][0]["open"] <= 1


def facts_or_text(got):
    body = got.partition(b"\r\n\r\n")[2]
    return bool(body) and b"Traceback" not in body


async def test_one_connection_carries_one_request(daemon):
    got = await answer(daemon, "machines", get() * 1_000)
    assert got.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in got


@pytest.mark.timeout(400)
async def test_a_slow_client_is_let_go_and_counted(daemon):
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def seconds(service, pieces):
        await answer(daemon, service, *pieces, pause=0.25)
        return loop.time() - began

    members = [(s, p) for s in ("machines", "people") for p in SLOW.values()]
    took = await asyncio.gather(*(seconds(*member) for member in members))
    # On a machine under load the daemon may wake up late, but never twice its time.
    assert max(took) < 2 * LIFE_S + 5
    facts = await check(daemon)
    assert ended(facts, "health")["slow"] >= len(SLOW) - 3
    assert ended(facts, "control")["slow"] >= len(SLOW) - 3
    assert len(daemon.said("service.refused", reason="slow")) <= 10
    assert await settled(daemon) <= {0, 1}


async def settled(daemon):
    """The numbers of open connections once none is held."""
    facts = await daemon.until(lambda f: all(s["open"] <= 1 for s in f["services"]))
    return {service["open"] for service in facts["services"]}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("service", ["machines", "people"])
async def test_a_flood_takes_neither_descriptors_nor_the_way_in(daemon, service):
    count = 2_000 if LONG else 300
    at_rest = descriptors(daemon)
    for number in range(count):
        await hold(daemon, service, number)
    most, asked = 0, 0
    for _ in range(20):
        most = max(most, descriptors(daemon))
        got = await answer(daemon, "machines", get())
        asked += status_of(got) == 200
        await daemon.until(bool)
    assert asked == 20
    assert most <= at_rest + 2 * CONNECTIONS + 4
    await check(daemon)
    name = {"machines": "health", "people": "control"}[service]
    # They are accepted at the pace that a flood is given; on a slow machine some are over before.
    await daemon.until(lambda f: sum(ended(f, name).values()) >= count - 2 * CONNECTIONS)
    assert ended(await daemon.until(bool), name)["crowded"] > CONNECTIONS
    assert len(daemon.said("service.refused")) < 20
    let_go()
    assert await settled(daemon) <= {0, 1}


async def hold(daemon, service, number):
    """Holds a connection that says nothing, or begins to."""
    peer = socket.socket(socket.AF_UNIX if service == "people" else socket.AF_INET)
    HELD.append(peer)
    peer.setblocking(False)
    where = str(daemon.socket) if service == "people" else ("127.0.0.1", await port_of(daemon))
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                peer.connect(where)
                break
            except BlockingIOError:
                if service == "machines":
                    break  # the system goes on with it
                await asyncio.sleep(0.01)  # the socket's queue is full
    with contextlib.suppress(OSError):
        peer.send((b"", b"GET /", get()[:-2], b"POST / HTTP/1.1\r\n")[number % 4] or b"\r\n")


def descriptors(daemon):
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


async def test_without_a_descriptor_accepting_pauses_and_goes_on(daemon):
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path(f"/proc/{daemon.pid}/fd").iterdir())
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    for number in range(20):
        await hold(daemon, "machines", number)
    before = cpu(daemon)
    await daemon.until_log('"reason": "descriptors"')
    await asyncio.sleep(3.0)
    assert cpu(daemon) - before < 2.0, "it must not spin"
    assert len(daemon.said("service.refused", reason="descriptors")) <= 3
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
    let_go()
    facts = await check(daemon)
    assert ended(facts, "health")["descriptors"] >= 1


def cpu(daemon):
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.timeout(400)
async def test_taps_are_few_and_one_that_has_gone_makes_room(daemon):
    request = get("/tap/samples", "andon")
    taps = []
    for _ in range(TAPS):
        reader, writer = await connected(daemon, "people")
        writer.write(request)
        assert b"200" in await asyncio.wait_for(reader.readline(), PATIENCE)
        taps.append((reader, writer))
    refused = await answer(daemon, "people", request)
    assert (status_of(refused), facts_of(refused)["error"][:20]) == (
        503,
        f"{TAPS} watch this line al",
    )
    assert ended(await daemon.status(), "control")["taps"] == 1
    for number in range(100):
        await hold(daemon, "people", number)
    assert (await daemon.status()) is not None, "taps leave room for commands"
    reader, _ = taps[0]
    async with asyncio.timeout(PATIENCE):
        while b'"tag": "flow"' not in await reader.readline():
            pass
    for _, writer in taps:
        writer.transport.abort()
    facts = await daemon.until(lambda f: f["services"][1]["streams"] == 0)
    assert status_of(await first_line(daemon, request)) == 200
    let_go()
    facts = await check(daemon)
    assert "failed" not in ended(facts, "control")


async def first_line(daemon, request):
    reader, writer = await connected(daemon, "people")
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), PATIENCE)
    writer.transport.abort()
    return line


async def test_a_stop_with_everything_held_is_quick_and_leaves_no_socket(daemon):
    for number in range(24):
        await hold(daemon, ("machines", "people")[number % 2], number)
    _, tap = await connected(daemon, "people")
    tap.write(get("/tap/samples", "andon"))
    await daemon.until(lambda facts: facts["services"][1]["streams"] == 1)
    assert await daemon.stop(within=PATIENCE) == 0
    assert not daemon.socket.exists()
    assert "Traceback" not in daemon.log
    tap.transport.abort()
