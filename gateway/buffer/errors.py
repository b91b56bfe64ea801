"""Errors of the buffer that the line and the forwarders handle."""

from gateway.api.contracts import AndonError


class BufferRefused(AndonError):  # noqa: N818 - a state of the disk, not a fault of the caller
    """The call failed without any effect; the buffer keeps working. Retry later."""


class BufferFull(BufferRefused):
    """The disk is full, or not writable for now."""
