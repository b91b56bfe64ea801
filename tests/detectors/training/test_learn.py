import bundles
import numpy as np
import pytest

from detectors.data.recordings import Recording
from detectors.training.learn import golden_outputs
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND


def with_column(name, values):
    source = bundles.recording(len(values))
    return Recording(
        (*source.names, name), source.times, np.column_stack((source.values, values)), {}
    )


def test_a_recording_becomes_a_model_of_all_its_tags():
    learnt = bundles.learnt()
    assert learnt.prepared.names == bundles.NAMES
    assert (learnt.prepared.windows.period, learnt.prepared.hop) == (SECOND, 1)
    assert (learnt.model.frame.length, learnt.model.frame.lag) == (10, 4)
    assert learnt.rows == 1200
    assert not learnt.has_drifted


def test_every_window_is_scored_by_a_model_not_fitted_on_it():
    source = bundles.recording()
    wrong = source._replace(values=source.values.copy())
    # A fault in the middle of the training data is still anomalous.
    wrong.values[600:640, 1] += 5
    learnt = bundles.learnt(wrong)
    assert len(learnt.scores) == learnt.prepared.total == 1191
    assert (learnt.scores[600:631] > learnt.threshold).all()


def test_a_short_fault_does_not_raise_the_threshold_to_its_own_score():
    source = bundles.recording()
    wrong = source._replace(values=source.values.copy())
    wrong.values[600:620, 1] += 5
    learnt = bundles.learnt(wrong)
    assert learnt.threshold < 0.1 * learnt.scores[600:615].min()


def test_the_default_window_is_short_with_many_tags_and_few_rows():
    default = bundles.learnt(window=None).model.frame
    assert (default.lag, default.length) == (10, 29)
    noise = np.random.default_rng(1).normal(size=(400, 40))
    times = bundles.START + np.arange(400, dtype=np.int64) * SECOND
    source = Recording(tuple(f"tag{n}" for n in range(40)), times, noise, {})
    assert bundles.learnt(source, window=None).model.frame.lag == 5


def test_the_delays_are_whole_steps_of_the_windows():
    assert bundles.learnt().delay == 20 * SECOND
    assert bundles.learnt(bundles.recording(4000), hop=8 * SECOND).delay == 16 * SECOND
    hourly = bundles.recording()
    hourly = hourly._replace(times=bundles.START + np.arange(1, 1201) * 3600 * SECOND)
    assert bundles.learnt(hourly, window=None).delay == 0


def test_a_constant_tag_is_left_out_and_named():
    learnt = bundles.learnt(with_column("mode", np.full(1200, 3.0)))
    assert learnt.prepared.names == bundles.NAMES
    assert learnt.left_out == {"mode": "constant at 3"}


def test_a_mostly_missing_tag_is_left_out_and_named():
    rare = np.full(1200, np.nan)
    rare[:300] = np.arange(300)
    learnt = bundles.learnt(with_column("lab", rare))
    assert learnt.prepared.names == bundles.NAMES
    assert learnt.left_out["lab"].startswith("data in only")


def test_a_tag_that_varies_only_late_is_used():
    late = np.zeros(1200)
    late[-100:] = np.arange(100)
    assert bundles.learnt(with_column("late", late)).prepared.names[-1] == "late"


def test_windows_with_too_many_gaps_are_not_used():
    source = bundles.recording()
    source.values[300:340, 2] = np.nan
    learnt = bundles.learnt(source)
    # A value is held for three cells, so 37 of the forty missing rows are not observed.
    assert learnt.prepared.total < 1191 - 30
    assert learnt.prepared.names == bundles.NAMES


@pytest.mark.parametrize("rows", [2, 9, 50, 205])
def test_too_little_data_is_refused(rows):
    with pytest.raises(ConfigError, match="complete windows where 200 are needed: record longer"):
        bundles.learnt(bundles.recording(rows))


def test_long_windows_need_longer_data():
    with pytest.raises(ConfigError, match="where 1000 are needed"):
        bundles.learnt(bundles.recording(1000), window=100 * SECOND)


def test_a_pause_of_the_whole_line_does_not_count_against_its_tags():
    source = bundles.recording()
    times = source.times.copy()
    times[400:] += 900 * SECOND
    assert bundles.learnt(source._replace(times=times)).prepared.names == bundles.NAMES


def test_a_single_tag_can_be_used_and_its_jumps_are_detected():
    learnt = bundles.learnt(bundles.recording().only(["flow"]))
    assert learnt.prepared.names == ("flow",)
    jump = learnt.examples[:1].copy()
    jump[:, 5:] += 4 * learnt.model.frame.std
    assert golden_outputs(learnt).score[0] < learnt.threshold
    assert learnt.model.score(jump)[0] > learnt.threshold


def test_data_without_a_tag_that_varies_is_refused():
    source = bundles.recording()
    flat = source._replace(values=np.ones_like(source.values))
    with pytest.raises(
        ConfigError, match=r"no usable tag; at least one must vary .*speed: constant at 1"
    ):
        bundles.learnt(flat)


@pytest.mark.parametrize("option", [{"window": 1500_000_000}, {"hop": SECOND // 2}])
def test_a_length_that_is_not_a_multiple_of_the_period_is_refused(option):
    with pytest.raises(ConfigError, match="must be a multiple of the period, 1s"):
        bundles.learnt(**option)


def test_period_window_and_hop_can_be_chosen():
    learnt = bundles.learnt(period=2 * SECOND, window=16 * SECOND, hop=4 * SECOND,
                            source=bundles.recording(3000))  # fmt: skip
    assert (learnt.prepared.windows.period, learnt.prepared.hop) == (2 * SECOND, 2)
    assert learnt.model.frame.length == 8


def test_a_window_of_one_row_can_be_chosen():
    assert bundles.learnt(window=SECOND).model.frame.length == 1


def test_a_process_that_changed_has_drifted():
    source = bundles.recording()
    source.values[-300:, 1] += 5
    assert bundles.learnt(source).has_drifted


def test_the_fingerprint_depends_on_the_data():
    assert bundles.learnt().prepared.fingerprint == bundles.learnt().prepared.fingerprint
    assert (
        bundles.learnt().prepared.fingerprint
        != bundles.learnt(bundles.recording(seed=2)).prepared.fingerprint
    )


def test_the_examples_include_a_normal_and_an_abnormal_window():
    learnt = bundles.learnt()
    scores = golden_outputs(learnt).score
    assert scores[0] < learnt.threshold < scores[-1]


def test_two_hundred_tags_can_be_used():
    rng = np.random.default_rng(1)
    hidden = np.cumsum(rng.normal(size=(800, 5)), axis=0)
    values = hidden @ rng.normal(size=(5, 200)) + rng.normal(size=(800, 200))
    times = bundles.START + np.arange(800, dtype=np.int64) * SECOND
    names = tuple(f"tag{n}" for n in range(200))
    learnt = bundles.learnt(Recording(names, times, values, {}))
    assert len(learnt.prepared.names) == 200
    assert np.isfinite(learnt.threshold)
