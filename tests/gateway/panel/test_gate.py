"""Who gets in, and what every answer says to browsers."""

import pytest
from panels import FORM, browser, showing

from gateway.panel.gate import NAME_COOKIE, clean_name
from gateway.panel.settings import Settings

OPERATE, VIEW = "operate-operate-operate-op", "view-view-view-view-view"


@pytest.fixture
def tokens(tmp_path):
    files = {"operate_token": OPERATE, "view_token": VIEW}
    for name, token in files.items():
        (tmp_path / name).write_text(token)
        (tmp_path / name).chmod(0o600)
    return Settings(port=0, **{name: tmp_path / name for name in files})


@pytest.fixture
async def visitor(tmp_path):
    async with showing(tmp_path) as visitor:
        yield visitor


PAGES = ("/", "/line/press-3/tags", "/line/press-3/alarm?id=x", "/help", "/events/", "/name")


async def test_every_answer_forbids_what_a_page_does_not_need(visitor):
    for path in (*PAGES[:-2], "/static/panel.css", "/nothing", "/login"):
        answer, _ = await visitor.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_no_page_has_an_inline_script_or_style(visitor):
    for path in PAGES[:-2]:
        _, text = await visitor.get(path)
        assert "<style" not in text
        assert " style=" not in text
        assert text.count("<script") == text.count('<script src="/static/')


async def test_without_a_token_there_is_nothing_but_the_login(tmp_path, tokens):
    async with showing(tmp_path, settings=tokens) as visitor:
        for path in PAGES:
            answer, text = await visitor.get(path)
            assert answer.status == (401 if path.startswith("/events") else 303)
            assert "press-3" not in text
        answer, _ = await visitor.post("/line/press-3/act", {"act": "acknowledge"})
        assert answer.status == 401
        answer, text = await visitor.get("/login")
        assert (answer.status, "press-3" in text) == (200, False)


async def test_the_cookie_of_a_session_is_out_of_reach_of_scripts_and_other_sites(tmp_path, tokens):
    async with showing(tmp_path, settings=tokens) as visitor:
        answer, _ = await visitor.post("/login", {"token": OPERATE})
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


async def test_who_may_look_may_not_act(tmp_path, tokens):
    async with showing(tmp_path, settings=tokens) as visitor:
        await visitor.post("/login", {"token": VIEW, "name": "Ben"})
        _, text = await visitor.get("/")
        assert "View only" in text
        fields = {"csrf": await visitor.csrf(), "id": "x", "act": "acknowledge"}
        answer, text = await visitor.post("/line/press-3/act", fields)
        assert (answer.status, "may only look" in text) == (403, True)


async def test_a_form_without_the_sessions_own_token_is_refused(visitor):
    fields = {"id": "x", "act": "acknowledge"}
    for csrf in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "é"}):
        answer, text = await visitor.post("/line/press-3/act", fields | csrf)
        assert (answer.status, "not from this session" in text) == (403, True)
    async with browser(int(visitor.url.rpartition(":")[2])) as other:
        stolen = {"csrf": await other.csrf()}
        answer, _ = await visitor.post("/name", {"name": "Eve", **stolen})
        assert answer.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
async def test_what_another_site_sends_is_refused(visitor, headers):
    fields = {"csrf": await visitor.csrf(), "name": "Eve", "back": "/"}
    answer, _ = await visitor.post("/name", fields, **headers)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_a_form_of_another_kind_or_size_is_refused(visitor):
    csrf = await visitor.csrf()
    answer, _ = await visitor.post("/name", '{"csrf": "x"}', Content_Type="application/json")
    assert answer.status == 403
    many = {f"f{number}": "x" for number in range(50)} | {"csrf": csrf, "name": "Anna"}
    answer, text = await visitor.post("/name", many)
    assert (answer.status, "more fields" in text) == (403, True)
    answer, _ = await visitor.post("/name", f"name={'x' * 100_000}", Content_Type=FORM)
    assert answer.status == 413


async def test_a_name_comes_back_with_the_next_session_but_nothing_else(tmp_path):
    async with showing(tmp_path) as visitor:
        await visitor.named("Änne O'Brien <b>")
        port = int(visitor.url.rpartition(":")[2])
        kept = {NAME_COOKIE: "%C3%84nne%20O%27Brien%20%3Cb%3E"}
        async with browser(port) as later:
            later._session.cookie_jar.update_cookies(kept)
            _, text = await later.get("/")
        assert "Änne O&#39;Brien &lt;b&gt;" in text


@pytest.mark.parametrize("name", ["a\nb", "\u202eevil", "x" * 101, "\x1b[2J", "\udcff"])
def test_a_name_that_cannot_be_stored_is_no_name(name):
    assert clean_name(name) == ""


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data; boundary=x", b"hello", 403),
        ("multipart/form-data", b"hello", 403),
        (f"{FORM}; charset=no-such", b"token", 400),
        (f"{FORM}; charset=hex", b"token", 400),
        (FORM, b"token=\xff", 400),
        (FORM, b"&".join(b"a=b" for _ in range(99)), 403),
        (FORM, b"a=b&" * 9000, 413),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_without_a_traceback(
    tmp_path, tokens, caplog, capsys, kind, body, status
):
    async with showing(tmp_path, settings=tokens) as visitor:
        for path in ("/login", "/settings"):
            answer, text = await visitor.post(path, body, Content_Type=kind)
            assert answer.status == (status if path == "/login" else 401)
            assert "traceback" not in text
    assert "Traceback" not in caplog.text + "".join(capsys.readouterr())
