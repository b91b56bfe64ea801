"""How long a test waits for what must come.

A loaded machine takes ten times as long as a quiet one. Only a test that something comes soon
waits for less, and what it measures must not depend on the machine.
"""

PATIENCE = 90.0
"""In s; `timeout` of pytest in pyproject.toml leaves room for three of them."""
