"""The command line: one module for each command, imported when it is called."""

import sys

from gateway.telemetry import signals

if sys.argv[1:2] == ["run"]:
    # The imports below take long enough for a signal to come meanwhile.
    signals.hold()

# isort: split
from importlib import import_module
from typing import Any

import click

from gateway import __version__
from gateway.api.contracts import AndonError
from gateway.api.masking import mask
from gateway.api.nearest import nearest
from gateway.api.visible import LINES, visible
from gateway.config import plugins
from gateway.telemetry import logs

_COMMANDS = {
    "alarms": "gateway.cli.alarms",
    "buffer": "gateway.cli.buffer",
    "check": "gateway.cli.check",
    "clip": "gateway.cli.clip",
    "demo": "gateway.cli.demo",
    "maintenance": "gateway.cli.maintenance",
    "notify": "gateway.cli.notify",
    "once": "gateway.cli.once",
    "panel": "gateway.cli.panel",
    "replay": "gateway.cli.replay",
    "run": "gateway.cli.run",
    "schema": "gateway.cli.schema",
    "status": "gateway.cli.status",
    "tap": "gateway.cli.tap",
    "test": "gateway.cli.test",
    "top": "gateway.cli.top",
}


class _Lazy(click.Group):
    """A group that imports a command's module only when needed, so that `andon` starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted({*_COMMANDS, *plugins.installed(plugins.COMMANDS)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name in _COMMANDS:
            return import_module(_COMMANDS[cmd_name]).command
        if cmd_name in plugins.installed(plugins.COMMANDS):
            return _plugin(cmd_name)
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in (names := self.list_commands(ctx)) and args[0][:1].isalpha():
            near = nearest(args[0], names)
            hint = near if near.startswith("did") else "see andon --help"
            ctx.fail(f"no such command {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # The errors of all commands go through here.
            error.message = visible(mask(error.message), LINES)  # type: ignore[misc]
            raise
        except AndonError as error:
            # Errors that andon raises on purpose are messages for people, not tracebacks.
            raise click.ClickException(visible(mask(str(error)), LINES)) from error


def _plugin(name: str) -> Any:
    """The command of a plugin; one that cannot be loaded explains why when it is called."""
    try:
        return plugins.load(plugins.COMMANDS, name)
    except AndonError as error:
        why = str(error)

        def refuse() -> None:
            raise click.ClickException(why)

        return click.Command(name, callback=refuse, help=f"Not available: {why}")


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="andon")
def main() -> None:
    """Monitors a production line: reads sensors, scores them locally, raises and delivers alarms.

    One YAML file is one line is one process. No command can write to a PLC.
    """
    logs.for_commands()
