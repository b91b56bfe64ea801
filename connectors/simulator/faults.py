"""The faults of the pump skid: their names, the tags they affect, and how they grow.

Promises
- A fault starts at zero and grows to its full severity over its ramp; when it is cleared its cause
  is gone at once, and the plant recovers with its own time constants.
- A slow fault reaches its full severity in the given time, and grows on until it is cleared.
- Faults draw no random numbers, so the same seed with and without a fault differs only by the
  fault.
"""

from dataclasses import dataclass

from connectors.simulator.signals import MODBUS


@dataclass(frozen=True, slots=True)
class SimulatedFault:
    """`ramp`: seconds from onset to full severity; `moves`: the tags that it affects."""

    name: str
    ramp: float
    moves: tuple[str, ...]
    description: str


BEARING_WEAR = "bearing_wear"
CAVITATION = "cavitation"
STICKING_VALVE = "sticking_valve"
DRIFTING_SENSOR = "drifting_sensor"
FROZEN_SENSOR = "frozen_sensor"
PLC_GONE = "plc_gone"

FAULTS: dict[str, SimulatedFault] = {
    fault.name: fault
    for fault in (
        SimulatedFault(
            BEARING_WEAR,
            25.0,
            ("vibration_de", "vibration_nde", "bearing_temperature_de", "current", "power"),
            "the drive-end bearing runs rough and warm",
        ),
        SimulatedFault(
            CAVITATION,
            25.0,
            ("suction_pressure", "discharge_pressure", "flow", "vibration_de", "vibration_nde",
             "current", "power"),
            "a clogged strainer starves the pump of suction pressure",
        ),
        SimulatedFault(
            STICKING_VALVE,
            5.0,
            ("valve_position", "valve_setpoint", "flow", "discharge_pressure", "suction_pressure",
             "current", "power", "level"),
            "the control valve no longer follows its setpoint",
        ),
        SimulatedFault(
            DRIFTING_SENSOR,
            30.0,
            ("discharge_pressure",),
            "the discharge pressure transmitter reads more than there is",
        ),
        SimulatedFault(FROZEN_SENSOR, 0.0, ("flow",), "the flow meter repeats its last value"),
        SimulatedFault(
            PLC_GONE,
            0.0,
            tuple(signal.name for signal in MODBUS),
            "the PLC closes every connection",
        ),
    )
}  # fmt: skip

MOVED_TAGS: dict[str, tuple[str, ...]] = {name: fault.moves for name, fault in FAULTS.items()}


class ActiveFaults:
    """The faults that are active in the plant, and the severity of each."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._over: dict[str, float] = {}

    def inject(self, name: str, now: float, over: float | None = None) -> None:
        """Starts a fault at `now` (s of plant time); KeyError for an unknown name.

        `over`: seconds to its full severity instead of its ramp; it then grows on. A fault without
        a ramp is still immediate.
        """
        if FAULTS[name].name in self._since:
            return
        self._since[name] = now
        if over is not None:
            self._over[name] = over

    def clear(self) -> tuple[str, ...]:
        """Removes every fault; returns their names."""
        gone = tuple(self._since)
        self._since.clear()
        self._over.clear()
        return gone

    def severity(self, name: str, now: float) -> float:
        """0 (absent) to 1 (full severity); a slow fault grows beyond 1."""
        since = self._since.get(name)
        if since is None:
            return 0.0
        ramp = FAULTS[name].ramp
        if ramp > 0 and name in self._over:
            return (now - since) / self._over[name]
        return 1.0 if ramp <= 0 else min(1.0, (now - since) / ramp)

    def __contains__(self, name: str) -> bool:
        return name in self._since

    def __bool__(self) -> bool:
        return bool(self._since)
