"""Every fault against every protocol: what is noticed when, what is lost, what is left behind.

The way of a cell, one module each: `truth` (values that prove themselves) → `serve_modbus`,
`serve_opcua` and `publish_mqtt` (real servers as processes that serve such values) → `plants` (a
server behind the proxy, to be killed, frozen and started otherwise) → `lies` (answers falsified on
their way) → `faults` (what is done to a plant) → `watch` (the gateway's own reading of it) →
`cell` (one fault against one plant, measured) → `result` (what it shows) → `report` (tables, JSON
and picture).
"""
