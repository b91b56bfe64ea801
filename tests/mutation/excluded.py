"""Mutants that are counted apart, because no test can kill them here.

Either the changed program does the same, or the changed code runs before the mutant is active.
Add a rule only after reading the code, never to reach a percentage.
"""

import re

SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|ORDER BY|CAST|VALUES|PRAGMA|BEGIN|"
                 r"COMMIT|ROLLBACK|TRUE|ASC|DESC)\b")  # fmt: skip
"""A statement with one of these words is the same to SQLite in another case."""

AT_IMPORT = frozenset({"gateway.buffer.repair.pages._shape"})
"""Functions that run while their module is imported, before the mutant is active."""


def reason(function, removed, added):
    """Why this change is counted apart; None for all others."""
    is_buffer = function.startswith("gateway.buffer.")
    if is_buffer and removed.lower() == added.lower() and SQL.search(removed):
        return "the same statement to SQLite"
    return "runs while its module is imported" if function in AT_IMPORT else None
