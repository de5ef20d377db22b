"""What a bundle says of itself: for which engine and machine it was made, its models, and every member's hash."""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.bundle.archive import Archive, Unsound
from engine.installed import engine_version
from engine.models import hash_code
from engine.schema import Validator, clip, show

MANIFEST = "manifest.json"
ROUTES, MODELS, LOCK = SPEC_FILES = ("routes.yaml", "models.yaml", "models.lock")
FILES = "files/"
FORMAT = 1
MOST_BYTES = 8 * 1024 * 1024
SHOWN_DIGITS = 12
_AGAIN = "make it again: python -m engine bundle"

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _mapping(values: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _record(optional: Iterable[str] = (), **properties: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


_MODEL = _record(
    ["file", "folder"], sha256=_HASH, compiled=_TEXT, file=_TEXT, modules=_mapping(_TEXT), folder=_mapping(_TEXT)
)
_SCHEMA = _record(
    format=_COUNT,
    engine=_TEXT,
    code=_HASH,
    system=_TEXT,
    machine=_TEXT,
    libraries=_mapping(_TEXT),
    models=_mapping(_MODEL),
    members=_mapping(_record(bytes=_COUNT, sha256=_HASH)),
)


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A model of a bundle: its file's SHA-256, and the members that have its compiled form and what it needs beside.

    `file` is its own file, if scikit-learn answers for it; `modules` are members by the modules' paths, and `folder`
    those that describe its model folder, by their names there.
    """

    sha256: str
    compiled: str
    file: str | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    folder: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """For which engine and machine a bundle is, and what is in it; `libraries` are the versions it was made with."""

    libraries: Mapping[str, str]
    models: Mapping[str, PackedModel]
    engine: str = field(default_factory=engine_version)
    code: str = field(default_factory=hash_code)
    system: str = field(default_factory=platform.system)
    machine: str = field(default_factory=platform.machine)

    def dump(self, members: Mapping[str, bytes]) -> bytes:
        """Write it, with the sizes and hashes of all other members."""
        listed = {name: {"bytes": len(data), "sha256": hash_of(data)} for name, data in sorted(members.items())}
        models = {
            name: {key: value for key, value in asdict(model).items() if value is not None}
            for name, model in self.models.items()
        }
        document = {"format": FORMAT, **asdict(self), "models": models, "members": listed}
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def read_members(archive: Archive) -> tuple[Manifest, Mapping[str, bytes]]:
    """Read the manifest and every member that it lists; raise `Unsound` where it is not for here or not whole.

    Whether it is for this engine and machine is said first, since another engine's bundle may look otherwise.
    """
    document = _read_document(archive)
    manifest = Manifest(
        libraries=document["libraries"],
        models={name: PackedModel(**model) for name, model in document["models"].items()},
        **{key: document[key] for key in ("engine", "code", "system", "machine")},
    )
    _require_here(manifest)
    listed: Mapping[str, Any] = document["members"]
    found = archive.sizes.keys() - {MANIFEST}
    if extra := sorted(found - listed.keys()):
        raise Unsound(f"{show(extra[0])} is not in its manifest")
    if missing := sorted(listed.keys() - found):
        raise Unsound(f"{show(missing[0])} is in its manifest, and missing")
    return manifest, {name: _read(archive, name, **said) for name, said in listed.items()}


def hash_of(data: bytes) -> str:
    """Return a SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those that are installed."""
    found: dict[str, str] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _read(archive: Archive, name: str, bytes: int, sha256: str) -> bytes:  # noqa: A002 - the keys of the manifest
    if archive.sizes[name] != bytes:
        raise Unsound(f"{show(name)} has {archive.sizes[name]:,} bytes, and its manifest says {bytes:,}")
    data = archive.read(name)
    if hash_of(data) != sha256:
        raise Unsound(f"{show(name)} is not what its manifest says: its sha256 is {hash_of(data)}, not {sha256}")
    return data


def _read_document(archive: Archive) -> dict[str, Any]:
    if MANIFEST not in archive.sizes:
        raise Unsound(f"it is not a bundle: it has no {MANIFEST}")
    if archive.sizes[MANIFEST] > MOST_BYTES:
        raise Unsound(f"its {MANIFEST} has {archive.sizes[MANIFEST]:,} bytes, and {MOST_BYTES:,} are the most")
    try:
        document = json.loads(archive.read(MANIFEST))
    except (ValueError, RecursionError) as error:
        raise Unsound(f"its {MANIFEST} cannot be read ({clip(str(error))})") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise Unsound(f"its format is {show(found)}, and this engine reads {FORMAT}; {_AGAIN}")
    for violation in Validator(_SCHEMA).violations(document):
        raise Unsound(f"its {MANIFEST} is wrong at {violation.pointer}: {violation.detail}")
    read: dict[str, Any] = document
    return read


def _require_here(manifest: Manifest) -> None:
    """Raise `Unsound` where this is not the engine and the kind of machine that a bundle was made for."""
    here = Manifest({}, {})
    if (manifest.system, manifest.machine) != (here.system, here.machine):
        raise Unsound(
            f"it was made on {manifest.system} for {manifest.machine}, and this is {here.system} on {here.machine}; "
            f"what is compiled runs only there: on a machine like this one, {_AGAIN}"
        )
    if manifest.code != here.code:
        made, ours = (f"{one.engine} (code {one.code[:SHOWN_DIGITS]})" for one in (manifest, here))
        raise Unsound(
            f"it was made by the engine {made}, and this is {ours}; install the engine that made it, or with this one "
            f"{_AGAIN}"
        )


def is_bundle(file: Path) -> bool:
    """Return whether a file is a bundle by its form: a ZIP archive with a manifest."""
    try:
        with zipfile.ZipFile(file) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False
