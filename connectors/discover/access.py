"""The connection options of `andon discover opcua`, from the command line."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import ValidationError

from gateway.api.contracts import ConfigError
from gateway.api.mistakes import sentences

if TYPE_CHECKING:
    from connectors.opcua.options import OpcUaOptions

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, str | None]
_OF_SOURCE = ("username", "password", "user_certificate", "user_key")
_FILES = ("certificate", "private_key", "server_certificate", "trusted", *_OF_SOURCE[2:])


def access_options(command: Command) -> Command:
    """Adds the options for a secured server; without any, the connection is insecure."""
    for option in reversed(
        (
            click.option(
                "--policy",
                help="Security policy. Default with any of these options: Basic256Sha256.",
            ),
            click.option("--mode", help="SignAndEncrypt or Sign."),
            click.option("--certificate", help="Our certificate; created if it does not exist."),
            click.option("--private-key", help="The key of our certificate; created with it."),
            click.option("--server-certificate", help="The only certificate that is accepted."),
            click.option("--trusted", help="A folder of certificates that are accepted."),
            click.option("--username", help="The user to log in as."),
            click.option("--password", help="A reference: ${env:NAME} or ${file:/path}."),
            click.option("--user-certificate", help="The user's certificate."),
            click.option("--user-key", help="The key of the user's certificate."),
        )
    ):
        command = option(command)
    return command


def source_settings(url: str, timeout: int, given: Given, folder: Path) -> dict[str, Any]:
    """The source's settings for a line file in `folder`, without tags."""
    settings: dict[str, Any] = {"type": "opcua", "url": url, "timeout": f"{timeout}s"}
    paths = {
        name: os.path.relpath(value, folder) if name in _FILES else value
        for name, value in given.items()
        if value is not None
    }
    security = {name: value for name, value in paths.items() if name not in _OF_SOURCE}
    settings |= {"security": security} if security else {"insecure": True}
    return settings | {name: value for name, value in paths.items() if name in _OF_SOURCE}


def parsed(settings: Mapping[str, Any]) -> "OpcUaOptions":
    """The options of these settings; ConfigError if they are wrong."""
    from connectors.opcua.options import OpcUaOptions

    if settings.get("security", {"certificate": ""}).get("certificate") is None:
        raise ConfigError(
            "add --certificate and --private-key; a pair is created if the files do not exist"
        )
    # A source needs a tag; every server has a clock.
    try:
        return OpcUaOptions.model_validate({**settings, "tags": {"clock": {"node": "i=2258"}}})
    except ValidationError as error:
        raise ConfigError("; ".join(sentences(error))) from error


def create_missing(given: Given) -> None:
    """Creates our certificate if it is named and neither it nor its key exists."""
    from connectors.opcua.certificates import load_certificate, thumbprint
    from connectors.opcua.identity import make_identity

    if given["certificate"] is None or given["private_key"] is None:
        return
    ours, key = Path(given["certificate"]), Path(given["private_key"])
    if ours.exists() or key.exists():
        return
    try:
        make_identity(ours, key, ours.stem)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    mark = thumbprint(load_certificate(ours))
    click.echo(f"created {ours}, thumbprint {mark}: let the server trust it", err=True)
