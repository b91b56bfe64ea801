"""How `andon discover opcua` gets in: the options of a connection, from the command line."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import ValidationError

from gateway.api.contracts import ConfigError

if TYPE_CHECKING:
    from connectors.opcua.options import OpcUaOptions

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, str | None]
_OF_SOURCE = ("username", "password", "user_certificate", "user_key")
_FILES = ("certificate", "private_key", "server_certificate", "trusted", *_OF_SOURCE[2:])


def access_options(command: Command) -> Command:
    """The options by which a secured server is reached; without any, it is none."""
    for option in reversed(
        (
            click.option("--policy", help="Security policy; Basic256Sha256 if others are given."),
            click.option("--mode", help="SignAndEncrypt or Sign."),
            click.option("--certificate", help="Our certificate; made if it does not exist."),
            click.option("--private-key", help="Its key; made with it."),
            click.option("--server-certificate", help="The only one that is accepted."),
            click.option("--trusted", help="A folder of certificates that are accepted."),
            click.option("--username", help="Whom to log in as."),
            click.option("--password", help="Where it is: ${env:NAME} or ${file:/path}."),
            click.option("--user-certificate", help="The user as a certificate."),
            click.option("--user-key", help="Its key."),
        )
    ):
        command = option(command)
    return command


def source(url: str, timeout: int, given: Given, folder: Path) -> dict[str, Any]:
    """The source as a line file in `folder` would say it, without tags."""
    said: dict[str, Any] = {"type": "opcua", "url": url, "timeout": f"{timeout}s"}
    paths = {
        name: os.path.relpath(value, folder) if name in _FILES else value
        for name, value in given.items()
        if value is not None
    }
    security = {name: value for name, value in paths.items() if name not in _OF_SOURCE}
    said |= {"security": security} if security else {"insecure": True}
    return said | {name: value for name, value in paths.items() if name in _OF_SOURCE}


def parsed(said: Mapping[str, Any]) -> "OpcUaOptions":
    """The options of such a source; ConfigError says what is wrong."""
    from connectors.opcua.options import OpcUaOptions

    if said.get("security", {"certificate": ""}).get("certificate") is None:
        raise ConfigError("add --certificate and --private-key; a pair is made if there is none")
    # A source needs a tag; every server has its clock.
    try:
        return OpcUaOptions.model_validate({**said, "tags": {"clock": {"node": "i=2258"}}})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))} {each['msg']}" for each in error.errors()]
        raise ConfigError("; ".join(problem.strip() for problem in problems)) from error


def make_missing(given: Given) -> None:
    """Make our certificate if it is named and neither it nor its key exists."""
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
    click.echo(f"made {ours}, thumbprint {mark}: let the server trust it", err=True)
