"""Connection settings of a Modbus source.

Promises
- A setting that a transport does not use, or lacks, is refused at its own field.
- With `tls` the device's certificate is always checked.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from connectors.modbus.hosts import host_problem
from connectors.modbus.option_errors import FieldProblem, missing_field, raise_problems
from connectors.modbus.tolerance import OF_HEADER, Deviation
from gateway.api.model import SECOND, Nanos
from gateway.api.options import Duration, FilePath, PositiveDuration, Strict

Transport = Literal["tcp", "tls", "rtu", "rtu_over_tcp", "ascii_over_tcp"]
Parity = Literal["none", "even", "odd"]
UNTAGGED: frozenset[Transport] = frozenset(("rtu", "rtu_over_tcp", "ascii_over_tcp"))
"""Responses carry no number of their request."""
_OF_TLS = ("ca", "certificate", "key")
_OF_SERIAL = ("device", "baudrate", "parity", "stopbits")


class ModbusConnectionOptions(Strict):
    """One TCP connection or one serial bus, and its time-outs."""

    transport: Transport = "tcp"
    """tcp; tls (Modbus/TCP Security); rtu on a serial port; rtu_over_tcp or ascii_over_tcp through
    a serial server that passes bytes on unchanged."""
    host: Annotated[str, Field(min_length=1)] | None = None
    """Name or address of the device."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port; 502, or 802 for tls, if not given."""
    device: FilePath | None = None
    """The serial port, best by its stable name, as in /dev/serial/by-id/usb-FTDI_..."""
    baudrate: Annotated[int, Field(ge=300, le=4_000_000)] = 19200
    """Bits per second on the serial bus."""
    parity: Parity = "even"
    """none, even or odd. Modbus prescribes even; many devices are shipped with none."""
    stopbits: Literal[1, 2] = 1
    """Stop bits, 1 or 2. Modbus prescribes 2 without parity."""
    ca: FilePath | None = None
    """For tls: certificates that may sign the device's, relative to the line file. Default: the
    system's."""
    certificate: FilePath | None = None
    """For tls: our own certificate, where the device asks for one."""
    key: FilePath | None = None
    """The private key of our certificate."""
    timeout: PositiveDuration = SECOND
    """How long to wait for the connection and for each response."""
    pause: Duration = 0
    """Pause for slow devices between a response and the next request. On a serial port it is never
    less than the silence between two frames that Modbus prescribes."""

    tolerate: list[Deviation] = []
    """What to accept from a device that breaks the protocol: echo (our own request comes back
    before the answer), stray_bytes (a few bytes before or after a frame), unit_id (unit 0, 1 or 255
    answers for the one that was asked), and over Modbus TCP transaction_id, protocol_id, length (a
    wrong number in the header of an answer). Each is counted."""

    @field_validator("host")
    @classmethod
    def _is_bare(cls, host: str | None) -> str | None:
        if host is not None and (problem := host_problem(host)):
            raise ValueError(problem)
        return host

    @model_validator(mode="after")
    def _fits_its_transport(self) -> Self:
        needed = "device" if self.transport == "rtu" else "host"
        if getattr(self, needed) is None:
            raise missing_field(needed, self.model_dump(mode="json", exclude_unset=True))
        raise_problems(_unused_settings(self))
        if (self.key is None) != (self.certificate is None):
            message = "`certificate` and `key` belong together: give both or neither"
            raise_problems([("key", message, self.key)])
        return self

    @property
    def is_numbered(self) -> bool:
        """Every response carries the number of its request."""
        return self.transport not in UNTAGGED and "transaction_id" not in self.tolerate

    @property
    def tcp_port(self) -> int:
        """The port, with the default filled in."""
        return self.port or (802 if self.transport == "tls" else 502)

    @property
    def where(self) -> str:
        """The address shown to operators: 192.168.0.10:502 or /dev/ttyUSB0."""
        return self.device or f"{self.host}:{self.tcp_port}"

    @property
    def bits_per_character(self) -> int:
        """On the serial bus: start bit, eight data bits, parity and stop bits."""
        return 9 + (self.parity != "none") + self.stopbits

    @property
    def frame_gap(self) -> Nanos:
        """Silence between two frames: 3.5 characters, 1.75 ms above 19200 bit/s; 0 over TCP."""
        if self.transport != "rtu":
            return 0
        if self.baudrate > 19200:
            return 1_750_000
        return round(3.5 * self.bits_per_character * SECOND / self.baudrate)

    @property
    def min_pause(self) -> Nanos:
        """From a response to the next request."""
        return max(self.pause, self.frame_gap)


def _unused_settings(given: ModbusConnectionOptions) -> Iterator[FieldProblem]:
    """Settings that differ from their defaults and that the transport does not use."""
    unused = [("tls", name) for name in _OF_TLS if given.transport != "tls"]
    unused += [("rtu", name) for name in _OF_SERIAL if given.transport != "rtu"]
    for transport, name in unused:
        if _is_given(given, name):
            message = f"belongs to `transport: {transport}`; this is {given.transport}"
            yield name, message, getattr(given, name)
    for deviation in given.tolerate if given.transport in UNTAGGED else ():
        if deviation in OF_HEADER:
            message = f"{deviation} is in the header of Modbus TCP; {given.transport} has none"
            yield "tolerate", message, given.tolerate
    for name in ("host", "port") if given.transport == "rtu" else ():
        if _is_given(given, name):
            yield name, "a serial port has none; use `device`", getattr(given, name)


def _is_given(given: ModbusConnectionOptions, name: str) -> bool:
    return bool(getattr(given, name) != ModbusConnectionOptions.model_fields[name].default)
