"""`--help` lists every command with a short description that is not cut."""

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main


def groups():
    """`andon` and every group of commands below it, with the words that call it."""
    waiting = [((), main)]
    while waiting:
        words, group = waiting.pop()
        yield words, group
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if isinstance(command, click.Group):
                waiting.append(((*words, name), command))


GROUPS = {" ".join(("andon", *words)): group for words, group in groups()}


@pytest.mark.parametrize("name", GROUPS)
def test_no_description_of_a_command_is_cut_at_80_columns(name):
    group = GROUPS[name]
    with click.Context(group, terminal_width=80) as context:
        formatter = context.make_formatter()
        group.format_commands(context, formatter)
    text = formatter.getvalue()

    assert text.count("\n  ") >= len(group.list_commands(context))
    assert "..." not in text


def test_help_lists_every_command():
    done = CliRunner().invoke(main, ["--help"], terminal_width=80)

    assert done.exit_code == 0
    for name in main.list_commands(click.Context(main)):
        assert f"\n  {name} " in done.output


@pytest.mark.parametrize(
    ("word", "meant"),
    [("statsu", "status"), ("chek", "check"), ("Run", "run"), ("discovr", "discover")],
)
def test_a_mistyped_command_is_told_with_the_nearest(word, meant):
    done = CliRunner().invoke(main, [word])

    assert done.exit_code == 2
    assert f"no such command '{word}': did you mean \"{meant}\"?" in done.output


def test_a_word_that_is_no_command_is_sent_to_the_help():
    assert "see andon --help" in CliRunner().invoke(main, ["xyz123"]).output
