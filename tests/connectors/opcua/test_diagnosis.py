"""Why no session can be opened: one sentence for each fault, with node-opcua and with others."""

import asyncio
import json
import re
import socket
from contextlib import ExitStack, asynccontextmanager, suppress

import pytest
from asyncua import ua
from asyncua.server.uaprocessor import UaProcessor
from foreign import node_server
from opcua_certificates import encoded, identity
from opcua_plant import connector
from servers import free_port

from connectors.opcua import OpcUaConnector, OpcUaOptions
from connectors.opcua.certificates import first_in
from connectors.opcua.endpoints import endpoints_of
from connectors.opcua.identity import make_identity
from gateway.api.contracts import Places, SourceLost

TAGS = {"it": {"node": "nsu=urn:plant;s=ramp"}}
SECURE = {"policies": ["Basic256Sha256"], "modes": ["SignAndEncrypt"]}
OURS = {"certificate": "gateway.der", "private_key": "gateway.pem"}
PINNED = {"security": {**OURS, "server_certificate": "server.der"}}
CODE_NAMES = re.compile(r"[A-Za-z]+(Error|Exception)\b|asyncua|Traceback|<.*>|None_|MessageSecur")


def source(folder, port, **options):
    said = {"type": "opcua", "url": f"opc.tcp://127.0.0.1:{port}", "timeout": "20s"}
    said["tags"] = TAGS
    if "security" not in options:
        said["insecure"] = True
    parsed = OpcUaOptions.model_validate({**said, **options})
    tags = OpcUaConnector.declared_tags("plc", parsed)
    return OpcUaConnector("plc", parsed, tags, Places(folder, folder))


async def refusal(connector):
    with pytest.raises(SourceLost) as refused:
        async with connector.open():
            pytest.fail("this must not be accepted")
    sentence = str(refused.value)
    assert not CODE_NAMES.search(sentence), sentence
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORD", "right")
    monkeypatch.setenv("WRONG", "wrong")
    identity("other").write(tmp_path)
    # node-opcua refuses certificates that lack what the standard requires of them.
    make_identity(tmp_path / "gateway.der", tmp_path / "gateway.pem", "line")
    return tmp_path


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A node-opcua server with these options; those of earlier tests go on."""
    running = {}
    with ExitStack() as stack:

        def started(options):
            key = json.dumps(options)
            if key not in running:
                folder = tmp_path_factory.mktemp("press")
                server = node_server(folder, "opcua_server.js", key)
                running[key] = stack.enter_context(server)
            return running[key]

        yield started


@pytest.fixture
def press(servers, folder):
    """Such a server's port; its certificate is in server.der."""

    async def started(options):
        port = servers(options).port
        shown = await endpoints_of(source(folder, port).options)
        certificate = next(each.ServerCertificate for each in shown)
        (folder / "server.der").write_bytes(encoded(first_in(certificate)))
        return port

    return started


@pytest.mark.parametrize(
    ("server", "options", "sentence"),
    [
        (SECURE, {}, "does not offer a connection without security; it offers Basic256Sha256 Sign"),
        (
            SECURE,
            {"security": {**PINNED["security"], "policy": "Aes256_Sha256_RsaPss"}},
            "does not offer Aes256_Sha256_RsaPss SignAndEncrypt; it offers Basic256Sha256 SignAnd",
        ),
        (
            SECURE,
            {"security": {**PINNED["security"], "mode": "Sign"}},
            "does not offer Basic256Sha256 Sign; it offers Basic256Sha256 SignAndEncrypt",
        ),
        (
            {},
            PINNED,
            "does not offer Basic256Sha256 SignAndEncrypt; it offers no security",
        ),
        (
            SECURE,
            {"security": {**OURS, "server_certificate": "other.der"}},
            "the server shows another certificate than other.der: ",
        ),
        (
            {**SECURE, "trusting": False},
            PINNED,
            "the server does not trust our certificate yet: gateway.der, thumbprint ",
        ),
        (
            {**SECURE, "anonymous": False, "users": {"andon": "right"}},
            PINNED,
            "the server does not offer a login without a user; it offers one with a name and a",
        ),
        (
            {**SECURE, "users": {"andon": "right"}},
            {**PINNED, "username": "andon", "password": "${env:WRONG}"},
            "the server refuses the user 'andon' or its password",
        ),
        (
            {**SECURE, "users": {"andon": "right"}},
            {**PINNED, "username": "nobody", "password": "${env:WORD}"},
            "the server refuses the user 'nobody' or its password",
        ),
        (
            {},
            {"username": "andon", "password": "${env:WORD}"},
            "the server does not offer a login with a name and a password; it offers one without",
        ),
    ],
)
async def test_a_refusal_of_node_opcua_is_one_sentence(folder, press, server, options, sentence):
    port = await press(server)
    said = await refusal(source(folder, port, **options))
    assert sentence in said
    assert said.startswith(f"127.0.0.1:{port}: ")
    assert "right" not in said.replace("the right port", "")
    assert "wrong" not in said


async def test_node_opcua_without_a_free_session_is_one_sentence(folder, press):
    port = await press({"max_sessions": 1})
    async with source(folder, port).open() as batches:
        await anext(batches)
        said = await refusal(source(folder, port))
    assert "the server has no free session: close another client" in said


@pytest.mark.parametrize(
    ("server", "options"),
    [
        (SECURE, PINNED),
        (
            {"policies": ["Aes128_Sha256_RsaOaep"], "modes": ["SignAndEncrypt"]},
            {"security": {**PINNED["security"], "policy": "Aes128_Sha256_RsaOaep"}},
        ),
        (
            {"policies": ["Basic256Sha256"], "modes": ["Sign"]},
            {"security": {**PINNED["security"], "mode": "Sign"}},
        ),
        (
            {**SECURE, "anonymous": False, "users": {"andon": "right"}},
            {**PINNED, "username": "andon", "password": "${env:WORD}"},
        ),
        # Its endpoints name a host that we cannot resolve.
        ({"hostname": "plc-7.invalid"}, {}),
    ],
)
async def test_node_opcua_is_read_with_certificates_and_users(folder, press, server, options):
    port = await press(server)
    async with source(folder, port, **options).open() as batches:
        batch = await anext(batches)
    assert batch.quality.tolist() == [0]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("BadTooManySessions", "the server has no free session"),
        ("BadInvalidTimestamp", "the server refuses our time: its clock and ours differ too much"),
        ("BadServerHalted", "the server has stopped working"),
        ("BadShutdown", "the server is shutting down"),
        ("BadLicenseExpired", "the server's licence does not allow another connection"),
        ("BadTcpEndpointUrlInvalid", "does not know itself by the address in `url`"),
        ("BadUserAccessDenied", "refuses a login without a user: add `username` and `password`"),
        ("BadOutOfMemory", "BadOutOfMemory: not enough memory to complete the operation"),
        ("BadServiceUnsupported", "BadServiceUnsupported: the server does not support the"),
    ],
)
async def test_a_status_of_a_server_is_one_sentence(plant, monkeypatch, status, sentence):
    monkeypatch.setattr(UaProcessor, "_process_message", refusing(status))
    said = await refusal(connector(plant, "flow"))
    assert sentence in said
    assert status in said


def refusing(status):
    """Answers CreateSession with this status."""
    handle = UaProcessor._process_message

    async def process(self, typeid, *rest):
        if typeid.Identifier == ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary:
            raise ua.UaStatusCodeError(getattr(ua.StatusCodes, status))
        return await handle(self, typeid, *rest)

    return process


@asynccontextmanager
async def answering(answer):
    """A port that gives this answer to whatever is sent; None keeps silent, b"" closes."""
    port = free_port()

    async def serve(reader, writer):
        with suppress(ConnectionError):
            await reader.read(1024)
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        writer.transport.abort() if answer is None else writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield port


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server answers on port"),
        (b"<html>", "an HTTP server answers on port"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS server answers on port"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server answers on port"),
        (b"220 ftp ready\r\n", "a mail or FTP server answers on port"),
        (b"\x00\x01\x00\x00\x00\x03\x01\x83\x02", "another protocol answers on port"),
        (b"\xff" * 40, "another protocol answers on port"),
        (b"", "closes the connection without an answer: is it the right port?"),
        (None, "the port accepts a connection and does not answer in OPC UA"),
        (
            b"ERRF\x10\x00\x00\x00\x00\x00\x7d\x80\xff\xff\xff\xff",
            "the server is too busy for another connection",
        ),
    ],
)
async def test_a_port_that_is_no_opcua_server_is_named(folder, answer, sentence):
    async with answering(answer) as port:
        assert sentence in await refusal(source(folder, port, timeout="1s"))


async def test_a_name_that_cannot_be_resolved_is_named(folder):
    said = await refusal(source(folder, 1, url="opc.tcp://plc-1.invalid:4840"))
    assert said == "plc-1.invalid:4840: the name plc-1.invalid cannot be resolved"


async def test_a_host_whose_addresses_all_refuse_is_refused(folder, monkeypatch):
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
    ]

    async def addresses(*_arguments, **_options):
        return both

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
    said = await refusal(source(folder, 1, url="opc.tcp://localhost:1"))
    assert said in ("localhost:1: connection refused", "localhost:1: cannot assign requested addr")
