"""Whatever stands where a line file names a file: a sentence, and the line goes on without it."""

import os
import re
from contextlib import ExitStack

import odd_files
import pytest
from hostile_http import reply, serving
from limited_daemon import MOST_RSS, limited_daemon
from opcua_certificates import Identity, rsa_key, signed
from patience import PATIENCE

from gateway.api import files

LONG = os.environ.get("ANDON_HOSTILE") == "long"
HEAD = "version: 1\nline: press-3\nsite: demo\nstate: state\nhealth: {port: 0}\n"
PLAIN, SECURE = "url: 'http://127.0.0.1:9'", "url: 'https://127.0.0.1:9'"
INFLUX, BROKER = "type: influx, org: o, bucket: b", "type: mqtt, host: 127.0.0.1, port: 9"
MODBUS = "type: modbus, transport: tls, host: 127.0.0.1, port: 9, tags: {TAG: {address: 0}}"
PLC = "  plc: {type: modbus, host: 127.0.0.1, port: 9, tags: {a: {address: 0}}}"
OPCUA = "type: opcua, url: 'opc.tcp://127.0.0.1:9', tags: {TAG: {node: 'i=1'}}"
PINNED = "server_certificate: ours.der"
OURS = "certificate: ours.der, private_key: ours.pem"
TOPIC = "tags: {TAG: {topic: a}}"
SECRETS = {
    "token": ("sinks", f"{INFLUX}, {PLAIN}, token: FILE"),
    "password of version 1": (
        "sinks",
        f"type: influx, version: 1, {PLAIN}, database: d, username: u, password: FILE",
    ),
    "proxy_password": (
        "sinks",
        f"{INFLUX}, {PLAIN}, proxy: 'http://127.0.0.1:9', proxy_username: u, proxy_password: FILE",
    ),
    "key_password": (
        "sinks",
        f"{INFLUX}, {SECURE}, certificate: ours.crt, key: ours.pem, key_password: FILE",
    ),
    "password of a broker": ("sinks", f"{BROKER}, username: u, password: FILE"),
    "password of an MQTT source": ("sources", f"{BROKER}, username: u, password: FILE, {TOPIC}"),
    "password of an OPC UA source": (
        "sources",
        f"{OPCUA}, insecure: true, username: u, password: FILE",
    ),
}
CERTIFICATES = {
    "ca of a sink": ("sinks", f"{INFLUX}, {SECURE}, ca: FILE"),
    "certificate of a sink": ("sinks", f"{INFLUX}, {SECURE}, certificate: FILE, key: ours.pem"),
    "key of a sink": ("sinks", f"{INFLUX}, {SECURE}, certificate: ours.crt, key: FILE"),
    "ca of a broker": ("sinks", f"{BROKER}, tls: true, ca: FILE"),
    "ca of an MQTT source": ("sources", f"{BROKER}, tls: {{ca: FILE}}, {TOPIC}"),
    "ca of a Modbus source": ("sources", f"{MODBUS}, ca: FILE"),
    "key of a Modbus source": ("sources", f"{MODBUS}, certificate: ours.crt, key: FILE"),
    "server_certificate": ("sources", f"{OPCUA}, security: {{server_certificate: FILE}}"),
    "our certificate": (
        "sources",
        f"{OPCUA}, security: {{certificate: FILE, private_key: ours.pem, {PINNED}}}",
    ),
    "our key": (
        "sources",
        f"{OPCUA}, security: {{certificate: ours.der, private_key: FILE, {PINNED}}}",
    ),
    "trusted": ("sources", f"{OPCUA}, security: {{trusted: FILE}}"),
    "user_certificate": (
        "sources",
        f"{OPCUA}, security: {{{OURS}, {PINNED}}}, user_certificate: FILE, user_key: ours.pem",
    ),
}
FIELDS = SECRETS | CERTIFICATES
NO_FOLDER = {odd: (make, "Not a directory") for odd, (make, _) in odd_files.NO_FILE.items()} | {
    odd: odd_files.NO_FILE[odd] for odd in ("nothing", "a link to nothing", "a link to itself")
}


def odd_ones(field):
    """How each odd file is made for a field, and what must be said of it."""
    if field == "trusted":
        return {odd: it for odd, it in NO_FOLDER.items() if odd != "a folder"}
    if field in SECRETS:
        return odd_files.NO_FILE | odd_files.NO_TEXT
    return odd_files.NO_FILE | {odd: (make, "PEM") for odd, (make, _) in odd_files.NO_TEXT.items()}


PAIRS = [(field, odd) for field in FIELDS for odd in odd_ones(field)]
MEMBERS = PAIRS if LONG else PAIRS[:: len(PAIRS) // 56]


def test_there_are_enough_of_them():
    assert len(MEMBERS) >= 50
    assert {field for field, _ in MEMBERS} == set(FIELDS)


def line_with(folder, parts):
    """A line file of parts by name, each a field and the file that it names."""
    Identity("ours", signed("ours", rsa_key("ours"), "urn:ours"), rsa_key("ours")).write(folder)
    sections = {"sources": [PLC], "sinks": []}
    for name, (field, path) in parts.items():
        section, options = FIELDS[field]
        written = f"'${{file:{path}}}'" if field in SECRETS else f"'{path}'"
        options = options.replace("TAG", name).replace("FILE", written)
        sections[section].append(f"  {name}: {{{options}}}")
    text = "".join(f"{name}:\n" + "\n".join(lines) + "\n" for name, lines in sections.items())
    file = folder / "line.yaml"
    # A summary every second has all sinks send something.
    file.write_text(f"{HEAD}summaries: {{every: 1s}}\n{text}")
    return file


def told(facts):
    """What the status says of each source and sink."""
    return {part["name"]: part["error"] for part in (*facts["sources"], *facts["sinks"])}


@pytest.mark.timeout(300)
async def test_each_is_told_in_a_sentence_while_the_line_goes_on(tmp_path):
    parts, expected = {}, {}
    for number, (field, odd) in enumerate(MEMBERS):
        make, sentence = odd_ones(field)[odd]
        path = tmp_path / f"odd-{number}"
        make(path)
        parts[f"p{number}"], expected[f"p{number}"] = (field, path), sentence
    async with limited_daemon(line_with(tmp_path, parts)) as daemon:
        facts = await daemon.until(lambda facts: all(told(facts).values()))
        wrong = {
            name: (*parts[name], told(facts)[name])
            for name, sentence in expected.items()
            if not re.search(sentence, told(facts)[name])
        }
        assert wrong == {}
        assert daemon.rss < MOST_RSS
        assert await daemon.late_ticks() == 0
        assert await daemon.stop() == 0
    assert "Traceback" not in daemon.log
    for name in parts:
        said = [e for e in daemon.events if name in (e.get("source"), e.get("sink"))]
        assert [e["event"] for e in said] in (["source.misconfigured"], ["sink.away"]), said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["held", "hung_mount"])
async def test_a_file_that_does_not_answer_holds_nothing_up(tmp_path, kind):
    if kind == "hung_mount" and (os.geteuid() or not os.access("/dev/fuse", os.W_OK)):
        pytest.skip("to mount a file system takes root and /dev/fuse")
    parts = {f"p{number}": (field, tmp_path / "odd" / str(number % 2))
             for number, field in enumerate(FIELDS) if field != "trusted"}  # fmt: skip
    with ExitStack() as stack:
        file = line_with(tmp_path, parts)
        if kind == "hung_mount":
            stack.enter_context(odd_files.hung_mount(tmp_path / "odd"))
        else:
            (tmp_path / "odd").mkdir()
            for number in range(2):
                stack.enter_context(odd_files.held(tmp_path / "odd" / str(number)))
        async with limited_daemon(file) as daemon:
            facts = await daemon.until(lambda facts: all(told(facts).values()))
            # A certificate is not text, and is read whole before that is known.
            sentence = "cannot be read within|another program holds it"
            assert [each for name, each in told(facts).items()
                    if name != "plc" and not re.search(sentence, each)] == []  # fmt: skip
            assert await daemon.late_ticks() == 0
            assert daemon.rss < MOST_RSS
            assert await daemon.stop() == 0
        assert "Traceback" not in daemon.log


async def test_a_token_is_used_once_its_file_is_a_file(tmp_path):
    token = tmp_path / "token"
    os.mkfifo(token)
    async with serving(lambda: reply(204)) as port:
        file = line_with(tmp_path, {"p0": ("token", token)})
        file.write_text(file.read_text().replace("127.0.0.1:9'", f"127.0.0.1:{port}'"))
        async with limited_daemon(file) as daemon:
            await daemon.until(lambda facts: "it is a FIFO" in told(facts)["p0"])
            token.unlink()
            token.write_text("s3cret")
            facts = await daemon.until(lambda facts: facts["sinks"][0]["up"])
            assert not told(facts)["p0"]
            assert await daemon.stop() == 0
    assert [e["event"] for e in daemon.events if e.get("sink") == "p0"] == [
        "sink.away",
        "sink.back",
    ]
    assert "s3cret" not in daemon.log


def test_the_time_limit_is_shorter_than_a_test_waits():
    assert files.READ_S * files.MOST_HANGING < PATIENCE
