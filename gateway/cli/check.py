"""`andon check`: reports the problems of line files, and optionally tries their connections.

Promises
- Offline and in under a second, unless `--connect` is given; every problem at once.
- Exit code 0 if every file is correct, 1 if there is a problem, 2 on wrong usage.
- Results go to stdout; `--json` prints one object and nothing else.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import click

from gateway.api import event_loop
from gateway.api.contracts import Connector, Detector, HasReadPlan
from gateway.api.json_values import finite
from gateway.api.visible import LINES, visible
from gateway.config.build import build_connectors, build_detectors, build_sinks, part_warnings
from gateway.config.load import LineConfig, load
from gateway.config.problems import ConfigProblems, Problem, as_errors, errors
from gateway.config.state import why_port_is_taken, why_unusable
from gateway.config.try_out import Outcome, count, try_out


@dataclass(frozen=True)
class _Report:
    """The results for one file."""

    path: Path
    problems: Sequence[Problem]
    config: LineConfig | None = None
    outcomes: Sequence[Outcome] = ()
    plans: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return not errors(self.problems) and all(outcome.ok for outcome in self.outcomes)


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--connect", is_flag=True, help="Also try each source, model and sink once.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds for each of them.")
@click.option("--plan", is_flag=True, help="Print the load of polling on devices and buses.")
@click.option("--show", is_flag=True, help="Print the resolved file, secrets as references.")
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    files: tuple[Path, ...],
    *,
    connect: bool,
    timeout: float,
    plan: bool,
    show: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Check line files offline, without touching any device.

    Prints every problem as file:line:column: path: message, with the text and a hint. Exit code 0
    if every file is correct, 1 if there is a problem, 2 on wrong usage.
    """
    reports = [
        _report(path, strict=strict, timeout=timeout if connect else 0, plan=plan) for path in files
    ]
    if as_json:
        click.echo(json.dumps({"files": [_plain(report, show) for report in reports]}, indent=2))
    else:
        for report in reports:
            _print(report, show=show)
    sys.exit(0 if all(report.is_ok for report in reports) else 1)


def _report(path: Path, *, strict: bool, timeout: float, plan: bool) -> _Report:
    config = None
    try:
        config = load(path)
        connectors, detectors = _parts(config)
        here = _here(config)
    except ConfigProblems as error:
        # Warnings are shown beside errors: one may be the cause of the other.
        problems = [*(config.warnings if config else ()), *error.problems]
        return _Report(path, as_errors(problems) if strict else problems)
    warnings = [*config.warnings, *part_warnings(config, connectors, detectors), *here]
    outcomes: Sequence[Outcome] = ()
    if timeout:
        outcomes = event_loop.run(
            try_out(config, detectors, timeout), answer_within=event_loop.ANSWER_S
        )
    plans = _plans(connectors) if plan else {}
    return _Report(path, as_errors(warnings) if strict else warnings, config, outcomes, plans)


def _parts(config: LineConfig) -> tuple[Mapping[str, Connector], Mapping[str, Detector]]:
    """The connectors and detectors of a line; ConfigProblems lists the failures of all parts."""
    connectors: Mapping[str, Connector] = {}
    detectors: Mapping[str, Detector] = {}
    problems: list[Problem] = []
    try:
        connectors = build_connectors(config)
    except ConfigProblems as error:
        problems += error.problems
    try:
        detectors = build_detectors(config)
    except ConfigProblems as error:
        problems += error.problems
    try:
        build_sinks(config)
    except ConfigProblems as error:
        problems += error.problems
    if problems:
        raise ConfigProblems(problems)
    return connectors, detectors


def _here(config: LineConfig) -> list[Problem]:
    """What on this machine would keep the line from starting; what others would find is an error.

    ConfigProblems lists the errors.
    """
    document = config.document
    if document is None:
        return []
    found: list[Problem] = []
    why, for_all = why_unusable(config.places.state)
    if why:
        level: Literal["error", "warning"] = "error" if for_all else "warning"
        found.append(document.problem(("state",), why, at="value", level=level))
    if why := why_port_is_taken(config.file.health, config):
        found.append(document.problem(("health", "port"), why, at="value", level="warning"))
    if errors(found):
        raise ConfigProblems(found)
    return found


def _plans(connectors: Mapping[str, Connector]) -> dict[str, Sequence[str]]:
    """The read plans by source, for sources that have one."""
    return {name: c.plan() for name, c in connectors.items() if isinstance(c, HasReadPlan)}


def _print(report: _Report, *, show: bool) -> None:
    for problem in report.problems:
        prefix = "warning: " if problem.level == "warning" else ""
        click.echo(f"{prefix}{problem}")
    for outcome in report.outcomes:
        mark = "ok    " if outcome.ok else "FAILED"
        # What a device answered is part of it.
        click.echo(visible(f"{mark}  {outcome.part:24}  {outcome.detail}", LINES))
    for name, lines in report.plans.items():
        click.echo(visible("\n  ".join((f"plan of {name}", *lines)), LINES))
    summary = f"{report.path}: {_summary(report)}"
    if show and report.config:
        click.echo(f"# {summary}\n{_resolved_yaml(report.config)}", nl=False)
    else:
        click.echo(summary)


def _summary(report: _Report) -> str:
    wrong = len(errors(report.problems))
    failed = sum(not outcome.ok for outcome in report.outcomes)
    if wrong or report.config is None:
        return count(wrong, "problem")
    config = report.config
    tags, sources = count(len(config.tags), "tag"), count(len(config.sources), "source")
    detectors, sinks = count(len(config.detectors), "detector"), count(len(config.sinks), "sink")
    warnings = len(report.problems) - wrong
    end = f" ({count(warnings, 'warning')})" if warnings else ""
    parts = f"{tags} from {sources}, {detectors}, {sinks}{end}"
    if failed:
        # The file is right: it is the world that does not answer.
        names = ", ".join(outcome.part for outcome in report.outcomes if not outcome.ok)
        share = f"{failed} of {len(report.outcomes)} parts failed"
        return f"no mistake in the file, but {share} ({names}); {parts}"
    tried = f", {count(len(report.outcomes), 'part')} tried and working" if report.outcomes else ""
    return f"ok, {parts}{tried}"


def _resolved_yaml(config: LineConfig) -> str:
    import yaml
    from yamlcore import CCoreDumper

    return str(
        yaml.dump(
            config.resolved(), Dumper=CCoreDumper, sort_keys=False, allow_unicode=True, width=100
        )
    )


def _plain(report: _Report, show: bool) -> dict[str, Any]:
    config = report.config
    plain: dict[str, Any] = {
        "file": str(report.path),
        "ok": report.is_ok,
        "summary": _summary(report),
        "problems": [asdict(problem) for problem in report.problems],
        "parts": [{"part": o.part, "ok": o.ok, "message": o.detail} for o in report.outcomes],
    }
    if config:
        plain |= {"line": config.line, "site": config.site, "digest": config.digest}
    if report.plans:
        plain["plans"] = {name: list(lines) for name, lines in report.plans.items()}
    if config and show:
        plain["resolved"] = finite(config.resolved())
    return plain
