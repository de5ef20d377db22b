"""The public key in a certificate, which the server's TLS library (rustls with ring) may not support.

A worker would end at its start with such a key. https://docs.rs/ring/latest/ring/signature/
"""

from __future__ import annotations

from collections.abc import Iterator

_VERSION = 0xA0
_RSA = bytes.fromhex("06092a864886f70d0101010500")
_ELLIPTIC = (
    bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107"),  # P-256
    bytes.fromhex("06072a8648ce3d020106052b81040022"),  # P-384
    bytes.fromhex("06032b6570"),  # Ed25519
)
RSA_BITS = range(2048, 4097)
_LEAST_EXPONENT = 65537


def is_usable(certificate: bytes) -> bool:
    """Tell whether the server can serve with the key of a certificate in DER (RFC 5280, section 4.1)."""
    try:
        ((_, whole),) = _values(certificate)
        (_, to_be_signed), *_ = _values(whole)
        fields = [content for tag, content in _values(to_be_signed) if tag != _VERSION]
        (_, algorithm), (_, bits) = _values(fields[5])
        if algorithm != _RSA:
            return algorithm in _ELLIPTIC
        ((_, numbers),) = _values(bits[1:])
        modulus, exponent = (int.from_bytes(content) for _, content in _values(numbers))
    except (IndexError, ValueError):
        return False
    return modulus.bit_length() in RSA_BITS and exponent >= _LEAST_EXPONENT


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the tag and the content of each value, one after another (X.690, section 8.1)."""
    at = 0
    while at < len(der):
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(der[at : at + count]), at + count
        yield tag, der[at : at + size]
        at += size
