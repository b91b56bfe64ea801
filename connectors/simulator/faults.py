"""The faults of the pump skid: what they are called, what they move, how they grow.

Promises
- A fault starts at nothing and grows to its full severity over its ramp; when it is cleared its
  cause is gone at once, and the plant recovers with its own time constants.
- A slow fault takes as long as is said to its full severity, and grows on until it is cleared.
- Faults draw no random numbers of their own, so the same seed with and without a fault differs by
  the fault alone.
"""

from dataclasses import dataclass

from connectors.simulator.signals import MODBUS


@dataclass(frozen=True, slots=True)
class Fault:
    """`ramp`: seconds from first trace to full severity; `moves`: the tags that show it."""

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

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            BEARING_WEAR,
            25.0,
            ("vibration_de", "vibration_nde", "bearing_temperature_de", "current", "power"),
            "the drive-end bearing runs rough and warm",
        ),
        Fault(
            CAVITATION,
            25.0,
            ("suction_pressure", "discharge_pressure", "flow", "vibration_de", "vibration_nde",
             "current", "power"),
            "a clogged strainer starves the pump of suction pressure",
        ),
        Fault(
            STICKING_VALVE,
            5.0,
            ("valve_position", "valve_setpoint", "flow", "discharge_pressure", "suction_pressure",
             "current", "power", "level"),
            "the control valve no longer follows its setpoint",
        ),
        Fault(
            DRIFTING_SENSOR,
            30.0,
            ("discharge_pressure",),
            "the discharge pressure transmitter reads more than there is",
        ),
        Fault(FROZEN_SENSOR, 0.0, ("flow",), "the flow meter repeats its last value"),
        Fault(PLC_GONE, 0.0, tuple(s.name for s in MODBUS), "the PLC closes every connection"),
    )
}  # fmt: skip

MOVED_TAGS: dict[str, tuple[str, ...]] = {name: fault.moves for name, fault in FAULTS.items()}


class ActiveFaults:
    """Which faults are in the plant and how far each has grown."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._over: dict[str, float] = {}

    def inject(self, name: str, now: float, over: float | None = None) -> None:
        """Let a fault begin at `now` (s of plant time); KeyError if there is none of that name.

        `over`: s to its full severity instead of its ramp, and it grows on beyond that. What has no
        ramp is there at once all the same.
        """
        if FAULTS[name].name in self._since:
            return
        self._since[name] = now
        if over is not None:
            self._over[name] = over

    def clear(self) -> tuple[str, ...]:
        """Take every fault away; returns their names."""
        gone = tuple(self._since)
        self._since.clear()
        self._over.clear()
        return gone

    def severity(self, name: str, now: float) -> float:
        """0 (absent) to 1 (fully grown), or on beyond 1 where it is slow."""
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
