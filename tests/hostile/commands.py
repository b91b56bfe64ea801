"""Runs commands of andon, each in a process of its own with little memory, and reports on each.

Standard input has one JSON list a command: its arguments. The first one is run here, so that what
commands import is imported once, before any other process is forked.
"""

import contextlib
import io
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from importlib import import_module

from gateway import cli

MODULES = ("gateway.cli.clip", "gateway.cli.test", "gateway.history.wide", "gateway.history.read",
           "gateway.history.excerpt", "pyarrow.parquet", "pyarrow.csv", "pyarrow.compute",
           "gateway.history.parquet.columns", "detectors.commands.backtest",
           "detectors.data.inputs", "detectors.evaluation.apply")  # fmt: skip


def main(address_space, seconds):
    for name in MODULES:
        import_module(name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(report(json.loads(line), address_space, seconds)), flush=True)


def report(words, address_space, seconds):
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        pid = os.fork()
        if not pid:
            limit(out.fileno(), address_space, seconds)
            os._exit(run(words))
        _, status, usage = os.wait4(pid, 0)
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    return {
        "code": os.waitstatus_to_exitcode(status),
        "said": said,
        "rss": usage.ru_maxrss * 1024,
        "cpu": usage.ru_utime + usage.ru_stime,
        "seconds": time.monotonic() - begun,
    }


def limit(out, address_space, seconds):
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(seconds)
    os.dup2(out, 1)
    os.dup2(out, 2)


def run(words):
    code = 70
    try:
        cli.main(words, prog_name="andon")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else bool(ended.code)
    except BaseException:  # noqa: BLE001 - whatever it is, it is to be seen
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
