"""The cost of a read plan: requests, bytes and serial bus utilisation (pure).

Promises
- Frames are counted whole, with their headers and checksums; headers of TCP/IP and TLS are not.
- The utilisation of a serial bus counts every character and the silence that Modbus prescribes
  between frames. The devices' own processing time is unknown and comes on top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.modbus.framing import REQUEST_PDU_BYTES, frame_bytes
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import Request
from gateway.api.model import SECOND
from gateway.api.options import format_duration

FULL_PERCENT = 80
"""Above this a serial bus has no time left for slow devices or for time-outs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Totals of one plan. `utilisation` is the share of time a serial bus is busy, else 0."""

    requests: int
    tags: int
    requests_per_second: float
    bytes_per_second: float
    registers_idle: int
    bits_idle: int
    utilisation: float

    @property
    def tags_per_request(self) -> float:
        return self.tags / self.requests if self.requests else 0.0


def cost_of(plan: Sequence[Request], options: ModbusOptions) -> Cost:
    """The cost of these requests over that connection."""
    per_second = [SECOND / request.period for request in plan]
    sizes = [_bytes(request, options) for request in plan]
    traffic = sum(size * often for size, often in zip(sizes, per_second, strict=True))
    return Cost(
        requests=len(plan),
        tags=sum(len(request.tags) for request in plan),
        requests_per_second=sum(per_second),
        bytes_per_second=traffic,
        registers_idle=sum(request.idle for request in plan if not request.are_bits),
        bits_idle=sum(request.idle for request in plan if request.are_bits),
        utilisation=_utilisation(traffic, sum(per_second), options),
    )


def describe(
    plan: Sequence[Request],
    options: ModbusOptions,
    on_the_bus: Mapping[str, Sequence[Request]] | None = None,
) -> list[str]:
    """The totals, then one text for each request; says so if the bus is overloaded.

    `on_the_bus` holds the plans of all sources that share the connection, including this one.
    """
    cost = cost_of(plan, options)
    idle = f"{cost.registers_idle} registers and {cost.bits_idle} bits"
    speed = f"{cost.requests_per_second:.4g} requests/s, {cost.bytes_per_second:.4g} bytes/s"
    totals = [f"{speed}, {cost.tags_per_request:.3g} tags per request; read but not used: {idle}"]
    if options.transport == "rtu":
        sources = on_the_bus or {"": plan}
        polled = [request for requests in sources.values() for request in requests]
        load = _bus_load(cost_of(polled, options).utilisation * 100, options.baudrate)
        totals.append(load + (f"; shared by {len(sources)} sources" if len(sources) > 1 else ""))
    return totals + [
        f"every {format_duration(request.period)}  {request}  "
        f"{len(request.tags)} tags, {request.idle} idle"
        for request in plan
    ]


def _bus_load(percent: float, baudrate: int) -> str:
    load = f"serial bus {percent:.3g} % busy at {baudrate} bit/s, devices' own time not counted"
    if percent > 100:
        return load + ": overloaded; use longer periods or a second bus"
    return load + (": little time is left for slow devices" if percent > FULL_PERCENT else "")


def _bytes(request: Request, options: ModbusOptions) -> int:
    sent = frame_bytes(options.transport, REQUEST_PDU_BYTES)
    return sent + frame_bytes(options.transport, 2 + request.data_bytes)


def _utilisation(traffic: float, requests: float, options: ModbusOptions) -> float:
    if options.transport != "rtu":
        return 0.0
    characters = traffic * options.bits_per_character / options.baudrate
    return characters + requests * (options.frame_gap + options.min_pause) / SECOND
