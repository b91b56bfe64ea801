"""The physics of the pump skid: a pump with a drive lifts water through a valve into a header tank.

The drive's speed follows the demand, the level controller moves the valve. The flow is where pump
curve and system curve intersect; it determines pressures, power and current. Speed and load
determine the vibration, the losses determine the temperatures.

Promises
- Pure: no clock, no I/O. `step` advances the plant by `dt`; the same seed gives the same series.
- It starts warm and stable, and every lag is discretised exactly, so the step hardly matters.
- Plain floats inside: an hour at 100 ms takes about half a second.
"""

from dataclasses import dataclass
from math import log, pi, sin, sqrt

import numpy as np

from connectors.simulator import faults as names
from connectors.simulator.demand import CorrelatedNoise, Demand, Lag
from connectors.simulator.faults import ActiveFaults
from connectors.simulator.instruments import Noise, Readings, read
from connectors.simulator.signals import SIGNALS, TAGS

SECOND = 1_000_000_000
STEP = SECOND // 10
"""The usual step, ns."""
EPOCH = 1_767_225_600 * SECOND
"""The default start of a plant's time: 2026-01-01T00:00:00Z."""

_RATED_SPEED = 2950.0  # rpm
_SHUTOFF = 6.5  # bar at rated speed and no flow
_PUMP_SLOPE = 4.2e-4  # bar per (m3/h)^2 lost inside the pump
_SUCTION_LOSS = 5e-5
_PIPE_LOSS = 2e-4
_VALVE_KVS, _VALVE_RANGE = 200.0, 30.0  # equal percentage
_SUPPLY, _BACK = 1.2, 3.35  # bar before the suction line, bar of the header tank
_BEST_FLOW, _BEST_EFFICIENCY = 62.0, 0.74  # at rated speed
_MOTOR_EFFICIENCY, _RATED_TORQUE = 0.91, 48.6  # -, Nm
_TANK = 6.0  # m3
_LEVEL_SETPOINT, _MIDDLE = 50.0, 55.0  # %, %
_MEAN_LOAD = 58.0  # m3/h
_WARM_UP = 1800.0  # s
_CRAWL = 300.0  # rpm
_REST = 1e-3  # rpm: the speed of a stopped pump, never 0 because it is a divisor
_DAY = 86400.0
_PROCESS_NOISES = 8


@dataclass(slots=True)
class State:
    """The true values, in the units and the order of `SIGNALS`."""

    speed: float
    current: float
    flow: float
    suction_pressure: float
    discharge_pressure: float
    valve_setpoint: float
    valve_position: float
    level: float
    vibration_de: float
    vibration_nde: float
    bearing_temperature_de: float
    bearing_temperature_nde: float
    winding_temperature: float
    ambient_temperature: float
    power: float

    def values(self) -> list[float]:
        """The state as a row."""
        return [getattr(self, name) for name in TAGS]


def speed_for(demand: float) -> float:
    """The drive's speed in rpm for a demand in m3/h."""
    return 2886.0 + 30.0 * (demand - _MEAN_LOAD)


def resistance(valve: float) -> float:
    """The loss of the whole circuit in bar per (m3/h)^2 at a valve opening in per cent."""
    kv: float = _VALVE_KVS * _VALVE_RANGE ** (valve / 100 - 1)
    return _PUMP_SLOPE + _SUCTION_LOSS + _PIPE_LOSS + 1 / kv**2


def valve_for(flow: float, speed: float) -> float:
    """The valve opening in per cent for a flow in m3/h at a speed in rpm."""
    drive = _SHUTOFF * (speed / _RATED_SPEED) ** 2 + _SUPPLY - _BACK
    rest = drive / flow**2 - (_PUMP_SLOPE + _SUCTION_LOSS + _PIPE_LOSS)
    return 100 * (1 + log(1 / sqrt(rest) / _VALVE_KVS) / log(_VALVE_RANGE))


class Plant:
    """A pump skid at `at` ns UTC. `step` advances it, `readings` reads its instruments."""

    def __init__(self, seed: int = 1, *, start: int = EPOCH, step: int = STEP) -> None:
        process, sensors = np.random.default_rng(seed).spawn(2)
        self.at, self._dt_ns, self._dt = start, step, step / SECOND
        self.faults = ActiveFaults()
        self._steps = 0
        self._noise = Noise(np.random.default_rng(process.integers(2**63)), _PROCESS_NOISES)
        self._sensor_noise = Noise(sensors, len(SIGNALS))
        self._demand = Demand(process, self._dt, start=-_WARM_UP)
        self._stuck_flow: float | None = None
        self.is_running = True
        """Set it to False to stop the pump: another one then feeds the consumers."""
        self._build_lags()
        self._warm_up()

    @property
    def elapsed(self) -> float:
        """Seconds since the plant's start."""
        return self._steps * self._dt

    def readings(self) -> Readings:
        """The current values of the instruments."""
        truth = self.state.values()
        drift = self.faults.severity(names.DRIFTING_SENSOR, self.elapsed)
        truth[_DISCHARGE] += 1.2 * drift
        shown = read(truth, self._normals)
        if self._stuck_flow is not None:
            shown[_FLOW] = self._stuck_flow
        return shown

    def inject(self, fault: str, over: float | None = None) -> None:
        """Starts a fault now, slowly over `over` s if given; KeyError for an unknown name."""
        self.faults.inject(fault, self.elapsed, over)
        if fault == names.FROZEN_SENSOR and self._stuck_flow is None:
            self._stuck_flow = self.readings()[_FLOW]

    def clear(self) -> tuple[str, ...]:
        """Removes every fault; returns their names."""
        self._stuck_flow = None
        return self.faults.clear()

    def step(self) -> None:
        """Advances the plant by one step."""
        self._steps += 1
        self.at += self._dt_ns
        self._normals = self._sensor_noise.row()
        self._advance(self.elapsed)

    @property
    def _turning(self) -> float:
        """1 while it runs, falling to 0 as it stops: current and vibration scale with it."""
        return min(self.state.speed / _CRAWL, 1.0)

    def _build_lags(self) -> None:
        dt, demand = self._dt, self._demand.now
        speed = speed_for(demand)
        valve = valve_for(demand, speed)
        self._drive = Lag(2.5, dt, speed)
        self._column = Lag(0.8, dt, demand)
        self._valve = Lag(1.5, dt, valve)
        self._slow_demand = Lag(20.0, dt, demand)
        self._integral = valve - _MIDDLE
        self._bearing_de, self._bearing_nde = Lag(70.0, dt, 20.0), Lag(85.0, dt, 20.0)
        self._winding = Lag(120.0, dt, 20.0)
        self._supply = CorrelatedNoise(60.0, dt, 0.008)
        self._unmetered = CorrelatedNoise(20.0, dt, 2.0)
        self._rough_de, self._rough_nde = (
            CorrelatedNoise(15.0, dt, 0.008),
            CorrelatedNoise(15.0, dt, 0.008),
        )
        self._bubbles, self._collapse = CorrelatedNoise(0.6, dt), CorrelatedNoise(0.4, dt)
        self.state = State(*[0.0] * len(SIGNALS))
        self.state.level, self.state.valve_setpoint = _LEVEL_SETPOINT, valve

    def _warm_up(self) -> None:
        """Runs half an hour before the start, so that the plant begins warm and stable."""
        for lag, target in self._thermal_targets():
            lag.value = target
        for step in range(1 - round(_WARM_UP / self._dt), 1):
            self._advance(step * self._dt)
        self._normals = self._sensor_noise.row()

    def _advance(self, now: float) -> None:
        phase_noise, flicker, supply, rough_de, rough_nde, bubble, collapse, draw = (
            self._noise.row()
        )
        cavitation = self.faults.severity(names.CAVITATION, now)
        wear = self.faults.severity(names.BEARING_WEAR, now)
        demand = self._demand.step(now, phase_noise, flicker)
        self._control(demand, self.faults.severity(names.STICKING_VALVE, now))
        self._hydraulics(
            (demand + self._unmetered.step(draw)) if self.is_running else self.state.flow,
            self._supply.step(supply),
            cavitation,
            self._bubbles.step(bubble),
            self._collapse.step(collapse),
        )
        self._motor(wear)
        self._vibration(
            self._rough_de.step(rough_de), self._rough_nde.step(rough_nde), cavitation, wear
        )
        self._temperatures(now, wear)

    def _control(self, demand: float, stiction: float) -> None:
        """Drive and level controller; a sticking valve moves only at a large error."""
        state, dt = self.state, self._dt
        if not self.is_running:
            state.speed = max(self._drive.toward(0.0), _REST)
            return
        error = _LEVEL_SETPOINT - state.level
        self._integral += error * dt * 1.5 / 200
        ahead = demand - self._slow_demand.toward(demand)
        wanted = _MIDDLE + self._integral + 1.5 * error + 1.3 * ahead
        state.valve_setpoint = min(max(wanted, 5.0), 95.0)
        state.speed = self._drive.toward(speed_for(demand))
        if abs(state.valve_setpoint - self._valve.value) >= 15.0 * stiction:
            self._valve.toward(state.valve_setpoint)
        state.valve_position = self._valve.value

    def _hydraulics(
        self, drawn: float, supply: float, cavitation: float, bubbles: float, collapse: float
    ) -> None:
        """The flow at which pump curve and system curve intersect, and the level of the tank."""
        state = self.state
        before = _SUPPLY + supply - cavitation * (0.7 + 0.06 * collapse)
        strength = 1 - cavitation * (0.12 + 0.05 * bubbles)
        shutoff = _SHUTOFF * strength * (state.speed / _RATED_SPEED) ** 2
        back = _BACK + 0.003 * (state.level - _LEVEL_SETPOINT)
        drive = max(shutoff + before - back, 0.0)
        flow = self._column.toward(sqrt(drive / resistance(self._valve.value)))
        state.flow = flow
        state.suction_pressure = before - _SUCTION_LOSS * flow**2
        state.discharge_pressure = state.suction_pressure + shutoff - _PUMP_SLOPE * flow**2
        filled = (flow - drawn) * self._dt / 3600 / _TANK * 100
        state.level = min(max(state.level + filled, 0.0), 100.0)

    def _motor(self, wear: float) -> None:
        """Shaft power is hydraulic power over the efficiency; the current follows the torque."""
        state = self.state
        turns = state.speed / _RATED_SPEED
        off_best = state.flow / (_BEST_FLOW * turns) - 1
        efficiency = max(_BEST_EFFICIENCY * (1 - 0.9 * off_best**2), 0.3)
        lift = state.discharge_pressure - state.suction_pressure
        shaft = lift * state.flow / 36 / efficiency * (1 + 0.04 * wear)
        torque = shaft * 1000 / (state.speed * 2 * pi / 60)
        state.current = sqrt(9.0**2 + (25.5 * torque / _RATED_TORQUE) ** 2) * self._turning
        state.power = 0.4 + shaft / _MOTOR_EFFICIENCY

    def _vibration(self, rough_de: float, rough_nde: float, cavitation: float, wear: float) -> None:
        """Unbalance grows with speed, the hydraulic part away from the best point."""
        state = self.state
        turns = state.speed / _RATED_SPEED
        off_best = (state.flow / (_BEST_FLOW * turns) - 1) ** 2
        hiss = cavitation * (1 + 0.25 * self._collapse.value)
        knock = wear * turns**2
        state.vibration_de = (0.5 + 1.2 * turns**2 + 2.0 * off_best) * (1 + rough_de)
        state.vibration_nde = (0.4 + 0.9 * turns**2 + 2.0 * off_best) * (1 + rough_nde)
        state.vibration_de += 3.2 * knock + 1.6 * hiss
        state.vibration_nde += 0.5 * knock + 2.0 * hiss
        state.vibration_de *= self._turning
        state.vibration_nde *= self._turning

    def _thermal_targets(self, wear: float = 0.0) -> tuple[tuple[Lag, float], ...]:
        state = self.state
        turns = state.speed / _RATED_SPEED
        air = state.ambient_temperature
        friction = 16 * turns**1.5 + 0.5 * state.power
        return (
            (self._bearing_de, air + friction + 30 * wear),
            (self._bearing_nde, air + 0.9 * friction),
            (self._winding, air + 0.09 * state.current**2),
        )

    def _temperatures(self, now: float, wear: float) -> None:
        """Each temperature follows its losses above the ambient temperature."""
        state = self.state
        state.ambient_temperature = 22.0 + 4.0 * sin(2 * pi * now / _DAY)
        for lag, target in self._thermal_targets(wear):
            lag.toward(target)
        state.bearing_temperature_de = self._bearing_de.value
        state.bearing_temperature_nde = self._bearing_nde.value
        state.winding_temperature = self._winding.value


_FLOW = TAGS.index("flow")
_DISCHARGE = TAGS.index("discharge_pressure")
