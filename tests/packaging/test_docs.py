"""Every page leads somewhere: to files, headings, decisions, rooms and functions that exist."""

import re
from pathlib import Path

import pytest
import yaml
from kill_matrix.faults import FAULTS
from kill_matrix.plants import PLANTS

from detectors.runtime.limits import LimitAlarm, LimitsOptions
from gateway import cli
from gateway.api.alarm_options import AlarmOptions
from gateway.api.alarms import AlarmState
from gateway.config.language import LanguageFile
from gateway.config.schema import AlarmsSection
from gateway.core.device_status import DeviceStatus

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("systemd/*.md")]
DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))
ARCHITECTURE = (DOCS / "architecture.md").read_text()
GLOSSARY = (DOCS / "glossary.md").read_text()
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")
_PART = re.compile(r"^\*\*(Decision\.|Why\.|Cost\.|Wrong if)\*\*", re.MULTILINE)
_DECISION = re.compile(r"\bdecisions?(?:/| )(\d{4})\b", re.IGNORECASE)


def heading(text):
    """As it is written in a link to it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def headings(page):
    return {heading(text) for text in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def test_every_link_leads_to_a_file_and_a_heading():
    lost, links = [], 0
    for page in PAGES:
        for path, anchor in _LINK.findall(page.read_text()):
            links += 1
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in headings(target)):
                lost.append((page.name, path, anchor))
    assert lost == []
    assert links > 100


def test_every_decision_is_listed_once_by_its_title_in_order():
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (DOCS / "decisions/README.md").read_text(),
                        re.MULTILINE)  # fmt: skip
    titled = [
        (path.read_text().splitlines()[0].removeprefix("# "), path.name) for path in DECISIONS
    ]
    assert listed == titled


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_every_decision_has_the_same_form(path):
    title, status, *body = path.read_text().splitlines()
    assert title.startswith(f"# {path.name[:4]} ")
    assert re.match(r"Status: (accepted|superseded by \d{4})\. Date: \d{4}-\d\d-\d\d\b", status)
    assert _PART.findall("\n".join(body)) == ["Decision.", "Why.", "Cost.", "Wrong if"]


def test_every_decision_that_is_referred_to_exists():
    numbers = {path.name[:4] for path in DECISIONS}
    gone = {name: sorted(set(_DECISION.findall(text)) - numbers) for name, text in _sources()}
    assert {name: missing for name, missing in gone.items() if missing} == {}


def _sources():
    """The text files of the project, by name."""
    for folder in ("gateway", "connectors", "detectors", "tests", "docs", "configs", "systemd"):
        for path in sorted((ROOT / folder).rglob("*")):
            if "node_modules" in path.parts:
                continue
            if path.suffix in {".py", ".md", ".yaml", ".service"}:
                yield str(path.relative_to(ROOT)), path.read_text(errors="replace")
    for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml"):
        yield name, (ROOT / name).read_text()


def test_every_room_is_in_the_architecture():
    rooms = [path.parent.relative_to(ROOT) for path in ROOT.glob("gateway/*/__init__.py")]
    rooms += [path.parent.relative_to(ROOT) for path in ROOT.glob("detectors/*/__init__.py")]
    assert [str(room) for room in rooms if f"`{room}`" not in ARCHITECTURE] == []
    assert len(rooms) > 20


def test_every_function_that_the_architecture_names_exists():
    named = re.findall(r"`((?:gateway|connectors|detectors)/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)",
                       ARCHITECTURE)  # fmt: skip
    assert len(named) > 20
    for path, functions in named:
        code = (ROOT / path).read_text()
        for function in re.findall(r"\w+", functions):
            assert re.search(rf"(def|class) {function}\b", code), (
                f"docs/architecture.md names {function} in {path}, which has none"
            )


def test_every_place_that_the_glossary_names_exists():
    code = "\n".join(text for name, text in _sources() if name.endswith(".py"))
    places = re.findall(r"\| ([^|]+) \|$", GLOSSARY, re.MULTILINE)
    assert len(places) > 80
    for place in re.findall(r"`([^`]+)`", "".join(places)):
        if "/" in place:
            assert (ROOT / place).exists() or (ROOT / "gateway" / place).exists(), (
                f"docs/glossary.md names {place}"
            )
        elif re.fullmatch(r"[A-Z]\w+(\.\w+)?", place):
            name, _, member = place.partition(".")
            assert re.search(rf"^class {name}\b", code, re.MULTILINE), place
            assert re.search(rf"\b{member}\b", code), place


def test_the_page_on_reconnecting_has_a_row_for_each_fault_and_protocol():
    page = (DOCS / "reconnect.md").read_text()
    names = [fault.name for family in FAULTS.values() for fault in family]
    assert {name: page.count(f"| {name} |") for name in names} == dict.fromkeys(names, len(PLANTS))


def _named_in(row):
    """Path and function of each test: a link to its file, then its names."""
    links = re.findall(r"\]\(\.\./(tests/[\w/]+\.py)\)((?:,? `test_\w+`)+)", row)
    return [(path, name) for path, names in links for name in re.findall(r"test_\w+", names)]


def assert_each_names_a_test(rows):
    for row in rows:
        named = _named_in(row)
        assert named, f"no test in the row: {row}"
        assert row.count("`test_") == len(named), f"a test without its file: {row}"
        for path, function in named:
            assert f"def {function}(" in (ROOT / path).read_text(), f"{path} has no {function}"


def test_each_row_of_the_field_dialects_names_a_test_that_exists():
    page = (DOCS / "field-dialects.md").read_text()
    rows = [line for line in page.splitlines() if re.match(r"\| (?!what |---)", line)]
    assert len(rows) > 60
    assert_each_names_a_test(rows)


def test_each_bound_of_the_page_on_security_names_a_test_that_exists():
    page = (DOCS / "security.md").read_text()
    _, _, table = page.partition("## What is bounded")
    rows = [line for line in table.splitlines() if re.match(r"\| (?!what is bounded|\*\*)", line)]
    assert len(rows) > 30
    assert_each_names_a_test(rows)


def test_each_module_of_routes_is_mounted_by_the_daemon():
    mounted = (ROOT / "gateway/app.py").read_text() + (
        ROOT / "gateway/control/server.py"
    ).read_text()
    modules = [path.stem for path in (ROOT / "gateway/control").glob("*_routes.py")]
    assert [each for each in modules if f"{each}.routes(" not in mounted] == []


def test_each_command_that_asks_a_daemon_is_on_the_page_on_running():
    page = (DOCS / "operations.md").read_text()
    asking = [
        path.stem
        for path in (ROOT / "gateway/cli").glob("*.py")
        if path.stem in cli._COMMANDS
        and re.search(r"cli\.daemon import .*\bask\b|client import", path.read_text())
    ]
    assert asking
    assert [name for name in asking if name != "daemon" and f"andon {name}" not in page] == []


ALARMS = (DOCS / "alarms.md").read_text()


@pytest.mark.parametrize(
    "names",
    [
        {*AlarmOptions.model_fields, *LimitAlarm.model_fields, "hysteresis"},
        {*AlarmsSection.model_fields},
        {*LanguageFile.model_fields},
        {state.value for state in AlarmState},
        {each.name.lower() for each in DeviceStatus if each is not DeviceStatus.NORMAL},
    ],
    ids=["options", "line", "language", "states", "classes"],
)
def test_the_page_on_alarms_has_one_table_with_exactly_these_rows(names):
    tables = re.findall(r"^\| (?:\w+) \|.*\n\|---.*\n((?:\|.*\n)+)", ALARMS, re.MULTILINE)
    rows = [set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) for table in tables]
    assert names in rows


def test_the_examples_of_the_page_on_alarms_are_valid():
    guard, line, language, _ = map(
        yaml.safe_load, re.findall(r"```yaml\n(.*?)```", ALARMS, re.DOTALL)
    )
    limits = LimitsOptions.model_validate(guard["detectors"]["guard"]).tags
    assert limits["oil_temperature"].alarms.high_high.latch
    assert limits["vibration"].n_of_m == (3, 5)
    assert AlarmsSection.model_validate(line["alarms"]).escalate_after
    assert LanguageFile.model_validate(language).texts.keys() == language["texts"].keys()
