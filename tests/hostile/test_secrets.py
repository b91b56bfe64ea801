"""Secrets written where they do not belong, and errors that hold secrets: no output repeats one."""

import io
import json
import os
import subprocess
import sys
from itertools import product

import pytest
import structlog
from click.testing import CliRunner

from gateway.api import masking
from gateway.cli import main
from gateway.telemetry import logs

CANARY = "Qx7CANARYz9"

HEAD = "version: 1\nline: press-3\nsite: demo-plant\n"
SOURCE = """sources:
  plc:
    type: modbus
    host: 192.168.0.10
    tags:
      flow: {address: 0}
"""

FIELDS = {
    "influx token": ("sinks", "cloud", "type: influx\nurl: https://h\norg: o\nbucket: b", "token"),
    "influx password": (
        "sinks",
        "cloud",
        "type: influx\nversion: 1\nurl: https://h\ndatabase: d\nusername: u",
        "password",
    ),
    "proxy password": (
        "sinks",
        "cloud",
        "type: influx\nurl: https://h\nbucket: b\norg: o\nproxy: http://p:1\nproxy_username: u",
        "proxy_password",
    ),
    "key password": ("sinks", "lamp", "type: mqtt\nhost: h\ntls: true", "key_password"),
    "mqtt sink": ("sinks", "lamp", "type: mqtt\nhost: h\nusername: u", "password"),
    "webhook key": ("sinks", "mes", "type: webhook\nurl: https://h", "signing_secret"),
    "apprise url": ("sinks", "people", "type: notify", "apprise"),
    "mqtt source": (
        "sources",
        "broker",
        "type: mqtt\nhost: h\nusername: u\ntags: {a: {topic: x}}",
        "password",
    ),
    "opcua source": (
        "sources",
        "server",
        'type: opcua\nurl: opc.tcp://h:4840\ninsecure: true\nusername: u\ntags: {b: {node: "i=1"}}',
        "password",
    ),
    "a template": ("templates", "t", "type: mqtt\nhost: h\nusername: u", "password"),
    "a mistyped key": ("sinks", "cloud", "type: influx\nurl: https://h\nbucket: b", "tokne"),
    "another mistyped key": ("sinks", "lamp", "type: mqtt\nhost: h", "pasword"),
    "camel case": ("sinks", "cloud", "type: influx\nurl: https://h\nbucket: b", "apiToken"),
    "an unknown key": ("sinks", "lamp", "type: mqtt\nhost: h", "client_secret"),
    "a key of the file plugin": ("sinks", "disk", "type: file", "api_key"),
}
VALUES = {
    "plain": "{key}: {it}",
    "with a comma": "{key}: a, {it}",
    "with spaces and braces": "{key}: a b}} {it}",
    "double quotes": '{key}: "{it}"',
    "single quotes": "{key}: 'it''s {it}'",
    "next line": "{key}:\n  {it}",
    "next line after a comment": "{key}: # here\n\n  # and here\n  {it}",
    "two lines": "{key}: a\n  {it}\n  {it}",
    "block": "{key}: |\n  {it}\n\n  {it}",
    "folded block": "{key}: >-\n  a\n  {it}: x",
    "block that is not indented": "{key}: |\n{it}",
    "after a tab": "{key}:\n\t{it}",
    "after tabs": "{key}:\t\t{it}",
    "question mark": "? {key}\n: {it}",
    "question mark and comment": "? {key} # x\n: {it}",
    "quoted key": '"{key}": {it}',
    "JSON": '"{key}":"{it}"',
    "unclosed quote": '{key}: "{it}',
    "unclosed quote over lines": '{key}: "a\n{it}',
    "unclosed reference": "{key}: ${{env:{it}",
    "unclosed quoted reference": '{key}: "${{env:{it}"',
    "reference and more": "{key}: ${{env:A}}{it}",
    "reference with a wrong name": "{key}: ${{env:{it}!}}",
    "reference with spaces": "{key}: ${{env: {it}}}",
    "unknown reference": "{key}: ${{vault:{it}}}",
    "shell": "{key}: ${it}",
    "list": "{key}: [{it}]",
    "list over lines": "{key}: [a,\n{it}]",
    "list below": "{key}:\n- {it}\n- {it}",
    "mapping": "{key}: {{value: {it}}}",
    "key of a mapping": "{key}: {{{it}: 1}}",
    "keys of a mapping twice": "{key}:\n  {it}: 1\n  {it}: 2",
    "merge key": "{key}:\n  <<: {it}",
    "no colon": "{key} {it}",
    "no space": "{key}:{it}",
    "equals sign": "{key}={it}",
    "colon in it": "{key}: a: {it}",
    "at": "{key}: @{it}",
    "percent": "{key}: %{it}",
    "backtick": "{key}: `{it}",
    "alias": "{key}: *{it}",
    "anchor": "{key}: &{it}",
    "anchor and value": "{key}: &a {it}",
    "tag": "{key}: !{it}",
    "core tag": "{key}: !!{it} x",
    "twice": "{key}: {it}\n{key}: {it}",
    "comment beside": "{key}: ${{env:A_B}} # {it}",
    "control character": '{key}: "\x01{it}"',
    "escaped": '{key}: "\\u0041{it}"',
    "wrongly indented": "{key}: x\n   y: {it}",
    "bracket": "{key}: [{it}",
    "brace": "{key}: {{{it}",
    "private key": "key: |\n  -----BEGIN PRIVATE KEY-----\n  {it}\n  -----END PRIVATE KEY-----",
}
URLS = (
    "https://{it}@h",
    "https://me:{it}@h",
    "https://:{it}@h",
    "https://{it}:@h",
    "https://me:pa@{it}@h",
    "https://me:pa/{it}@h",
    "https://me:pa?{it}@h",
    "https://me:pa#{it}@h",
    "https://me:pa {it}@h",
    "https://h?token={it}",
    "https://h/?{it}",
    "https://h/p?a=b&password={it}",
    "https://h#{it}",
    "https://h/;token={it}",
    "https://h/token={it}",
    "https://[{it}@h",
    "https://{it}@[::1",
    "https:/{it}@h",
    "https:{it}@h",
    "//{it}@h",
    "me:{it}@h",
    "{it}@h",
    "me:pa@{it}@h:80",
    "https://me:{it}\uff20@h",
    "ftp://{it}@h",
    "https://me:{it}@h:99999999",
    "http://me:\\n{it}@h",
)
PLACES = {
    "influx url": ("sinks", "cloud", "type: influx\norg: o\nbucket: b", "url"),
    "proxy": ("sinks", "cloud", "type: influx\nurl: https://h\norg: o\nbucket: b", "proxy"),
    "mqtt host": ("sinks", "lamp", "type: mqtt", "host"),
    "broker": ("sources", "broker", "type: mqtt\ntags: {a: {topic: x}}", "host"),
    "opcua url": (
        "sources",
        "server",
        'type: opcua\ninsecure: true\ntags: {b: {node: "i=1"}}',
        "url",
    ),
    "webhook url": ("sinks", "mes", "type: webhook", "url"),
    "modbus host": ("sources", "other", "type: modbus\ntags: {c: {address: 1}}", "host"),
}


def line_file(section, name, others, entry, end=""):
    """A line file with the entry in a part of its own, and another mistake in it if asked for."""
    part = "\n".join(f"    {line}" for line in f"{others}\n{entry}{end}".split("\n"))
    if section == "sources":
        return f"{HEAD}{SOURCE}  {name}:\n{part}\n"
    return f"{HEAD}{SOURCE}{section}:\n  {name}:\n{part}\n"


def output_of(*arguments):
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output + (result.stderr if result.stderr_bytes else "")


CHECKS = ((), ("--show",), ("--show", "--json", "--strict"), ("--plan",))


def assert_hidden(path, text):
    path.write_text(text)
    for options in CHECKS:
        code, output = output_of("check", path, *options)
        assert code == 1, f"accepted:\n{text}"
        assert CANARY not in output, f"{text}\n->\n{output}"


ENDS = ("", "\nport: wrong", "\nunknown: [1", "\n\tx: y")


@pytest.mark.parametrize("field", FIELDS)
def test_no_secret_in_clear_text_is_repeated(tmp_path, field):
    section, name, others, key = FIELDS[field]
    for (style, form), end in product(VALUES.items(), ENDS if field == "mqtt sink" else ENDS[:1]):
        entry = form.format(key=key, it=CANARY)
        text = line_file(section, name, others, entry, end)
        (tmp_path / "line.yaml").write_text(text)
        for options in CHECKS[1:3]:
            code, output = output_of("check", tmp_path / "line.yaml", *options)
            assert CANARY not in output, f"{style}:\n{text}\n->\n{output}"
        # A comment is no part of the value, and an anchor without one names nothing.
        if style not in ("comment beside", "anchor"):
            assert code == 1, f"{style} was accepted:\n{text}"


@pytest.mark.parametrize("place", PLACES)
def test_no_url_or_host_with_a_login_is_accepted_or_repeated(tmp_path, place):
    section, name, others, key = PLACES[place]
    for form in URLS:
        for entry in ('{key}: "{url}"', "{key}:\n  {url}", "{key}: {url}\n{key}: {url}"):
            if "\\n" in form and '"' not in entry:
                continue
            text = line_file(section, name, others, entry.format(key=key, url=form))
            if key == "host" and "@" not in form and "://" not in form:
                continue
            assert_hidden(tmp_path / "line.yaml", text.replace("{it}", CANARY))


@pytest.mark.parametrize("key", ["url", "aprise", "to", "address"])
def test_a_url_for_apprise_under_another_key_is_not_repeated(tmp_path, key):
    forms = (
        "slack://A/B/{it}",
        "tgram://{it}/chat",
        "mailto://u:{it}@h",
        "ntfy://{it}",
        "a+b://{it}",
    )
    for url in forms:
        for entry in ("{key}: {url}", '{key}: "{url}"', "{key}:\n  {url}", "[{key}: {url}]"):
            text = entry.format(key=key, url=url.format(it=CANARY))
            others = "type: notify\ntargets:\n  shift: {apprise: '${env:HOME}'}"
            assert_hidden(tmp_path / "line.yaml", line_file("sinks", "people", others, text))


@pytest.mark.parametrize("style", ["plain", "next line", "question mark", "unclosed reference"])
def test_no_command_repeats_a_secret_of_its_line_file(tmp_path, style):
    section, name, others, key = FIELDS["influx token"]
    path, cases = tmp_path / "line.yaml", tmp_path / "cases.yaml"
    path.write_text(
        line_file(section, name, others, VALUES[style].format(key=key, it=CANARY), "\nport: x")
    )
    cases.write_text("version: 1\nline: line.yaml\ncases: [{name: a, samples: {}, alerts: []}]\n")
    for command in (
        ("check", path, "--connect"),
        ("run", path),
        ("run", path, "--log-format", "console"),
        ("once", path),
        ("status", path),
        ("status", path, "--json"),
        ("tap", path),
        ("alarms", path),
        ("buffer", path),
        ("replay", path),
        ("train", path),
        ("backtest", path),
        ("clip", path),
        ("test", cases),
        ("schema",),
    ):
        _, output = output_of(*command)
        assert CANARY not in output, command


OTHER_FILES = {
    "shadow": f"root:{CANARY}:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
    "an environment": f"TOKEN={CANARY}\n",
    "a word": CANARY,
    "a key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n",
    "YAML": f"wifi:\n  name: {CANARY}\n",
    "YAML with a broken line": f"wifi:\n  name: {CANARY}: x\n",
    "compose": f"version: 3\nservices:\n  db:\n    environment: [{CANARY}]\nsecrets: {{}}\n",
    "JSON": f'{{"auths": {{"h": {{"auth": "{CANARY}"}}}}}}',
    "a JSON list": f'["{CANARY}"]',
    "INI": f"[client]\nuser={CANARY}\n",
    "netrc": f"machine h login me password {CANARY}\n",
    "pgpass": f"h:5432:d:u:{CANARY}\n",
    "an alias": f"*{CANARY}\n",
    "a tag": f"!{CANARY} x\n",
    "keys": f"{CANARY}: 1\n{CANARY}: 2\n",
    "a complex key": f"? [{CANARY}]\n: 1\n",
    "a number as key": f"12: {CANARY}\n",
    "two documents": f"--- {CANARY}\n--- x\n",
    "a line of two columns": f"a,{CANARY}\n1,2\n",
    "a header of one column": f"{CANARY},{CANARY}\n",
    "a broken quote": f'a,"{CANARY}\n',
    "a script": f"#!/bin/sh\ncurl -u me:{CANARY} https://h\n",
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_nothing_of_a_file_that_is_no_line_file_is_shown(tmp_path, kind):
    other = tmp_path / "other"
    other.write_text(OTHER_FILES[kind])
    link = tmp_path / "line.yaml"
    link.symlink_to(other)
    named = {
        "site_file": "version: 1\nline: l\nsite_file: other\n" + SOURCE,
        "devices_file": HEAD
        + "templates: {t: {type: modbus, host: h, tags: {a: {address: 0}}}}\n"
        + "sources: {p: {template: t, devices_file: other}}\n",
        "tags_file": HEAD
        + "templates: {t: {type: modbus, host: h, tags_file: other}}\n"
        + "sources: {p: {template: t, devices: 1-2}}\n",
        "a source's tags_file": HEAD + "sources: {p: {type: modbus, host: h, tags_file: other}}\n",
        "a bundle": HEAD + SOURCE + "detectors: {m: {type: model, bundle: other}}\n",
        "a certificate": HEAD
        + SOURCE
        + "sinks: {m: {type: mqtt, host: h, tls: true, ca: other}}\n",
        "a secret": HEAD
        + SOURCE
        + f"sinks: {{m: {{type: mqtt, host: 127.0.0.1, username: u, port: 1, "
        f"password: '${{file:{other}}}'}}}}\n",
    }
    for command in (("check", link), ("run", link), ("check", link, "--show", "--json")):
        code, output = output_of(*command)
        assert code != 0
        assert CANARY not in output
    for what, text in named.items():
        path = tmp_path / "naming.yaml"
        path.write_text(text)
        connect = ("--connect", "--timeout", "0.5") if what == "a secret" else ()
        assert CANARY not in output_of("check", path, "--show", *connect)[1], what


ERRORS = {
    "a header": f"headers={{'Authorization': 'Token {CANARY}'}}",
    "a header as a pair": f"[('Authorization', 'Token {CANARY}')]",
    "a header as bytes": f"b'Authorization: Token {CANARY}\\r\\n'",
    "basic": "Authorization: Basic bWU6c2VjcmV0LVF4N0NBTkFSWXo5",
    "a URL": f"Cannot connect to http://me:{CANARY}@proxy:3128",
    "a query": f"GET https://h/write?token={CANARY}",
    "the bare secret": f"refused: {CANARY}",
    "within a word": f"x{CANARY}x",
    "bytes": repr(f"\x00{CANARY}\x01".encode()),
}


@pytest.fixture
def known_secret(monkeypatch):
    monkeypatch.setenv("ANDON_CANARY", CANARY)
    from gateway.api.options import Secret

    assert Secret("${env:ANDON_CANARY}").resolve() == CANARY
    yield CANARY
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    masking.forget()


def raise_in_layers(text):
    authorization = f"Token {CANARY}"  # what a traceback with local variables would show
    try:
        try:
            raise KeyError(text)  # noqa: TRY301 - an error with another one as its cause
        except KeyError as inner:
            inner.add_note(text)
            raise RuntimeError(text, authorization and {"h": text}) from inner
    except RuntimeError as error:
        raise ExceptionGroup(text, [error]) from error


@pytest.mark.parametrize("text", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("form", ["console", "json", "journal", "command"])
def test_no_log_shows_a_secret_of_an_error(known_secret, monkeypatch, form, text):
    stderr, sent = io.StringIO(), []
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(logs, "_to_journal", lambda: lambda _l, _m, e: sent.append(e) or "")
    hooks = sys.excepthook, sys.unraisablehook
    logs.for_commands()
    if form != "command":
        logs.configure("press-3", form)
    log = structlog.get_logger()
    try:
        raise_in_layers(text)
    except ExceptionGroup as error:
        log.exception("task.failed", why=text, error=error, many=[text], nested={text: (text,)})
        sys.excepthook(type(error), error, error.__traceback__)
    sys.excepthook, sys.unraisablehook = hooks
    output = stderr.getvalue() + "".join(str(logs.journal_entry(dict(each))) for each in sent)
    assert "task.failed" in output
    assert CANARY not in output
    assert "bWU6c2VjcmV0" not in output


IN_THE_DAEMON = """
import aiohttp
def fail(self, *args, **kwargs):
    authorization = kwargs.get("headers")
    raise {error}(f"sent {{dict(authorization or {{}})}} by {{kwargs}}")
aiohttp.ClientSession._request = fail
aiohttp.ClientSession.request = fail
"""


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("error", ["RuntimeError", "OSError", "aiohttp.ClientError", "KeyError"])
def test_the_daemon_shows_no_header_of_a_request_that_fails(tmp_path, form, error):
    (tmp_path / "sitecustomize.py").write_text(IN_THE_DAEMON.format(error=error))
    path = tmp_path / "line.yaml"
    sink = (
        "sinks: {cloud: {type: influx, url: 'http://127.0.0.1:9', org: o, bucket: b, "
        "token: '${env:ANDON_CANARY}', proxy: 'http://127.0.0.1:9', proxy_username: me, "
        "proxy_password: '${env:ANDON_OTHER}'}}\n"
    )
    source = SOURCE.replace("192.168.0.10", "127.0.0.1")
    rest = "state: state\nhealth: {port: 0}\nsummaries: {every: 1s}\n"
    path.write_text(HEAD + source + rest + sink + "detectors: {g: {type: limits, tags: {}}}\n")
    path.write_text(path.read_text().replace("tags: {}", "tags: {flow: {high: 1}}"))
    secrets = {"ANDON_CANARY": CANARY, "ANDON_OTHER": f"other-{CANARY}"}
    environment = os.environ | secrets | {"PYTHONPATH": str(tmp_path)}
    arguments = [sys.executable, "-m", "gateway"]
    daemon = subprocess.Popen(
        [*arguments, "run", path, "--log-format", form],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    lines = []
    try:
        # The alarm of a source that does not answer is what the sink fails to send.
        for line in daemon.stderr:
            lines.append(line)
            if "sink.away" in line or "task.failed" in line:
                break
        status = subprocess.run(
            [*arguments, "status", path, "--json"],
            env=os.environ | secrets,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        daemon.terminate()
        lines.append(daemon.communicate(timeout=20)[1])
    output = "".join(lines)
    assert "sink.away" in output or "task.failed" in output
    assert "***" in output
    assert CANARY not in output
    assert json.loads(status.stdout)["sinks"][0]["error"]
    assert CANARY not in status.stdout
