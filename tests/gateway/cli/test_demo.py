"""The demo's saving: the bytes of its local file, which never left the machine."""

from gateway.cli.demo import saving
from gateway.demo.scenario import forwarded_bytes


def test_the_demo_counts_what_its_local_file_took():
    sinks = [{"name": "disk", "is_local": True, "sent_bytes": 120}]
    assert forwarded_bytes({"bytes": {"forwarded": 0}, "sinks": sinks}) == 120


def test_the_saving_is_a_share_of_raw_forwarding_and_never_calls_the_file_sent():
    text = saving(read=900, raw=4_000, forwarded=120)
    assert "would send 4,000 B" in text
    assert "wrote 120 B to its sink, a file (3.0 %, neither compressed)" in text
    assert " sent " not in text


def test_no_share_is_shown_before_anything_was_read():
    assert "%" not in saving(read=0, raw=0, forwarded=0)
