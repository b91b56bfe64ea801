"""The page at the line, `andon panel`: a process of its own that asks daemons over their sockets.

Nothing that a daemon loads imports this room, and this room imports nothing of a running line.
"""
