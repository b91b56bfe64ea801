"""Against a real server with certificates and users: who is accepted, and why others are not."""

import asyncio
import shutil
import types

import opcua_certificates as certificates
import pytest
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.uaprocessor import UaProcessor
from cryptography.hazmat.primitives.asymmetric import ec
from opcua_certificates import identity, key_bytes
from opcua_plant import Plant, connector
from patience import PATIENCE
from proxy import Proxy
from servers import free_port

from connectors.opcua import OpcUaConnector, connection
from gateway.api.contracts import ConfigError, Places, SourceLost
from gateway.api.model import Quality

Policies = ua.SecurityPolicyType
FILES = {
    "certificate": "gateway.der",
    "private_key": "gateway.pem",
    "server_certificate": "server.der",
}


@pytest.fixture
def folder(tmp_path):
    for name in ("gateway", "server", "other"):
        identity(name).write(tmp_path)
    return tmp_path


class Operators:
    """The users of the server, who all have to log in."""

    def get_user(self, _server, username=None, password=None, certificate=None):
        return User(UserRole.User) if (username, password) == ("andon", "right") else None


class Badges:
    """Users who log in with a certificate."""

    def get_user(self, _server, username=None, password=None, certificate=None):
        known = certificate == certificates.encoded(identity("badge").certificate)
        return User(UserRole.User) if known else None


@pytest.fixture
async def start(folder):
    """Starts a server that offers only these policies."""
    plant = Plant(free_port())

    async def started(*policies, users=None, shows="server", uri="urn:test:server"):
        async def prepare(server):
            await server.set_application_uri(uri)
            await server.load_certificate(folder / f"{shows}.der")
            await server.load_private_key(folder / "server.pem")
            if isinstance(users, Badges):
                server.set_identity_tokens([ua.X509IdentityToken])

        await plant.start(policies=policies, prepare=prepare)
        if users is not None:
            plant.server.iserver.set_user_manager(users)
        return plant

    yield started
    await plant.stop()


def secured(plant, folder, *, files=FILES, **settings):
    """A connector with certificates whose paths start in `folder`."""
    options = connector(plant, "flow", insecure=False, security=files, **settings).options
    tags = OpcUaConnector.declared_tags("plc", options)
    return OpcUaConnector("plc", options, tags, Places(folder, folder))


def sessions(plant):
    return len(plant.server.iserver._external_sessions)


async def first(source):
    async with source.open() as batches:
        async for batch in batches:
            return batch
    raise AssertionError


async def refusal(source):
    with pytest.raises((SourceLost, ConfigError)) as refused:
        async with source.open():
            pytest.fail("this must not be accepted")
    return refused.value


@pytest.mark.parametrize(
    ("offered", "policy", "mode"),
    [
        (Policies.Basic256Sha256_SignAndEncrypt, "Basic256Sha256", "SignAndEncrypt"),
        (Policies.Basic256Sha256_Sign, "Basic256Sha256", "Sign"),
        (Policies.Aes128Sha256RsaOaep_SignAndEncrypt, "Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
        (Policies.Aes256Sha256RsaPss_SignAndEncrypt, "Aes256_Sha256_RsaPss", "SignAndEncrypt"),
    ],
)
async def test_a_server_with_the_pinned_certificate_is_read(start, folder, offered, policy, mode):
    plant = await start(offered)
    batch = await first(secured(plant, folder, files={**FILES, "policy": policy, "mode": mode}))
    assert batch.value.tolist() == [1.5]
    assert batch.quality.tolist() == [Quality.GOOD]
    assert sessions(plant) == 0


async def test_the_server_gets_the_application_uri_of_our_certificate(start, folder):
    plant, received = await start(Policies.Basic256Sha256_SignAndEncrypt), []

    async def check(certificate, application):
        received.append((certificate, application.ApplicationUri))

    plant.server.set_certificate_validator(check)
    await first(secured(plant, folder))
    assert received == [(identity("gateway").certificate, "urn:test:gateway")]


async def test_pem_and_der_are_distinguished_by_the_files_content(start, folder):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)
    shutil.copy(folder / "gateway.pem", folder / "gateway.key")
    files = {
        "certificate": "gateway.crt",
        "private_key": "gateway.key",
        "server_certificate": "server.crt",
    }
    assert (await first(secured(plant, folder, files=files))).value.tolist() == [1.5]


async def test_with_another_servers_certificate_no_session_begins_and_it_is_named(
    start, folder, services
):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)
    files = {**FILES, "server_certificate": "other.der"}
    refused = await refusal(secured(plant, folder, files=files, timeout="1s"))
    assert isinstance(refused, SourceLost)
    assert "the server shows another certificate than other.der: server, valid" in str(refused)
    assert str(plant.port) in str(refused)
    assert services() == {"GetEndpoints"}
    assert sessions(plant) == 0


async def test_a_renewed_certificate_with_the_same_key_is_not_accepted(start, folder):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)
    renewed = certificates.signed("renewed", identity("server").key, "urn:test:server")
    (folder / "renewed.der").write_bytes(certificates.encoded(renewed))
    files = {**FILES, "server_certificate": "renewed.der"}
    refused = await refusal(secured(plant, folder, files=files))
    assert isinstance(refused, SourceLost)
    assert "the server shows another certificate than renewed.der" in str(refused)
    assert sessions(plant) == 0


async def test_a_policy_that_the_server_does_not_offer_is_refused(start, folder, services):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)
    files = {**FILES, "policy": "Aes256_Sha256_RsaPss"}
    refused = await refusal(secured(plant, folder, files=files, timeout="1s"))
    assert isinstance(refused, SourceLost)
    assert "does not offer Aes256_Sha256_RsaPss SignAndEncrypt; it offers Basic256" in str(refused)
    assert services() == {"GetEndpoints"}
    assert sessions(plant) == 0


async def test_an_insecure_connection_to_a_server_that_requires_certificates_is_refused(start):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)
    refused = await refusal(connector(plant, "flow", timeout="1s"))
    assert isinstance(refused, SourceLost)
    assert "certificate" not in str(refused)
    assert sessions(plant) == 0


async def test_a_server_that_does_not_trust_us_is_a_lost_source_with_its_reason(start, folder):
    plant = await start(Policies.Basic256Sha256_SignAndEncrypt)

    async def distrust(_certificate, _application):
        raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

    plant.server.set_certificate_validator(distrust)
    refused = await refusal(secured(plant, folder))
    assert isinstance(refused, SourceLost)
    assert "BadCertificateUntrusted" in str(refused)


@pytest.mark.parametrize("which", list(FILES))
async def test_a_missing_file_is_named(folder, which):
    (folder / FILES[which]).unlink()
    refused = await refusal(secured(Plant(free_port()), folder))
    assert isinstance(refused, ConfigError)
    assert str(folder / FILES[which]) in str(refused)
    assert "there is no file" in str(refused)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage", b"-----BEGIN CERTIFICATE-----\n?\n", b"0\x82"]
)
@pytest.mark.parametrize("which", list(FILES))
async def test_a_damaged_file_is_named(folder, which, content):
    (folder / FILES[which]).write_bytes(content)
    refused = await refusal(secured(Plant(free_port()), folder))
    assert isinstance(refused, ConfigError)
    assert str(folder / FILES[which]) in str(refused)
    assert "PEM or DER" in str(refused)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (key_bytes(identity("other").key), "is not the private key of our certificate"),
        (key_bytes(identity("gateway").key, b"word"), "is protected by a password"),
        (key_bytes(ec.generate_private_key(ec.SECP256R1())), "is not the private key of our"),
    ],
)
async def test_a_key_that_cannot_be_used_is_named_and_never_shown(folder, content, why):
    (folder / "gateway.pem").write_bytes(content)
    probe = await secured(Plant(free_port()), folder).probe()
    assert not probe.ok
    assert probe.message.startswith(f"{folder / 'gateway.pem'}: {why}")
    assert content.decode().splitlines()[1] not in probe.message


async def test_a_certificate_without_an_application_uri_is_named(folder):
    nameless = certificates.signed("gateway", identity("gateway").key, None)
    (folder / "gateway.der").write_bytes(certificates.encoded(nameless))
    refused = await refusal(secured(Plant(free_port()), folder))
    assert isinstance(refused, ConfigError)
    assert f"{folder / 'gateway.der'}: has no application URI" in str(refused)


async def test_a_certificate_with_an_elliptic_curve_is_named(folder):
    curved = certificates.signed("server", ec.generate_private_key(ec.SECP256R1()), "urn:x")
    (folder / "server.der").write_bytes(certificates.encoded(curved))
    refused = await refusal(secured(Plant(free_port()), folder))
    assert isinstance(refused, ConfigError)
    assert f"{folder / 'server.der'}: the security policies need" in str(refused)


@pytest.mark.parametrize("is_secured", [True, False])
async def test_the_correct_password_is_accepted_and_a_wrong_one_waits(
    start, folder, monkeypatch, is_secured
):
    policy = Policies.Basic256Sha256_SignAndEncrypt if is_secured else Policies.NoSecurity
    plant = await start(policy, users=Operators())
    login = {"username": "andon", "password": "${env:PLC_PASSWORD}"}
    source = secured(plant, folder, **login) if is_secured else connector(plant, "flow", **login)
    monkeypatch.setenv("PLC_PASSWORD", "wrong")
    refused = await refusal(source)
    assert isinstance(refused, SourceLost)
    assert refused.wait >= 30
    assert "BadUserAccessDenied" in str(refused)
    assert "wrong" not in str(refused)
    assert sessions(plant) == 0
    monkeypatch.setenv("PLC_PASSWORD", "right")
    assert (await first(source)).value.tolist() == [1.5]
    assert sessions(plant) == 0


async def test_an_anonymous_login_waits_too_where_a_user_is_required(start):
    plant = await start(Policies.NoSecurity, users=Operators())
    refused = await refusal(connector(plant, "flow"))
    assert isinstance(refused, SourceLost)
    assert refused.wait >= 30


async def test_a_password_that_is_not_set_is_a_config_error(monkeypatch):
    monkeypatch.delenv("PLC_PASSWORD", raising=False)
    login = {"username": "andon", "password": "${env:PLC_PASSWORD}"}
    refused = await refusal(connector(Plant(free_port()), "flow", **login))
    assert isinstance(refused, ConfigError)
    assert "PLC_PASSWORD is not set" in str(refused)


SECURED = Policies.Basic256Sha256_SignAndEncrypt


@pytest.fixture
def trusted(folder):
    """Puts a certificate into a folder of trusted ones."""
    (folder / "trusted").mkdir()

    def put(certificate):
        (folder / "trusted" / "plc.der").write_bytes(certificates.encoded(certificate))
        (folder / "shown.der").write_bytes(certificates.encoded(certificate))

    return put


def own_and_trusted(plant, folder):
    return secured(plant, folder, files={"trusted": "trusted"})


async def test_a_server_in_the_folder_is_read_with_a_certificate_created_for_it(
    start, folder, trusted, events
):
    trusted(certificates.signed("plc", identity("server").key, "urn:test:server", ["127.0.0.1"]))
    plant, received = await start(SECURED, shows="shown"), []

    async def check(certificate, application):
        received.append((certificates.encoded(certificate), application.ApplicationUri))

    plant.server.set_certificate_validator(check)
    source = own_and_trusted(plant, folder)
    assert (await first(source)).value.tolist() == [1.5]
    assert (await first(source)).value.tolist() == [1.5]
    assert sessions(plant) == 0
    ours = (folder / "opcua/own.der").read_bytes()
    assert [certificate for certificate, _ in received] == [ours, ours]
    assert received[0][1].endswith(f":andon:{folder.name}")
    assert [event["event"] for event in events].count("opcua.certificate_created") == 1


async def test_no_session_begins_with_a_server_that_is_not_in_the_folder(
    start, folder, trusted, asked
):
    trusted(identity("other").certificate)
    plant = await start(SECURED)
    refused = await refusal(own_and_trusted(plant, folder))
    assert isinstance(refused, SourceLost)
    assert "its certificate is not in" in str(refused)
    assert "it shows server, valid until" in str(refused)
    assert {ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary} == set(asked)


@pytest.mark.parametrize(
    ("hosts", "days", "why"),
    [
        (["plc-2", "10.0.0.7"], (-1, 1), "is for plc-2, 10.0.0.7, not for 127.0.0.1"),
        (["127.0.0.1"], (-9, -2), "expired on"),
        (["127.0.0.1"], (2, 9), "is our clock right"),
    ],
)
async def test_a_trusted_certificate_of_another_host_or_time_is_refused(
    start, folder, trusted, asked, hosts, days, why
):
    key = identity("server").key
    trusted(certificates.signed("plc", key, "urn:test:server", hosts, days))
    plant = await start(SECURED, shows="shown")
    refused = await refusal(own_and_trusted(plant, folder))
    assert isinstance(refused, SourceLost)
    assert why in str(refused)
    assert ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary not in asked


async def test_an_expired_certificate_is_refused_even_if_pinned(start, folder, trusted, asked):
    key = identity("server").key
    trusted(certificates.signed("plc", key, "urn:test:server", ["127.0.0.1"], (-9, -2)))
    plant = await start(SECURED, shows="shown")
    refused = await refusal(
        secured(plant, folder, files={**FILES, "server_certificate": "shown.der"})
    )
    assert "its certificate expired on" in str(refused)
    assert asked == []


async def test_a_certificate_of_another_application_leaves_no_session(start, folder):
    plant = await start(SECURED, uri="urn:test:evil")
    refused = await refusal(secured(plant, folder))
    assert isinstance(refused, SourceLost)
    assert "for urn:test:server, but the server's application is urn:test:evil" in str(refused)
    assert sessions(plant) == 0


async def test_a_server_that_offers_other_policies_is_refused(start, folder, trusted):
    trusted(identity("server").certificate)
    plant = await start(Policies.Basic256Sha256_Sign, Policies.NoSecurity)
    refused = await refusal(own_and_trusted(plant, folder))
    sentence = "does not offer Basic256Sha256 SignAndEncrypt; it offers Basic256Sha256 Sign, no"
    assert sentence in str(refused)


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
async def test_a_user_with_a_certificate_is_accepted_and_another_waits(start, folder, policy):
    for name in ("badge", "lost-badge"):
        identity(name).write(folder)
    offered = getattr(Policies, policy.replace("_", "") + "_SignAndEncrypt")
    plant = await start(offered, users=Badges())
    files = {**FILES, "policy": policy}
    badge = {"user_certificate": "badge.der", "user_key": "badge.pem"}
    assert (await first(secured(plant, folder, files=files, **badge))).value.tolist() == [1.5]
    lost = {"user_certificate": "lost-badge.der", "user_key": "lost-badge.pem"}
    refused = await refusal(secured(plant, folder, files=files, **lost))
    assert isinstance(refused, SourceLost)
    assert refused.wait >= 30
    wrong = {"user_certificate": "badge.der", "user_key": "lost-badge.pem"}
    refused = await refusal(secured(plant, folder, files=files, **wrong))
    assert isinstance(refused, ConfigError)
    assert sessions(plant) == 0


@pytest.mark.parametrize("is_secured", [True, False])
async def test_the_keys_of_a_connection_are_renewed_while_it_is_read(
    start, folder, monkeypatch, is_secured
):
    renewed = asyncio.Event()
    answer = UaProcessor.open_secure_channel

    def noted(self, *message):
        if self.session is not None:
            renewed.set()
        answer(self, *message)

    monkeypatch.setattr(UaProcessor, "open_secure_channel", noted)
    # A tenth of a second, as a part of an hour.
    monkeypatch.setattr(connection, "_RENEWED_AT", 0.1 / 3600)
    plant = await start(SECURED if is_secured else Policies.NoSecurity)
    source = secured(plant, folder) if is_secured else connector(plant, "flow")
    async with source.open() as batches, asyncio.timeout(PATIENCE):
        for _ in range(2):
            renewed.clear()
            await renewed.wait()
        await plant.show("flow", 9.0)
        while 9.0 not in (await anext(batches)).value:
            pass


@pytest.mark.parametrize("users", [None, Operators(), Badges()])
async def test_a_protected_session_is_resumed_after_a_cut(start, folder, monkeypatch, users):
    identity("badge").write(folder)
    monkeypatch.setenv("PLC_PASSWORD", "right")
    login = {
        Operators: {"username": "andon", "password": "${env:PLC_PASSWORD}"},
        Badges: {"user_certificate": "badge.der", "user_key": "badge.pem"},
    }
    plant = await start(SECURED, users=users)
    async with Proxy(plant.port) as proxy:
        behind = types.SimpleNamespace(url=f"opc.tcp://127.0.0.1:{proxy.port}")
        source = secured(behind, folder, **login.get(type(users), {}))
        async with source.open() as batches:
            await anext(batches)
            before = set(plant.server.iserver._external_sessions)
            proxy.reset()
            with pytest.raises(SourceLost):
                await drain(batches)
        await plant.show("flow", 9.0)
        async with source.open() as batches:
            assert 9.0 in (await anext(batches)).value
            assert set(plant.server.iserver._external_sessions) == before
    assert sessions(plant) == 0


async def drain(batches):
    async with asyncio.timeout(PATIENCE):
        async for _ in batches:
            pass
