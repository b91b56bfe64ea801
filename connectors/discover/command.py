"""`andon discover`: what a source has, written as a line file to edit.

Promises
- Only ever reads, and within bounds that are given.
- What is written is accepted by `andon check` as it stands.
"""

import asyncio
from pathlib import Path

import click

from connectors.discover.access import access_options, make_missing, parsed, source
from gateway.contracts import AndonError, Places

OUT = click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this file instead of printing; a file that exists is left alone.",
)


@click.group()
def discover() -> None:
    """Look at what a source has and write a line file to edit."""


@discover.command()
@click.argument("url")
@click.option("--depth", default=8, show_default=True, help="Levels below the Objects folder.")
@click.option("--most", default=500, show_default=True, help="Variables to write at most.")
@click.option("--timeout", default=10, show_default=True, help="Seconds for each answer.")
@access_options
@click.option(
    "--fetch-certificate",
    "fetched",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only store the server's certificate in this file, and say whose it is.",
)
@OUT
def opcua(
    url: str,
    depth: int,
    most: int,
    timeout: int,
    fetched: Path | None,
    out: Path | None,
    **access: str | None,
) -> None:
    """Browse the OPC UA server at URL and write its numeric variables as tags.

    Connects without security and anonymously unless told how, reads, and writes nothing to the
    server. Exit code 1 when the server cannot be reached or has no such variable.
    """
    from connectors.discover.opcua import browse, fetch_certificate, line_file

    folder = out.parent if out else Path()
    said = source(url, timeout, access, folder)
    try:
        options = parsed(said)
        if fetched is not None:
            click.echo(asyncio.run(fetch_certificate(options, fetched)))
            return
        make_missing(access)
        found = asyncio.run(browse(options, Places(folder, Path()), depth, most))
    except AndonError as error:
        raise click.ClickException(str(error)) from error
    if not found:
        raise click.ClickException(f"{url} has no numeric variable within {depth} levels")
    _give(line_file(said, found), out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as stream:
            print(text, end="", file=stream)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror}") from error
    click.echo(f"written: {out}; now edit it, then: andon check {out}", err=True)
