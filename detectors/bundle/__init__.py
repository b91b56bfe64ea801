"""The model bundle on disk: format, safety checks, and the threshold it implies.

Imports `gateway.api` and no other room.
"""
