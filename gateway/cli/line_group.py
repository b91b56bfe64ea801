"""Groups of commands about one line file, such as `andon alarms LINE.yaml list`.

Promises
- The help of each command is shown without a file as well, and with one that does not exist.
"""

import click


class LineGroup(click.Group):
    """A group whose first argument is the line file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            named = next((word for word in given[:2] if word in self.commands), None)
            if named is None or not set(given) & set(ctx.help_option_names):
                raise
            command = self.commands[named]
            with click.Context(command, parent=ctx, info_name=named) as below:
                click.echo(command.get_help(below), color=ctx.color)
            ctx.exit()
