"""Coming in and going out."""

import pytest
from panels import showing

from gateway.panel.attempts import FREE
from gateway.panel.entry import own_path
from gateway.panel.settings import Settings

TOKEN = "operate-operate-operate-op"


@pytest.fixture
async def visitor(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    async with showing(tmp_path, settings=Settings(port=0, operate_token=file)) as visitor:
        yield visitor


async def test_a_token_lets_in_to_where_one_wanted_to_go_and_out_again(visitor):
    answer, _ = await visitor.get("/line/press-3/tags?q=oil")
    assert answer.headers["Location"] == "/login?back=/line/press-3/tags?q%3Doil"
    _, text = await visitor.get(answer.headers["Location"])
    assert 'name="back" value="/line/press-3/tags?q=oil"' in text
    answer, _ = await visitor.post("/login", {"token": TOKEN, "name": "Anna", "back": "/help"})
    assert (answer.status, answer.headers["Location"]) == (303, "/help")
    _, text = await visitor.get("/")
    assert "Anna" in text
    await visitor.post("/logout", {"csrf": await visitor.csrf()})
    answer, _ = await visitor.get("/")
    assert answer.status == 303


async def test_wrong_tokens_are_refused_and_then_not_looked_at(visitor):
    for _ in range(FREE):
        answer, _ = await visitor.post("/login", {"token": "wrong"})
        assert answer.status == 403
    answer, text = await visitor.post("/login", {"token": TOKEN})
    assert (answer.status, "Too many wrong tokens: wait" in text) == (429, True)
    assert TOKEN not in text


async def test_a_login_from_another_site_is_refused(visitor):
    answer, _ = await visitor.post("/login", {"token": TOKEN}, Origin="https://evil.example")
    assert answer.status == 403


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil",
        "\\\\evil",
        "javascript:x",
        "",
        "/a\nb",
        "x",
    ],
)
async def test_nothing_leads_to_another_site(visitor, back):
    answer, _ = await visitor.post("/login", {"token": TOKEN, "back": back})
    assert answer.headers["Location"] == "/"
    assert own_path(back) == "/"


async def test_a_name_that_cannot_be_stored_is_asked_for_again(tmp_path):
    async with showing(tmp_path) as visitor:
        fields = {"csrf": await visitor.csrf(), "name": "a\x1bb", "back": "/"}
        answer, _ = await visitor.post("/name", fields)
        assert answer.headers["Location"] == "/name?back=/"
        _, text = await visitor.get("/name?back=/")
        assert "1 to 100 printable characters" in text


async def test_colours_and_keys_are_kept_and_anything_else_is_not(tmp_path):
    async with showing(tmp_path) as visitor:
        csrf = await visitor.csrf()
        await visitor.post("/settings", {"csrf": csrf, "scheme": "dark", "keys": "off"})
        await visitor.post("/settings", {"csrf": csrf, "scheme": "evil", "back": "/help"})
        _, text = await visitor.get("/")
        assert 'data-scheme="dark" data-keys="off"' in text
