"""Test cases for a line file: samples of its tags, and the alerts that they must raise.

`notation` parses samples, `file` reads and checks a file of cases, `run` runs a case through
`gateway.line.replay`.
"""
