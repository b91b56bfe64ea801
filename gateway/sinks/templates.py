"""Templates of messages: Jinja2 in its sandbox, with the facts of one alert.

Promises
- A template is compiled and filled in with an example when the sink is built: a mistake is a
  ConfigError then, and not a lost alarm later.
- It reads nothing but the facts it is given, and what it writes is bounded.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api.contracts import ConfigError
from gateway.api.extras import how_to_install
from gateway.api.wording import in_a_line

LONGEST_TEMPLATE = 20_000
MOST_WRITTEN = 100_000
"""Characters; a sandbox does not end a loop over a large range by itself."""

Fill = Callable[[Mapping[str, Any]], str]


def checked(text: str, example: Mapping[str, Any]) -> str:
    """The template itself, if there is one and it is right; ValueError otherwise."""
    try:
        if text:
            compiled(text, example)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return text


def compiled(text: str, example: Mapping[str, Any]) -> Fill:
    """The template as a function; ConfigError if it is wrong."""
    if len(text) > LONGEST_TEMPLATE:
        raise ConfigError(f"is longer than {LONGEST_TEMPLATE:,} characters")
    try:
        import jinja2
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise ConfigError(f"needs Jinja2: {how_to_install('panel')}") from error

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, _context: Any, operator: str, left: Any, right: Any) -> Any:
            """A product of numbers; a text times a number, or a power, may fill the memory."""
            if operator == "**" or not all(isinstance(n, int | float) for n in (left, right)):
                raise ValueError("only numbers can be multiplied")
            return left * right

    environment = Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    # A million rows would take seconds of the event loop.
    environment.globals.pop("range", None)
    environment.globals.pop("lipsum", None)
    try:
        template = environment.from_string(text)
        fill = _bounded(template)
        fill(example)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(
            f"line {error.lineno} of the template: {in_a_line(error.message)}"
        ) from error
    except jinja2.UndefinedError as error:
        known = ", ".join(sorted(example))
        raise ConfigError(f"{in_a_line(error)}; there is {known}") from error
    except Exception as error:  # a template may call what it likes within the sandbox
        raise ConfigError(f"{type(error).__name__}: {in_a_line(error)}") from error
    return fill


def _bounded(template: Any) -> Fill:
    def fill(facts: Mapping[str, Any]) -> str:
        parts, length = [], 0
        for part in template.generate(facts):
            parts.append(part)
            length += len(part)
            if length > MOST_WRITTEN:
                raise ValueError(f"writes more than {MOST_WRITTEN:,} characters")
        return "".join(parts)

    return fill
