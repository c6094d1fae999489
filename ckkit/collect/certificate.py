"""
When a certificate expires, read from its bytes.

The standard library tells it only of certificates that it verified; a check may be
told not to verify, and then the date matters most. So the few fields on the way to
the date are read here (X.509, DER: a tag, a length, a content; RFC 5280 §4.1).
"""

from datetime import UTC, datetime

SEQUENCE, VERSION, UTC_TIME, GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def expires(der: bytes) -> datetime | None:
    """Return the end of a certificate's validity, or None where the bytes are no certificate."""
    try:
        _, certificate, _ = _field(der, 0)
        _, body, _ = _field(certificate, 0)
        tag, _, at = _field(body, 0)  # the version, where it is not the first; else the serial number
        for _ in range(3 if tag == VERSION else 2):  # the serial number, the algorithm, the issuer
            _, _, at = _field(body, at)
        _, validity, _ = _field(body, at)
        _, _, at = _field(validity, 0)
        tag, content, _ = _field(validity, at)
        return _time(tag, content.decode("ascii"))
    except (IndexError, ValueError):
        return None


def _field(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return tag, content and where the next field starts."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    if at + length > len(data):
        raise ValueError("the field is longer than the data")
    return tag, data[at : at + length], at + length


def _time(tag: int, text: str) -> datetime:
    if tag == UTC_TIME:  # two digits of the year: 50 to 99 are of the last century
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif tag != GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
