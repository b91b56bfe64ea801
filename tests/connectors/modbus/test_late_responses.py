from connectors.modbus.late_responses import LateResponses


def test_each_flush_reads_another_table_until_a_late_response_is_no_longer_expected():
    late = LateResponses(timeout=100)
    assert late.flush_table(1, 0) is None
    late.expect(1, "holding", 0)
    tables = [late.flush_table(1, now) for now in (100, 200, 300)]
    assert set(tables) == {"input", "coil", "discrete"}
    assert late.flush_table(2, 300) is None
    assert late.flush_table(1, 1001) is None
    late.expect(1, "coil", 2000)
    late.received(1)
    assert late.flush_table(1, 2001) is None
