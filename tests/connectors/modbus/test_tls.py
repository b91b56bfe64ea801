"""Modbus over TLS against a real pymodbus server."""

import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest

from connectors.modbus import ModbusConnector, ModbusOptions
from gateway.api.contracts import ConfigError, Places, SourceLost


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, its key, and another certificate."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("plc", "other"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
            ],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


@asynccontextmanager
async def secured(folder):
    from pymodbus.server import ModbusTlsServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "plc.pem", folder / "plc.key")
    registers = SimData(0, values=[4711], count=1, datatype=DataType.REGISTERS)
    server = ModbusTlsServer(
        SimDevice(1, simdata=[registers]), sslctx=context, address=("127.0.0.1", 0)
    )
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


def reader(folder, port, **options):
    given = {"type": "modbus", "transport": "tls", "host": "127.0.0.1", "port": port}
    valid = ModbusOptions.model_validate(given | {"tags": {"t": {"address": 0}}} | options)
    return ModbusConnector("plc", valid, [], Places(folder, folder))


async def test_a_device_with_a_known_certificate_is_read(folder):
    async with secured(folder) as port, reader(folder, port, ca="plc.pem").open() as batches:
        assert (await anext(batches)).value[0] == 4711


@pytest.mark.parametrize("options", [{"ca": "other.pem"}, {}])
async def test_a_device_with_an_unknown_certificate_is_not_read(folder, options):
    async with secured(folder) as port:
        with pytest.raises(SourceLost, match="certificate verify failed"):
            async with reader(folder, port, **options).open():
                pass


async def test_a_missing_certificate_is_a_config_error(folder):
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere\.pem"):
        async with reader(folder, 802, ca="nowhere.pem").open():
            pass
    assert not (await reader(folder, 1, ca="plc.pem").probe()).ok
