"""Every page leads somewhere: files, headings, and the list of decisions."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("systemd/*.md")]
DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)")


def heading(text):
    """As it stands in a link to it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def headings(page):
    return {heading(text) for text in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def test_every_link_leads_to_a_file_and_a_heading():
    lost, found = [], 0
    for page in PAGES:
        for path, anchor in _LINK.findall(page.read_text()):
            found += 1
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in headings(target)):
                lost.append((page.name, path, anchor))
    assert lost == []
    assert found > 100


def test_every_decision_is_listed_once_by_its_title_in_order():
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (ROOT / "docs/decisions/README.md").read_text(),
                        re.MULTILINE)  # fmt: skip
    titled = [
        (path.read_text().splitlines()[0].removeprefix("# "), path.name) for path in DECISIONS
    ]
    assert listed == titled
