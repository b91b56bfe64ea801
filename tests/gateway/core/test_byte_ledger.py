from gateway.api.model import SECOND
from gateway.core.byte_ledger import KEPT, Ledger

DAY = 86400 * SECOND
NOON = 20_000 * DAY + DAY // 2


def counters(read, sent):
    return {
        "read": read,
        "raw": 10 * read,
        "raw_gzip": 2 * read,
        "clips": sent // 5,
        "sent.cloud": sent,
        "sent.panel": 1,
    }


def test_a_day_gets_what_the_counters_grew_by_on_it():
    ledger = Ledger()
    ledger.update(counters(100, 5), NOON)
    ledger.update(counters(250, 9), NOON + SECOND)
    ledger.update(counters(1000, 10), NOON + DAY)
    assert ledger.days() == [
        {
            "day": "2024-10-05",
            "read": 750,
            "raw": 7500,
            "raw_gzip": 1500,
            "clips": 1,
            "sent": 1,
            "sent_by": {"cloud": 1, "panel": 0},
        },
        {
            "day": "2024-10-04",
            "read": 250,
            "raw": 2500,
            "raw_gzip": 500,
            "clips": 1,
            "sent": 10,
            "sent_by": {"cloud": 9, "panel": 1},
        },
    ]
    assert ledger.today(NOON + DAY)["read"] == 750
    assert ledger.today(NOON + 2 * DAY)["sent"] == 0


def test_a_restart_goes_on_with_the_day():
    before, after = Ledger(), Ledger()
    before.update(counters(100, 5), NOON)
    after.restore(before.checkpoint())
    after.update(counters(7, 2), NOON + SECOND)
    assert after.today(NOON)["read"] == 107
    assert after.today(NOON)["sent"] == 9


def test_only_the_last_days_are_kept():
    ledger = Ledger()
    for day in range(KEPT + 5):
        ledger.update(counters(day, 0), NOON + day * DAY)
    assert len(ledger.days()) == KEPT


def test_equal_states_are_equal_bytes_whatever_came_first():
    one, other = Ledger(), Ledger()
    one.update({"read": 1, "clips": 2}, NOON)
    other.update({"clips": 2, "read": 1}, NOON)
    assert one.checkpoint() == other.checkpoint() == b'{"2024-10-04": {"clips": 2, "read": 1}}'


def test_a_day_on_which_nothing_came_is_a_day_of_zeros():
    zeros = dict.fromkeys(("read", "raw", "raw_gzip", "clips", "sent"), 0)
    assert Ledger().today(NOON) == zeros
    assert Ledger().days() == []
