"""Makes TLS contexts of the files that a line file names, in a thread and within a time limit.

Promises
- Files are read at each connection, so a renewed one is used without a restart.
- A file that cannot be used is a ConfigError that names it and says what is wrong with it.
- OpenSSL opens none of these files itself: it reads copies in memory of what was read with limits.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from gateway.api.contracts import ConfigError
from gateway.api.files import PEM_BYTES, answered, off_loop, read_file
from gateway.api.options import Secret


class HasTlsFiles(Protocol):
    """Options with the files of a connection, in PEM and relative to the line file."""

    @property
    def ca(self) -> str | None: ...

    @property
    def certificate(self) -> str | None: ...

    @property
    def key(self) -> str | None: ...


async def client_context(
    options: HasTlsFiles, folder: Path, password: Secret | None = None
) -> ssl.SSLContext:
    """A context that verifies the server's certificate and name; ConfigError for a bad file.

    `folder` is the line file's, `password` that of the key.
    """
    return await off_loop(lambda: _read_and_made(options, folder, password))


def _read_and_made(options: HasTlsFiles, folder: Path, password: Secret | None) -> ssl.SSLContext:
    names = [name for name in (options.ca, options.certificate, options.key) if name]
    contents = {name: read_file(folder / name, PEM_BYTES) for name in names}
    # Without a password OpenSSL would ask for one on the terminal.
    secret = password.resolve() if password else ""
    slowest = folder / names[-1] if names else Path(ssl.get_default_verify_paths().openssl_cafile)
    # A key may demand so many rounds of hashing its password that they take hours.
    return answered(
        slowest, ("tls", *names, str(password)), lambda: _made(options, contents, secret)
    )


def _made(options: HasTlsFiles, contents: Mapping[str, bytes], password: str) -> ssl.SSLContext:
    with ExitStack() as stack:
        copies = {
            name: stack.enter_context(_in_memory(content)) for name, content in contents.items()
        }
        try:
            context = ssl.create_default_context(cafile=copies.get(options.ca or ""))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"{options.ca} holds no certificate in PEM form") from error
        if options.certificate and options.key:
            chain = copies[options.certificate], copies[options.key]
            try:
                context.load_cert_chain(*chain, password=password)
            except (ssl.SSLError, ValueError) as error:
                raise ConfigError(_why(error, chain[0], options)) from error
        return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file in memory that only this process can open."""
    handle = os.memfd_create("andon", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as copy:
            copy.write(content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _why(error: Exception, certificate: str, options: HasTlsFiles) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{options.key} is not the key of {options.certificate}"
    try:
        ssl.create_default_context(cafile=certificate)
    except (ssl.SSLError, ValueError):
        return f"{options.certificate} holds no certificate in PEM form"
    return f"{options.key} holds no private key in PEM form, or its password is another one"
