"""What a read plan asks of the devices and of the line, in figures and in words (pure).

Promises
- Frames are counted whole, with their headers and checksums; headers of TCP/IP and TLS are not.
- The utilisation of a serial line counts every character and the silence that Modbus prescribes
  between frames. The time that a device takes to think comes on top: nobody knows it beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.modbus.framing import REQUEST_PDU_BYTES, frame_bytes
from connectors.modbus.options import ModbusOptions
from connectors.modbus.plan import Request
from gateway.api.model import SECOND
from gateway.api.options import format_duration

FULL_PERCENT = 80
"""Above this a serial line has no room for devices that think, nor for one that does not answer."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Sums over one plan. `utilisation` is the share of time that a serial line is busy, else 0."""

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
    """What these requests cost over that connection."""
    per_second = [SECOND / request.period for request in plan]
    sizes = [_bytes(request, options) for request in plan]
    traffic = sum(size * often for size, often in zip(sizes, per_second, strict=True))
    return Cost(
        requests=len(plan),
        tags=sum(len(request.readings) for request in plan),
        requests_per_second=sum(per_second),
        bytes_per_second=traffic,
        registers_idle=sum(request.idle for request in plan if not request.are_bits),
        bits_idle=sum(request.idle for request in plan if request.are_bits),
        utilisation=_utilisation(traffic, sum(per_second), options),
    )


def in_words(
    plan: Sequence[Request],
    options: ModbusOptions,
    on_the_bus: Mapping[str, Sequence[Request]] | None = None,
) -> list[str]:
    """A line for the sum, and one for each request; what is wrong with it is said as well.

    `on_the_bus` are the plans of all sources that share the connection, this one among them.
    """
    cost = cost_of(plan, options)
    idle = f"{cost.registers_idle} registers and {cost.bits_idle} bits"
    speed = f"{cost.requests_per_second:.4g} requests/s, {cost.bytes_per_second:.4g} bytes/s"
    sums = [f"{speed}, {cost.tags_per_request:.3g} tags per request; read for nothing: {idle}"]
    if options.transport == "rtu":
        sources = on_the_bus or {"": plan}
        polled = [request for requests in sources.values() for request in requests]
        busy = _line(cost_of(polled, options).utilisation * 100, options.baudrate)
        sums.append(busy + (f"; shared by {len(sources)} sources" if len(sources) > 1 else ""))
    return sums + [
        f"every {format_duration(request.period)}  {request}  "
        f"{len(request.readings)} tags, {request.idle} idle"
        for request in plan
    ]


def _line(percent: float, baudrate: int) -> str:
    said = f"serial line busy {percent:.3g} % at {baudrate} bit/s, devices' own time not counted"
    if percent > 100:
        return said + ": more than it can carry; longer periods, or another line"
    return said + (": little is left for slow devices" if percent > FULL_PERCENT else "")


def _bytes(request: Request, options: ModbusOptions) -> int:
    asked = frame_bytes(options.transport, REQUEST_PDU_BYTES)
    return asked + frame_bytes(options.transport, 2 + request.data_bytes)


def _utilisation(traffic: float, requests: float, options: ModbusOptions) -> float:
    if options.transport != "rtu":
        return 0.0
    characters = traffic * options.bits_per_character / options.baudrate
    return characters + requests * (options.frame_gap + options.rest) / SECOND
