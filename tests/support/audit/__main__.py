"""`make audit`: exit code 0 if nothing is wrong, 1 if something is, 3 if it could not be looked up.

--if-reachable: 0 instead of 3, for a machine without a way to the data; the sentence stays.
"""

import argparse
import sys

from audit.licences import PAGE, differences
from audit.lock import LOCK, ROOT, installed
from audit.sbom import bill
from audit.vulnerabilities import look_up

BILL = ROOT / "dist" / "andon.cdx.json"
WRONG, NOT_CHECKED = 1, 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--if-reachable", action="store_true")
    arguments = parser.parse_args()
    packages = installed()
    problems = differences(packages, PAGE.read_text())
    print(f"Licences: {len(packages)} packages compared with docs/{PAGE.name}")
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(bill(packages, LOCK))
    print(f"Bill of materials: {BILL.parent.name}/{BILL.name}, CycloneDX in JSON, valid")
    found = look_up(LOCK, set(packages))
    problems += found.vulnerable
    print(f"Vulnerabilities: {len(found.checked)} of {len(packages)} packages looked up")
    for problem in problems:
        print(f"WRONG: {problem}")
    if found.unchecked:
        some = ", ".join(sorted(found.unchecked)[:5])
        print(f"NOT CHECKED for vulnerabilities: {len(found.unchecked)} packages ({some} …): "
              f"{found.why}. Run `make audit` where the data can be reached.")  # fmt: skip
    if problems:
        return WRONG
    return NOT_CHECKED if found.unchecked and not arguments.if_reachable else 0


if __name__ == "__main__":
    sys.exit(main())
