"""`andon panel` as a process: what it refuses, and how it ends."""

import signal
import subprocess
import sys

import pytest
import servers
from patience import PATIENCE

ANDON = [sys.executable, "-m", "gateway", "panel"]
LINE = """
version: 1
line: {name}
site: here
state: state
sources:
  plc: {{type: modbus, host: 127.0.0.1, port: 1, tags: {{flow: {{address: 0}}}}}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "press-3.yaml"
    path.write_text(LINE.format(name="press-3"))
    return path


def ended(*words):
    return subprocess.run(
        [*ANDON, *map(str, words)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_another_address_without_tls_ends_with_78_and_a_sentence(file):
    done = ended(file, "--host", "0.0.0.0")
    assert (done.returncode, "without TLS" in done.stderr) == (78, True)
    assert "Traceback" not in done.stderr


def test_two_files_of_one_line_end_with_78(file, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(LINE.format(name="press-3"))
    done = ended(file, other)
    assert (done.returncode, "another file is of the line press-3" in done.stderr) == (78, True)


def test_it_needs_no_daemon_and_ends_politely(file):
    port = servers.free_port()
    process = subprocess.Popen(
        [*ANDON, str(file), "--port", str(port)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
