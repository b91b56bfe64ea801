import bundles
import numpy as np
import pytest

from detectors.training.data import Recording
from detectors.training.learn import MARGIN, judged, threshold
from gateway.contracts import ConfigError
from gateway.model import SECOND


def with_column(name, values):
    source = bundles.recording(len(values))
    return Recording(
        (*source.names, name), source.times, np.column_stack((source.values, values)), {}
    )


def test_a_recording_becomes_a_model_of_all_its_tags():
    learnt = bundles.learnt()
    assert learnt.names == bundles.NAMES
    assert (learnt.period, learnt.length, learnt.hop) == (SECOND, 10, 1)
    assert learnt.rows == 1200
    assert learnt.exceedances == 0
    assert not learnt.has_drifted


def test_fitted_and_held_out_windows_share_no_row():
    learnt = bundles.learnt()
    whole = 1200 - 9
    assert learnt.fitted == round(0.7 * whole)
    assert learnt.calibrated == whole - learnt.fitted - 9


def test_the_held_out_part_does_not_shape_the_model():
    source = bundles.recording()
    other = source._replace(values=source.values.copy())
    other.values[-200:] += np.random.default_rng(1).normal(size=(200, 4))
    one, two = bundles.learnt(source), bundles.learnt(other)
    assert one.graph == two.graph
    assert two.threshold > one.threshold


def test_a_constant_tag_is_left_out_and_named():
    learnt = bundles.learnt(with_column("mode", np.full(1200, 3.0)))
    assert learnt.names == bundles.NAMES
    assert learnt.dropped == {"mode": "constant at 3"}


def test_a_tag_that_is_hardly_there_is_left_out_and_named():
    rare = np.full(1200, np.nan)
    rare[:300] = np.arange(300)
    learnt = bundles.learnt(with_column("lab", rare))
    assert learnt.names == bundles.NAMES
    assert learnt.dropped["lab"].startswith("data in only")


def test_a_tag_that_only_varies_in_the_held_out_part_is_left_out():
    late = np.zeros(1200)
    late[-100:] = np.arange(100)
    assert bundles.learnt(with_column("late", late)).dropped == {"late": "constant at 0"}


def test_windows_with_too_many_gaps_are_not_learnt_from():
    source = bundles.recording()
    source.values[300:340, 2] = np.nan
    learnt = bundles.learnt(source)
    # A value is held for three cells, so of forty missing rows 37 are not observed.
    assert learnt.fitted + learnt.calibrated < 1191 - 9 - 30
    assert learnt.names == bundles.NAMES


@pytest.mark.parametrize("rows", [2, 9, 50, 205])
def test_too_little_data_is_refused(rows):
    with pytest.raises(ConfigError, match="whole windows where 200 are needed: record longer"):
        bundles.learnt(bundles.recording(rows))


def test_long_windows_need_longer_data():
    with pytest.raises(ConfigError, match="where 1000 are needed"):
        bundles.learnt(bundles.recording(1000), window=100 * SECOND)


def test_a_pause_of_the_whole_line_is_no_fault_of_its_tags():
    source = bundles.recording()
    times = source.times.copy()
    times[400:] += 900 * SECOND
    assert bundles.learnt(source._replace(times=times)).names == bundles.NAMES


def test_a_single_tag_can_be_learnt_and_its_jumps_are_strange():
    learnt = bundles.learnt(bundles.recording().only(["flow"]))
    assert learnt.names == ("flow",)
    jump = learnt.examples[:1].copy()
    jump[:, 5:] += 4 * learnt.pca.std
    assert judged(learnt).score[0] < learnt.threshold
    assert learnt.pca.score(jump)[0] > learnt.threshold


def test_without_a_tag_that_varies_nothing_is_learnt():
    source = bundles.recording()
    flat = source._replace(values=np.ones_like(source.values))
    with pytest.raises(ConfigError, match=r"at least one tag that varies .*speed: constant at 1"):
        bundles.learnt(flat)


@pytest.mark.parametrize("wish", [{"window": 1500_000_000}, {"hop": SECOND // 2}])
def test_a_length_that_is_no_multiple_of_the_period_is_refused(wish):
    with pytest.raises(ConfigError, match="must be a multiple of the period, 1s"):
        bundles.learnt(**wish)


def test_period_window_and_hop_can_be_chosen():
    learnt = bundles.learnt(period=2 * SECOND, window=16 * SECOND, hop=4 * SECOND,
                            source=bundles.recording(3000))  # fmt: skip
    assert (learnt.period, learnt.length, learnt.hop) == (2 * SECOND, 8, 2)


def test_the_threshold_lies_above_the_highest_scores_by_the_margin():
    scores = np.random.default_rng(1).gamma(2, size=5000)
    assert threshold(scores) > scores.max()
    assert threshold(scores) >= MARGIN * np.quantile(scores, 0.9995)


def test_few_equal_scores_still_leave_room():
    assert threshold(np.ones(20)) == MARGIN


def test_a_process_that_changed_in_between_is_noticed():
    source = bundles.recording()
    source.values[-300:, 1] += 5
    assert bundles.learnt(source).has_drifted


def test_the_fingerprint_is_that_of_the_data():
    assert bundles.learnt().fingerprint == bundles.learnt().fingerprint
    assert bundles.learnt().fingerprint != bundles.learnt(bundles.recording(seed=2)).fingerprint


def test_the_examples_hold_a_normal_and_an_abnormal_window():
    learnt = bundles.learnt()
    scores = judged(learnt).score
    assert scores[0] < learnt.threshold < scores[-1]


def test_two_hundred_tags_are_learnt():
    rng = np.random.default_rng(1)
    hidden = np.cumsum(rng.normal(size=(800, 5)), axis=0)
    values = hidden @ rng.normal(size=(5, 200)) + rng.normal(size=(800, 200))
    times = bundles.START + np.arange(800, dtype=np.int64) * SECOND
    names = tuple(f"tag{n}" for n in range(200))
    learnt = bundles.learnt(Recording(names, times, values, {}))
    assert len(learnt.names) == 200
    assert np.isfinite(learnt.threshold)
