"""`make fuzz`: the fuzzer runs over every target, and finds what is planted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import corpus
from fuzzing.targets import TARGETS
from patience import PATIENCE

pytest.importorskip("atheris", reason="there is no atheris for this machine")
SUPPORT = Path(__file__).parents[1] / "support"


def fuzz(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "fuzzing", "--seed=1", "--no-keep", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE,
    )


def test_three_hundred_damaged_inputs_of_each_parser_are_read_or_refused(tmp_path):
    done = fuzz(tmp_path, "--blind", "--runs=300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": 300 inputs in ") == len(TARGETS)


def test_guidance_finds_what_chance_does_not(tmp_path):
    done = fuzz(tmp_path, "--runs=200000", "fuzzing.planted:fault")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ValueError: found" in done.stdout
    assert "0 passed, 1 failed fuzzing.planted:fault" in done.stdout
    (saved,) = (tmp_path / "dist/fuzz").glob("*.input")
    assert saved.read_bytes().startswith(b"and!")
    again = fuzz(tmp_path, "--input", str(saved), "fuzzing.planted:fault")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (1, "ValueError: found")


@pytest.mark.parametrize(
    ("kind", "seconds", "said"), [("slow", 3, "timeout"), ("large", 60, "out-of-memory")]
)
def test_an_input_that_takes_too_much_time_or_memory_is_a_fault(tmp_path, kind, seconds, said):
    done = fuzz(tmp_path, "--runs=20000", f"--timeout={seconds}", f"fuzzing.planted:{kind}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"libFuzzer: {said}" in done.stdout


def test_only_an_input_that_leads_through_new_code_is_kept():
    whole = b"\x2b\x0e\x01\x01\x00\x00\x01\x00\x01"
    inputs = [whole + b"a", whole + b"b", whole + b"aa", b"", b"\x2b", whole]
    faulty = whole + b"\xff"
    assert corpus.worth_keeping(identified, [*inputs, faulty]) == [b"", whole, whole + b"a"]


def identified(data):
    from connectors.modbus.identification import identification

    assert not identification(data).endswith("\N{REPLACEMENT CHARACTER}")
