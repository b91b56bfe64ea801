"""Sinks behind TLS, client certificates and a proxy: a real TLS server, proxy and broker."""

import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest
import servers
from fake_influx import FakeInflux
from http_proxy import HttpProxy
from patience import PATIENCE
from pydantic import ValidationError

from gateway.api.contracts import Places, SinkUnavailable
from gateway.api.line_protocol import encode
from gateway.api.model import Envelope, Kind, Point
from gateway.api.options import Secret
from gateway.sinks.influx import InfluxOptions, InfluxSink
from gateway.sinks.mqtt import MqttSink
from gateway.sinks.mqtt_options import MqttSinkOptions
from gateway.sinks.tls import is_refusal

BATCH = [Envelope(Kind.ALERT, 1, encode(Point("m", {"line": "l"}, {"x": 1.0}, 1)))]
PASSWORD = "pa:ss/w@rd%"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Self-signed certificates for 127.0.0.1: the server's, the client's and another one."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "ours", "other"):
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        make += ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
        make += ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
    lock = ["openssl", "pkey", "-in", "ours.key", "-out", "locked.key", "-aes128"]
    subprocess.run([*lock, "-passout", f"pass:{PASSWORD}"], cwd=folder, check=True)
    return folder


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("ANDON_TEST_PASSWORD", PASSWORD)


SECRET = Secret("${env:ANDON_TEST_PASSWORD}")
OURS = {"certificate": "ours.pem", "key": "ours.key"}


def server_context(folder, *, needs_certificate=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if needs_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ours.pem")
    return context


@asynccontextmanager
async def influx(url, folder, **options):
    options = InfluxOptions(url=url, bucket="lines", timeout=f"{PATIENCE}s", **options)
    sink = InfluxSink("cloud", options, Places(folder, folder))
    async with sink.open():
        yield sink


async def refused(sink, match=None):
    with pytest.raises(SinkUnavailable, match=match) as caught:
        await sink.write(BATCH)
    assert PASSWORD not in str(caught.value)
    assert "pa%3Ass" not in str(caught.value)
    return caught.value


async def test_a_server_is_trusted_by_the_named_certificate(folder):
    async with FakeInflux().serving(ssl_context=server_context(folder)) as server:
        async with influx(server.url, folder, ca="server.pem") as sink:
            await sink.write(BATCH)
        for ca in ("other.pem", None):
            async with influx(server.url, folder, ca=ca) as sink:
                assert (await refused(sink, match="certificate")).needs_human
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "ours", [OURS, {"certificate": "ours.pem", "key": "locked.key", "key_password": SECRET}]
)
async def test_a_server_that_requires_a_client_certificate_gets_it(folder, ours):
    context = server_context(folder, needs_certificate=True)
    async with (
        FakeInflux().serving(ssl_context=context) as server,
        influx(server.url, folder, ca="server.pem", **ours) as sink,
    ):
        await sink.write(BATCH)
    assert len(server.requests) == 1


async def test_a_server_that_does_not_know_the_client_gets_nothing(folder):
    context = server_context(folder, needs_certificate=True)
    other = {"certificate": "other.pem", "key": "other.key"}
    async with FakeInflux().serving(ssl_context=context) as server:
        for who in ({}, other):
            async with influx(server.url, folder, ca="server.pem", **who) as sink:
                # Whether its alert or the end of the connection arrives first is random.
                await refused(sink)
    assert server.requests == []


def test_a_tls_refusal_is_distinguished_from_a_broken_connection():
    for broke, expected in ((ssl.SSLError(1, "alert"), True), (ssl.SSLEOFError(8, "eof"), False)):
        wrapped = OSError("wrapped")
        wrapped.__cause__ = broke
        assert is_refusal(wrapped) is expected
    assert not is_refusal(ConnectionResetError())


async def test_a_certificate_is_read_again_after_a_refusal(folder, tmp_path):
    for name in ("server.pem", "other.pem", "other.key"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    context = server_context(folder, needs_certificate=True)
    other = {"certificate": "other.pem", "key": "other.key"}
    async with (
        FakeInflux().serving(ssl_context=context) as server,
        influx(server.url, tmp_path, ca="server.pem", **other) as sink,
    ):
        await refused(sink)
        for end in ("pem", "key"):
            (tmp_path / f"other.{end}").write_bytes((folder / f"ours.{end}").read_bytes())
        await sink.write(BATCH)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ca": "none.pem"}, "there is no file .*none.pem"),
        ({"ca": "server.key"}, "server.key holds no certificate in PEM form"),
        ({"certificate": "ours.pem", "key": "other.key"}, "other.key is not the key of ours.pem"),
        ({"certificate": "ours.pem", "key": "locked.key"}, "locked.key .* or its password"),
    ],
)
async def test_an_unusable_file_is_named(folder, options, message):
    async with influx("https://127.0.0.1:1", folder, **options) as sink:
        assert (await refused(sink, match=message)).needs_human


def test_a_key_without_its_certificate_is_refused():
    for half in ({"key": "k.pem"}, {"certificate": "c.pem"}):
        with pytest.raises(ValidationError, match="belong together"):
            InfluxOptions(url="https://127.0.0.1", bucket="b", **half)


# A proxy.


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_points_go_through_a_proxy_that_wants_a_password(folder, scheme):
    tls = {"ssl_context": server_context(folder)} if scheme == "https" else {}
    async with FakeInflux().serving(**tls) as server, HttpProxy("me", PASSWORD).serving() as proxy:
        through = {"proxy": proxy.url, "proxy_username": "me", "proxy_password": SECRET}
        async with influx(server.url, folder, ca="server.pem", **through) as sink:
            await sink.write(BATCH)
    assert len(server.requests) == 1
    (asked,) = proxy.asked
    assert asked.startswith("CONNECT 127.0.0.1" if scheme == "https" else f"POST {server.url}/api")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_the_password_needs_a_human(folder, scheme, monkeypatch):
    tls = {"ssl_context": server_context(folder)} if scheme == "https" else {}
    async with FakeInflux().serving(**tls) as server, HttpProxy("me", PASSWORD).serving() as proxy:
        through = {"proxy": proxy.url, "proxy_username": "me", "proxy_password": SECRET}
        async with influx(server.url, folder, ca="server.pem", **through) as sink:
            monkeypatch.setenv("ANDON_TEST_PASSWORD", "old")
            assert (await refused(sink, match="407")).needs_human
            monkeypatch.setenv("ANDON_TEST_PASSWORD", PASSWORD)
            await sink.write(BATCH)
    assert len(server.requests) == 1


async def test_a_proxy_that_is_down_is_waited_for(folder):
    away = f"http://127.0.0.1:{servers.free_port()}"
    async with influx("https://127.0.0.1:1", folder, proxy=away) as sink:
        assert not (await refused(sink)).needs_human


def test_a_proxys_password_is_not_written_into_its_url():
    with pytest.raises(ValidationError, match="clear text"):
        InfluxOptions(url="https://h", bucket="b", proxy="http://me:secret@proxy:3128")
    with pytest.raises(ValidationError, match="proxy_username"):
        InfluxOptions(url="https://h", bucket="b", proxy="http://p:3128", proxy_password=SECRET)


# A broker.


async def test_a_broker_gets_the_client_certificate(folder, tmp_path):
    extra = f"cafile {folder}/ours.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key"
    # Started by root, it would give up the right to read these files.
    extra += "\nuser root"
    with servers.mosquitto(tmp_path, f"{extra}\nrequire_certificate true") as broker:

        async def publish(**options):
            options = {"tls": True, "ca": "server.pem", "timeout": f"{PATIENCE}s"} | options
            options = MqttSinkOptions(host="127.0.0.1", port=broker.port, **options)
            sink = MqttSink("panel", options, Places(folder, folder))
            async with sink.open():
                return await sink.write(BATCH)

        assert await publish(**OURS) > 0
        with pytest.raises(SinkUnavailable):
            await publish(timeout="2s")


def test_certificates_for_a_broker_without_tls_are_a_mistake():
    with pytest.raises(ValidationError, match="tls: true"):
        MqttSinkOptions(host="h", ca="ca.pem")
