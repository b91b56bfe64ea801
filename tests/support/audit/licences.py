"""The licence of each package, as its own metadata declare it, compared with docs/licences.md."""

import re
from importlib.metadata import Distribution

from audit.lock import ROOT

PAGE = ROOT / "docs" / "licences.md"
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def declared(package: Distribution) -> str:
    """Its SPDX expression; without one its classifiers, or else the first line of its licence."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = metadata.get_all("Classifier") or []
    said = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
    return " or ".join(said) or (metadata.get("License") or "").strip().partition("\n")[0]


def listed(text: str) -> dict[str, str]:
    """Package -> licence, from the rows of the page."""
    return {
        name: licence.strip()
        for licence, names in _ROW.findall(text)
        for name in re.findall(r"`([^`]+)`", names)
    }


def differences(packages: dict[str, Distribution], text: str) -> list[str]:
    """What the page does not say, or says wrongly, in sentences."""
    known = listed(text)
    problems = []
    for name, package in packages.items():
        licence = declared(package)
        if known.get(name) != licence:
            said = f"says {known[name]}" if name in known else "does not name it"
            problems.append(f"{name} has the licence {licence or '(none)'}; {PAGE.name} {said}")
    gone = sorted(known.keys() - packages.keys())
    return problems + [f"{PAGE.name} names {name}, which is not in the lock" for name in gone]
