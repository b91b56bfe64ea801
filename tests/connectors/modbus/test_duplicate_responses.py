from connectors.modbus.duplicate_responses import LONGEST, MISSES, DuplicateResponses


def test_a_unit_without_duplicates_is_listened_to_only_once():
    duplicates = DuplicateResponses(10 * LONGEST)
    assert duplicates.wait(1) == LONGEST
    assert not duplicates.note(1, came=False)
    assert duplicates.wait(1) == 0
    assert duplicates.wait(2) == LONGEST


def test_a_unit_with_duplicates_is_reported_once_and_waited_for_from_then_on():
    duplicates = DuplicateResponses(LONGEST // 2)
    assert [duplicates.note(1, came=True) for _ in range(3)] == [True, False, False]
    assert duplicates.is_expected(1)
    assert duplicates.wait(1) == LONGEST // 2


def test_a_unit_that_begins_to_send_duplicates_later_is_reported_too():
    duplicates = DuplicateResponses(LONGEST)
    duplicates.note(1, came=False)
    assert duplicates.note(1, came=True)


def test_a_unit_that_stops_sending_duplicates_is_trusted_after_a_while():
    duplicates = DuplicateResponses(LONGEST)
    duplicates.note(1, came=True)
    for _ in range(MISSES):
        assert duplicates.is_expected(1)
        duplicates.note(1, came=False)
    assert not duplicates.is_expected(1)
    assert duplicates.wait(1) == 0
