from connectors.modbus.doubts import Doubts
from connectors.modbus.parking import Parking


def test_a_unit_that_fails_rests_until_its_next_cycle_and_is_parked_after_the_third():
    parking = Parking({1, 2}, after=3, every=1000)
    for cycle in range(2):
        assert not parking.failed(2, now=cycle * 10 + 1, next_cycle=cycle * 10 + 10)
        assert parking.is_resting(2, cycle * 10 + 9)
        assert not parking.is_resting(2, cycle * 10 + 10)
        assert not parking.is_parked(2)
    assert parking.failed(2, now=21, next_cycle=30)
    assert parking.is_parked(2)
    assert parking.is_resting(2, 1020)
    assert not parking.is_resting(2, 1021)
    assert not parking.failed(2, now=1022, next_cycle=1030)  # said once
    assert not parking.is_resting(1, 21)


def test_an_answer_ends_the_parking_at_once():
    parking = Parking({1, 2}, after=1, every=1000)
    parking.failed(2, now=1, next_cycle=10)
    assert parking.answered(2)
    assert not parking.is_resting(2, 2)
    assert not parking.answered(2)


def test_all_are_silent_only_when_nobody_answered_last():
    parking = Parking({1, 2}, after=3, every=1000)
    parking.failed(1, now=1, next_cycle=10)
    assert not parking.are_all_silent
    parking.failed(2, now=2, next_cycle=10)
    assert parking.are_all_silent
    parking.answered(1)
    assert not parking.are_all_silent


def test_a_unit_alone_on_its_line_is_lost_and_never_parked():
    parking = Parking({1}, after=1, every=1000)
    assert not parking.failed(1, now=1, next_cycle=10)
    assert parking.are_all_silent
    assert not parking.is_parked(1)


def test_a_proof_asks_for_another_table_each_time_and_the_doubt_ends():
    doubts = Doubts(timeout=100)
    assert doubts.proof(1, 0) is None
    doubts.asked(1, "holding", 0)
    asked = [doubts.proof(1, now) for now in (100, 200, 300)]
    assert set(asked) == {"input", "coil", "discrete"}
    assert doubts.proof(2, 300) is None
    assert doubts.proof(1, 1001) is None
    doubts.asked(1, "coil", 2000)
    doubts.answered(1)
    assert doubts.proof(1, 2001) is None
