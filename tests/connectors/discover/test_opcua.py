"""Against a real server: its variables become a line file that `andon check` accepts."""

import asyncio
import json
import re
import stat

import pytest
import yaml
from asyncua import ua
from click.testing import CliRunner
from opcua_certificates import encoded, identity
from opcua_plant import URI, Plant, asked, plant  # noqa: F401 - fixtures
from servers import free_port

from connectors.discover.command import discover
from connectors.discover.opcua import tag_names
from connectors.opcua.certificates import thumbprint
from gateway.cli import main
from gateway.config.load import load

WRITES = {ua.ObjectIds.WriteRequest_Encoding_DefaultBinary}
WRITES |= {ua.ObjectIds.CallRequest_Encoding_DefaultBinary}


# A folder that does not exist: nothing is created there.
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


ODD_NAMES = ("a/b", "1:x", "nsu=foo;bar", "  lead", "trail ", "&", "Öl:2", "twin")


async def test_the_path_in_the_comment_finds_the_node(plant, tmp_path):  # noqa: F811
    server = plant.server
    other = await server.register_namespace("urn:a/b;c")
    for number, name in enumerate(ODD_NAMES):
        place = ua.NodeId(9000 + number, plant.index)
        browse_name = ua.QualifiedName(name, plant.index)
        await server.nodes.objects.add_variable(place, browse_name, float(number))
    twin = ua.QualifiedName("twin", other)
    await server.nodes.objects.add_variable(ua.NodeId(9100, plant.index), twin, 100.0)

    done = await run(plant.url)

    paths = dict(re.findall(r"i=(9\d+)\"}  # (Objects/.*) = ", done.output))
    assert len(paths) == len(ODD_NAMES) + 1
    line = yaml.safe_load(done.output)
    line["sources"]["server"]["tags"] = {f"t{node}": {"path": it} for node, it in paths.items()}
    file = tmp_path / "line.yaml"
    file.write_text(yaml.safe_dump(line, allow_unicode=True))
    read = await asyncio.to_thread(CliRunner().invoke, main, ["once", "--json", str(file)])
    values = {each["tag"]: each["value"] for each in json.loads(read.stdout)["tags"]}
    expected = {f"t{9000 + number}": number for number in range(len(ODD_NAMES))}
    assert values == expected | {"t9100": 100}


async def test_no_more_tags_are_written_than_wanted(plant):  # noqa: F811
    done = await run(plant.url, "--most", 1)

    assert done.output.count("{node:") == 1
    assert "The first 1; --most writes more." in done.output


async def test_an_existing_file_is_not_overwritten(plant, tmp_path):  # noqa: F811
    file = tmp_path / "line.yaml"
    file.write_text("mine")

    done = await run(plant.url, "-o", file)

    assert done.exit_code == 1
    assert file.read_text() == "mine"


async def test_a_missing_server_is_a_readable_error():
    done = await run("opc.tcp://127.0.0.1:1", "--timeout", 2)

    assert done.exit_code == 1
    assert "connection refused" in done.output


def test_names_are_made_valid_and_unique():
    assert tag_names(["Pump Speed", "Pump/Speed", "3rd", "é", "a" * 80]) == [
        "Pump_Speed",
        "Pump_Speed_2",
        "tag_3rd",
        "tag",
        "a" * 56,
    ]


@pytest.fixture
async def secured(tmp_path):
    """A server that requires certificates, and trusts only ours."""
    identity("server").write(tmp_path)
    secured = Plant(free_port())

    async def trust(certificate, _application):
        if encoded(certificate) not in {path.read_bytes() for path in tmp_path.glob("ours.der")}:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

    async def prepare(server):
        await server.set_application_uri("urn:test:server")
        await server.load_certificate(tmp_path / "server.der")
        await server.load_private_key(tmp_path / "server.pem")
        server.set_certificate_validator(trust)

    policy = ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt
    await secured.start(policies=[policy], prepare=prepare)
    yield secured
    await secured.stop()


async def test_a_servers_certificate_is_fetched_to_be_compared(secured, tmp_path):
    file = tmp_path / "plc.der"

    done = await run(secured.url, "--fetch-certificate", file)

    assert done.exit_code == 0, done.output
    assert file.read_bytes() == encoded(identity("server").certificate)
    assert thumbprint(identity("server").certificate) in done.output
    assert "offers Aes256_Sha256_RsaPss SignAndEncrypt." in done.output
    assert "compare the thumbprint" in done.output
    again = await run(secured.url, "--fetch-certificate", file)
    assert again.exit_code == 1
    assert "File exists" in again.output


async def test_a_secured_server_becomes_a_line_file_with_its_security(secured, tmp_path):
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
        (["--policy", "Basic128Rsa15", "--trusted", "x", *OURS], "one of Basic256Sha256"),
        (["--policy", "Basic256Sha256", *OURS], "add `server_certificate:`"),
        (["--policy", "Basic256Sha256", "--trusted", "x"], "add --certificate"),
        (["--username", "me"], "go together"),
        (["--username", "me", "--password", "secret"], "must not be written here in clear text"),
        (["--trusted", "nowhere", "--mode", "Sign", *OURS], "us.pem: No such file"),
    ],
)
async def test_wrong_access_options_have_a_readable_error(words, why):
    done = await run("opc.tcp://127.0.0.1:1", *words, "--timeout", 2)

    assert done.exit_code == 1
    assert why in done.output
    assert "secret" not in done.output.replace("a secret must not", "")


@pytest.mark.parametrize("words", [[], ["--fetch-certificate", "plc.der"]])
async def test_a_port_of_another_protocol_is_named(words):
    async def serve(reader, writer):
        await reader.read(1024)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    port = free_port()
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        done = await run(f"opc.tcp://127.0.0.1:{port}", *words, "--timeout", 2)

    assert done.exit_code == 1
    assert f"an HTTP server answers on port {port}, not an OPC UA server" in done.output
