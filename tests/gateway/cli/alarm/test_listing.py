"""The list of alarms: what it shows, of which alarms, and in which width."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli.alarm import listing

HIGH = {
    "id": "guard.flow.high-1", "detector": "guard", "alarm": "flow.high", "severity": "high",
    "state": "unacknowledged", "opened_at": 1_700_000_000 * 10**9, "acknowledged_by": "",
    "message": "Flow high: 87 °C, limit 85 °C", "by": "", "reason": "", "verdict": "",
    "shelved_until": 0,
}  # fmt: skip
LATER = {"opened_at": 1_700_000_100 * 10**9}
ANNA = {**HIGH, **LATER, "id": "pump.anomaly-2", "severity": "low", "state": "acknowledged",
        "acknowledged_by": "anna", "verdict": "unclear", "message": "Press unlike"}  # fmt: skip
SHELVED = {**HIGH, **LATER, "id": "guard.oil.low-3", "severity": "medium", "state": "shelved",
           "by": "ben", "reason": "seal", "shelved_until": 1_700_007_200 * 10**9}  # fmt: skip


def listed(monkeypatch, *words, alarms=(SHELVED, ANNA, HIGH)):
    monkeypatch.setattr(listing, "ask", lambda *_, **__: [dict(alarm) for alarm in alarms])
    done = CliRunner().invoke(listing.list_alarms, words, obj="press.yaml")
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_each_alarm_is_a_row_with_its_state_in_words(monkeypatch):
    rows = "\n".join(listed(monkeypatch))
    assert "  high    active  " in rows
    assert "active, acknowledged" in rows
    assert "by anna" in rows
    assert "[verdict: unclear]" in rows
    assert "shelved until 2023-11-1" in rows
    assert "by ben" in rows
    assert "(seal)" in rows


def test_the_newest_is_the_last(monkeypatch):
    assert "guard.flow.high-1" in listed(monkeypatch)[0]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--state", "active"], ["guard.flow.high-1", "pump.anomaly-2"]),
        (["--state", "unacknowledged"], ["guard.flow.high-1"]),
        (["--state", "shelved"], ["guard.oil.low-3"]),
        (["--state", "shelved", "--state", "acknowledged"], ["guard.oil.low-3", "pump.anomaly-2"]),
        (["--severity", "medium"], ["guard.flow.high-1", "guard.oil.low-3"]),
        (["--severity", "medium", "--state", "shelved"], ["guard.oil.low-3"]),
    ],
)
def test_only_what_is_asked_for_is_listed(monkeypatch, words, ids):
    rows = listed(monkeypatch, "--json", *words)
    assert sorted(json.loads(row)["id"] for row in rows) == ids


def test_nothing_to_list_is_said(monkeypatch):
    assert listed(monkeypatch, alarms=()) == ["no alarm"]
    assert listed(monkeypatch, "--state", "latched") == [
        "no alarm of these; 3 of other states or severities"
    ]


@pytest.mark.parametrize(("columns", "lines"), [("200", 1), ("110", 2), ("60", 2)])
def test_in_a_terminal_the_message_is_wrapped_and_the_severity_coloured(
    monkeypatch, columns, lines
):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.delenv("NO_COLOR", raising=False)
    long = {**HIGH, "message": "word " * 12}
    cells = listing._cells(long)
    monkeypatch.setattr(listing.sys, "stdout", type("Tty", (), {"isatty": lambda _: True})())
    row = listing._row(cells, [len(cell) for cell in cells[:5]])
    assert len(row.splitlines()) >= lines
    assert "\x1b[31m" in row
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in listing._row(cells, [len(cell) for cell in cells[:5]])
