"""Against a real server: what is found becomes a line file that is accepted as it stands."""

import asyncio
import stat

import pytest
from asyncua import ua
from click.testing import CliRunner
from opcua_certificates import encoded, identity
from opcua_plant import URI, Plant, asked, plant  # noqa: F401 - fixtures
from servers import free_port

from connectors.discover.command import discover
from connectors.discover.opcua import tag_names
from connectors.opcua.certificates import thumbprint
from gateway.config.load import load

WRITES = {ua.ObjectIds.WriteRequest_Encoding_DefaultBinary}
WRITES |= {ua.ObjectIds.CallRequest_Encoding_DefaultBinary}


# A folder that does not exist: nothing is made there.
OURS = ["--certificate", "/nowhere/us.der", "--private-key", "/nowhere/us.pem"]


async def run(*words):
    return await asyncio.to_thread(CliRunner().invoke, discover, ["opcua", *map(str, words)])


async def test_numeric_variables_become_tags_by_namespace_uri(plant, asked, tmp_path):  # noqa: F811
    file = tmp_path / "line.yaml"

    done = await run(plant.url, "-o", file)

    assert done.exit_code == 0, done.output
    tags = load(file).sources["server"].tags
    assert {name: tag.node for name, tag in tags.items()} == {
        name: f"nsu={URI};s={name}" for name in ("flow", "speed", "on")
    }
    assert asked
    assert not WRITES & set(asked)


async def test_no_more_is_written_than_wanted(plant):  # noqa: F811
    done = await run(plant.url, "--most", 1)

    assert done.output.count("nsu=") == 1


async def test_a_file_that_exists_is_left_alone(plant, tmp_path):  # noqa: F811
    file = tmp_path / "line.yaml"
    file.write_text("mine")

    done = await run(plant.url, "-o", file)

    assert done.exit_code == 1
    assert file.read_text() == "mine"


async def test_a_server_that_is_away_is_said_in_a_sentence():
    done = await run("opc.tcp://127.0.0.1:1", "--timeout", 2)

    assert done.exit_code == 1
    assert "connection refused" in done.output


def test_names_are_made_fit_and_unique():
    assert tag_names(["Pump Speed", "Pump/Speed", "3rd", "é", "a" * 80]) == [
        "Pump_Speed",
        "Pump_Speed_2",
        "tag_3rd",
        "tag",
        "a" * 56,
    ]


@pytest.fixture
async def secured(tmp_path):
    """A server that wants certificates, and only those that lie in its folder of trusted ones."""
    identity("server").write(tmp_path)
    found = Plant(free_port())

    async def trust(certificate, _application):
        if encoded(certificate) not in {path.read_bytes() for path in tmp_path.glob("ours.der")}:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

    async def prepare(server):
        await server.set_application_uri("urn:test:server")
        await server.load_certificate(tmp_path / "server.der")
        await server.load_private_key(tmp_path / "server.pem")
        server.set_certificate_validator(trust)

    policy = ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt
    await found.start(policies=[policy], prepare=prepare)
    yield found
    await found.stop()


async def test_a_servers_certificate_is_fetched_to_be_compared(secured, tmp_path):
    file = tmp_path / "plc.der"

    done = await run(secured.url, "--fetch-certificate", file)

    assert done.exit_code == 0, done.output
    assert file.read_bytes() == encoded(identity("server").certificate)
    assert thumbprint(identity("server").certificate) in done.output
    assert "offers Aes256_Sha256_RsaPss SignAndEncrypt." in done.output
    assert "compare it" in done.output
    again = await run(secured.url, "--fetch-certificate", file)
    assert again.exit_code == 1
    assert "File exists" in again.output


async def test_a_secured_server_becomes_a_line_file_that_says_how_to_get_in(secured, tmp_path):
    file = tmp_path / "config" / "line.yaml"
    file.parent.mkdir()
    access = ["--policy", "Aes256_Sha256_RsaPss"]
    access += ["--certificate", tmp_path / "ours.der", "--private-key", tmp_path / "ours.pem"]
    access += ["--server-certificate", tmp_path / "server.der"]

    done = await run(secured.url, *access, "-o", file)

    assert done.exit_code == 0, done.output
    assert "let the server trust it" in done.output
    assert stat.S_IMODE((tmp_path / "ours.pem").stat().st_mode) == 0o600
    source = load(file).sources["server"]
    assert set(source.tags) == {"flow", "speed", "on"}
    assert source.security.policy == "Aes256_Sha256_RsaPss"
    assert source.security.certificate == "../ours.der"
    assert not source.insecure


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--policy", "Basic128Rsa15", "--trusted", "x", *OURS], "'Basic256Sha256'"),
        (["--policy", "Basic256Sha256", *OURS], "add `server_certificate:`"),
        (["--policy", "Basic256Sha256", "--trusted", "x"], "add --certificate"),
        (["--username", "me"], "go together"),
        (["--username", "me", "--password", "secret"], "must not be written here in clear text"),
        (["--trusted", "nowhere", "--mode", "Sign", *OURS], "us.pem: No such file"),
    ],
)
async def test_a_way_in_that_cannot_work_is_said_in_a_sentence(words, why):
    done = await run("opc.tcp://127.0.0.1:1", *words, "--timeout", 2)

    assert done.exit_code == 1
    assert why in done.output
    assert "secret" not in done.output.replace("a secret must not", "")
