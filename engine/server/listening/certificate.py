"""The certificate of a service and its private key: read from two files, and tried before clients meet it."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import ServeError
from engine.spec import read_regular

CERT_OPTION, KEY_OPTION = "--tls-cert", "--tls-key"
MOST_BYTES = 1024 * 1024
_KEYS = "RSA of 2,048 to 4,096 bits, ECDSA on P-256 or P-384, or Ed25519"
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h, which Python does not name
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)
# Of public keys in DER, those that the TLS library takes.
_VERSION = 0xA0
_RSA = bytes.fromhex("06092a864886f70d0101010500")
_ELLIPTIC = (
    bytes.fromhex("06072a8648ce3d020106082a8648ce3d030107"),  # P-256
    bytes.fromhex("06072a8648ce3d020106052b81040022"),  # P-384
    bytes.fromhex("06032b6570"),  # Ed25519
)
RSA_BITS = range(2048, 4097)
_LEAST_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain of certificates and the key of the first, in PEM; for `names`, and until `ends` (seconds since 1970)."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    ends: float

    @property
    def digest(self) -> str:
        """What is equal for two that are the same."""
        return hashlib.sha256(self.chain + b"\0" + self.key).hexdigest()

    def __str__(self) -> str:
        return f"certificate for {', '.join(self.names) or 'no name'}, valid until {_date(self.ends)}"


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificate and its key are."""

    chain: Path
    key: Path

    def read(self) -> Certificate:
        """Read and try both; raise `ServeError` with what is wrong."""
        chain, key = _read_file(CERT_OPTION, self.chain), _read_file(KEY_OPTION, self.key)
        of_chain, of_key = f"{CERT_OPTION} {self.chain}", f"{KEY_OPTION} {self.key}"
        certificates = [found.decode("ascii", "replace") for found in _CERTIFICATE.findall(chain)]
        if not certificates:
            swapped = f"; are {CERT_OPTION} and {KEY_OPTION} swapped?" if _KEY.search(chain) else ""
            der = f"openssl x509 -inform DER -in {self.chain} -out converted.pem"
            hint = swapped or f' ("-----BEGIN CERTIFICATE-----"); to convert one: {der}'
            raise ServeError(f"{of_chain}: the file has no certificate in PEM form{hint}")
        if _ENCRYPTED.search(key):
            how = f"openssl pkey -in {self.key} -out key-without-passphrase.pem"
            raise ServeError(
                f"{of_key}: the key is encrypted, and the server cannot ask for its passphrase; to decrypt it: {how}"
            )
        if _KEY.search(key) is None:
            der = f"openssl pkey -inform DER -in {self.key} -out converted.pem"
            how = f' ("-----BEGIN PRIVATE KEY-----"); to convert one: {der}'
            raise ServeError(f"{of_key}: the file has no private key in PEM form{how}")
        client = _client(of_chain, certificates)
        server = _server(of_chain, of_key, chain, key)
        if not is_usable(ssl.PEM_cert_to_DER_cert(certificates[0])):
            raise ServeError(f"{of_key}: the server does not support keys of this kind or size; use {_KEYS}")
        found = _shake_hands(of_chain, client, server)
        return Certificate(chain, key, _names(found), _hold_to_time(of_chain, found))


@contextmanager
def as_file(content: bytes) -> Iterator[str]:
    """Put bytes into a file for a moment: in memory where the system can, else one that only this user can read."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            file.write_bytes(content)
            yield str(file)
        return
    with os.fdopen(os.memfd_create("engine-tls"), "wb") as memory:
        memory.write(content)
        memory.flush()
        yield f"/proc/self/fd/{memory.fileno()}"


def _read_file(option: str, path: Path) -> bytes:
    try:
        data = read_regular(path, MOST_BYTES + 1)
    except FileNotFoundError:
        raise ServeError(f"{option} {path}: file not found") from None
    except PermissionError:
        raise ServeError(f"{option} {path}: this user may not read the file; change its owner, group or mode") from None
    except OSError as error:
        raise ServeError(f"{option} {path}: the file cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ServeError(f"{option} {path}: the file is larger than {MOST_BYTES:,} bytes")
    return data


def _client(of_chain: str, certificates: Sequence[str]) -> ssl.SSLContext:
    """Make a client that trusts these certificates alone, whatever their names and times."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        client.load_verify_locations(cadata="\n".join(certificates))
    except (ssl.SSLError, ValueError):
        raise ServeError(f"{of_chain}: a certificate in this file is damaged; write the file again") from None
    return client


def _server(of_chain: str, of_key: str, chain: bytes, key: bytes) -> ssl.SSLContext:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("DEFAULT:@SECLEVEL=2")  # as far as clients go today, on every system
    try:
        with as_file(chain) as chain_file, as_file(key) as key_file:
            server.load_cert_chain(chain_file, key_file, password="")
    except ssl.SSLError as error:
        match error.reason:
            case "KEY_VALUES_MISMATCH" | "KEY_TYPE_MISMATCH" | "NO_CERTIFICATE_ASSIGNED":
                raise ServeError(
                    f"{of_key}: the key does not belong to the first certificate of {of_chain}; in a chain, the "
                    "certificate of the server comes first"
                ) from None
            case "EE_KEY_TOO_SMALL" | "CA_KEY_TOO_SMALL":
                raise ServeError(f"{of_chain}: a key in the chain is too small; use {_KEYS}") from None
            case "EE_MD_TOO_WEAK" | "CA_MD_TOO_WEAK":
                raise ServeError(f"{of_chain}: a signature in the chain is too weak; use SHA-256 or better") from None
        raise ServeError(f"{of_key}: the key is damaged; write the file again") from None
    return server


def _shake_hands(of_chain: str, client: ssl.SSLContext, server: ssl.SSLContext) -> Mapping[str, Any]:
    """Connect the client and the server in memory; return what the client learns of the certificate."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there)
    waiting = [asking, server.wrap_bio(there, back, server_side=True)]
    try:
        while waiting:
            try:
                waiting[0].do_handshake()
                del waiting[0]
            except ssl.SSLWantReadError:
                waiting.reverse()
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or str(error.reason).replace("_", " ").lower()
        raise ServeError(f"{of_chain}: clients would refuse this certificate: {why}") from None
    return asking.getpeercert() or {}


def _hold_to_time(of_chain: str, found: Mapping[str, Any]) -> float:
    """Return when a certificate ends; raise `ServeError` for one that is not valid now."""
    begins, ends = (ssl.cert_time_to_seconds(found[name]) for name in ("notBefore", "notAfter"))
    if ends <= time.time():
        raise ServeError(f"{of_chain}: the certificate expired on {_date(ends)}; renew it")
    if begins > time.time():
        raise ServeError(
            f"{of_chain}: the certificate is not valid before {_date(begins)}; check the clock of this machine"
        )
    return ends


def _names(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the hosts that a certificate is for."""
    return tuple(name for kind, name in found.get("subjectAltName", ()) if kind in ("DNS", "IP Address"))


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def is_usable(certificate: bytes) -> bool:
    """Tell whether the server can serve with the key of a certificate in DER (RFC 5280, section 4.1).

    A worker would end at its start with a key that the server's TLS library (rustls with ring) does not support.
    https://docs.rs/ring/latest/ring/signature/
    """
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
