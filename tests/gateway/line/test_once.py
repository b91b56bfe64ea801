import asyncio
import contextlib

import numpy as np
import pytest
from fakes import PLACES, ScriptedConnector, batch, tag

from detectors.runtime.limits import LimitsDetector, LimitsOptions
from gateway.api.alarms import Alarm
from gateway.api.contracts import ConfigError, SourceLost
from gateway.api.model import SECOND, Quality, SampleBatch, Score, Tag, WindowSpec
from gateway.core.alarms.words import Words
from gateway.line.once import LastValues, read_once, score_once


@pytest.mark.parametrize("error", [SourceLost("it is away"), ConfigError("no such secret")])
async def test_a_source_that_cannot_be_read_is_named_and_the_others_are_shown(error):
    good = SampleBatch(np.array([0]), np.array([5]), np.array([2.5]), np.array([Quality.GOOD]))
    tags = [Tag("flow", "plc", 10**9), Tag("power", "broker", 10**9)]
    sources = {"plc": ScriptedConnector([good]), "broker": ScriptedConnector([error])}

    reading = await read_once(tags, sources, 5)

    assert reading.values == {"flow": 2.5}
    assert reading.errors == {"broker": str(error)}


async def test_a_value_out_of_bounds_is_shown_as_bad():
    batch = SampleBatch(np.array([0]), np.array([5]), np.array([2.5]), np.array([Quality.GOOD]))
    tags = [Tag("flow", "plc", 10**9, high=2.0)]

    reading = await read_once(tags, {"plc": ScriptedConnector([batch])}, 5)

    assert reading.qualities == {"flow": Quality.BAD}
    assert reading.facts()[0]["value"] is None


NAN = float("nan")


class Silent:
    """Brings this batch, and then nothing more."""

    def __init__(self, first):
        self._first = first

    @contextlib.asynccontextmanager
    async def open(self):
        async def batches():
            yield self._first
            await asyncio.Event().wait()

        yield batches()


async def test_each_tag_has_its_last_value_and_quality():
    tags = [tag("flow"), tag("power", source="broker"), tag("level")]
    sources = {
        "plc": ScriptedConnector([batch(1, 1.0), batch(2, 2.0), batch(3, NAN, first=1)]),
        "broker": ScriptedConnector([batch(1, 7.0)]),
    }
    reading = await read_once(tags, sources, 5)
    assert reading.errors == {}
    assert reading.values["flow"] == 2.0
    assert reading.values["power"] == 7.0
    assert np.isnan(reading.values["level"])
    assert reading.qualities == {"flow": Quality.GOOD, "power": Quality.GOOD, "level": Quality.BAD}
    assert type(reading.qualities["flow"]) is Quality


async def test_reading_ends_when_every_tag_was_seen():
    tags = [tag("flow"), tag("level")]
    reading = await read_once(tags, {"plc": Silent(batch(1, 1.0, 2.0))}, 60)
    assert (reading.values, reading.errors) == ({"flow": 1.0, "level": 2.0}, {})


async def test_a_source_that_is_not_done_in_time_is_named_with_its_silent_tags():
    tags = [tag("flow"), tag("level"), tag("speed"), tag("power", source="broker")]
    sources = {"plc": Silent(batch(1, 1.0)), "broker": Silent(batch(1, 3.0))}
    reading = await read_once(tags, sources, 0.05)
    assert reading.values == {"flow": 1.0, "power": 3.0}
    assert list(reading.errors) == ["plc"]
    assert "0.05 s" in reading.errors["plc"]
    assert reading.errors["plc"].endswith("level, speed")


def test_the_facts_of_a_tag_are_plain_values():
    tags = [
        tag("valve", names={1.0: "open"}),
        tag("flow", source="skid", unit="l/s"),
        tag("level"),
        tag("speed"),
    ]
    reading = LastValues(
        tags,
        {"valve": 1.0, "flow": NAN, "level": float("inf")},
        {"valve": Quality.GOOD, "flow": Quality.BAD, "level": Quality.UNCERTAIN},
    )
    valve, flow, level, speed = reading.facts()
    assert valve == {
        "tag": "valve",
        "source": "plc",
        "unit": "",
        "value": 1.0,
        "name": "open",
        "quality": "good",
    }
    assert (flow["source"], flow["unit"], flow["value"], flow["quality"]) == (
        "skid", "l/s", None, "bad",
    )  # fmt: skip
    assert (level["value"], level["quality"]) == (None, "uncertain")
    assert (speed["value"], speed["name"], speed["quality"]) == (None, "", "never_seen")


class Recent:
    """A detector that wants `wants` observed rows; it notes the windows that it was shown."""

    def __init__(self, *tags, length=3, wants=1):
        self.spec = WindowSpec(tags, 2 * SECOND, length)
        self.alarms = [Alarm("low", 5.0), Alarm("high", 10.0), Alarm("unclear", 1.0)]
        self._wants, self.windows = wants, []

    def score(self, windows):
        (window,) = windows
        self.windows.append(window)
        seen = int(window.observed[:, 0].sum())
        blind = "" if seen >= self._wants else "too few rows"
        value = window.values[-1, 0] if not blind else NAN
        contribution = np.arange(1.0, len(self.spec.tags) + 1)
        return [
            Score(window.end, np.array([value, value, NAN]), 1.0, "m", contribution, blind=blind)
        ]


def reading_of(**values):
    return LastValues([tag(name) for name in values], values)


UNKNOWN = {"actual": None, "expected": None, "reason": ""}


def test_one_row_is_scored_as_the_last_one_of_a_window():
    model = Recent("flow", "level")
    facts = score_once("pump", model, reading_of(flow=7.0, level=NAN, other=1.0))
    (window,) = model.windows
    assert window.values[-1, 0] == 7.0
    assert window.observed.tolist() == [[False, False], [False, False], [True, False]]
    assert (window.start, window.period, len(window.values)) == (6 * SECOND, 2 * SECOND, 3)
    assert facts == {
        "name": "pump",
        "held_ns": 0,
        "blind": "",
        "idle": "",
        "values": [7.0, 7.0, None],
        "over": ["low"],
        "says": ["low: level 67 %, flow 33 %"],
        "top_tags": [
            {"tag": "level", "share": 0.667, "unit": "", **UNKNOWN},
            {"tag": "flow", "share": 0.333, "unit": "", **UNKNOWN},
        ],
    }


def test_a_limit_is_told_in_the_words_of_every_other_place(tmp_path):
    options = LimitsOptions.model_validate(
        {"type": "limits", "tags": {"flow": {"low": 2000}, "speed": {"high": 100}}}
    )
    tags = {"flow": tag("flow", unit="l/h"), "speed": tag("speed", unit="rpm")}
    guard = LimitsDetector("guard", options, tags, PLACES)
    facts = score_once("guard", guard, reading_of(flow=992.0, speed=878.0), Words("skid", tags))
    assert facts["says"] == [
        "Flow low: 992 l/h, limit 2000 l/h",
        "Speed high: 878 rpm, limit 100 rpm",
    ]
    assert facts["values"] == [992.0, 878.0]
    assert facts["top_tags"] == [
        {"tag": "flow", "share": 1.0, **UNKNOWN, "actual": 992.0, "unit": "l/h"}
    ]


def test_a_detector_that_needs_a_whole_window_sees_the_row_held_and_says_so():
    model = Recent("flow", wants=3)
    facts = score_once("pump", model, reading_of(flow=12.0))
    assert (facts["held_ns"], facts["blind"], facts["over"]) == (6 * SECOND, "", ["low", "high"])
    assert model.windows[1].values.tolist() == [[12.0]] * 3
    assert model.windows[1].observed.all()


def test_a_window_of_one_row_cannot_be_held():
    model = Recent("flow", length=1, wants=2)
    facts = score_once("pump", model, reading_of(flow=12.0))
    assert (facts["held_ns"], facts["blind"], len(model.windows)) == (0, "too few rows", 1)
    assert (facts["over"], facts["top_tags"], facts["values"]) == ([], [], [None] * 3)


def test_exactly_the_threshold_is_not_over_it():
    facts = score_once("pump", Recent("flow"), reading_of(flow=5.0))
    assert (facts["over"], facts["top_tags"]) == ([], [])


def test_a_tag_that_was_not_read_is_a_hole():
    model = Recent("flow", "gone")
    score_once("pump", model, reading_of(flow=1.0))
    assert np.isnan(model.windows[0].values[-1, 1])


def test_a_window_of_two_rows_can_be_held():
    facts = score_once("pump", Recent("flow", length=2, wants=2), reading_of(flow=12.0))
    assert (facts["held_ns"], facts["over"]) == (4 * SECOND, ["low", "high"])


def test_a_detector_with_another_number_of_values_is_an_error():
    model = Recent("flow")
    model.alarms = model.alarms[:2]
    with pytest.raises(ValueError, match="zip"):
        score_once("pump", model, reading_of(flow=12.0))
