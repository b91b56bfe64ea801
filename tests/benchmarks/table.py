"""The table that a benchmark prints, and writes as JSON where `JSON` names a file."""

import json
import os
from pathlib import Path


def row(name, value, unit, goal="", met=None):
    return {"name": name, "value": round(value, 4), "unit": unit, "goal": goal, "met": met}


def show(rows):
    print(f"\n{'figure':45} {'value':>12} {'unit':6} {'goal':10} met")
    for each in rows:
        met = {True: "yes", False: "NO", None: ""}[each["met"]]
        print(f"{each['name']:45} {each['value']:12.4g} {each['unit']:6} {each['goal']:10} {met}")


def write(rows):
    if target := os.environ.get("JSON"):
        Path(target).write_text(json.dumps(rows, indent=1) + "\n")
