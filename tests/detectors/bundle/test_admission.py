import errno
import itertools
from unittest.mock import Mock

import hostile_models as hostile
import numpy as np
import pytest

from detectors.bundle import admission, bounds
from detectors.bundle.admission import admit
from detectors.bundle.bounds import BATCHES, largest_batch, need_of
from detectors.bundle.bundle import load
from detectors.bundle.safety import check_model
from gateway.api.contracts import ModelError

WINDOW = (hostile.ROWS, hostile.TAGS)


def refused(data, words, window=WINDOW):
    with pytest.raises(ModelError, match=words) as caught:
        admit(data, window, (2,))
    assert "\n" not in str(caught.value)


def layers(count, width):
    """A model whose weights double the file for each layer."""
    first = hostile.node("Cast", ["window"], ["single"], to=hostile.FLOAT)
    flat = hostile.node("Flatten", ["single"], ["x"])
    sizes = [hostile.ROWS * hostile.TAGS, *[width] * count]
    weights = {
        f"w{at}": np.full(shape, 1e-3, np.float32)
        for at, shape in enumerate(itertools.pairwise(sizes))
    }
    names = ["x", *(f"x{at}" for at in range(1, count + 1))]
    nodes = [hostile.node("MatMul", [names[at], f"w{at}"], [names[at + 1]]) for at in range(count)]
    return hostile.graph([first, flat, *nodes], weights)


def test_a_model_that_runs_is_admitted_and_not_tried_twice(monkeypatch):
    admit(hostile.fine(), WINDOW, (2, 256))
    monkeypatch.setattr(admission, "_try_out", lambda *_: pytest.fail("it was tried again"))
    admit(hostile.fine(), WINDOW, (2, 256))


def test_a_model_that_takes_too_much_memory_is_ended_and_refused():
    refused(hostile.graph(hostile.chain(hostile.doubled, 22)), "MB of memory, more than the 250 MB")


def test_a_model_that_takes_long_is_ended_and_refused(monkeypatch):
    monkeypatch.setattr(admission, "CPU_SECONDS", 0.3)
    nodes = hostile.chain(lambda a, b: hostile.node("MatMul", [a, "w"], [b]), 3_000, "first")
    first = hostile.node("MatMul", ["window", "wide"], ["first"])
    weights = {"wide": np.ones((hostile.TAGS, 1000)), "w": np.ones((1000, 1000))}
    refused(hostile.graph([first, *nodes], weights), r"takes more than 0\.3 s")


def test_a_process_that_says_nothing_is_ended(monkeypatch):
    monkeypatch.setattr(admission, "SECONDS", 0.05)
    refused(hostile.graph([], opset=17), r"took longer than 0\.05 s")


def test_what_the_runtime_says_is_one_short_sentence():
    refused(b"nonsense", "it cannot be loaded and run: .*")
    refused(hostile.fine(), "it cannot be loaded and run: .*", window=(3, 3))


def test_a_process_that_dies_is_a_sentence(monkeypatch, tmp_path):
    script = tmp_path / "dies.py"
    script.write_text("import os; print('ready', flush=True); input(); os.kill(os.getpid(), 11)")
    monkeypatch.setattr(admission, "_CHILD", str(script))
    refused(hostile.graph([], opset=16), "ended by SIGSEGV")


def test_the_process_gets_no_secret(monkeypatch, tmp_path):
    script = tmp_path / "says.py"
    script.write_text(
        "import os; print('ready', flush=True); input(); print('failed', *sorted(os.environ))"
    )
    monkeypatch.setattr(admission, "_CHILD", str(script))
    monkeypatch.setenv("INFLUX_TOKEN", "canary")
    with pytest.raises(ModelError) as caught:
        admit(hostile.graph([], opset=15), WINDOW, (2,))
    assert "INFLUX_TOKEN" not in str(caught.value)
    assert "OPENBLAS_NUM_THREADS" in str(caught.value)


def test_a_model_of_46_mb_is_loaded_in_small_batches(tmp_path):
    data = layers(4, 1960)
    assert 46_000_000 < len(data) < 50_000_000
    golden = hostile.vectors([[0.0] * hostile.TAGS] * hostile.ROWS)
    model = load(hostile.put(tmp_path / "large", data, golden=golden)).model
    assert model.batch >= 2
    assert model.run(np.zeros((300, *WINDOW))).score.tolist() == [0.0] * 300


def test_the_batch_is_as_large_as_memory_and_work_allow(monkeypatch):
    graph = check_model(hostile.graph(hostile.chain(hostile.doubled, 3)))
    batch, need = largest_batch(graph, "window", WINDOW)
    assert batch == BATCHES[-1]
    half = need.memory // 2 + 1000
    monkeypatch.setattr(bounds, "RUN_MEMORY", half)
    assert largest_batch(graph, "window", WINDOW)[0] == BATCHES[-2]
    monkeypatch.setattr(bounds, "RUN_MEMORY", 10)
    with pytest.raises(ModelError, match="of memory at operator 1, 'Concat', more than the 0 MB"):
        largest_batch(graph, "window", WINDOW)


def test_much_work_is_refused():
    graph = check_model(layers(2, 500))
    need = need_of(graph, {"window": (2, *WINDOW)}, 10**9, 10**9)
    assert need.work >= 2 * (40 * 500 + 500 * 500)
    with pytest.raises(ModelError, match="multiplications"):
        need_of(graph, {"window": (2, *WINDOW)}, 10**9, need.work - 1)


def test_a_process_that_lacks_memory_to_begin_says_nothing_about_the_model(monkeypatch):
    monkeypatch.setattr(admission.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="before it began: is memory short") as caught:
        admit(hostile.graph([], opset=16), WINDOW, (2,))
    assert caught.value.may_pass


def test_a_process_that_cannot_be_made_may_pass_and_a_model_that_is_wrong_does_not(monkeypatch):
    with pytest.raises(ModelError) as wrong:
        admit(b"no model", WINDOW, (2,))
    assert not wrong.value.may_pass
    no_memory = OSError(errno.ENOMEM, "Cannot allocate memory")
    monkeypatch.setattr(admission.subprocess, "Popen", Mock(side_effect=no_memory))
    with pytest.raises(ModelError, match="Cannot allocate memory") as caught:
        admit(hostile.graph([], opset=16), WINDOW, (2,))
    assert caught.value.may_pass
