"""The packages that requirements.lock asks for on this machine, as they are installed."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements.lock"
_PINNED = re.compile(r"^[A-Za-z0-9._-]+==[^\\\n]+", re.MULTILINE)


def pinned(lock: Path = LOCK) -> list[Requirement]:
    """What the lock asks for on a machine and a Python such as these."""
    wanted = [Requirement(each) for each in _PINNED.findall(lock.read_text())]
    return [each for each in wanted if each.marker is None or each.marker.evaluate()]


def installed(lock: Path = LOCK) -> dict[str, Distribution]:
    """The locked packages by name; LookupError if one is not installed in its locked version."""
    found = {}
    for wanted in pinned(lock):
        try:
            package = found[wanted.name] = distribution(wanted.name)
        except PackageNotFoundError as error:
            raise LookupError(f"{wanted} is not installed: run `make setup`") from error
        if not wanted.specifier.contains(package.version):
            raise LookupError(f"{wanted} is {package.version} here: run `make setup`")
    return found
