"""Sparkplug B: edge nodes that describe themselves, announce their births and count what they send.

`wire` turns bytes into `metrics`, `values` metrics into numbers, `node` follows one edge node
through births, deaths and gaps, with a `scope` for itself and for each device, `reader` hands
messages to the node they come from, `host` hears whether the primary host is there. All of it is
pure.

Promises
- Never an exception, whatever the bytes are, and never a value that is not in them.
- A death makes the tags BAD at once, and a lost message makes them UNCERTAIN.
- Nothing is ever asked of an edge node: a rebirth request would be a write.
"""
