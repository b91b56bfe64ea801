"""`andon test CASES.yaml...`: checks that line files raise the alerts that their cases expect."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.api.options import format_duration
from gateway.cases.file import Cases, ExpectedAlert, load_cases
from gateway.cases.run import ActualAlert, CaseResult, run_case
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
    """Run test cases against line files, with the live code.

    Prints the differences between actual and expected alerts. Exit code 0 if every case passes, 1
    if one fails or a file is wrong, 2 on wrong usage.
    """
    import logging

    from gateway.telemetry import logs

    # Failures of a case are in its result; only a failing detector is logged.
    logs.configure("test", level=logging.ERROR)
    wrong, ran = [], []
    for path in files:
        try:
            ran.append((path, asyncio.run(_run_all(load_cases(path)))))
        except ConfigProblems as error:
            wrong.append(error)
    if as_json:
        cases = [_plain(path, result) for path, results in ran for result in results]
        problems = [str(problem) for error in wrong for problem in error.problems]
        click.echo(json.dumps({"cases": cases, "problems": problems}, indent=2))
    else:
        _print(ran, wrong)
    sys.exit(0 if not wrong and all(r.is_ok for _, results in ran for r in results) else 1)


async def _run_all(cases: Cases) -> list[CaseResult]:
    return [await run_case(cases, number) for number in range(len(cases.cases))]


def _print(
    ran: Sequence[tuple[Path, Sequence[CaseResult]]], wrong: Sequence[ConfigProblems]
) -> None:
    for error in wrong:
        click.echo(str(error))
    for path, results in ran:
        for result in results:
            click.echo(f"{'ok    ' if result.is_ok else 'FAILED'}  "
                       f"{path}:{result.row}: {result.case.name}")  # fmt: skip
            if not result.is_ok:
                click.echo("\n".join(_difference(result)))
    total = [result for _, results in ran for result in results]
    passed = sum(result.is_ok for result in total)
    broken = f", {len(wrong)} of {len(wrong) + len(ran)} files are wrong" if wrong else ""
    click.echo(f"{passed} of {len(total)} cases as expected{broken}")


def _difference(result: CaseResult) -> Iterator[str]:
    """The actual and the expected alerts in the order of time, marked as `diff` does."""
    rows = [(alert.at, " ", _text(alert), "") for alert in result.fitting]
    rows += [(a.at, "-", _text(a), "  (expected, but not raised)") for a in result.missing]
    rows += [(a.at, "+", _text(a), "  (raised, but not expected)") for a in result.unexpected]
    for at, mark, text, why in sorted(rows):
        yield f"    {mark} {format_duration(at):>8}  {text}{why}"


def _text(alert: ActualAlert | ExpectedAlert) -> str:
    words = [alert.alarm, str(alert.state), str(alert.severity or "")]
    top = f"[{', '.join(alert.top_tags)}]" if alert.top_tags else ""
    return "  ".join(word for word in (*words, top) if word)


def _plain(path: Path, result: CaseResult) -> dict[str, Any]:
    return {
        "file": str(path),
        "line": result.row,
        "name": result.case.name,
        "ok": result.is_ok,
        "fitting": [_text(alert) for alert in result.fitting],
        "missing": [f"{format_duration(a.at)}  {_text(a)}" for a in result.missing],
        "unexpected": [f"{format_duration(a.at)}  {_text(a)}" for a in result.unexpected],
    }
