"""What a person does to alarms: `ack`, `shelve`, `out-of-service`, `comment` and their opposites.

Promises
- Several alarms are done one after the other. What is refused is named, the others are done, and
  the exit code is 1.
- There is no way to acknowledge alarms that were not named: ISA-18.2 wants each to be looked at.
"""

import getpass
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gateway.api.alarms import Verdict
from gateway.api.click_types import up_to
from gateway.api.contracts import AndonError
from gateway.api.model import SECOND, Nanos
from gateway.cli.alarm.choose import Facts, chosen, hint
from gateway.cli.daemon import ask, understood
from gateway.control.client import ControlError

Bodies = Sequence[dict[str, Any]]
"""What is asked of the daemon for one alarm, in order, without its id."""
ALARMS = click.argument("alarms", nargs=-1, required=True, metavar="ALARM...")
BY = click.option("--by", default=getpass.getuser, show_default="your login", help="Who does it.")
WHY = click.option("--why", "--reason", help="Why; it is shown and kept in the journal.")
VERDICT = click.option("--verdict", type=click.Choice([each.value for each in Verdict]),
                       help="What it was: a label for training and backtests.")  # fmt: skip
COMMENT = click.option("--comment", help="What there is to say about it.")


@click.command("ack")
@ALARMS
@VERDICT
@COMMENT
@BY
@click.pass_obj
def acknowledge(
    file: Path, alarms: tuple[str, ...], verdict: str | None, comment: str | None, by: str
) -> None:
    """Acknowledge alarms: somebody has seen them.

    ALARM is an id as `list` shows it, or detector.alarm, or the beginning of that. The command ends
    when the acknowledgement is on disk.
    """
    # The comment comes first: an alarm that has returned is over once it is acknowledged.
    bodies = [_comment(verdict, comment)] if verdict or comment else []
    _do(file, alarms, [*bodies, {"act": "acknowledge"}], by)


@click.command("comment")
@ALARMS
@VERDICT
@COMMENT
@BY
@click.pass_obj
def give_comment(
    file: Path, alarms: tuple[str, ...], verdict: str | None, comment: str | None, by: str
) -> None:
    """Give a verdict or a comment, also after an alarm.

    A verdict is real, false or unclear; the newest one counts. An alarm that is over is named by
    its id.
    """
    if not (verdict or comment):
        raise click.UsageError("give --verdict, --comment, or both")
    _do(file, alarms, [_comment(verdict, comment)], by)


@click.command("shelve")
@ALARMS
@click.option("--for", "length", type=up_to("7d"), help="How long, as in 2h; at most 7 days.")
@click.option("--once", is_flag=True, help="Until it returns to normal, instead of --for.")
@WHY
@BY
@click.pass_obj
def shelve(
    file: Path, alarms: tuple[str, ...], length: Nanos | None, once: bool, why: str | None, by: str
) -> None:
    """Hide alarms for a time; they come back by themselves."""
    if once == (length is not None):
        raise click.UsageError("give --for, as in --for 2h, or --once")
    until = {} if length is None else {"for_s": length / SECOND}
    _do(file, alarms, [{"act": "shelve", **until, **_why(why)}], by)


@click.command("out-of-service")
@ALARMS
@click.option("--why", "--reason", required=True, help="Why; shown until it is in service again.")
@BY
@click.pass_obj
def take_out_of_service(file: Path, alarms: tuple[str, ...], why: str, by: str) -> None:
    """Hide alarms until they are put back into service."""
    _do(file, alarms, [{"act": "take_out_of_service", **_why(why)}], by)


def _plain(name: str, act: str, text: str) -> click.Command:
    """A command that has no options but who does it and why."""

    @click.command(name, help=text)
    @ALARMS
    @WHY
    @BY
    @click.pass_obj
    def do(file: Path, alarms: tuple[str, ...], why: str | None, by: str) -> None:
        _do(file, alarms, [{"act": act, **_why(why)}], by)

    return do


COMMANDS = (
    acknowledge,
    give_comment,
    shelve,
    _plain("unshelve", "unshelve", "Show shelved alarms again, before their time."),
    take_out_of_service,
    _plain("in-service", "return_to_service", "Put alarms back into service."),
    _plain("reset", "reset", "Release latched alarms, acknowledged and returned."),
)


def _why(why: str | None) -> dict[str, str]:
    return {} if why is None else {"why": why}


def _comment(verdict: str | None, comment: str | None) -> dict[str, str]:
    return {"act": "comment", **({"verdict": verdict} if verdict else {}), **_why(comment)}


def _do(file: Path, given: Sequence[str], bodies: Bodies, by: str) -> None:
    known: list[Facts] = ask(file, "/alarms")
    ask_daemon: Callable[[Any], Any] = lambda body: ask(file, "/alarms/act", body)  # noqa: E731
    refusals: list[AndonError] = []
    for alarm in dict.fromkeys(given):
        try:
            for message in _done(alarm, known, bodies, by, ask_daemon):
                click.echo(message)
        except ControlError as refused:
            refusals.append(refused)
            if refused.status not in (404, 409):
                break
        except AndonError as refused:
            refusals.append(refused)
    if refusals:
        raise click.ClickException("\n".join(map(str, refusals)))


def _done(
    given: str, known: list[Facts], bodies: Bodies, by: str, ask_daemon: Callable[[Any], Any]
) -> Iterator[str]:
    """The messages of what was done to one alarm; AndonError for what is refused."""
    with understood():
        alarm = chosen(given, known)
        ids = [str(each["id"]) for each in known]
    for body in bodies:
        try:
            answer = ask_daemon({"id": alarm, "by": by, **body})
        except ControlError as refused:
            if refused.status != 409 or alarm in ids or "no alarm has the id" not in str(refused):
                raise
            raise ControlError(refused.status, f"{refused}; {hint(given, known)}") from refused
        with understood():
            yield answer["message"]
