"""Each kept input is read or refused with an error of ours, in bounded time and memory."""

import re
import time
from pathlib import Path

import pytest
from fuzzing import corpus
from fuzzing.faults import MOST_CPU_SECONDS
from fuzzing.targets import TARGETS, function

MOST_BYTES = 150_000_000
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(name):
    (kilobytes,) = re.findall(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(kilobytes) * 1000


@pytest.mark.parametrize("name", TARGETS)
def test_each_input_is_read_or_refused_in_bounded_time_and_memory(name):
    target, inputs = function(name), corpus.read(name)
    assert inputs, f"{name} has no corpus"
    for each in inputs:
        target(each)  # what is loaded at first use counts for no input
        _CLEAR.write_text("5")  # the most memory so far is forgotten
        before, began = memory("VmRSS"), time.process_time()
        target(each)
        assert time.process_time() - began < MOST_CPU_SECONDS, each
        assert memory("VmHWM") - before < MOST_BYTES, each


def test_the_corpus_is_small_and_has_a_file_for_each_target():
    assert {path.stem for path in corpus.FOLDER.iterdir()} == TARGETS.keys()
    assert corpus.size() < corpus.MOST_BYTES
    assert all(len(each) <= corpus.LONGEST for name in TARGETS for each in corpus.read(name))
