import ctypes

from gateway.telemetry.system_clock import is_synchronised


def test_the_kernel_is_asked_whether_the_clock_is_synchronised(tmp_path):
    # The C library's own reading of the same state: 5 is TIME_ERROR.
    state = ctypes.CDLL(None).ntp_gettime(ctypes.create_string_buffer(256))
    assert is_synchronised(tmp_path / "none") == (state != 5)


def test_where_the_kernel_may_not_be_asked_timesyncd_is(tmp_path):
    said = tmp_path / "synchronized"
    said.touch()
    assert is_synchronised(said)
