"""Optional packages: how to install what an extra of andon needs."""

import re
import sys
from importlib.metadata import PackageNotFoundError, requires

_OF_EXTRA = re.compile(r"([^;]+);.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


def packages_of(extra: str) -> list[str]:
    """The packages of an extra, with their versions; empty if andon's metadata is missing."""
    try:
        required = requires("andon") or []
    except (PackageNotFoundError, OSError, ValueError):  # missing, or damaged
        required = []
    matches = filter(None, map(_OF_EXTRA.fullmatch, required))
    return [match[1].strip() for match in matches if match[2] == extra]


def how_to_install(extra: str) -> str:
    """The command that installs an extra's packages for the Python that runs this.

    It names the packages: `andon` itself is not on a package index, and the name may belong to
    somebody else there.
    """
    packages = packages_of(extra)
    if not packages:
        return f"run pip install '.[{extra}]' in a clone of andon's repository"
    quoted = " ".join(f"'{package}'" for package in packages)
    return f"run {sys.executable} -m pip install {quoted}"
