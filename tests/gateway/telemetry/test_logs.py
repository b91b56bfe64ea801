import io
import json
import logging
import os
import re
import struct
import sys

import pytest
import structlog

from gateway.telemetry import logs


@pytest.fixture(autouse=True)
def clean():
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_without_a_terminal_or_a_journal_each_event_is_one_json_line(monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert logs.ending() == "json"
    logs.configure("press-3")
    structlog.get_logger().warning("source.lost", source="plc", why="refused")
    event = json.loads(stderr.getvalue())
    assert event["event"] == "source.lost"
    assert (event["line"], event["source"], event["level"]) == ("press-3", "plc", "warning")


def test_what_a_plugin_says_by_the_standard_library_is_an_event_of_the_same_line(monkeypatch):
    stderr, root = io.StringIO(), logging.getLogger()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    logs.configure("press-3", "json")
    logging.getLogger("connectors.mqtt.connector").warning("%s is gone", "plc")
    logging.getLogger("connectors.mqtt.connector").debug("detail")
    logging.getLogger("somebody.else").warning("chatter")
    root.setLevel(level)
    (event,) = map(json.loads, stderr.getvalue().splitlines())
    assert (event["event"], event["why"], event["level"], event["line"]) == (
        "plugin.says",
        "plc is gone",
        "warning",
        "press-3",
    )


def test_under_systemd_the_journal_is_recognised_by_its_stream(monkeypatch, tmp_path):
    with (tmp_path / "stream").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert logs.ending() == "journal"
        monkeypatch.setenv("JOURNAL_STREAM", "1:1")
        assert logs.ending() == "json"


def test_a_journal_entry_has_fields_that_can_be_matched():
    entry = logs.journal_entry(
        {"event": "source.lost", "level": "warning", "line": "press-3", "alert-id": "x=1"}
    )
    fields = dict(row.split(b"=", 1) for row in entry.strip().split(b"\n"))
    assert fields[b"MESSAGE"] == b"source.lost line=press-3 alert-id=x=1"
    assert fields[b"PRIORITY"] == b"4"
    assert fields[b"ANDON_LINE"] == b"press-3"
    assert fields[b"ANDON_ALERT_ID"] == b"x=1"


def test_a_traceback_goes_into_the_journal_as_one_binary_field():
    entry = logs.journal_entry({"event": "task.failed", "level": "error", "exception": "a\nb"})
    name, rest = entry.split(b"\n", 1)
    assert name == b"MESSAGE"
    (length,) = struct.unpack("<Q", rest[:8])
    assert rest[8 : 8 + length] == b"task.failed\na\nb"


def test_a_log_on_a_full_disk_stops_nothing(monkeypatch):
    full = io.TextIOWrapper(io.BufferedWriter(io.FileIO("/dev/full", "w")), line_buffering=True)
    monkeypatch.setattr(sys, "stderr", full)
    logs.configure("press-3", "json")
    for _ in range(1000):
        structlog.get_logger().error("buffer.refuses", why="No space left on device")
    # What it still holds can never leave.
    with pytest.raises(OSError, match="No space left"):
        full.close()


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_a_device_wrote_does_not_steer_the_terminal(form, capsys, logging_as_before):
    evil = "\x1b[2J\x1b]0;owned\x07\u202e"
    logs.configure("l", form)
    structlog.get_logger().warning("source.lost", why=evil, said=f"it says\n{evil}", tags=[evil])
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert not set(re.sub(r"\x1b\[\d*m", "", output)) & set("\x1b\x07\u202e")
    assert "2J" in output
