"""Asks pip-audit for the known vulnerabilities of the locked packages.

Promises
- A package that could not be looked up is never counted as one without vulnerabilities: pip-audit
  ends with "no known vulnerabilities" and exit code 0 even if it found no data on any package.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PIP_AUDIT = (sys.executable, "-m", "pip_audit")
_OPTIONS = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off")


@dataclass
class Findings:
    """`vulnerable` in sentences, the packages that were looked up, those that were not, and why."""

    vulnerable: list[str] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)
    why: str = ""


def look_up(lock: Path, names: set[str], command=PIP_AUDIT, seconds: float = 120) -> Findings:
    """What is known of the packages of a lock, which are `names`."""
    try:
        done = subprocess.run(
            [*command, f"--requirement={lock}", "--timeout=5", *_OPTIONS],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        dependencies = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return Findings(unchecked=set(names), why=f"no answer within {seconds:g} s")
    except (ValueError, LookupError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Findings(unchecked=set(names), why=f"pip-audit: {last.partition(':')[0]}")
    return _judged(dependencies, names)


def _judged(dependencies, names: set[str]) -> Findings:
    found = Findings()
    for each in dependencies:
        if "skip_reason" in each:
            continue
        found.checked.add(each["name"])
        found.vulnerable += [
            f"{each['name']} {each['version']}: {known['id']}, mended in "
            f"{', '.join(known['fix_versions']) or 'no version yet'}"
            for known in each["vulns"]
        ]
    found.unchecked = names - found.checked
    if found.unchecked:
        found.why = "the data cannot be reached from here, or do not know them"
    return found
