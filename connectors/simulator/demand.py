"""The demand on the plant: consumers that draw water from the header tank.

Promises
- Load changes are steps and ramps every few minutes, smoothed as by a pipe network; their times
  depend only on the seed, never on the step.
- On top of them the draw swings by a few per cent with a period of about 12 s and flickers, so a
  frozen sensor soon differs from its neighbours.
"""

from math import exp, pi, sin, sqrt

import numpy as np

LOW, HIGH = 53.0, 64.0
"""The range of load changes, m3/h."""

_SWING, _SWING_PERIOD, _SWING_NOISE = 0.07, 12.0, 0.06  # of the load, s, rad per square root of s
_FLICKER, _FLICKER_TIME = 0.008, 4.0  # of the load, s
_LEAST_CHANGE = 4.0  # m3/h


class Lag:
    """A first-order lag of `time` s, exact for an input that holds over one step of `dt` s."""

    __slots__ = ("keep", "value")

    def __init__(self, time: float, dt: float, value: float) -> None:
        self.keep = exp(-dt / time)
        self.value = value

    def toward(self, target: float) -> float:
        """Advances one step; returns the new value."""
        self.value = target + (self.value - target) * self.keep
        return self.value


class CorrelatedNoise:
    """Noise with correlation time `time` s and standard deviation `spread`, at any step."""

    __slots__ = ("keep", "kick", "value")

    def __init__(self, time: float, dt: float, spread: float = 1.0) -> None:
        self.keep = exp(-dt / time)
        self.kick = spread * sqrt(1 - self.keep**2)
        self.value = 0.0

    def step(self, normal: float) -> float:
        """Advances one step with a standard normal number; returns the new value."""
        self.value = self.value * self.keep + self.kick * normal
        return self.value


class Demand:
    """The flow drawn by the consumers in m3/h."""

    def __init__(self, rng: np.random.Generator, dt: float, start: float) -> None:
        self._rng = rng
        self._load = float(rng.uniform(LOW + 2, HIGH - 2))
        self._target, self._slope = self._load, 0.0
        self._next_change = start + float(rng.uniform(60, 180))
        self._phase = float(rng.uniform(0, 2 * pi))
        self._turn = 2 * pi * dt / _SWING_PERIOD
        self._phase_noise = _SWING_NOISE * sqrt(dt)
        self._dt = dt
        self._network = Lag(15.0, dt, self._load)
        self._flicker = CorrelatedNoise(_FLICKER_TIME, dt, _FLICKER)
        self.now = self._load

    def _change_load(self, now: float) -> None:
        """Begins a step, or a ramp of up to a minute, to another load."""
        rng = self._rng
        target = self._target
        while abs(target - self._target) < _LEAST_CHANGE:
            target = float(rng.uniform(LOW, HIGH))
        over = float(rng.choice((self._dt, rng.uniform(20, 60))))
        self._target, self._slope = target, abs(target - self._load) / over
        self._next_change = now + over + float(rng.uniform(60, 180))

    def step(self, now: float, phase_noise: float, flicker: float) -> float:
        """The draw at `now` s; `phase_noise` and `flicker` are standard normal numbers."""
        if now >= self._next_change:
            self._change_load(now)
        stride = self._slope * self._dt
        gap = self._target - self._load
        self._load = (
            self._target if abs(gap) <= stride else self._load + (stride if gap > 0 else -stride)
        )
        self._phase += self._turn + self._phase_noise * phase_noise
        swing = _SWING * sin(self._phase) + self._flicker.step(flicker)
        self.now = self._network.toward(self._load) * (1 + swing)
        return self.now
