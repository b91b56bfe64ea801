from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.discover.ranges import GAPS, LAST, STARTS, Search


def searched(valid, limit=125, longest=2000):
    """The search over a table with `valid` addresses, at most `limit` of them in one response."""
    search, reads = Search(125, longest), 0
    steps, is_readable = search.steps(), None
    while True:
        try:
            address, count = steps.send(is_readable)
        except StopIteration:
            return search, reads
        assert 1 <= count <= 125
        assert 0 <= address <= LAST - count
        reads += 1
        is_readable = count <= limit and all(at in valid for at in range(address, address + count))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 70), st.integers(1, 60)), max_size=5), st.integers(8, 125))
def test_a_range_with_a_start_address_is_found_whole_and_none_is_invented(blocks, limit):
    ranges = [range(max(0, 16 * at - 9), 16 * at + length) for at, length in blocks]
    valid = {at for part in ranges for at in part}
    search, _ = searched(valid, limit)
    addresses = {at for part in search.ranges for at in part}
    assert addresses <= valid
    for part in ranges:
        if any(start in part for start in STARTS):
            assert set(part) <= addresses


def test_an_empty_table_costs_one_read_for_each_start():
    assert searched(set())[1] == len(STARTS) < 80


def test_a_range_costs_few_reads():
    search, reads = searched(set(range(100, 160)))
    assert search.ranges == [range(100, 160)]
    assert reads < len(STARTS) + len(GAPS) + 12


def test_a_range_a_few_addresses_after_another_is_found():
    search, _ = searched({*range(10), *range(13, 19)})
    assert search.ranges == [range(10), range(13, 19)]


def test_a_smaller_response_size_is_detected():
    search, reads = searched(set(range(1000)), limit=32)
    assert search.ranges == [range(1000)]
    assert search.most == 32
    assert reads < 150


def test_a_table_that_is_readable_everywhere_is_left_early():
    search, reads = searched(range(LAST))
    assert len(search.ranges) == 1
    assert 2000 <= len(search.ranges[0]) < 2200
    assert reads < 25
