import numpy as np
import pytest

from detectors.training.fault_injection import (
    FAULTS,
    MAX_TAGS,
    SHIFTS,
    InjectedFault,
    inject_faults,
)

STD = np.array([1.0, 10.0, 0.1])


@pytest.fixture
def windows():
    return STD * np.random.default_rng(1).normal(size=(4, 200, 3))


def test_one_tag_at_a_time_is_changed(windows):
    for every in inject_faults(windows, STD):
        for tag, faulty in enumerate(every.reshape(3, *windows.shape)):
            changed = (faulty != windows).any(axis=(0, 1))
            assert changed.tolist() == [column == tag for column in range(3)]


def test_shifts_are_in_standard_deviations_and_a_standstill_keeps_the_oldest_value(windows):
    faulty = inject_faults(windows, STD).reshape(len(FAULTS), 3, *windows.shape)
    for shift, every in zip(SHIFTS, faulty, strict=False):
        assert np.allclose(every[1, :, :, 1], windows[:, :, 1] + 10 * shift)
    frozen = faulty[FAULTS.index(InjectedFault.STANDSTILL), 2, :, :, 2]
    assert np.array_equal(frozen, np.repeat(windows[:, :1, 2], 200, axis=1))


def test_noise_is_three_times_that_of_the_steps_whatever_the_level(windows):
    raised = windows + np.linspace(0, 1, 200)[:, None] * 20 * STD
    noise = inject_faults(raised, STD).reshape(len(FAULTS), 3, *windows.shape)[
        FAULTS.index(InjectedFault.NOISE)
    ]
    for tag in range(3):
        added = (noise[tag] - raised)[:, :, tag]
        assert added.std() == pytest.approx(3 * STD[tag], rel=0.1)


def test_of_many_tags_an_even_sample_is_used():
    many = np.zeros((2, 5, 100))
    faulty = inject_faults(many, np.ones(100))[0].reshape(-1, 2, 5, 100)
    tags = faulty.any(axis=(1, 2)).argmax(axis=1)
    assert len(tags) <= MAX_TAGS
    assert tags.max() >= 90
