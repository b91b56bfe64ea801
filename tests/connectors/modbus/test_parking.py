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
    assert not parking.failed(2, now=1022, next_cycle=1030)  # reported once
    assert not parking.is_resting(1, 21)


def test_a_response_ends_the_parking_at_once():
    parking = Parking({1, 2}, after=1, every=1000)
    parking.failed(2, now=1, next_cycle=10)
    assert parking.responded(2)
    assert not parking.is_resting(2, 2)
    assert not parking.responded(2)


def test_all_are_silent_only_if_no_unit_responded_last():
    parking = Parking({1, 2}, after=3, every=1000)
    parking.failed(1, now=1, next_cycle=10)
    assert not parking.are_all_silent
    parking.failed(2, now=2, next_cycle=10)
    assert parking.are_all_silent
    parking.responded(1)
    assert not parking.are_all_silent


def test_a_unit_alone_on_its_bus_is_lost_and_never_parked():
    parking = Parking({1}, after=1, every=1000)
    assert not parking.failed(1, now=1, next_cycle=10)
    assert parking.are_all_silent
    assert not parking.is_parked(1)
