"""The help of a command about a line needs no line."""

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.line_group import LineGroup

GROUPS = ("alarms", "buffer", "maintenance", "notify")
COMMANDS = [
    (group, name)
    for group in GROUPS
    for name in main.get_command(click.Context(main), group).commands
]


def run(*words):
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize(("group", "name"), COMMANDS)
def test_the_help_of_each_command_is_shown_with_no_file_or_one_that_does_not_exist(group, name):
    assert isinstance(main.get_command(click.Context(main), group), LineGroup)
    for words in ((group, name, "--help"), (group, "none.yaml", name, "-h")):
        done = run(*words)
        assert done.exit_code == 0
        assert f" {group} FILE {name} " in done.output
        assert "Show this message and exit." in done.output


def test_a_file_that_does_not_exist_is_named_when_no_help_is_wanted():
    done = run("alarms", "none.yaml", "list")
    assert done.exit_code == 2
    assert "File 'none.yaml' does not exist" in done.output


def test_a_word_that_is_no_command_has_no_help():
    done = run("alarms", "none.yaml", "lits", "--help")
    assert (done.exit_code, "does not exist" in done.output) == (2, True)


def test_with_a_file_the_help_is_the_same(tmp_path):
    path = tmp_path / "press.yaml"
    path.touch()
    assert run("alarms", str(path), "ack", "--help").output == run("alarms", "ack", "-h").output
