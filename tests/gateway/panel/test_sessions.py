from gateway.panel.sessions import IDLE_S, LONGEST_S, MOST, Sessions
from gateway.panel.tokens import Role


def test_a_session_is_found_by_its_secret_alone():
    sessions = Sessions()
    secret, session = sessions.begin(Role.OPERATE, 0.0, "Anna")
    assert sessions.find(secret, 1.0) is session
    assert session.may_operate
    assert sessions.find(secret[:-1], 1.0) is None
    assert sessions.find("\udcff", 1.0) is None


def test_two_sessions_have_neither_secret_nor_csrf_token_in_common():
    sessions = Sessions()
    (one, first), (two, second) = (sessions.begin(Role.VIEW, 0.0) for _ in range(2))
    assert len({one, two, first.csrf, second.csrf}) == 4
    assert first.csrf not in repr(first)


def test_it_ends_when_it_is_not_used_and_at_last_also_when_it_is():
    sessions = Sessions()
    idle, _ = sessions.begin(Role.VIEW, 0.0)
    used, _ = sessions.begin(Role.VIEW, 0.0)
    now = 0.0
    while now < LONGEST_S - IDLE_S / 2:
        now += IDLE_S / 2
        assert sessions.find(used, now) is not None
    assert sessions.find(idle, now) is None
    assert sessions.find(used, LONGEST_S + 1) is None
    assert len(sessions) == 0


def test_of_too_many_the_one_that_was_unused_for_longest_ends():
    sessions = Sessions()
    first, _ = sessions.begin(Role.VIEW, 0.0)
    second, _ = sessions.begin(Role.VIEW, 0.0)
    sessions.find(first, 1.0)
    for _ in range(MOST - 1):
        sessions.begin(Role.VIEW, 2.0)
    assert len(sessions) == MOST
    assert sessions.find(second, 3.0) is None
    assert sessions.find(first, 3.0) is not None


def test_after_the_end_of_a_session_its_secret_is_worth_nothing():
    sessions = Sessions()
    secret, _ = sessions.begin(Role.VIEW, 0.0)
    sessions.end(secret)
    assert sessions.find(secret, 0.0) is None
