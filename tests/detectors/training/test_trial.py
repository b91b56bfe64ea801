import bundles
import numpy as np
import pytest

from detectors.evaluation.apply import Episode
from detectors.training.publish import ModelIdentity, manifest_for
from detectors.training.report import as_text, as_values, describe_test, warnings
from detectors.training.trial import BudgetVerdict
from gateway.api.model import SECOND

HOUR = 3600 * SECOND
ROWS = 1500


def learnt(change=lambda _values: None):
    source = bundles.recording(ROWS)
    change(source.values)
    return bundles.learnt(source, methods=("pca",))


@pytest.fixture(scope="module")
def plain():
    return learnt()


@pytest.fixture(scope="module")
def faulty():
    """The flow is shifted twice in the newest part, for 40 s and for a minute."""

    def change(values):
        values[1300:1340, 1] += 5
        values[1400:1460, 1] += 5

    return learnt(change)


def report(model, tmp_path):
    return as_values(model, "pump@1", tmp_path / "pump", 1.0)


def test_the_tested_model_does_not_depend_on_the_test_part(plain, faulty):
    ours, theirs = plain.trial, faulty.trial
    assert ours.judged.threshold == theirs.judged.threshold
    one, other = (each.graph.run(plain.examples).score for each in (ours, theirs))
    assert np.array_equal(one, other)
    assert not np.array_equal(ours.judged.score, theirs.judged.score)


def test_the_test_part_is_the_newest_part_and_shares_no_row_with_the_data_before(plain):
    windows, test = plain.prepared.windows, plain.trial.windows
    cut = round(0.7 * len(windows.ends))
    assert test.ends[0] - (test.values.shape[1] - 1) * SECOND == windows.ends[cut - 1] + SECOND
    assert test.ends[-1] == windows.ends[-1]


def test_normal_running_raises_no_alarm(plain, tmp_path):
    test = report(plain, tmp_path)["test"]
    assert (test["false_alarms"], test["alarms"], test["verdict"]) == (0, [], "open")
    assert test["false_alarms_expected"] == round(plain.trial.length / plain.trial.promised, 3)
    assert list(warnings(report(plain, tmp_path))) == []


def test_a_model_that_detects_hardly_any_fault_gives_a_warning(plain, tmp_path):
    values = report(plain, tmp_path)
    assert values["seen"] > 0.1
    (warning,) = warnings(values | {"seen": 0.004})
    assert "hardly any of the injected faults (0.4%)" in warning


def test_alarms_of_the_test_are_reported_with_times_and_tags(faulty, tmp_path):
    test = report(faulty, tmp_path)["test"]
    _, alarm = test["alarms"]
    # Raised after the on-delay of 20 s, and cleared after the off-delay.
    assert "2026-01-01T00:23:41" <= alarm["raised"] <= "2026-01-01T00:23:45"
    assert "2026-01-01T00:24:40" <= alarm["cleared"] <= "2026-01-01T00:25:00"
    assert alarm["tags"][0]["tag"] == "flow"
    assert test["false_alarms"] == 2
    assert test["verdict"] == "broken"


def test_a_budget_exceeded_in_the_newest_part_gives_a_warning(faulty, tmp_path):
    text = "\n".join(as_text(report(faulty, tmp_path)))
    assert "2 false alarms in the newest" in text
    assert "so the budget is exceeded" in text
    assert "warning     the newest part had more false alarms than the budget allows" in text


def test_alarms_of_the_held_out_scores_are_reported_too(tmp_path):
    def change(values):
        values[1400:1460, 1] += 5

    [alarm] = report(learnt(change), tmp_path)["held_out_alarms"]
    assert alarm["raised"].startswith("2026-01-01T00:23:4")
    assert alarm["tags"][0]["tag"] == "flow"


def test_the_manifest_contains_the_result_of_the_test(faulty):
    identity = ModelIdentity(id="pump", version="1", created="2026-01-01T00:00:00Z")
    test = manifest_for(faulty, identity, {}).training.test
    assert test.false_alarms == 2
    assert test.expected == faulty.trial.expected
    assert test.threshold == faulty.trial.judged.threshold


def test_a_tag_that_was_constant_before_is_not_in_the_tested_model():
    def change(values):
        values[:, 3] = 0
        values[-100:, 3] = np.sin(np.arange(100))

    model = learnt(change)
    assert model.prepared.names == bundles.NAMES
    assert model.trial.names == bundles.NAMES[:3]


def test_without_a_tag_that_varied_before_there_is_no_test(tmp_path):
    def change(values):
        values[:-100] = 0

    model = learnt(change)
    assert model.trial is None
    assert model.has_drifted
    assert report(model, tmp_path)["test"] is None
    assert "  test  " not in "\n".join(as_text(report(model, tmp_path)))


@pytest.mark.parametrize(
    ("count", "hours", "verdict"),
    [
        (0, 1, BudgetVerdict.OPEN),
        (0, 3.1, BudgetVerdict.KEPT),
        (1, 4.7, BudgetVerdict.OPEN),
        (1, 4.8, BudgetVerdict.KEPT),
        (2, 0.4, BudgetVerdict.OPEN),
        (2, 0.3, BudgetVerdict.BROKEN),
        (9, 4.0, BudgetVerdict.BROKEN),
    ],
)
def test_the_verdict_follows_from_a_poisson_count(plain, count, hours, verdict):
    # With one in an hour promised; 95 % limits of tables: 0 counted, 3.00; 1, 4.74; 2, 0.355.
    episodes = (Episode(0, 1, 1.0, ()),) * count
    windows = plain.trial.windows._replace(step=round(hours * HOUR / len(plain.trial.windows.ends)))
    judged = plain.trial.judged._replace(episodes=episodes)
    trial = plain.trial._replace(windows=windows, judged=judged, promised=HOUR)
    assert trial.verdict is verdict


def test_the_text_says_how_much_a_short_test_can_show(plain, tmp_path):
    text = describe_test(report(plain, tmp_path)["test"])
    assert text.startswith("0 false alarms in the newest 7.3")
    assert "with a model trained without them; the budget allows 0.14" in text
    assert text.endswith("it can show at most one in 2.46 min")
