"""`make fuzz`: libFuzzer (atheris) over each target, from its corpus on.

    make fuzz                          a minute for each target
    make fuzz ARGS="--for 10m csv"     ten minutes for one, or several
    make fuzz ARGS="--input FILE csv"  one input again, as a crash was saved

What leads through new code is added to tests/fuzz/corpus. Faults are collected, each once, with the
bytes that lead to it in dist/fuzz; then the exit code is 1.
"""

import argparse
import contextlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from fuzzing.engine import FOUND, fuzz
from fuzzing.targets import TARGETS, function

_INSTRUMENTED = [
    "connectors.modbus", "connectors.mqtt", "connectors.opcua", "detectors.bundle",
    "gateway.cases", "gateway.config", "gateway.control", "gateway.history", "gateway.sinks",
    "asyncua.ua.ua_binary", "yaml.constructor", "yaml.parser", "yaml.reader", "yaml.scanner",
    "fuzzing.planted",
]  # fmt: skip
_UNITS = {"s": 1, "m": 60, "h": 3600}


def main() -> int:
    arguments = _arguments()
    names = arguments.names or list(TARGETS)
    if arguments.input is not None:
        for name in names:
            function(name)(arguments.input.read_bytes())
        return 0
    try:
        import atheris
    except ImportError:
        print("There is no atheris for this machine or Python: `make test` replays the corpus.")
        return 3
    print(f"Loading {len(names)} targets", flush=True)
    with contextlib.nullcontext() if arguments.blind else _instrumenting(atheris):
        functions = {name: function(name) for name in names}
    shutil.rmtree(FOUND, ignore_errors=True)
    FOUND.mkdir(parents=True)
    # Not a TemporaryDirectory: each child would remove it when it ends.
    folder = Path(tempfile.mkdtemp(prefix="andon-fuzz-"))
    results = {name: fuzz(name, each, folder / name, arguments) for name, each in functions.items()}
    shutil.rmtree(folder)
    faulty = [name for name, is_fine in results.items() if not is_fine]
    print(f"{len(results) - len(faulty)} passed, {len(faulty)} failed {' '.join(faulty)}".rstrip())
    return 1 if faulty else 0


@contextlib.contextmanager
def _instrumenting(atheris):
    """Modules imported meanwhile report which code runs; that takes ten seconds for all of them."""
    # atheris tells the name of each.
    with (
        open(os.devnull, "w") as nowhere,  # noqa: PTH123
        contextlib.redirect_stderr(nowhere),
        atheris.instrument_imports(include=_INSTRUMENTED),
    ):
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--for", dest="seconds", type=_seconds, default=60.0, metavar="10m")
    parser.add_argument("--runs", type=int, default=-1, help="inputs for each target, at most")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--timeout", type=int, default=20, help="most seconds for one input")
    parser.add_argument("--blind", action="store_true", help="without guidance, but at once")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--input", type=Path)
    return parser.parse_args()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError("write it as in 30s, 10m or 8h")
    return float(match[1]) * _UNITS[match[2]]


if __name__ == "__main__":
    sys.exit(main())
