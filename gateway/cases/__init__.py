"""Cases for a line file: what its tags do, and the alerts that must come of it.

`notation` is how samples are written, `file` reads and checks a file of cases, `play` runs one
through the line by `gateway.line.replay`.
"""
