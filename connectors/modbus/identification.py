"""A device's identification: function 43, MEI type 14, a read (pure).

Modbus Application Protocol V1.1b3, 6.21 "Read Device Identification".
"""

FUNCTION, MEI_TYPE, BASIC = 0x2B, 0x0E, 1
_HEADER = 7
"""Function, MEI type, kind, conformity, more follows, next object, number of objects."""


def identification(pdu: bytes) -> str:
    """Vendor, product and revision in one text; empty if the response is malformed."""
    if len(pdu) < _HEADER or pdu[:2] != bytes((FUNCTION, MEI_TYPE)):
        return ""
    texts, rest = [], pdu[_HEADER:]
    for _ in range(pdu[_HEADER - 1]):
        if len(rest) < 2 or len(rest) < 2 + rest[1]:
            return ""
        texts.append(rest[2 : 2 + rest[1]].decode("ascii", "replace"))
        rest = rest[2 + rest[1] :]
    joined = " ".join(text.strip() for text in texts if text.strip())
    return "".join(sign if sign.isprintable() else "?" for sign in joined)


def pdu_bytes(pdu: bytes) -> int:
    """Length of the whole response; more than `pdu` has while objects are missing."""
    size = _HEADER
    for _ in range(pdu[_HEADER - 1] if len(pdu) >= _HEADER else 1):
        if len(pdu) < size + 2:
            return len(pdu) + 1
        size += 2 + pdu[size + 1]
    return size
