"""The signals of the pump skid: one table for physics, servers, recordings and configuration.

Promises
- The order of `SIGNALS` is the order of every reading and of every recorded column.
- `resolution` is the instrument's, so a recorded value is the value a client reads:
  scaled registers step by their scale, float32 registers by a power of two that they hold exactly.
- `low` and `high` are the transmitter's range; it saturates there.
"""

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "urn:andon:plant"
OPCUA_PATH = "/andon/plant"
UNIT_ID = 1


@dataclass(frozen=True, slots=True)
class Register:
    """A signal's registers in the PLC; addresses count from 0, floats have the high word first."""

    table: Literal["holding", "input"]
    address: int
    data_type: Literal["float32", "uint16", "int16"]
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Node:
    """A signal's node in the condition monitor: a string identifier in `NAMESPACE`."""

    identifier: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A signal's topic, with {"value": ..., "at": ...}, published `every` so many seconds."""

    name: str
    every: float


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured value: its range in `unit`, the standard deviation of its noise, its address."""

    name: str
    unit: str
    low: float
    high: float
    noise: float
    resolution: float
    address: Register | Node | Topic
    description: str


def _scaled(
    address: int, scale: float = 0.01, *, table: Literal["holding", "input"] = "input"
) -> Register:
    return Register(table, address, "uint16", scale)


SIGNALS: tuple[Signal, ...] = (
    Signal("speed", "rpm", 0, 3600, 1.5, 1 / 8, Register("holding", 0, "float32"), "Shaft speed"),
    Signal("current", "A", 0, 40, 0.08, 0.01, _scaled(11), "Motor current"),
    Signal("flow", "m3/h", 0, 120, 0.12, 1 / 128, Register("input", 0, "float32"), "To the tank"),
    Signal("suction_pressure", "bar", -1, 4, 0.004, 0.001, Register("input", 4, "int16", 0.001),
           "Pressure before the pump, gauge"),
    Signal("discharge_pressure", "bar", 0, 16, 0.01, 1 / 1024, Register("input", 2, "float32"),
           "Pressure behind the pump, gauge"),
    Signal("valve_setpoint", "%", 0, 100, 0.0, 0.01, _scaled(2, table="holding"),
           "Opening the level controller asks for"),
    Signal("valve_position", "%", 0, 100, 0.05, 0.01, _scaled(12), "Opening the valve reports"),
    Signal("level", "%", 0, 100, 0.03, 0.01, _scaled(10), "Level of the header tank"),
    Signal("vibration_de", "mm/s", 0, 25, 0.015, 0.001, Node("Pump.VibrationDE"),
           "Velocity RMS, drive end"),
    Signal("vibration_nde", "mm/s", 0, 25, 0.015, 0.001, Node("Pump.VibrationNDE"),
           "Velocity RMS, non-drive end"),
    Signal("bearing_temperature_de", "°C", -20, 150, 0.05, 0.1, Node("Pump.BearingTemperatureDE"),
           "Bearing, drive end"),
    Signal("bearing_temperature_nde", "°C", -20, 150, 0.05, 0.1, Node("Pump.BearingTemperatureNDE"),
           "Bearing, non-drive end"),
    Signal("winding_temperature", "°C", -20, 200, 0.08, 0.1, Node("Motor.WindingTemperature"),
           "Hottest motor winding"),
    Signal("ambient_temperature", "°C", -20, 60, 0.05, 0.1, Topic("plant/pump/ambient", 5.0),
           "Air in the pump house"),
    Signal("power", "kW", 0, 30, 0.04, 0.01, Topic("plant/pump/power", 1.0), "Electrical power"),
)  # fmt: skip

TAGS: tuple[str, ...] = tuple(signal.name for signal in SIGNALS)
MODBUS: tuple[Signal, ...] = tuple(s for s in SIGNALS if isinstance(s.address, Register))
OPCUA: tuple[Signal, ...] = tuple(s for s in SIGNALS if isinstance(s.address, Node))
MQTT: tuple[Signal, ...] = tuple(s for s in SIGNALS if isinstance(s.address, Topic))
