import os
import socket

import pytest

from gateway.telemetry import systemd
from gateway.telemetry.systemd import notify, watchdog_interval


@pytest.fixture
def manager(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listener


def test_words_reach_the_service_manager_in_one_datagram(manager):
    assert notify("READY=1", "STATUS=running")
    assert manager.recv(100) == b"READY=1\nSTATUS=running"


def test_without_a_service_manager_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


def test_a_service_manager_that_is_gone_does_not_hurt(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_a_service_manager_that_does_not_read_holds_nothing_up(manager, monkeypatch):
    monkeypatch.setattr(systemd, "LONGEST_S", 0.05)
    assert notify("READY=1")
    for _ in range(100_000):
        if not notify("WATCHDOG=1"):
            break
    else:
        pytest.fail("its queue has no end")
    assert manager.recv(100) == b"READY=1"
    assert notify("STATUS=read again")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [("30000000", str(os.getpid()), 10.0), ("30000000", "1", None), (None, None, None)],
    ids=["ours", "another's", "none"],
)
def test_the_watchdog_is_fed_three_times_as_often_as_asked(monkeypatch, usec, pid, expected):
    for key, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, value)
    assert watchdog_interval() == expected
