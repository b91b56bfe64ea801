"""A plant of each protocol: a real server behind the proxy, and the connector that reads it.

Everything that is not said in `options` is left at the connector's default: the figures are those
of a line file that says no more than it must.
"""

import asyncio
import contextlib
import json
import signal
import time
from dataclasses import replace

import aiomqtt
import servers
from asyncua import Client, ua
from opcua_certificates import identity
from proxy import Proxy

from gateway.api.contracts import Places
from gateway.config.plugins import load
from kill_matrix.process import Process, connections
from kill_matrix.serve_modbus import address_of
from kill_matrix.serve_opcua import URI
from kill_matrix.truth import TAGS

HERE = ("localhost", "127.0.0.1")
SESSIONS = 4
"""The most sessions that the OPC UA server allows."""


class Plant:
    """`async with` starts it; what is public here is what a fault can do to it.

    A `secured` one is reached with certificates. `period` is that of its tags, in s.
    """

    name = kind = ""
    period = 0.2
    patience = 5.0
    """After how many seconds the connector gives an answer up."""
    process = None

    def __init__(self, folder, *, secured=False):
        self.folder, self.secured = folder, secured
        self.epoch = float(int(time.time()))
        self.port = servers.free_port()
        self.proxy = Proxy(self.port)
        self.journal = folder / "journal"
        self.journal.touch()
        for who in _certificates():
            who.write(folder)

    async def __aenter__(self):
        await self.start()
        await self.proxy.__aenter__()
        return self

    async def __aexit__(self, *_):
        await self.proxy.__aexit__()
        await self.end()

    @property
    def options(self):
        """As in a line file."""
        raise NotImplementedError

    def connector(self):
        kind = load("andon.connectors", self.options["type"])
        options = kind.Options.model_validate(self.options)
        places = Places(self.folder, self.folder)
        return kind(self.name, options, kind.declared_tags(self.name, options), places)

    async def end(self, *, kill=False):
        await self.process.end(kill=kill)

    async def gone(self, tags):
        """Only these many tags from now on."""
        await self.end()
        await self.start(tags=tags)

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def offered(self):
        """{tick: tags} of all that the plant gave away, where it keeps a journal."""
        lines = self.journal.read_text().splitlines()
        return {int(tick): int(tags) for tick, tags in (line.split() for line in lines)}


def _certificates():
    """Ours, the server's, what it is when it has expired, and somebody else's."""
    yield from (identity(name, HERE) for name in ("gateway", "server", "other"))
    yield replace(identity("server", HERE, (-2, -1)), name="server-expired")


class Modbus(Plant):
    name = "Modbus TCP"
    kind = "tcp"
    patience = 1.0

    @property
    def options(self):
        transport = {"rtu": "rtu_over_tcp"}.get(self.kind, "tls" if self.secured else "tcp")
        trust = {"ca": "server.crt"} if self.secured else {}
        tags = {
            f"t{tag}": {"address": address_of(tag), "data_type": "uint32"} for tag in range(TAGS)
        }
        where = {"host": "127.0.0.1", "port": self.proxy.port}
        rest = {"transport": transport, "period": "200ms", "tags": tags}
        return {"type": "modbus"} | where | trust | rest

    async def start(self, *, tags=TAGS, certificate="server"):
        files = [self.folder / f"{certificate}.{end}" for end in ("crt", "pem")]
        kind = ("tls", *files) if self.secured else (self.kind,)
        words = (self.port, self.epoch, tags, *kind)
        self.process = Process("serve_modbus", self.folder / "server.log", *words)
        await self.process.start()

    async def held(self):
        """Connections that the server has of us."""
        return sum(own == self.port for own, _ in connections(self.process.pid))

    async def crowd(self):
        """Others have all the connections that the device allows."""
        self.proxy.limit = 0
        self.proxy.reset()

    async def uncrowd(self):
        await self.proxy.heal()


class Rtu(Modbus):
    name = "Modbus RTU over TCP"
    kind = "rtu"


class OpcUa(Plant):
    name, kind = "OPC UA", "opcua"
    others = ()

    @property
    def options(self):
        files = {"certificate": "gateway.der", "private_key": "gateway.pem"}
        security = {"security": files | {"server_certificate": "server.der"}}
        node = {"period": "200ms", "sampling_interval": "100ms", "queue_size": 200}
        tags = {f"t{tag}": {"node": f"nsu={URI};s=t{tag}"} | node for tag in range(TAGS)}
        return {
            "type": "opcua",
            "url": f"opc.tcp://127.0.0.1:{self.proxy.port}",
            "publishing_interval": "100ms",
            "tags": tags,
        } | (security if self.secured else {"insecure": True})

    async def start(self, *, tags=TAGS, certificate="server", others=0):
        wanted = {"port": self.port, "epoch": self.epoch, "tags": tags, "others": others}
        wanted |= {"journal": str(self.journal), "sessions": SESSIONS}
        if self.secured:
            files = {"certificate": f"{certificate}.der", "key": f"{certificate}.pem"}
            wanted |= {name: str(self.folder / file) for name, file in files.items()}
        self.process = Process("serve_opcua", self.folder / "server.log", json.dumps(wanted))
        await self.process.start()

    async def fail(self, *, failing):
        """The server says that its values are bad, or good again."""
        await self.process.ask("bad" if failing else "good")

    async def held(self):
        """Sessions that the server keeps, be their connections gone or not."""
        return int(await self.process.ask("held"))

    async def crowd(self):
        await self.proxy.refuse()
        self.others = []
        while await self._another():
            pass
        await self.proxy.heal()

    async def _another(self):
        client = Client(f"opc.tcp://127.0.0.1:{self.port}")
        try:
            await client.connect()
        except ua.UaStatusCodeError:
            client.disconnect_socket()
            return False
        self.others.append(client)
        return True

    async def uncrowd(self):
        for client in self.others:
            await client.disconnect()


class Mqtt(Plant):
    name, kind = "MQTT", "mqtt"
    broker = None
    publisher = None
    other = None

    @property
    def options(self):
        where = {"host": "127.0.0.1", "port": self.proxy.port}
        field = {"time_path": "at", "time_format": "ns", "period": "200ms"}
        tags = {f"t{tag}": {"topic": f"plant/t{tag}"} | field for tag in range(TAGS)}
        trust = {"tls": {"ca": "server.crt"}} if self.secured else {}
        return {"type": "mqtt", "tags": tags} | where | trust

    async def start(self, *, certificate="server"):
        text = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
        text += "max_connections 2\nuser root\n"
        if self.secured:
            text += f"certfile {self.folder}/{certificate}.crt\n"
            text += f"keyfile {self.folder}/{certificate}.pem\n"
        config = self.folder / "mosquitto.conf"
        config.write_text(text)
        command = [servers.program("mosquitto"), "-c", str(config)]
        self.broker = servers.Server(command, self.port, self._listens, self.folder)
        await asyncio.to_thread(self.broker.start)
        if self.publisher is None:
            words = (self.port, self.epoch, self.journal, *(("tls",) if self.secured else ()))
            self.publisher = Process("publish_mqtt", self.folder / "publisher.log", *words)
            await self.publisher.start(says_ready=False)

    def _listens(self):
        return servers.listens(self.port)

    async def end(self, *, kill=False):
        if kill:
            self.broker.process.kill()
        await asyncio.to_thread(self.broker.stop)

    async def __aexit__(self, *_):
        await self.publisher.end()
        await super().__aexit__()

    def freeze(self):
        self.broker.signal(signal.SIGSTOP)

    def thaw(self):
        self.broker.signal(signal.SIGCONT)

    async def gone(self, tags):
        self.publisher.tell(f"tags {tags}")

    async def fail(self, *, failing):
        self.publisher.tell("bad" if failing else "good")

    async def held(self):
        """Connections that the broker has of us: all but the publisher's."""
        theirs = {own for own, _ in connections(self.publisher.pid)}
        held = connections(self.broker.process.pid)
        return sum(own == self.port and other not in theirs for own, other in held)

    async def crowd(self):
        await self.proxy.refuse()
        self.other = contextlib.AsyncExitStack()
        await self.other.enter_async_context(aiomqtt.Client("127.0.0.1", self.port))
        await self.proxy.heal()

    async def uncrowd(self):
        await self.other.aclose()


PLANTS = {"modbus": Modbus, "rtu": Rtu, "opcua": OpcUa, "mqtt": Mqtt}
