"""Certificates and keys for tests, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its key, in PEM form."""

    chain: Path
    key: Path


def make_pair(folder: Path, name: str, *options: str, key: str = "ec:P-256") -> Pair:
    """Make a certificate for localhost that signs itself; `key` is a kind and a size or curve."""
    kind, _, size = key.partition(":")
    chosen = ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size}"] if kind == "ec" else ["-newkey", key]
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(pair.key), "-out", str(pair.chain)]
    openssl("req", "-x509", *chosen, "-nodes", "-days", "30", *names, *files, *options)
    return pair


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
