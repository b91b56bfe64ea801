"""Connectors: one module a protocol, each opens one read-only session and yields sample batches."""
