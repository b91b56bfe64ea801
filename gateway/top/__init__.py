"""`andon top`: the state of running lines in a terminal, and a person's acts on their alarms.

A process of its own that asks daemons over their sockets. Nothing that a daemon loads imports this
room. Only `app`, `dialogs` and `pane` import Textual.
"""
