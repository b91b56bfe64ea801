"""A simulated week: every fault is alarmed, without floods, chattering or false alarms, and a kill
of the gateway changes nothing in what is stored of the alarms.

By default the week is compressed: four hours in steps of 5 s, with the same eight faults and two
stops, only shorter. What is asked of the rate while it is going wrong makes no sense then, and is
left out. With ANDON_ALARM_WEEK=1 it is a whole week, in steps of 5 s as well, and six hours more
are played in processes that SIGKILL ends.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import alarm_week
import numpy as np
import pytest
import structlog
from alarm_week import Run, World, course
from shared import once

from connectors.simulator.pump import EPOCH
from gateway.api.model import SECOND
from gateway.core.alarms.performance import Entry, performance

HOUR = 3600
IS_WHOLE = bool(os.environ.get("ANDON_ALARM_WEEK"))
HOURS, GRID, TRAINED_ON, KILLS = (168, 5, 72, 60) if IS_WHOLE else (4, 5, 12, 12)
SETTLED = 600 * SECOND
"""An alarm that is raised so soon after a fault was repaired still is the fault's."""
OTHERS = {"plc_gone": "data.plc", "monitor_gone": "data.monitor", "bad_sensor": "data.monitor"}
"""Faults of sources, and whose alarm they are."""


class Played(NamedTuple):
    world: World
    file: Path
    folder: Path
    points: list


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The week without a kill."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    events = course(HOURS, GRID)
    folder = once(
        tmp_path_factory,
        "week",
        lambda path: alarm_week.write_line(path, events, TRAINED_ON, tried=IS_WHOLE),
    )
    world, file = World(events), folder / "pump-skid.yaml"
    yield Played(world, file, folder, play(tmp_path_factory.mktemp("plain"), file, world, {}))
    structlog.reset_defaults()


def play(folder, file, world, kills):
    (folder / "0").mkdir()
    return asyncio.run(Run(file, folder, world).play(kills))


def seconds(at):
    return (at - EPOCH) / SECOND


def raised(points):
    return [point for point in points if point["transition"] == "raised"]


def cause_of(point, faults):
    """The fault that an alarm is of; None for a false one."""
    at = seconds(point["at"])
    for fault in faults:
        if fault.onset < at <= fault.end + SETTLED / SECOND:
            return fault.name
    return None


def is_of(point, fault):
    """Whether an alarm says what a fault is: it names a tag that the fault moves."""
    if fault.name in OTHERS:
        return f"{point['detector']}.{point['alarm']}".startswith(OTHERS[fault.name])
    named = {point.get("tag"), *point["top_tags"].split(",")[:3]}
    return bool(named & set(alarm_week.MOVES[fault.name]))


def test_every_fault_is_alarmed_while_it_lasts(plain):
    missed = [
        fault.name
        for fault in plain.world.course.faults
        if not any(
            fault.onset < seconds(point["at"]) <= fault.end and is_of(point, fault)
            for point in raised(plain.points)
        )
    ]
    assert missed == []


def test_there_is_at_most_one_false_alarm(plain):
    false = [
        (seconds(point["at"]), point["message"])
        for point in raised(plain.points)
        if cause_of(point, plain.world.course.faults) is None and not point.get("caused_by")
    ]
    assert len(false) <= 1, false


def entries(points):
    return [
        Entry(
            point["at"],
            point["id"],
            f"{point['detector']}.{point['alarm']}",
            point["transition"],
            point["severity"],
        )
        for point in points
    ]


def test_no_ten_minutes_bring_more_than_ten_alarms_and_no_alarm_chatters(plain):
    figures = performance(entries(plain.points), EPOCH, EPOCH + HOURS * HOUR * SECOND)
    assert figures.most_in_ten_minutes <= 10
    assert figures.per_hour <= 6
    assert figures.chattering == []
    assert figures.floods == 0


@pytest.mark.skipif(not IS_WHOLE, reason="its faults are compressed; set ANDON_ALARM_WEEK")
def test_there_are_six_alarms_an_hour_on_average_while_it_is_going_wrong(plain):
    faults = plain.world.course.faults
    wrong = sum(fault.end - fault.onset for fault in faults) / HOUR
    of_faults = [p for p in raised(plain.points) if cause_of(p, faults)]
    assert len(of_faults) / wrong <= 6


def transitions(points):
    """What happened to which alarm, when."""
    return [(point["id"], point["transition"], point["state"], point["at"]) for point in points]


def kills_of(world, seed, how, away):
    """By tick: whether it is killed before or after the append, and how many ticks it is away."""
    rng = np.random.default_rng(seed)
    ticks = rng.choice(len(world), KILLS, replace=False)
    return {int(tick): (how, int(rng.choice(away))) for tick in ticks}


def test_kills_at_random_change_nothing_in_what_is_stored(plain, tmp_path):
    killed = play(tmp_path, plain.file, plain.world, kills_of(plain.world, 5, "after", [0]))
    assert transitions(killed) == transitions(plain.points)


@pytest.mark.skipif(not IS_WHOLE, reason="it takes minutes; set ANDON_ALARM_WEEK")
def test_a_gateway_that_is_killed_and_away_raises_no_other_alarm(plain, tmp_path):
    kills = kills_of(plain.world, 6, "before", [0, 1, 3])
    killed = play(tmp_path, plain.file, plain.world, kills)
    assert counted(killed) <= counted(plain.points)
    others = Counter(n for n in counted(plain.points).elements() if not n.startswith("pump."))
    assert others <= counted(killed)


def counted(points):
    """How often each alarm was raised."""
    return Counter(f"{point['detector']}.{point['alarm']}" for point in raised(points))


@pytest.mark.skipif(not IS_WHOLE, reason="it takes minutes; set ANDON_ALARM_WEEK")
def test_sigkill_neither_repeats_an_alarm_nor_raises_another_one(tmp_path):
    events = course(6, 5)
    world, file = World(events), alarm_week.write_line(tmp_path, events, 6)
    without = play(_made(tmp_path / "plain"), file, world, {})
    lives = np.random.default_rng(8).integers(100, 700, 8).tolist()
    assert alarm_week.killed_for_real(file, tmp_path / "killed", world, lives) == 8
    killed = asyncio.run(alarm_week.stored_in(file, tmp_path / "killed", world))
    assert counted(killed) <= counted(without)
    assert len({point["id"] for point in raised(killed)}) == len(raised(killed))


def _made(folder):
    folder.mkdir()
    return folder
