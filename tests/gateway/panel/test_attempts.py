from gateway.panel.attempts import ADDRESSES, FREE, WITHIN_S, Attempts


def test_after_some_wrong_tokens_an_address_waits_until_the_first_is_old():
    attempts = Attempts()
    for at in range(FREE):
        assert attempts.wait_s("a", float(at)) == 0
        attempts.failed("a", float(at))
    assert attempts.wait_s("a", 5.0) == WITHIN_S - 5
    assert attempts.wait_s("a", WITHIN_S) == 0
    assert attempts.wait_s("b", 5.0) == 0


def test_a_right_token_forgets_the_wrong_ones():
    attempts = Attempts()
    for _ in range(FREE):
        attempts.failed("a", 0.0)
    attempts.succeeded("a")
    assert attempts.wait_s("a", 0.0) == 0


def test_the_addresses_that_are_remembered_are_bounded():
    attempts = Attempts()
    for number in range(3 * ADDRESSES):
        attempts.failed(str(number), 0.0)
    assert len(attempts) == ADDRESSES


def test_a_machine_does_not_escape_by_its_many_addresses_of_ipv6():
    attempts = Attempts()
    for number in range(FREE):
        attempts.failed(f"2001:db8:0:1::{number}", 0.0)
    assert attempts.wait_s("2001:db8:0:1:ffff::9", 0.0) == WITHIN_S
    assert attempts.wait_s("2001:db8:0:2::1", 0.0) == 0
    for _ in range(FREE):
        attempts.failed("::ffff:192.0.2.7", 0.0)
    assert attempts.wait_s("192.0.2.7", 0.0) == WITHIN_S
    assert attempts.wait_s("::ffff:192.0.2.8", 0.0) == 0
