"""Whatever a server answers, the InfluxDB sink says it in a sentence, in bounded memory."""

import asyncio
import itertools
import json
import resource
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path

import pytest
from fake_influx import FakeInflux
from hostile_http import asked, bomb, brackets, endless, error, raw, reply, serving
from hostile_peers import besieged, ended, groups, hostile, judge, quiet, until_each
from patience import PATIENCE

HUGE = 300_000_000
MANY_HEADERS = b"".join(b"X-%d: y\r\n" % n for n in range(5_000))
DEEP = json.dumps(None).join(['{"message":' * 5_000, "}" * 5_000]).encode()
ANSWERS = {
    **{f"a bomb with {s}": bomb(s, HUGE) for s in (200, 204, 400, 401, 422, 429, 500, 503)},
    **{f"brackets with {s}": brackets(s, 200_000) for s in (200, 400, 413, 422, 500, 503)},
    "nested messages": reply(400, DEEP, Content_Type="application/json"),
    **{
        f"Retry-After: {value[:12]}": reply(429, b"", Retry_After=value)
        for value in ("9" * 400, "9" * 5_000, "-1", "1e999", "nan", "soon", "0x10", "٣", "1, 2")
    },
    "a date far ahead": reply(503, b"", Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
    "a date that is none": reply(503, b"", Retry_After="Fri, 99 Dec 9999 99:99:99 GMT"),
    "a date with a zone": reply(503, b"", Retry_After="Mon, 01 Jan 0001 00:00:00 +2359"),
    **{f"endless with {s}": endless(s, b"x" * 65_536) for s in (200, 204, 400, 500)},
    "dripping": endless(400, b"x", pause=0.1),
    "no answer": raw(),
    "half a status": raw(b"HTTP/1.1 2"),
    "half a header": raw(b"HTTP/1.1 204 No Content\r\nDate: M"),
    "half a body": raw(b"HTTP/1.1 400 X\r\nContent-Length: 100\r\n\r\nabc"),
    "a negative length": raw(b"HTTP/1.1 400 X\r\nContent-Length: -5\r\n\r\nabc"),
    "a length of words": raw(b"HTTP/1.1 400 X\r\nContent-Length: many\r\n\r\nabc"),
    "two lengths": raw(b"HTTP/1.1 400 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "a huge length": raw(b"HTTP/1.1 400 X\r\nContent-Length: 9999999999999\r\n\r\nabc"),
    "a wrong chunk": raw(b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "an endless chunk": raw(
        b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"y" * 1_000_000
    ),
    "status 0": raw(b"HTTP/1.1 000 X\r\n\r\n"),
    "status 999": raw(b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"),
    "a status of words": raw(b"HTTP/1.1 good X\r\n\r\n"),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "TLS": raw(b"\x15\x03\x03\x00\x02\x02\x28"),
    "random bytes": raw(bytes(range(256)) * 40),
    "zeros": raw(bytes(1_000_000)),
    "many headers": raw(b"HTTP/1.1 204 X\r\n" + MANY_HEADERS + b"\r\n"),
    "a long header": raw(b"HTTP/1.1 204 X\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    "a long reason": raw(b"HTTP/1.1 400 " + b"y" * 1_000_000 + b"\r\n\r\n"),
    "many interim answers": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "an upgrade": raw(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
    "broken gzip": reply(400, b"\x1f\x8b" + bytes(100), Content_Encoding="gzip"),
    "deflate that is none": reply(400, b"abc", Content_Encoding="deflate"),
    "an unknown encoding": reply(400, zlib.compress(b"a"), Content_Encoding="snappy"),
    "another encoding": reply(400, b"abc", Content_Encoding="br"),
    "an unknown charset": reply(400, b"\xff", Content_Type="text/plain; charset=klingon"),
    "not UTF-8": reply(400, b"\xff\xfe\xfd" * 100, Content_Type="application/json"),
    "NUL": reply(400, bytes(500), Content_Type="text/plain"),
    "numbers for texts": error(400, message=1e308, code=[1]),
    "lines of words": error(400, error="partial write", data=[{"line_number": "many"}]),
    "lines that are none": error(400, error="partial write", data=[{"line_number": 10**30}]),
    "a negative line": error(400, error="partial write", data=[{"line_number": -1}]),
    "dropped for ever": error(422, message="points beyond retention policy dropped=" + "9" * 300),
    "dropped too many": error(422, message="points beyond retention policy dropped=1000000"),
    "a redirect in a circle": reply(307, b"", Location="/api/v2/write"),
    "a redirect to a file": reply(302, b"", Location="file:///etc/passwd"),
    "a redirect with line breaks": reply(302, b"", Location="x" * 7_000),
}
CLIENT = Path(__file__).with_name("influx_client.py")
MOST_RSS = 200_000_000


def test_there_are_enough_of_them():
    assert len(ANSWERS) >= 50


async def written_to(port, *, seconds):
    """What a process with little memory says of each write: its family, its words, its memory."""

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENT), str(port), str(len(ANSWERS))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=limited,
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.mark.timeout(300)
async def test_each_answer_is_a_sentence_in_bounded_memory():
    given = itertools.chain(ANSWERS.values(), itertools.repeat(raw()))
    # A client may ask more than once about one batch: the answer stays until the next batch.
    state = {"answer": next(given), "asked": 0}

    async with serving(lambda: state["answer"]) as port, next_batch(state, given) as control:
        outcomes, err = await written_to(f"{port},{control}", seconds=2 * PATIENCE)
    assert len(outcomes) == len(ANSWERS)
    named = dict(zip(ANSWERS, outcomes, strict=True))
    assert {n: o for n, o in named.items() if o["family"] not in FAMILIES} == {}
    assert {n: o for n, o in named.items() if len(o["words"]) > 400 or "\n" in o["words"]} == {}
    assert {n: o for n, o in named.items() if o["rss"] > MOST_RSS} == {}
    assert {n: o for n, o in named.items() if o["seconds"] > 4} == {}
    stored = {n for n, o in named.items() if o["family"] == "stored"}
    assert stored <= {"a bomb with 204", "endless with 204", "many headers"}
    assert "Traceback" not in err


FAMILIES = {"stored", "SinkUnavailable", "SinkRejected"}


def next_batch(state, given):
    """A server to which the client says that it goes on with the next answer."""

    def turn():
        state["answer"] = next(given)
        return reply(204)

    return serving(turn)


ONCE_BAD = ("a bomb with 400", "brackets with 400", "endless with 400", "dripping")
# After these the sink waits for as long as it was asked to, at most ten minutes.
PATIENT = ("Retry-After: 9", "a date")


def sink(name, port):
    url = f"http://127.0.0.1:{port}"
    return f"  {name}: {{type: influx, url: '{url}', org: o, bucket: b, timeout: 2s}}\n"


def delivers(since, facts):
    """Each sink has delivered something since then."""
    return all((each["last_success_at"] or 0) > since for each in facts["sinks"])


@pytest.mark.timeout(1800)
async def test_a_daemon_outlives_every_answer(tmp_path):
    talks = {n: asked(each) for n, each in ANSWERS.items() if not n.startswith(PATIENT)}
    async with FakeInflux().serving() as good:
        for n, names in enumerate(groups(talks, ONCE_BAD)):
            folder = tmp_path / str(n)
            folder.mkdir()
            parts = {f"s{n}": name for n, name in enumerate(names)}
            async with hostile({name: talks[name] for name in names}) as peers:
                text = "".join(sink(part, peers[name].port) for part, name in parts.items())
                async with besieged(folder, sinks=text) as daemon:
                    await until_each(peers, lambda peer: peer.connections, daemon)
                    late = await daemon.late_ticks()
                    await quiet(peers, daemon)
                    since = time.time_ns()
                    for peer in peers.values():
                        peer.become_good(int(good.url.rpartition(":")[2]))
                    await daemon.until(partial(delivers, since))
                    said = await judge(daemon, parts, late)
                    assert await ended(daemon) == 0
            # Once for each thing that happened, though it was tried again and again.
            assert {name: words for name, words in said.items() if len(set(words)) > 3} == {}
