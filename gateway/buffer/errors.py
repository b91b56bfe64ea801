"""What can go wrong with the buffer, as the line and the forwarders see it."""

from gateway.api.contracts import AndonError


class BufferRefused(AndonError):  # noqa: N818 - a state of the disk, not a fault of the caller
    """Nothing of this call was stored or forgotten; the buffer itself goes on. Try again later."""


class BufferFull(BufferRefused):
    """The disk has no room, or may not be written to, for now."""
