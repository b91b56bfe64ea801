"""What the plant is asked for: consumers that draw water from the header tank.

Promises
- Load changes are steps and ramps every few minutes, smoothed as the network smooths them; they
  come at times that depend on the seed alone, never on the step.
- On top of them the draw swings by a few per cent with a period of some 12 s and flickers, so a
  sensor that stands still is soon out of step with its neighbours.
"""

from math import exp, pi, sin, sqrt

import numpy as np

LOW, HIGH = 53.0, 64.0
"""The range of load changes, m3/h."""

_SWING, _SWING_PERIOD, _SWING_WANDER = 0.07, 12.0, 0.06  # of the load, s, rad per square root of s
_FLICKER, _FLICKER_TIME = 0.008, 4.0  # of the load, s
_LEAST_CHANGE = 4.0  # m3/h


class Lag:
    """A first-order lag of `time` s, exact for an input that holds over one step of `dt` s."""

    __slots__ = ("keep", "value")

    def __init__(self, time: float, dt: float, value: float) -> None:
        self.keep = exp(-dt / time)
        self.value = value

    def toward(self, target: float) -> float:
        """One step; returns the new value."""
        self.value = target + (self.value - target) * self.keep
        return self.value


class Wander:
    """Noise with a memory of `time` s and a standard deviation of `spread`, whatever the step."""

    __slots__ = ("keep", "kick", "value")

    def __init__(self, time: float, dt: float, spread: float = 1.0) -> None:
        self.keep = exp(-dt / time)
        self.kick = spread * sqrt(1 - self.keep**2)
        self.value = 0.0

    def step(self, normal: float) -> float:
        """One step, driven by one standard normal number; returns the new value."""
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
        self._stray = _SWING_WANDER * sqrt(dt)
        self._dt = dt
        self._network = Lag(15.0, dt, self._load)
        self._flicker = Wander(_FLICKER_TIME, dt, _FLICKER)
        self.now = self._load

    def _change_load(self, now: float) -> None:
        """A step, or a ramp of up to a minute, to another load."""
        rng = self._rng
        target = self._target
        while abs(target - self._target) < _LEAST_CHANGE:
            target = float(rng.uniform(LOW, HIGH))
        over = float(rng.choice((self._dt, rng.uniform(20, 60))))
        self._target, self._slope = target, abs(target - self._load) / over
        self._next_change = now + over + float(rng.uniform(60, 180))

    def step(self, now: float, stray: float, flicker: float) -> float:
        """The draw at `now` s; `stray` and `flicker` are standard normal numbers."""
        if now >= self._next_change:
            self._change_load(now)
        stride = self._slope * self._dt
        gap = self._target - self._load
        self._load = (
            self._target if abs(gap) <= stride else self._load + (stride if gap > 0 else -stride)
        )
        self._phase += self._turn + self._stray * stray
        swing = _SWING * sin(self._phase) + self._flicker.step(flicker)
        self.now = self._network.toward(self._load) * (1 + swing)
        return self.now
