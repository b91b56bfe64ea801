"""One target under libFuzzer, in a process of its own.

Promises
- A target is given no more time and memory for an input than the bounds below.
- The corpus grows by what leads through new code, and not beyond its limit.
"""

import ctypes
import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fuzzing import corpus
from fuzzing.faults import Faults

FOUND = Path("dist/fuzz")
MOST_MEGABYTES = 700
"""Of the whole process while it reads one input, 150 of which are libraries."""

Target = Callable[[bytes], None]


def fuzz(name: str, target: Target, folder: Path, arguments: Namespace) -> bool:
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
        for each in before[:1]:
            target(each)  # what is loaded at first use counts for no input
        _run(Faults(target, FOUND, name), [str(folder), *_options(name, arguments)])
    has_ended = os.waitpid(child, 0)[1] == 0
    log = (FOUND / f"{name}.log").read_text(errors="replace")
    runs = re.findall(r"^#(\d+)", log, re.MULTILINE)
    did = f"{runs[-1] if runs else 0} inputs in {time.monotonic() - began:.0f} s"
    faults = sorted(FOUND.glob(f"{name}-*.txt"))
    made = [path.read_bytes() for path in folder.iterdir()]
    kept = _keep(name, target, before, made) if arguments.keep else len(before)
    print(f"{name}: {did}, corpus {len(before)} -> {kept}", flush=True)
    if faults or not has_ended:
        texts = [path.read_text() for path in faults] + ([] if has_ended else [log[-3_000:]])
        print(f"{name}: {len(texts)} FAULTS", *texts, sep="\n", flush=True)
    return has_ended and not faults


def _run(target: Target, arguments: list[str]) -> NoReturn:
    import atheris

    # Arrow waits at the end for threads that wait for the interpreter: this process just ends.
    libc = ctypes.CDLL(None)
    libc.on_exit(libc._exit, None)
    atheris.Setup([sys.argv[0], *arguments], target)
    atheris.Fuzz()
    os._exit(0)


def _options(name: str, arguments: Namespace) -> list[str]:
    return [
        f"-max_total_time={arguments.seconds:.0f}",
        f"-runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-timeout={arguments.timeout}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-max_len={corpus.LONGEST}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-len_control=20",
        "-print_final_stats=1",
    ]


def _keep(name: str, target: Target, before: list[bytes], made: list[bytes]) -> int:
    kept = corpus.worth_keeping(target, {*before, *made})
    corpus.write(name, kept)
    if corpus.size() > corpus.MOST_BYTES:
        corpus.write(name, before)
        print(f"{name}: the corpus would exceed {corpus.MOST_BYTES // 1000} kB, so it stays")
        return len(before)
    return len(kept)
