"""The unit: systemd understands every line of it, and its sandbox is as tight as promised."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import servers

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT = FOLDER / "andon@.service"
PANEL = FOLDER / "andon-panel.service"
SERIAL = FOLDER / "serial-port.conf"


def _analyze(*arguments):
    command = [servers.program("systemd-analyze"), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def with_serial_port(tmp_path):
    """The unit with the drop-in for a serial port, as systemd reads both."""
    unit = tmp_path / UNIT.name
    shutil.copy(UNIT, unit)
    drop_ins = tmp_path / f"{UNIT.name}.d"
    drop_ins.mkdir()
    shutil.copy(SERIAL, drop_ins)
    return unit


@pytest.mark.server("systemd-analyze")
@pytest.mark.parametrize("unit", [UNIT, PANEL], ids=lambda unit: unit.name)
def test_systemd_understands_the_unit_and_has_nothing_to_say(unit):
    verdict = _analyze("verify", unit)
    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


@pytest.mark.server("systemd-analyze")
def test_systemd_understands_the_unit_with_a_serial_port(with_serial_port):
    verdict = _analyze("verify", with_serial_port)
    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


@pytest.mark.server("systemd-analyze")
@pytest.mark.parametrize("unit", [UNIT, PANEL], ids=lambda unit: unit.name)
def test_exposure_is_at_most_two_of_ten(unit):
    verdict = _analyze("security", "--offline=true", "--threshold=20", unit)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.server("systemd-analyze")
def test_exposure_with_a_serial_port_is_at_most_two_of_ten(with_serial_port):
    # `security` reads no drop-ins, so the two files are given to it as one.
    with_serial_port.write_text(UNIT.read_text() + "\n" + SERIAL.read_text())
    verdict = _analyze("security", "--offline=true", "--threshold=20", with_serial_port)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.server("systemd-sysusers")
def test_the_user_of_the_unit_is_made_by_the_sysusers_file(tmp_path):
    (tmp_path / "etc").mkdir()
    made = subprocess.run(
        [servers.program("systemd-sysusers"), f"--root={tmp_path}", "-"],
        input=(FOLDER / "andon.sysusers").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (user,) = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line]
    assert user.startswith("andon:")
    assert user.endswith("/nologin")


@pytest.fixture
def service():
    """The [Service] section; of a repeated key the last value."""
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(UNIT)
    return unit["Service"]


def test_a_missing_or_wrong_line_file_is_not_tried_again(service):
    assert service["RestartPreventExitStatus"] == "2 78"
    assert service["Restart"] == "always"


def test_the_watchdog_watches_the_daemon_itself(service):
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "main"
    assert int(service["WatchdogSec"]) == 30


def test_onnxruntime_may_see_what_processors_there_are(service):
    # With ProcSubset=pid it cannot read /proc/cpuinfo and scores slowly.
    assert "ProcSubset" not in service


def test_no_secret_stands_in_the_unit():
    text = UNIT.read_text()
    assert "Environment=" not in text
    assert "\n#LoadCredential=influx-token:" in text
