"""How many small faults in core, line and buffer their unit tests detect.

mutmut changes one thing at a time (a comparison, a number, an argument, a text) and runs the tests
that reach the changed function, the fast ones first, until one fails. To its operators this adds
one: a call whose result is not used is left out. The sample is drawn with a fixed seed, because
all mutants take an hour or two. mutmut changes neither constants of modules nor decorated
functions; tests guard those by value.

    make mutate                                     # JSON=FILE also writes the result as JSON
    make mutate ARGS="gateway.core.grid --all"      # every mutant of this module
    make mutate ARGS="--sample 1000 --jobs 1"

A mutant is killed by a failing test, or by its time limit (`timeout`: it does not end). The
survivors are printed as diffs, then the table. What mutmut itself prints goes to stderr.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path

import libcst as cst
from excluded import reason
from mutmut import __main__ as mutmut
from mutmut.mutation.mutators import mutation_operators
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

FOLDER = Path("mutants")
SEED = 11
SAMPLE = 600
ROOMS = ("gateway.core", "gateway.line", "gateway.buffer")
GOAL = 85.0


def without_call(node):
    """The statement that only calls something, left out."""
    call = node.value.expression if isinstance(node.value, cst.Await) else node.value
    if isinstance(call, cst.Call):
        yield cst.Pass()


def generate(jobs):
    """Write every mutant into a fresh folder; their names."""
    # Nothing is taken over: mutmut keeps which test reaches what, also where the tests changed.
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.create_mutants(jobs)
    return [name for _, name, _ in mutmut.collect_source_file_mutation_data(mutant_names=())[0]]


def chosen(names, modules, sample):
    """The mutants of these modules: `sample` of them, always the same ones, or all for 0."""
    wanted = sorted(n for n in names if any(n.startswith(f"{module}.") for module in modules))
    return random.Random(SEED).sample(wanted, min(sample, len(wanted))) if sample else wanted


@contextlib.contextmanager
def stdout_to_stderr():
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def outcome(name, data):
    """What became of one mutant, as plain values."""
    status = mutmut.status_by_exit_code[data.exit_code_by_key[name]]
    diff, why = "", None
    if status not in {"killed", "timeout"}:
        diff, status = mutmut.get_diff_for_mutant(name, path=data.path), "survived"
        why = reason(function_of(name), *changed_lines(diff))
    status = "excluded" if why else status
    module = name.rpartition(".")[0]
    module += ".__init__" if module in ROOMS else ""
    return {"name": name, "module": module, "status": status, "why": why, "diff": diff}


def function_of(name):
    """The dotted name of the function that a mutant changes."""
    function, owner = orig_function_and_class_names_from_key(name)
    return ".".join(filter(None, (name.rpartition(".")[0], owner, function)))


def changed_lines(diff):
    lines = diff.splitlines()[2:]
    return tuple("\n".join(ln[1:] for ln in lines if ln.startswith(sign)) for sign in "-+")


def percentage(counts):
    judged = counts["killed"] + counts["timeout"] + counts["survived"]
    return 100.0 * (judged - counts["survived"]) / judged if judged else 100.0


def show(outcomes):
    """The survivors, then the table; the counts by module."""
    by_module = defaultdict(Counter)
    for each in outcomes:
        for group in (each["module"], ".".join(each["module"].split(".")[:2]), "all"):
            by_module[group][each["status"]] += 1
        if each["status"] == "survived":
            print(f"\n{each['name']}\n{each['diff']}")
    columns = ("killed", "timeout", "survived", "excluded")
    print(f"\n{'module':36}" + "".join(f"{name:>12}" for name in columns) + f"{'detected':>12}")
    for group in [*sorted(set(by_module) - {"all"} - set(ROOMS)), *ROOMS, "all"]:
        if counts := by_module.get(group):
            figures = "".join(f"{counts[name]:12}" for name in columns)
            print(f"{group:36}{figures}{percentage(counts):10.1f} %")
    return by_module


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=ROOMS)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    mutation_operators.append((cst.Expr, without_call))
    with stdout_to_stderr():
        sample = 0 if options.all else options.sample
        names = chosen(generate(options.jobs), options.modules, sample)
        mutmut._run(names, options.jobs)
    known = mutmut.collect_source_file_mutation_data(mutant_names=names)[0]
    outcomes = [outcome(name, data) for data, name, _ in known]
    by_module = show(outcomes)
    if target := os.environ.get("JSON"):
        modules = {m: {**c, "detected": round(percentage(c), 1)} for m, c in by_module.items()}
        report = {"seed": SEED, "mutants": len(outcomes), "modules": modules, "outcomes": outcomes}
        Path(target).write_text(json.dumps(report, indent=1) + "\n")
    if percentage(by_module["all"]) < GOAL:
        raise SystemExit(f"less than the goal of {GOAL:g} %")


if __name__ == "__main__":
    main()
