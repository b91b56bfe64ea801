"""`make audit`: licences as the page lists them, a valid bill of materials, no silent pass."""

import json
import sys

import pytest
from audit import __main__ as command
from audit import licences, lock, sbom, vulnerabilities


@pytest.fixture(scope="module")
def packages():
    return lock.installed()


def test_each_package_is_listed_with_the_licence_that_it_declares(packages):
    assert licences.differences(packages, licences.PAGE.read_text()) == []
    assert len(packages) > 60


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("`asyncua`", "`another`", "LGPLv3+); licences.md does not name it"),
        ("`cffi`", "`cffi`, `gone`", "licences.md names gone, which is not in the lock"),
        ("| MIT-0 |", "| GPL-3.0-only |", "cffi has the licence MIT-0; licences.md says GPL"),
    ],
)
def test_a_licence_that_the_page_does_not_name_is_a_problem(packages, old, new, said):
    text = licences.PAGE.read_text()
    assert old in text
    problems = licences.differences(packages, text.replace(old, new))
    assert any(said in each for each in problems), problems


def test_the_bill_of_materials_names_each_package_with_version_licence_and_dependencies(packages):
    bill = json.loads(sbom.bill(packages, lock.LOCK))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {each["name"]: each for each in bill["components"]}
    assert {name: each["version"] for name, each in named.items()} == {
        name: package.version for name, package in packages.items()
    }
    assert all(each["licenses"] and each["purl"] for each in named.values())
    assert named["paho-mqtt"]["licenses"] == [{"expression": "EPL-2.0 OR BSD-3-Clause"}]
    needs = {each["ref"].partition("==")[0]: each["dependsOn"] for each in bill["dependencies"]
             if "dependsOn" in each}  # fmt: skip
    assert {each.partition("==")[0] for each in needs["andon"]} > {"asyncua", "pymodbus", "onnx"}
    assert [each.partition("==")[0] for each in needs["aiomqtt"]] == ["paho-mqtt"]


def test_a_bill_that_does_not_meet_the_schema_is_refused(packages, monkeypatch):
    class Wrong:
        def output_as_string(self, **_):
            return '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": 3}'

    monkeypatch.setattr(sbom, "make_outputter", lambda *_: Wrong())
    with pytest.raises(ValueError, match="not valid CycloneDX"):
        sbom.bill(packages, lock.LOCK)


def answering(output, *, code=0, error=""):
    """A stand-in for pip-audit."""
    text = f"import sys; print({output!r}); print({error!r}, file=sys.stderr); sys.exit({code})"
    return (sys.executable, "-c", text)


def reported(*dependencies):
    return json.dumps({"dependencies": dependencies, "fixes": []})


A = {"name": "a", "version": "1", "vulns": []}
B = {"name": "b", "version": "2", "vulns": []}
HOLE = {"id": "PYSEC-1", "fix_versions": ["3"], "aliases": [], "description": "long"}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found and could not be audited"}
CASES = {
    "nothing is known": (answering(reported(A, B)), [], set()),
    "one is vulnerable": (
        answering(reported(A, {**B, "vulns": [HOLE]}), code=1),
        ["b 2: PYSEC-1, mended in 3"],
        set(),
    ),
    "one is vulnerable for ever": (
        answering(reported(A, {**B, "vulns": [{**HOLE, "fix_versions": []}]}), code=1),
        ["b 2: PYSEC-1, mended in no version yet"],
        set(),
    ),
    "one was skipped": (answering(reported(A, SKIPPED)), [], {"b"}),
    "one is not mentioned": (answering(reported(A)), [], {"b"}),
    "no answer": (answering("", code=1, error="x\nConnectionError: at some address"), [], {*"ab"}),
    "no JSON": (answering("hello"), [], {*"ab"}),
    "other JSON": (answering("[]"), [], {*"ab"}),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_was_looked_up_counts_as_checked(case, tmp_path):
    stand_in, vulnerable, unchecked = CASES[case]
    found = vulnerabilities.look_up(tmp_path / "lock", {"a", "b"}, stand_in)
    assert (found.vulnerable, found.unchecked) == (vulnerable, unchecked)
    assert found.checked == {"a", "b"} - unchecked
    assert bool(found.why) is bool(unchecked)


def test_a_service_that_does_not_answer_is_given_up(tmp_path):
    asleep = (sys.executable, "-c", "import time; time.sleep(600)")
    found = vulnerabilities.look_up(tmp_path / "lock", {"a"}, asleep, seconds=0.5)
    assert (found.unchecked, found.why) == ({"a"}, "no answer within 0.5 s")


@pytest.mark.parametrize(
    ("found", "options", "code", "said"),
    [
        (vulnerabilities.Findings(checked={"a"}), [], 0, "1 of"),
        (vulnerabilities.Findings(["a 1: X"], {"a"}), ["--if-reachable"], 1, "WRONG: a 1: X"),
        (vulnerabilities.Findings(unchecked={"a"}, why="w"), [], 3, "NOT CHECKED"),
        (vulnerabilities.Findings(unchecked={"a"}, why="w"), ["--if-reachable"], 0, "NOT CHECKED"),
    ],
)
def test_the_command_never_passes_in_silence(
    found, options, code, said, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(command, "look_up", lambda *_: found)
    monkeypatch.setattr(command, "BILL", tmp_path / "dist" / "bill.json")
    monkeypatch.setattr(sys, "argv", ["audit", *options])
    assert command.main() == code
    assert said in capsys.readouterr().out


def test_a_package_of_another_version_than_the_locked_one_is_reported(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text("pyyaml==1.0 \\\n    --hash=sha256:0\n")
    with pytest.raises(LookupError, match=r"pyyaml==1\.0 is 6"):
        lock.installed(path)
    path.write_text("nothing-of-that-name==1.0 \\\n    --hash=sha256:0\n")
    with pytest.raises(LookupError, match="not installed: run `make setup`"):
        lock.installed(path)
    path.write_text("pyyaml==1.0 ; python_version < '3' \\\n    --hash=sha256:0\n")
    assert lock.installed(path) == {}
