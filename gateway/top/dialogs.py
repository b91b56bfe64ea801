"""The dialogs of `andon top`: a choice, a question, a text to read.

Foreign texts are shown without markup.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from gateway.api.visible import visible

_DIGITS = tuple("123456789")
_CLOSE: list[BindingType] = [Binding("escape", "close", "close")]


class Choice(ModalScreen[str | None]):
    """One of several: by cursor and enter, or by the digit before it; None if it was left."""

    BINDINGS: ClassVar[list[BindingType]] = _CLOSE

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._options = title, options

    def compose(self) -> ComposeResult:
        rows = [
            Option(Text(f"{number}  {label}"), id=value)
            for number, (value, label) in enumerate(self._options, 1)
        ]
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False)
            yield OptionList(*rows)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def on_key(self, event: Key) -> None:
        """A digit chooses by number."""
        number = int(event.key) if event.key in _DIGITS else 0
        if 1 <= number <= len(self._options):
            event.stop()
            self.dismiss(self._options[number - 1][0])

    def action_close(self) -> None:
        self.dismiss(None)


class Question(ModalScreen[str | None]):
    """A line of text; empty if nothing was written, None if it was left."""

    BINDINGS: ClassVar[list[BindingType]] = _CLOSE

    def __init__(self, title: str, longest: int = 200) -> None:
        super().__init__()
        self._title, self._longest = title, longest

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, markup=False)
            yield Input(max_length=self._longest)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        # What was pasted may hold anything; the daemon refuses control characters.
        self.dismiss(visible(event.value.strip()))

    def action_close(self) -> None:
        self.dismiss(None)


class Reading(ModalScreen[None]):
    """A text to read, longer than the screen if need be."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_CLOSE,
        Binding("enter", "close"),
        Binding("q", "close"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog tall"):
            yield Static(self._text, markup=False)

    def action_close(self) -> None:
        self.dismiss(None)
