from gateway.api.contracts import AndonError, Fatal
from gateway.buffer.errors import BufferFull, BufferRefused


def test_a_full_disk_is_a_refusal_that_passes_and_neither_ends_the_process():
    assert issubclass(BufferFull, BufferRefused)
    assert issubclass(BufferRefused, AndonError)
    assert not issubclass(BufferRefused, Fatal)
