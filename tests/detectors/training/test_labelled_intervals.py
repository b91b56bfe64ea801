"""Training without labelled intervals is training without the rows of a column of labels."""

from dataclasses import replace

import bundles
import numpy as np

from detectors.data.labels import Intervals
from detectors.training.prepare import TrainingOptions, prepare
from gateway.api.model import SECOND

ROWS = slice(500, 530)
OPTIONS = TrainingOptions(window=10 * SECOND)


def with_fault():
    source = bundles.recording(1200, seed=5)
    source.values[ROWS, 1] += 8
    return source


def test_the_windows_of_a_fault_are_left_out_and_kept_for_comparing():
    source = with_fault()
    wrong = np.zeros((len(source.times), 1))
    wrong[ROWS] = 1
    names, values = (*source.names, "wrong"), np.hstack([source.values, wrong])
    labelled = source._replace(names=names, values=values)
    by_column = prepare(labelled, replace(OPTIONS, labels="wrong", auxiliary=["wrong"]))
    span = (int(source.times[500]), int(source.times[529]))
    by_file = prepare(source, replace(OPTIONS, intervals=Intervals(faults=[span])))
    assert by_column.wrong == by_file.wrong == 30 + 9
    assert by_column.fingerprint == by_file.fingerprint
    assert np.array_equal(by_column.faulty, by_file.faulty)
    assert len(by_file.faulty) == 30


def test_the_windows_of_maintenance_are_left_out_and_are_no_fault():
    source = with_fault()
    span = (int(source.times[500]), int(source.times[529]))
    prepared = prepare(source, replace(OPTIONS, intervals=Intervals(left_out=[span])))
    assert (prepared.wrong, len(prepared.faulty)) == (39, 0)
