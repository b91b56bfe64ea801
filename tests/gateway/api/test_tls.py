from dataclasses import dataclass
from pathlib import Path

import odd_files
import pytest
from opcua_certificates import Identity, key_bytes, rsa_key, signed

from gateway.api.contracts import ConfigError
from gateway.api.options import Secret
from gateway.api.tls import client_context


@dataclass
class Files:
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


@pytest.fixture
def folder(tmp_path):
    """ours.crt with ours.pem and locked.pem, and the key of another."""
    Identity("ours", signed("ours", rsa_key("ours"), "urn:ours"), rsa_key("ours")).write(tmp_path)
    (tmp_path / "locked.pem").write_bytes(key_bytes(rsa_key("ours"), b"open"))
    (tmp_path / "other.pem").write_bytes(key_bytes(rsa_key("other")))
    return tmp_path


def copies_in_memory():
    links = (str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    return [link for link in links if "memfd:andon" in link]


async def test_files_in_pem_become_a_context(folder, monkeypatch):
    monkeypatch.setenv("ANDON_KEY", "open")
    options = Files("ours.crt", "ours.crt", "locked.pem")
    context = await client_context(options, folder, Secret("${env:ANDON_KEY}"))
    assert context.check_hostname
    assert context.cert_store_stats()["x509"] == 1
    assert copies_in_memory() == []


WRONG = {
    "no certificate": (Files(ca="ours.pem"), "ours.pem holds no certificate in PEM form"),
    "DER": (Files(ca="ours.der"), "ours.der holds no certificate in PEM form"),
    "another key": (Files(None, "ours.crt", "other.pem"), "other.pem is not the key of ours.crt"),
    "a certificate for a key": (
        Files(None, "ours.crt", "ours.crt"),
        "ours.crt holds no private key in PEM form",
    ),
    "a key for a certificate": (
        Files(None, "other.pem", "other.pem"),
        "other.pem holds no certificate in PEM form",
    ),
    "a key with a password": (Files(None, "ours.crt", "locked.pem"), "its password is another"),
    "nothing": (Files(ca="none.pem"), "there is no file .*none.pem"),
    "a name that cannot be": (Files(ca="a\0b"), "no file can have this name"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_file_that_cannot_be_used_is_named(folder, case):
    options, sentence = WRONG[case]
    with pytest.raises(ConfigError, match=sentence):
        await client_context(options, folder)


@pytest.mark.parametrize("odd", odd_files.NO_FILE)
async def test_only_files_are_read(folder, odd):
    make, sentence = odd_files.NO_FILE[odd]
    make(folder / "odd.pem")
    with pytest.raises(ConfigError, match=sentence):
        await client_context(Files(ca="odd.pem"), folder)
