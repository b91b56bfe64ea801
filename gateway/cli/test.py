"""`andon test CASES.yaml...`: whether line files raise the alerts that their cases expect."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.api.options import format_duration
from gateway.cases.file import Cases, Expected, load_cases
from gateway.cases.play import Came, Verdict, judge
from gateway.config.problems import ConfigProblems


@click.command("test")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="CASES.yaml...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Run the cases of CASES.yaml through their line files, by the code that runs live.

    Prints what came against what was expected. Exit code 0 when every case is as expected, 1 when
    one is not or a file is wrong, 2 when called wrongly.
    """
    import logging

    from gateway.telemetry import logs

    # What goes wrong in a case is its own result; only a failing detector is worth a line.
    logs.configure("test", level=logging.ERROR)
    wrong, found = [], []
    for path in files:
        try:
            found.append((path, asyncio.run(_judged(load_cases(path)))))
        except ConfigProblems as error:
            wrong.append(error)
    if as_json:
        cases = [_plain(path, verdict) for path, verdicts in found for verdict in verdicts]
        problems = [str(problem) for error in wrong for problem in error.problems]
        click.echo(json.dumps({"cases": cases, "problems": problems}, indent=2))
    else:
        _print(found, wrong)
    sys.exit(0 if not wrong and all(v.is_ok for _, verdicts in found for v in verdicts) else 1)


async def _judged(cases: Cases) -> list[Verdict]:
    return [await judge(cases, number) for number in range(len(cases.cases))]


def _print(
    found: Sequence[tuple[Path, Sequence[Verdict]]], wrong: Sequence[ConfigProblems]
) -> None:
    for error in wrong:
        click.echo(str(error))
    for path, verdicts in found:
        for verdict in verdicts:
            click.echo(f"{'ok    ' if verdict.is_ok else 'FAILED'}  "
                       f"{path}:{verdict.line}: {verdict.case.name}")  # fmt: skip
            if not verdict.is_ok:
                click.echo("\n".join(_difference(verdict)))
    total = [verdict for _, verdicts in found for verdict in verdicts]
    passed = sum(verdict.is_ok for verdict in total)
    broken = f", {len(wrong)} of {len(wrong) + len(found)} files are wrong" if wrong else ""
    click.echo(f"{passed} of {len(total)} cases as expected{broken}")


def _difference(verdict: Verdict) -> Iterator[str]:
    """What came and what did not, in the order of time, as `diff` marks it."""
    lines = [(came.at, " ", _said(came), "") for came in verdict.fitting]
    lines += [(w.at, "-", _said(w), "  (expected, and did not come)") for w in verdict.missing]
    lines += [(c.at, "+", _said(c), "  (came, and was not expected)") for c in verdict.unexpected]
    for at, mark, said, why in sorted(lines):
        yield f"    {mark} {format_duration(at):>8}  {said}{why}"


def _said(alert: Came | Expected) -> str:
    words = [alert.alarm, str(alert.state), str(alert.severity or "")]
    top = f"[{', '.join(alert.top_tags)}]" if alert.top_tags else ""
    return "  ".join(word for word in (*words, top) if word)


def _plain(path: Path, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": str(path),
        "line": verdict.line,
        "name": verdict.case.name,
        "ok": verdict.is_ok,
        "fitting": [_said(came) for came in verdict.fitting],
        "missing": [f"{format_duration(w.at)}  {_said(w)}" for w in verdict.missing],
        "unexpected": [f"{format_duration(c.at)}  {_said(c)}" for c in verdict.unexpected],
    }
