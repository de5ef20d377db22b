"""A certificate and its key are tried before they are served, and what is wrong with them is said."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Pair, make_pair, openssl

from engine.errors import ServeError
from engine.server.listening import certificate as module
from engine.server.listening.certificate import CertificateFiles, is_usable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
KEYS = "use RSA of 2,048 to 4,096 bits, ECDSA on P-256 or P-384, or Ed25519"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("tls"), "good")


def read(chain: Path, key: Path) -> str:
    """What a certificate is, or what is wrong with it, without the folder of the files."""
    try:
        said = str(CertificateFiles(chain, key).read())
    except ServeError as error:
        said = str(error)
    return said.replace(f"{chain.parent}/", "").replace(f"{key.parent}/", "")


@pytest.mark.parametrize("key", ["ec:P-256", "ec:P-384", "rsa:2048", "ed25519"])
def test_usual_keys_are_taken(tmp_path: Path, key: str) -> None:
    pair = make_pair(tmp_path, "cert", key=key)
    found = CertificateFiles(pair.chain, pair.key).read()
    assert ("localhost", "127.0.0.1") == found.names
    assert (pair.chain.read_bytes(), pair.key.read_bytes()) == (found.chain, found.key)
    assert "PRIVATE KEY" not in repr(found)


@pytest.mark.parametrize("form", ["-traditional", "-outform PEM"])
def test_a_key_in_either_pem_form_is_taken(tmp_path: Path, good: Pair, form: str) -> None:
    openssl("pkey", "-in", str(good.key), *form.split(), "-out", str(tmp_path / "key.pem"))
    assert read(good.chain, tmp_path / "key.pem").startswith("certificate for localhost, 127.0.0.1, valid until 20")


def test_a_chain_may_have_text_around_its_certificates(tmp_path: Path, good: Pair) -> None:
    chain = tmp_path / "chain.pem"
    text = good.chain.read_bytes()
    chain.write_bytes(b"subject: localhost\n" + text.rstrip().replace(b"\n", b"\r\n") + b"\r\nissuer\n" + text.rstrip())
    assert read(chain, good.key).startswith("certificate for localhost")


def copy(changed: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(changed(path.read_bytes()))  # type: ignore[return-value]


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def lose_a_line(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join(lines[:1] + lines[2:])


NO_CERTIFICATE = (
    'the file has no certificate in PEM form ("-----BEGIN CERTIFICATE-----"); to convert one: openssl x509 -inform DER '
    "-in cert.pem -out converted.pem"
)
NO_KEY = (
    'the file has no private key in PEM form ("-----BEGIN PRIVATE KEY-----"); to convert one: openssl pkey -inform DER '
    "-in key.pem -out converted.pem"
)
IN_CHAIN = {
    "missing": (Path.unlink, "file not found"),
    "folder": (replace_by_folder, "the file cannot be read: it is a folder, not a regular file"),
    "fifo": (replace_by_fifo, "the file cannot be read: it is a FIFO (a named pipe), not a regular file"),
    "huge": (copy(lambda text: text + b"\n" * 1024 * 1024), "the file is larger than 1,048,576 bytes"),
    "empty": (
        copy(lambda _: b""),
        NO_CERTIFICATE,
    ),
    "damaged": (copy(lose_a_line), "a certificate in this file is damaged; write the file again"),
    "cut": (
        copy(lambda text: text + text[:200] + b"\n-----END CERTIFICATE-----\n"),
        "a certificate in this file is damaged; write the file again",
    ),
}
IN_KEY = {
    "missing": (Path.unlink, "file not found"),
    "folder": (replace_by_folder, "the file cannot be read: it is a folder, not a regular file"),
    "empty": (
        copy(lambda _: b""),
        NO_KEY,
    ),
    "damaged": (copy(lose_a_line), "the key is damaged; write the file again"),
}


@pytest.mark.parametrize("fault", IN_CHAIN)
def test_a_fault_of_the_certificates_file_is_told(tmp_path: Path, good: Pair, fault: str) -> None:
    spoil, message = IN_CHAIN[fault]
    chain = tmp_path / "cert.pem"
    shutil.copy(good.chain, chain)
    spoil(chain)
    assert f"--tls-cert cert.pem: {message}" == read(chain, good.key).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("fault", IN_KEY)
def test_a_fault_of_the_keys_file_is_told(tmp_path: Path, good: Pair, fault: str) -> None:
    spoil, message = IN_KEY[fault]
    key = tmp_path / "key.pem"
    shutil.copy(good.key, key)
    spoil(key)
    assert f"--tls-key key.pem: {message}" == read(good.chain, key)


def test_a_file_that_this_user_may_not_read_is_told(good: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(module, "read_regular", refuse)
    message = "--tls-cert good.crt: this user may not read the file; change its owner, group or mode"
    assert message == read(good.chain, good.key)


def test_swapped_files_are_told(good: Pair) -> None:
    message = "the file has no certificate in PEM form; are --tls-cert and --tls-key swapped?"
    assert f"--tls-cert good.key: {message}" == read(good.key, good.chain)


@pytest.mark.parametrize("key", ["ec:P-256", "rsa:2048"])
def test_the_key_of_another_certificate_is_told(tmp_path: Path, good: Pair, key: str) -> None:
    other = make_pair(tmp_path, "other", key=key)
    message = "the key does not belong to the first certificate of --tls-cert good.crt; in a chain, the certificate of "
    assert f"--tls-key other.key: {message}the server comes first" == read(good.chain, other.key)


@pytest.mark.parametrize("command", ["pkey", "ec"])
def test_an_encrypted_key_is_told_with_the_command_that_decrypts_it(tmp_path: Path, good: Pair, command: str) -> None:
    key = tmp_path / "key.pem"
    openssl(command, "-in", str(good.key), "-aes256", "-passout", "pass:secret", "-out", str(key))
    message = "the key is encrypted, and the server cannot ask for its passphrase; to decrypt it: openssl pkey -in "
    assert f"--tls-key key.pem: {message}key.pem -out key-without-passphrase.pem" == read(good.chain, key)


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (31, "--tls-cert good.crt: the certificate expired on 20"),
        (-1, "--tls-cert good.crt: the certificate is not valid before 20"),
    ],
)
def test_a_certificate_is_served_in_its_time_alone(
    good: Pair, monkeypatch: pytest.MonkeyPatch, days: int, message: str
) -> None:
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + days * 86400)
    assert message == read(good.chain, good.key)[: len(message)]


def test_a_certificate_that_is_not_for_servers_is_told(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "client", "-addext", "extendedKeyUsage=clientAuth")
    message = "clients would refuse this certificate: unsuitable certificate purpose"
    assert f"--tls-cert client.crt: {message}" == read(pair.chain, pair.key)


@pytest.mark.parametrize("key", ["ec:P-521", "ec:secp256k1", "ed448"])
def test_a_key_that_the_server_does_not_support_is_told(tmp_path: Path, key: str) -> None:
    pair = make_pair(tmp_path, "odd", key=key)
    assert f"--tls-key odd.key: the server does not support keys of this kind or size; {KEYS}" == read(
        pair.chain, pair.key
    )


def test_a_small_key_is_told(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "small", key="rsa:1024")
    assert f"--tls-cert small.crt: a key in the chain is too small; {KEYS}" == read(pair.chain, pair.key)


def test_large_rsa_keys_and_small_exponents_are_not_usable(tmp_path: Path) -> None:
    """As ring has it: no modulus of over 4,096 bits, no exponent below 65,537."""
    openssl("genrsa", "-3", "-out", str(tmp_path / "key.pem"), "2048")
    openssl("req", "-x509", "-key", str(tmp_path / "key.pem"), "-out", str(tmp_path / "a.crt"), "-subj", "/CN=a")
    assert not is_usable(ssl.PEM_cert_to_DER_cert((tmp_path / "a.crt").read_text()))


def test_what_is_no_certificate_is_not_usable(good: Pair) -> None:
    der = ssl.PEM_cert_to_DER_cert(good.chain.read_text())
    assert is_usable(der)
    assert [False] * 100 == [is_usable(der[:size]) for size in range(100)]
