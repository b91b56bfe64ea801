import pytest

from gateway.api import masking
from gateway.api.contracts import ConfigError
from gateway.panel.tokens import Role, Tokens

VIEW, OPERATE = "view-view-view-view-view", "operate-operate-operate-op"


@pytest.fixture
def file(tmp_path):
    def write(name, token, mode=0o600):
        path = tmp_path / name
        path.write_text(token)
        path.chmod(mode)
        return path

    yield write
    masking.forget()


def test_each_token_gives_its_role_and_no_other_any(file):
    tokens = Tokens(file("v", f"{VIEW}\n"), file("o", OPERATE))
    assert tokens.role_of(VIEW) is Role.VIEW
    assert tokens.role_of(OPERATE) is Role.OPERATE
    for wrong in ("", VIEW[:-1], OPERATE.upper(), VIEW + OPERATE, "\udcff", "é" * 30):
        assert tokens.role_of(wrong) is None


def test_without_a_file_no_token_is_right():
    assert Tokens(None, None).role_of("") is None


def test_a_token_is_masked_in_messages(file):
    Tokens(None, file("o", OPERATE))
    assert OPERATE not in masking.mask(f"it was {OPERATE}")


@pytest.mark.parametrize("token", ["", "short", "with\0control-characters-in-it"])
def test_a_token_that_can_be_guessed_is_refused(file, token):
    with pytest.raises(ConfigError, match="at least 20 characters"):
        Tokens(None, file("o", token))


def test_a_file_that_everybody_can_read_is_refused(file):
    with pytest.raises(ConfigError, match="chmod 640"):
        Tokens(None, file("o", OPERATE, 0o644))
    with pytest.raises(ConfigError, match="changed by every user"):
        Tokens(None, file("o", OPERATE, 0o602))


def test_one_token_for_both_roles_is_refused(file):
    with pytest.raises(ConfigError, match="the same token"):
        Tokens(file("v", VIEW), file("o", VIEW))
