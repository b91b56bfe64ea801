from connectors.modbus.twins import LONGEST, MISSES, Twins


def test_a_unit_is_listened_to_once_and_not_again_if_it_answers_once():
    twins = Twins(10 * LONGEST)
    assert twins.patience(1) == LONGEST
    assert not twins.heard(1, twice=False)
    assert twins.patience(1) == 0
    assert twins.patience(2) == LONGEST


def test_a_unit_that_answers_twice_is_news_once_and_waited_for_from_then_on():
    twins = Twins(LONGEST // 2)
    assert [twins.heard(1, twice=True) for _ in range(3)] == [True, False, False]
    assert twins.is_double(1)
    assert twins.patience(1) == LONGEST // 2


def test_a_unit_that_begins_to_answer_twice_later_is_news_too():
    twins = Twins(LONGEST)
    twins.heard(1, twice=False)
    assert twins.heard(1, twice=True)


def test_a_unit_that_ceases_to_answer_twice_is_believed_after_a_while():
    twins = Twins(LONGEST)
    twins.heard(1, twice=True)
    for _ in range(MISSES):
        assert twins.is_double(1)
        twins.heard(1, twice=False)
    assert not twins.is_double(1)
    assert twins.patience(1) == 0
