import contextlib

import pytest

from gateway.panel.listeners import MOST, Listeners, TooMany


def test_each_is_woken_by_a_change():
    listeners = Listeners()
    with listeners.listening() as one, listeners.listening() as two:
        listeners.announce()
        assert one.is_set()
        assert two.is_set()
    assert len(listeners) == 0


def test_one_more_than_may_look_is_refused_until_one_leaves():
    listeners = Listeners()
    with contextlib.ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(listeners.listening())
        with pytest.raises(TooMany, match="close one of them"), listeners.listening():
            pass
    with listeners.listening() as event:
        assert not event.is_set()
