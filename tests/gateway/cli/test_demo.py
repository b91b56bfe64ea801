"""The demo tells its saving: what its file took, which has not left the machine."""

from gateway.cli.demo import saving
from gateway.demo.story import handed_over


def test_the_demo_counts_what_its_local_file_took():
    sinks = [{"name": "disk", "is_local": True, "sent_bytes": 120}]
    assert handed_over({"bytes": {"forwarded": 0}, "sinks": sinks}) == 120


def test_the_saving_is_told_as_a_share_of_raw_forwarding_and_no_file_is_said_to_be_sent():
    told = saving(read=900, raw=4_000, forwarded=120)
    assert "would send 4,000 B" in told
    assert "its sink, a file, 120 B (3.0 %, neither compressed)" in told
    assert " sent " not in told


def test_before_anything_was_read_no_share_is_told():
    assert "%" not in saving(read=0, raw=0, forwarded=0)
