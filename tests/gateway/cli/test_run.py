"""What ends a daemon as it starts: 78 for what a person must put right, 74 for what may pass."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from patience import PATIENCE

from gateway.demo.processes import ANDON

LINE = """
version: 1
line: lonely
site: here
state: disk/state
health: {{port: {port}}}
sources:
  plc: {{type: modbus, host: 127.0.0.1, port: 1, tags: {{flow: {{address: 0}}}}}}
{more}
"""
OF_A_MODEL = "detectors: {pump: {type: onnx, bundle: mount/pump}}"


def command(folder, more="", port=0):
    file = folder / "lonely.yaml"
    file.write_text(LINE.format(port=port, more=more))
    return [*ANDON, "run", str(file)]


@contextlib.contextmanager
def a_port_in_use(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield command(folder, port=other.getsockname()[1])


@contextlib.contextmanager
def a_folder_that_is_locked(folder):
    state = folder / "disk" / "state"
    state.mkdir(0o700, parents=True)
    handle = os.open(state, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield command(folder)
    os.close(handle)


@contextlib.contextmanager
def a_socket_that_is_in_use(folder):
    state = folder / "disk" / "state"
    state.mkdir(0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(state / "control.sock"))
        other.listen()
        yield command(folder)


@contextlib.contextmanager
def a_model_on_a_mount_that_is_not_there(folder):
    yield command(folder, OF_A_MODEL)


@contextlib.contextmanager
def a_site_file_on_a_mount_that_is_not_there(folder):
    yield command(folder, "site_file: mount/site.yaml\nsecurity: {}")


@contextlib.contextmanager
def too_few_descriptors(folder):
    yield ["sh", "-c", 'ulimit -n 12; exec "$@"', "sh", *command(folder)]


def _on_a_disk(options, more=""):
    @contextlib.contextmanager
    def full(folder):
        disk = folder / "disk"
        disk.mkdir()
        mount = f"mount -t tmpfs -o {options},mode=0700 tmpfs {disk}"
        can = shutil.which("unshare")
        if not can or subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
            pytest.skip("this machine does not allow mounting a private disk")
        script = f'{mount}; {more.format(disk=disk)} exec "$@"'
        yield ["unshare", "-rm", "sh", "-c", script, "sh", *command(folder)]

    return full


TEMPORARY = {
    "a port in use": (a_port_in_use, "Address already in use"),
    "a folder that is locked": (a_folder_that_is_locked, "already runs this line"),
    "a socket that is in use": (a_socket_that_is_in_use, "another program listens at"),
    "a model that is not there": (a_model_on_a_mount_that_is_not_there, "is not a folder"),
    "a site file that is not there": (a_site_file_on_a_mount_that_is_not_there, "there is no file"),
    "too few descriptors": (too_few_descriptors, "Too many open files"),
    "a full disk": (_on_a_disk("size=4m", "cat /dev/zero > {disk}/x 2>/dev/null;"), "disk is full"),
    "a disk without inodes": (_on_a_disk("size=12m,nr_inodes=2"), "No space left on device"),
    "no inode for the socket": (_on_a_disk("size=12m,nr_inodes=6"), "control.sock cannot be made"),
}


@pytest.mark.parametrize("name", TEMPORARY)
def test_what_may_pass_ends_the_daemon_with_74_so_that_it_is_started_again(name, tmp_path):
    circumstance, words = TEMPORARY[name]
    with circumstance(tmp_path) as line:
        ended = subprocess.run(line, check=False, capture_output=True, text=True)
    assert (ended.returncode, "Traceback" in ended.stderr) == (74, False), ended.stderr
    assert words in ended.stderr


def test_a_wrong_file_in_the_place_of_a_model_ends_it_with_78(tmp_path):
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "pump").write_text("no folder")
    ended = subprocess.run(command(tmp_path, OF_A_MODEL), check=False, capture_output=True)
    assert ended.returncode == 78


def test_systemd_never_counts_ten_such_ends_in_five_minutes_and_may_end_the_wait(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        env = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with a_port_in_use(tmp_path) as line, subprocess.Popen(line, env=env) as daemon:
            while b"started again soon" not in manager.recv(4096):
                pass
            began = time.monotonic()
            assert daemon.poll() is None
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE) == -signal.SIGTERM
            assert time.monotonic() - began < 2


def test_ten_such_ends_take_longer_than_the_units_limit_counts():
    from gateway.cli.run import SHORTEST_S

    assert 10 * SHORTEST_S > 300
