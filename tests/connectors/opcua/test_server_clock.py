import numpy as np

from connectors.opcua.server_clock import RECENT, ServerClock
from gateway.api.model import SECOND

NOW = 1_800_000_000 * SECOND


def test_before_the_first_message_it_is_our_own_clock():
    clock = ServerClock()
    clock.note(np.nan, NOW)
    assert clock.at(NOW) == NOW


def test_a_clock_that_is_wrong_is_followed_both_ways():
    for ahead in (-3600, 3600):
        clock = ServerClock()
        clock.note(NOW / SECOND + ahead, NOW)
        assert clock.at(NOW) == NOW + ahead * SECOND


def test_delayed_messages_do_not_make_the_servers_clock_slow():
    clock = ServerClock()
    for second, delay in enumerate((0, 3, 5, 2)):
        clock.note(NOW / SECOND + second, NOW + (second + delay) * SECOND)
    assert clock.at(NOW) == NOW


def test_a_clock_that_was_set_back_is_followed_after_a_few_messages():
    clock = ServerClock()
    clock.note(NOW / SECOND, NOW)
    for second in range(RECENT):
        clock.note(NOW / SECOND - 3600 + second, NOW + second * SECOND)
    assert clock.at(NOW) == NOW - 3600 * SECOND
