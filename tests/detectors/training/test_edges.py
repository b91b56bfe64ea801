"""Unusual data: each kind gives a good model or a clear error."""

import bundles
import numpy as np
import pytest

from detectors.data.recordings import Recording
from detectors.training.choose import METHODS
from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND


def of_tags(count, rows=1200, seed=1):
    """Tags that follow two hidden loads, with noise."""
    rng = np.random.default_rng(seed)
    hidden = np.stack([np.sin(np.arange(rows) / step) for step in (17, 53)], axis=1)
    values = hidden @ rng.normal(size=(2, count)) + 0.05 * rng.normal(size=(rows, count))
    times = bundles.START + np.arange(1, rows + 1, dtype=np.int64) * SECOND
    return Recording(tuple(f"tag{n}" for n in range(count)), times, values, {})


def detects(learnt, tag):
    """Whether a shift of this tag by three standard deviations exceeds the threshold."""
    shifted = learnt.examples[:1].copy()
    shifted[:, :, tag] += 3 * learnt.model.frame.std[tag]
    return learnt.model.score(shifted)[0][0] > learnt.threshold


def false_alarms(learnt, source):
    """Windows of other normal running above the threshold."""
    length = learnt.model.frame.length
    values = np.stack([window.values for window in bundles.windows(source, length)])
    return int((learnt.model.score(values)[0] > learnt.threshold).sum())


@pytest.mark.parametrize("count", [3, 200])
def test_few_tags_and_many_can_be_used(count):
    source = of_tags(count)
    learnt = bundles.learnt(source, window=None)
    assert all(detects(learnt, tag) for tag in range(0, count, -(-count // 5)))
    assert learnt.exceedances <= 0.01 * len(learnt.scores)


def test_missing_cells_do_not_spoil_the_model():
    source = of_tags(4)
    source.values[np.random.default_rng(1).random(source.values.shape) < 0.1] = np.nan
    learnt = bundles.learnt(source, window=None)
    assert all(detects(learnt, tag) for tag in range(4))


def test_a_constant_channel_is_left_out():
    source = of_tags(4)
    source.values[:, 2] = 7
    learnt = bundles.learnt(source, window=None)
    assert learnt.prepared.names == ("tag0", "tag1", "tag3")
    assert learnt.left_out == {"tag2": "constant at 7"}


def test_a_channel_with_impossible_values_is_left_out():
    source = of_tags(4)
    source.values[500, 2] = -1e308
    learnt = bundles.learnt(source)
    assert learnt.prepared.dropped == {"tag2": "contains 1e+308, which is not a measurement"}
    assert detects(learnt, 0)


def test_a_channel_that_varies_only_before_the_first_complete_window_is_left_out():
    source = of_tags(4)
    source.values[9:, 2] = 0
    dropped = bundles.learnt(source).prepared.dropped
    assert dropped == {"tag2": "constant within the complete windows"}
    source.values[9:] = 0
    with pytest.raises(ConfigError, match="no tag varies within the complete windows"):
        bundles.learnt(source)


def test_a_channel_that_varies_only_in_labelled_rows_is_left_out():
    source = of_tags(4)
    wrong = (np.arange(1200) // 100 == 5).astype(float)
    values = np.column_stack((source.values, wrong * source.values[:, 0], wrong))
    source = source._replace(names=(*source.names, "spill", "wrong"), values=values)
    learnt = bundles.learnt(source, auxiliary=("wrong",), labels="wrong")
    assert learnt.prepared.names == ("tag0", "tag1", "tag2", "tag3")
    assert learnt.prepared.dropped == {"spill": "constant at 0"}
    assert detects(learnt, 0)


def test_data_in_which_every_row_is_labelled_is_refused():
    source = of_tags(4)
    values = np.column_stack((source.values, np.ones(1200)))
    source = source._replace(names=(*source.names, "wrong"), values=values)
    with pytest.raises(ConfigError, match="0 complete windows without a row labelled by 'wrong'"):
        bundles.learnt(source, auxiliary=("wrong",), labels="wrong")


def test_a_level_of_a_million_with_a_spread_of_a_thousandth_changes_nothing():
    plain = of_tags(4)
    lifted = plain._replace(values=1e6 + 1e-3 * plain.values)
    one, two = bundles.learnt(plain, window=None), bundles.learnt(lifted, window=None)
    assert two.threshold == pytest.approx(one.threshold, rel=0.02)
    assert all(detects(two, tag) for tag in range(4))


def test_an_hour_without_data_is_not_an_anomaly_and_no_window_spans_it():
    source = of_tags(4)
    times = source.times.copy()
    times[600:] += 3600 * SECOND
    learnt = bundles.learnt(source._replace(times=times), window=None)
    ends = learnt.prepared.windows.ends
    first = ends[ends > times[599] + 1000 * SECOND][0]
    assert first == times[600] + 28 * SECOND
    assert learnt.exceedances <= 0.01 * len(learnt.scores)


def test_ten_minutes_at_a_second_are_enough():
    learnt = bundles.learnt(of_tags(4, rows=600), window=None)
    assert all(detects(learnt, tag) for tag in range(4))
    assert false_alarms(learnt, of_tags(4, rows=1200)) == 0


def test_ten_minutes_at_ten_seconds_are_refused():
    source = of_tags(4, rows=60)
    source = source._replace(times=bundles.START + np.arange(1, 61, dtype=np.int64) * 10 * SECOND)
    with pytest.raises(ConfigError, match="record longer"):
        bundles.learnt(source, window=None)


def test_a_tag_that_is_mostly_constant_is_used_or_refused_with_a_reason():
    source = of_tags(1, rows=600)
    source.values[np.arange(len(source.values)) % 400 > 60] = 0
    assert detects(bundles.learnt(source, methods=("pca", "kmeans", "lof")), 0)
    with pytest.raises(ConfigError, match="leave out robust from --candidates"):
        bundles.learnt(source, methods=("robust",))


@pytest.mark.parametrize("method", sorted({*METHODS} - {"robust", "regimes"}))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_constant_data_gives_finite_outputs(method):
    constant = np.zeros((300, 4, 2))
    for core in METHODS[method].fit(constant):
        for rows in (constant[:5].reshape(5, -1), np.ones((5, 8))):
            part, off = core.judge(rows)
            assert np.isfinite(part).all()
            assert np.isfinite(off).all()
