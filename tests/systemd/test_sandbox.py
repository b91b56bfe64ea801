"""The daemon's libraries work under the unit's system call filter, without executable memory.

systemd itself cannot be started in a test; the same kernel filter is loaded by libseccomp instead.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import hostile_models
import numpy as np
import pytest
import servers

UNIT = Path(__file__).parents[2] / "systemd" / "andon@.service"

_FILTERED = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL(sys.argv[1], use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p
seccomp.seccomp_init.argtypes = [ctypes.c_uint32]
seccomp.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
libc.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, since Linux 6.3
rules = seccomp.seccomp_init(0x00050000 | errno.EPERM)
for name in sys.stdin.read().split():
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    if number >= 0:
        assert seccomp.seccomp_rule_add(rules, 0x7FFF0000, number, 0) == 0, name
assert seccomp.seccomp_load(rules) == 0
try:
    import os
    os.sched_setaffinity(0, {0})
    sys.exit("the filter does not filter")
except PermissionError:
    pass
"""
_CHILD = """
import asyncio, socket, sqlite3
import numpy, onnxruntime

async def echo():
    server = await asyncio.start_server(lambda r, w: w.write(b"ready"), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.readexactly(5) == b"ready"
    writer.close()
    server.close()
    return await asyncio.to_thread(lambda: "thread")

assert asyncio.run(echo()) == "thread"
store = sqlite3.connect(sys.argv[2] + "/buffer.db")
store.execute("PRAGMA journal_mode=WAL")
store.execute("PRAGMA synchronous=FULL")
store.execute("CREATE TABLE alert (body)")
store.execute("INSERT INTO alert VALUES ('x')")
store.commit()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
with open(sys.argv[3], "rb") as file:
    session = onnxruntime.InferenceSession(file.read(), options, ["CPUExecutionProvider"])
(score,) = session.run(None, {"x": numpy.ones((4, 8), numpy.float32)})
assert score.tolist() == [8.0] * 4
"""
_ADMITTING = """
import resource
from pathlib import Path
from detectors.bundle import admission
from gateway.api.contracts import ModelError

try:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    sys.exit("a process may limit itself: the watch is not tried")
except (OSError, ValueError):
    pass
fine, huge, slow = (Path(name).read_bytes() for name in sys.argv[3:])
admission.admit(fine, (10, 4), (2, 256))
admission.CPU_SECONDS = 1.0
for data, words in ((huge, "MB of memory, more than the 250 MB"), (slow, "takes more than 1 s")):
    try:
        admission.admit(data, (10, 4), (2,))
        sys.exit("it was admitted")
    except ModelError as error:
        assert words in str(error), error
"""


def _allowed(listing):
    """The calls of the unit's SystemCallFilter= lines, sets written out, refusals taken away."""
    sets, current = {}, []
    for line in listing.splitlines():
        if line.startswith("@"):
            current = sets.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            current.append(line.strip())

    def calls(name):
        if not name.startswith("@"):
            return {name}
        return {call for member in sets[name] for call in calls(member)}

    allowed = calls("@default")
    for words in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        named = {call for word in words.removeprefix("~").split() for call in calls(word)}
        allowed = allowed - named if words.startswith("~") else allowed | named
    return allowed


@pytest.fixture
def model(tmp_path):
    """A model that sums its eight inputs."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["score"], keepdims=0)],
        "sum",
        [helper.make_tensor_value_info("x", kind, ["n", 8])],
        [helper.make_tensor_value_info("score", kind, ["n"])],
        [axes],
    )
    path = tmp_path / "model.onnx"
    opset = helper.make_opsetid("", 18)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()
    )
    return path


@pytest.fixture
def libseccomp():
    """The name of the library that turns a list of system calls into a kernel filter."""
    name = "libseccomp.so.2"
    try:
        ctypes.CDLL(name)
    except OSError:
        if os.environ.get("ANDON_REAL_SERVERS") == "1":
            pytest.fail(f"{name} is not installed and ANDON_REAL_SERVERS=1 forbids skipping")
        pytest.skip(f"{name} is not installed")
    return name


@pytest.mark.server("systemd-analyze")
def test_scoring_storing_and_talking_work_under_the_units_filter(model, tmp_path, libseccomp):
    filtered(_CHILD, libseccomp, tmp_path, model)


@pytest.mark.server("systemd-analyze")
def test_a_model_is_watched_in_a_process_of_its_own_under_the_units_filter(tmp_path, libseccomp):
    first = hostile_models.node("MatMul", ["window", "wide"], ["first"])
    weights = {"wide": np.ones((4, 1000)), "w": np.ones((1000, 1000))}
    rest = hostile_models.chain(times_a_matrix, 2_000, "first")
    files = {
        "fine": hostile_models.fine(),
        "huge": hostile_models.graph(hostile_models.chain(hostile_models.doubled, 24)),
        "slow": hostile_models.graph([first, *rest], weights),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    # The unit allows prlimit64, by which a process limits itself; the watch does not need it.
    paths = (tmp_path / name for name in files)
    filtered(_ADMITTING, libseccomp, tmp_path, *paths, without={"prlimit64", "setrlimit"})


def times_a_matrix(before, after):
    return hostile_models.node("MatMul", [before, "w"], [after])


def filtered(code, libseccomp, folder, *files, without=frozenset()):
    """Runs this code, after the unit's filter is in force, and expects no word of it."""
    listing = subprocess.run(
        [servers.program("systemd-analyze"), "syscall-filter"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    child = subprocess.run(
        [sys.executable, "-c", _FILTERED + code, libseccomp, str(folder), *map(str, files)],
        input=" ".join(sorted(_allowed(listing) - without)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
