"""Sparkplug B: edge nodes that describe their metrics, announce births and number their messages.

`wire` turns bytes into `metrics`, `values` turns metrics into numbers, `node` tracks the births,
deaths and gaps of one edge node, with a `scope` for itself and for each device, `reader` passes
messages to their edge node, `host` reads the state of the primary host. All of it is pure.

Promises
- Never an exception, whatever the bytes are, and never a value that is not in them.
- A death makes the tags BAD at once, and a lost message makes them UNCERTAIN.
- No command is ever sent to an edge node: a rebirth request would be a write.
"""
