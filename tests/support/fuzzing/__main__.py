"""`make fuzz`: libFuzzer (atheris) over each target, from its corpus on.

    make fuzz                          a minute for each target
    make fuzz ARGS="--for 10m csv"     ten minutes for one, or several
    make fuzz ARGS="--input FILE csv"  one input again, as a crash was saved

What leads through new code is added to tests/fuzz/corpus. A fault ends with exit code 1: the bytes
are printed and saved in dist/fuzz.
"""

import argparse
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from fuzzing import corpus
from fuzzing.targets import TARGETS, function

FOUND = Path("dist/fuzz")
MOST_SECONDS, MOST_MEGABYTES = 5, 700
"""For one input: its time, and the memory of the whole process, 250 MB of which are libraries."""
_INSTRUMENTED = [
    "connectors.modbus", "connectors.mqtt", "connectors.opcua", "detectors.bundle",
    "gateway.cases", "gateway.config", "gateway.control", "gateway.history", "gateway.sinks",
    "asyncua.ua.ua_binary", "yaml.constructor", "yaml.parser", "yaml.reader", "yaml.scanner",
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
        print("There is no atheris for this machine or this Python: `make test` replays the corpus.")
        return 3
    print(f"Loading {len(names)} targets", flush=True)
    with contextlib.nullcontext() if arguments.blind else _instrumenting(atheris):
        functions = {name: function(name) for name in names}
    FOUND.mkdir(parents=True, exist_ok=True)
    # Not a TemporaryDirectory: each child would remove it when it ends.
    folder = Path(tempfile.mkdtemp(prefix="andon-fuzz-"))
    results = {
        name: _fuzz(atheris, name, each, folder / name, arguments)
        for name, each in functions.items()
    }
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
    parser.add_argument("--blind", action="store_true", help="without guidance, but at once")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--input", type=Path)
    return parser.parse_args()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError("write it as in 30s, 10m or 8h")
    return float(match[1]) * _UNITS[match[2]]


def _fuzz(atheris, name: str, target, folder: Path, arguments: argparse.Namespace) -> bool:
    """Fuzzes in a child, as libFuzzer ends its process; True if nothing was found."""
    folder.mkdir()
    before = corpus.read(name)
    for number, each in enumerate(before):
        (folder / f"seed-{number}").write_bytes(each)
    began = time.monotonic()
    child = os.fork()
    if not child:
        log = os.open(FOUND / f"{name}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        atheris.Setup([sys.argv[0], str(folder), *_options(name, arguments)], target)
        atheris.Fuzz()
        os._exit(0)
    is_fine = os.waitpid(child, 0)[1] == 0
    log = (FOUND / f"{name}.log").read_text(errors="replace")
    runs = re.findall(r"^#(\d+)", log, re.MULTILINE)
    did = f"{runs[-1] if runs else 0} inputs in {time.monotonic() - began:.0f} s"
    if not is_fine:
        print(f"{name}: {did}, FAULT\n{log[-3_000:]}", flush=True)
        return False
    made = [path.read_bytes() for path in folder.iterdir()]
    kept = _keep(name, target, before, made) if arguments.keep else len(before)
    print(f"{name}: {did}, corpus {len(before)} -> {kept}", flush=True)
    return True


def _options(name: str, arguments: argparse.Namespace) -> list[str]:
    return [
        f"-max_total_time={arguments.seconds:.0f}",
        f"-runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-max_len={corpus.LONGEST}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-len_control=20",
        "-print_final_stats=1",
    ]


def _keep(name: str, target, before: list[bytes], made: list[bytes]) -> int:
    kept = corpus.worth_keeping(target, {*before, *made})
    corpus.write(name, kept)
    if corpus.size() > corpus.MOST_BYTES:
        corpus.write(name, before)
        print(f"{name}: the corpus would exceed {corpus.MOST_BYTES // 1000} kB, so it stays")
        return len(before)
    return len(kept)


if __name__ == "__main__":
    sys.exit(main())
