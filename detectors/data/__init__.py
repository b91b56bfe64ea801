"""Recorded data: reading recordings, and cutting windows from them.

Imports `runtime`, `bundle`, and of the gateway `api`, `core` and `history`; `line_file` also
`config.load`.
"""
