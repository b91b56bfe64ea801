"""Ways to spoil a message, for tests that send spoilt ones."""

from hypothesis import strategies as st

edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "delete", "insert", "cut", "twice", "flip"]),
        st.integers(0, 40),
        st.binary(min_size=1, max_size=6),
    ),
    max_size=4,
)


def edited(frame, changes, start=0):
    """The frame after these changes; their places are counted from `start`."""
    for what, at, data in changes:
        place = (start + at) % (len(frame) + 1)
        head, tail = frame[:place], frame[place:]
        frame = {
            "replace": head + data + tail[len(data) :],
            "delete": head + tail[len(data) :],
            "insert": head + data + tail,
            "cut": head,
            "twice": frame + frame,
            "flip": head + bytes([tail[0] ^ data[0]]) + tail[1:] if tail else head,
        }[what]
    return frame
