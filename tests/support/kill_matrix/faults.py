"""What is done to a plant, and how it ends: one row of the matrix each."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kill_matrix import lies
from kill_matrix.truth import FEWER, TAGS

Step = Callable[[Any], Any]
NO_NAMESPACES = {
    "modbus": "Modbus has no namespaces",
    "rtu": "Modbus has no namespaces",
    "mqtt": "MQTT has no namespaces",
}
NO_UNITS = {"opcua": "OPC UA has no units", "mqtt": "MQTT has no units"}
NO_REQUESTS = {"mqtt": "values are not requested"}
NO_TLS = {"rtu": "serial servers have no certificates"}


def _nothing(_plant: Any) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """`begin` brings it about; `finish` takes its cause away, `lasts` seconds later.

    `without` says for which protocols there is no such fault, and why. `is_secured`: the plant is
    reached with certificates, and no value may come in while the fault lasts. `is_cut`: the
    server is well all the time, so what it queues need not be lost.
    """

    name: str
    begin: Step
    finish: Step = lambda plant: plant.proxy.heal()
    lasts: float = 3.0
    without: Mapping[str, str] = field(default_factory=dict)
    is_secured: bool = False
    is_cut: bool = False


def _proxy(plant: Any, **what: Any) -> None:
    for name, value in what.items():
        setattr(plant.proxy, name, value)


def _late(plant: Any) -> None:
    # Only a serial server or a Modbus gateway hands an answer to another connection.
    _proxy(plant, delay=plant.patience + 0.5, is_crossed=plant.kind in ("tcp", "rtu"))


def _falsified(plant: Any, **how: Any) -> None:
    kind = plant.kind
    if kind in how:
        plant.proxy.change = how[kind]
    else:
        plant.proxy.change = lies.modbus(kind, how["pdu"])


def _fail(plant: Any) -> Any:
    if plant.kind in ("tcp", "rtu"):
        return _falsified(plant, pdu=lies.device_failure)
    return plant.fail(failing=True)


def _recover(plant: Any) -> Any:
    if plant.kind in ("tcp", "rtu"):
        return plant.proxy.heal()
    return plant.fail(failing=False)


async def _come_back_as(plant: Any, certificate: str) -> None:
    await plant.end()
    await plant.start(certificate=certificate)


def _certificate(name: str, certificate: str) -> Fault:
    begin = partial(_come_back_as, certificate=certificate)
    finish = partial(_come_back_as, certificate="server")
    return Fault(name, begin, finish, 5.0, NO_TLS, is_secured=True)


async def _flap(plant: Any) -> None:
    for _ in range(10):
        plant.proxy.reset()
        await asyncio.sleep(0.5)


SERVER = (
    Fault("server restarted", lambda p: p.end(), lambda p: p.start()),
    Fault(
        "server killed (SIGKILL), started again", lambda p: p.end(kill=True), lambda p: p.start()
    ),
    Fault("server frozen (SIGSTOP) for 8 s", lambda p: p.freeze(), lambda p: p.thaw(), 8.0),
    Fault("server restarted, two tags gone", lambda p: p.gone(FEWER), lambda p: p.gone(TAGS), 6.0),
    Fault(
        "server restarted, namespaces renumbered",
        lambda p: p.end(),
        lambda p: p.start(others=3),
        without=NO_NAMESPACES,
    ),
    Fault("all sessions taken by others", lambda p: p.crowd(), lambda p: p.uncrowd(), 5.0),
    _certificate("server's certificate expired", "server-expired"),
    _certificate("server has another certificate", "other"),
    Fault("server reports no values", _fail, _recover),
)
LINK = (
    Fault("connection reset", lambda p: p.proxy.reset(), _nothing, 0.0, is_cut=True),
    Fault("connection reset ten times in 5 s", _flap, _nothing, 0.0, is_cut=True),
    Fault("link down for 3 s", lambda p: p.proxy.refuse(), is_cut=True),
    Fault("half-open connection", lambda p: p.proxy.forget(), _nothing, 0.0, is_cut=True),
    Fault("black hole for 8 s", lambda p: p.proxy.hold(), lasts=8.0, is_cut=True),
    Fault(
        "responses dropped for 8 s", lambda p: p.proxy.hold(requests=False), lasts=8.0, is_cut=True
    ),
    Fault("responses delayed by 0.5 s", partial(_proxy, delay=0.5), lasts=6.0, is_cut=True),
    Fault("responses after the time-out", _late, lasts=12.0),
    Fault("responses in pieces of 7 bytes", partial(_proxy, piece=7), lasts=4.0, is_cut=True),
)
CONTENT = (
    Fault(
        "responses too short",
        partial(_falsified, pdu=lies.shorter, opcua=lies.cut_short, mqtt=lies.cut_short),
    ),
    Fault(
        "responses too long",
        partial(_falsified, pdu=lies.longer, opcua=lies.drawn_out, mqtt=lies.drawn_out),
    ),
    Fault(
        "responses of another function",
        partial(
            _falsified,
            pdu=lies.other_function,
            opcua=lies.other_response,
            mqtt=lies.other_packet,
        ),
    ),
    Fault(
        "responses from another unit", partial(_falsified, pdu=lies.other_unit), without=NO_UNITS
    ),
    Fault(
        "responses to another request",
        partial(_falsified, tcp=lies.other_transaction, opcua=lies.other_request),
        without=NO_REQUESTS | {"rtu": "responses carry no number; see late responses"},
    ),
    Fault(
        "garbage",
        partial(
            _falsified,
            tcp=lies.garbage,
            rtu=lies.garbage,
            opcua=lies.garbage,
            mqtt=lies.garbage,
        ),
    ),
)
FAULTS = {"server": SERVER, "link": LINK, "content": CONTENT}
