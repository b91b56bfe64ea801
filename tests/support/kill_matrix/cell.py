"""One fault against one plant: brought about, taken away, and measured."""

import asyncio
import inspect
import math
import tempfile
import time
from pathlib import Path

from kill_matrix.plants import PLANTS
from kill_matrix.result import Cell, Figures
from kill_matrix.truth import FEWER, TAGS, are_wrong, ticks_of
from kill_matrix.watch import Watch

START_S, GIVE_UP_S, SETTLE_S, LEAK_S = 90.0, 90.0, 1.0, 10.0


async def measure(kind, fault):
    """One cell; whatever goes wrong with it stands in it."""
    if kind in fault.without:
        return Cell(kind, fault, None)
    try:
        return Cell(kind, fault, await _measured(PLANTS[kind], fault))
    except Exception as error:  # noqa: BLE001 - one broken cell does not stop the others
        return Cell(kind, fault, None, f"{type(error).__name__}: {error}")


async def _measured(make_plant, fault):
    with tempfile.TemporaryDirectory(prefix="andon-matrix-") as folder:
        async with make_plant(Path(folder), secured=fault.is_secured) as plant:
            async with Watch(plant) as watch:
                if await watch.until_well(TAGS, 0.0, START_S) is None:
                    raise AssertionError(f"it never started: {watch.health.error}")
                figures = await _suffer(plant, fault, watch)
            stayed = await _leaked(plant, 0)
        return Figures(**figures | {"leaked": max(figures["leaked"], stayed)})


async def _suffer(plant, fault, watch):
    begun = time.monotonic()
    await _do(fault.begin, plant)
    standing = time.monotonic()
    neighbours = None
    if fault.name.endswith("gone"):
        neighbours = await watch.until_well(FEWER, standing, fault.lasts + GIVE_UP_S)
    await asyncio.sleep(standing + fault.lasts - time.monotonic())
    said = watch.health.error
    finishing = time.monotonic()
    await _do(fault.finish, plant)
    healed = time.monotonic()
    recovered = await watch.until_well(TAGS, healed, GIVE_UP_S)
    until = recovered or time.monotonic()
    await asyncio.sleep(SETTLE_S)
    noticed = watch.noticed(begun)
    good = watch.good(begun - 2.0, math.inf)
    wrong = int(are_wrong(*good, plant.epoch).sum())
    if fault.is_secured:
        wrong += len(watch.good(standing, finishing)[0])
    return {
        "notice": None if noticed is None or noticed > until else noticed - begun,
        "recover": None if recovered is None else max(0.0, recovered - healed),
        "neighbours": None if neighbours is None else neighbours - standing,
        "lost": _lost(plant, watch, begun, until, TAGS if neighbours is None else FEWER),
        "wrong": wrong,
        "leaked": await _leaked(plant, 1),
        "said": said,
    }


async def _do(step, plant):
    result = step(plant)
    if inspect.isawaitable(result):
        await result


async def _leaked(plant, ours):
    """What the server holds beyond `ours`, once it had time to notice."""
    deadline = time.monotonic() + LEAK_S
    while (held := await plant.held() - ours) > 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return max(0, held)


def _lost(plant, watch, begun, until, tags):
    """Of the tag that lost most of these many; a polled plant offers a sample each period."""
    tag, _, value = watch.good(begun - 2.0, math.inf)
    wall = time.time() - time.monotonic() - plant.epoch
    first, last = (round((moment + wall) * 10) for moment in (begun, until))
    came = [set(ticks_of(value[tag == each]).tolist()) for each in range(tags)]
    if offered := plant.offered():
        due = {tick: tags for tick, tags in offered.items() if first <= tick <= last}
        missing = [
            {t for t, tags in due.items() if tags > each} - came[each] for each in range(tags)
        ]
        return max(len(each) for each in missing)
    seen = [sum(first <= tick <= last for tick in each) for each in came]
    return max(0, round((until - begun) / plant.period) - min(seen))
