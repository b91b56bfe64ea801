"""Recorded values are made missing where a line would call them bad, and that is said."""

import numpy as np
import pytest

from gateway.api.model import SECOND, Tag
from gateway.history.as_live import NoValue, NoValues, as_live, described
from gateway.history.wide import Recording

FLOW = np.round(50 + np.random.default_rng(1).normal(0, 1, 200), 3)


def recording(*odd):
    """200 values of flow, whose first ones are `odd`, and of power."""
    flow = FLOW.copy()
    flow[: len(odd)] = odd
    times = np.arange(200) * SECOND
    return Recording(("flow", "power"), times, np.stack((flow, 2 * FLOW), axis=1), {})


def tag(**options):
    return {"flow": Tag("flow", "plc", SECOND, "m3/h", **options)}


BAD = {
    "below low": (tag(low=0.0), (-3, -5), "2 values (1.00%) below low (0)"),
    "above high": (tag(high=200.0), (4711,), "1 value (0.50%) above high (200)"),
    "infinite": (tag(), (np.inf,), ""),
    "no_value": (
        tag(no_value=(-9999.0,)),
        (-9999,) * 3,
        "(1.50%) declared as no_value (-9999)",
    ),
    "one of two": (
        tag(no_value=(-1.0, 51.5)),
        (51.5,),
        "(0.50%) declared as no_value (51.5)",
    ),
    "as float32": (tag(no_value=(-999.9,)), (np.float32(-999.9),), "declared as no_value (-999.9"),
    "no_value and low": (tag(low=0.0, no_value=(-9.0,)), (-9, -8), "1 value (0.50%) below low (0)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_line_calls_bad_is_missing_and_counted(name):
    tags, odd, sentence = BAD[name]
    live = as_live(recording(*odd), tags)
    assert np.isnan(live.recording.values[: len(odd), 0]).all()
    assert np.isfinite(live.recording.values[len(odd) :]).all()
    assert any(sentence in remark for remark in live.remarks) or not sentence
    assert all("not used, as on the line" in remark for remark in live.remarks)


def test_nothing_is_said_of_good_values_and_of_empty_cells():
    live = as_live(recording(np.nan, np.nan), tag(low=0.0, high=100.0, no_value=(0.0,)))
    assert live.remarks == ()
    assert np.isnan(live.recording.values[:, 0]).sum() == 2


def test_a_number_that_looks_like_no_value_is_missing_and_the_remedy_is_named():
    [remark] = (live := as_live(recording(-9999, -9999), {})).remarks
    assert np.isnan(live.recording.values[:2, 0]).all()
    assert remark.startswith("flow: -9999 occurs 2 times (1.00%), far from all other values, 4")
    assert "give the tag a `low` above -9999, or `no_value`, in the line file" in remark
    assert "If it is real, add --no-value none" in remark
    [remark] = as_live(recording(65535), {}).remarks
    assert "give the tag a `high` below 65535" in remark


def test_a_bound_settles_it():
    [remark] = as_live(recording(-9999, -9999), tag(low=0.0)).remarks
    assert remark == "flow: 2 values (1.00%) below low (0): not used, as on the line"


def test_a_person_settles_it():
    odd = recording(-9999, 49, 49)
    none = as_live(odd, {}, NoValues(search=False))
    assert none.remarks == ()
    assert none.recording.values[0, 0] == -9999
    given = as_live(odd, {}, NoValues((NoValue(49.0, "flow"), NoValue(-9999.0))))
    assert np.isnan(given.recording.values[:3, 0]).all()
    assert given.remarks == (
        "flow: 3 values (1.50%) declared as no value by --no-value (-9999, 49): not used",
    )
    other = as_live(odd, {}, NoValues((NoValue(49.0, "power"),), search=False))
    assert np.isfinite(other.recording.values).all()


def test_what_may_be_a_code_is_used_and_doubted():
    codes = recording()._replace(names=("product", "power"))
    codes.values[:, 0] = np.repeat([1001.0, 9999.0], 100)
    live = as_live(codes, {})
    assert np.isfinite(live.recording.values).all()
    assert "used as measured; if it means no value, add --no-value product=9999" in live.remarks[0]


def test_labels_are_no_measurement():
    live = as_live(recording(-9999, -9999), {}, exempt=["flow"])
    assert live.remarks == ()


def test_the_recording_itself_is_not_changed():
    original = recording(-9999)
    as_live(original, {})
    assert original.values[0, 0] == -9999


def test_a_replay_is_told_what_is_bad_and_what_passes_as_measured():
    assert list(described(recording(-9999, -9999), {})) == []
    [sentence] = described(recording(-9999, -9999), tag(low=0.0))
    assert sentence == "flow: 2 values (1.00%) below low (0): bad for the line"
    [sentence] = described(recording(-9999, -9999), tag())
    assert "and the line takes it as measured: if it means no value, give the tag" in sentence
