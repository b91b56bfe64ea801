"""Options of all commands that read recordings."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from gateway.api.contracts import ConfigError
from gateway.api.visible import visible
from gateway.history.reading import MOST_VALUES, Reading, reading_as


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options about files, which hold for every file that the command reads.

    What the reader says goes to stderr, before anything is learnt or replayed.
    """

    @wraps(command)
    def with_reading(
        *args: Any,
        time_format: str | None,
        timezone: str | None,
        time_column: tuple[str, ...],
        decimal: str | None,
        most_values: int,
        **options: Any,
    ) -> Any:
        given = Reading(
            time_format, timezone, time_column, decimal, most_values=most_values, tell=_tell_once()
        )
        try:
            with reading_as(given):
                return command(*args, **options)
        except MemoryError as error:
            raise ConfigError(
                "there is not enough memory for so much data: give a shorter time, fewer tags or "
                "a longer period"
            ) from error

    options = (
        click.option("--time-format", metavar="FORMAT",
                     help="Format of the times in a text file, as in '%d/%m/%Y %H:%M:%S'."),
        click.option("--timezone", metavar="ZONE",
                     help="Zone of times without one: Europe/Berlin or +01:00.  [default: UTC]"),
        click.option("--time-column", metavar="NAME", multiple=True,
                     help="Column of the times; twice for date and time of day."),
        click.option("--decimal", type=click.Choice([".", ","]),
                     help="Decimal separator of a text file, if it leaves that open."),
        click.option("--most-values", metavar="NUMBER", type=click.IntRange(min=1),
                     default=MOST_VALUES, show_default=True,
                     help="Rows times columns that are read; each needs about 30 bytes of memory."),
    )  # fmt: skip
    for option in reversed(options):
        with_reading = option(with_reading)
    return with_reading


def _tell_once() -> Callable[[str], None]:
    told = set[str]()

    def tell(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            click.echo(f"note: {visible(sentence)}", err=True)

    return tell
