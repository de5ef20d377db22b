"""The file of a bundle: a ZIP archive of regular files with plain names, and nothing else.

It is read from memory, so that the bytes that were hashed are those that are used. Nothing is ever extracted.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from engine.schema import show
from engine.text import plural

MOST_MEMBERS = 10_000
_DIRECTORY_BYTES_PER_MEMBER = 512
# Section 4.3.16 of the ZIP specification: the record at the end, here without a comment.
_END = struct.Struct("<4s4H2LH")
_SIGNATURE = b"PK\x05\x06"
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that ZIP can write: equal contents make equal bundles
_UNIX = 3
_IS_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Unsound(ValueError):
    """Why an archive is no bundle, or not a sound one."""


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Write an archive; equal members make equal bytes. Raise `Unsound` for more than 4 GiB."""
    file = io.BytesIO()
    try:
        with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
            for name, data in sorted(members.items()):
                member = zipfile.ZipInfo(name, _DATE)
                member.create_system = _UNIX
                member.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    except zipfile.LargeZipFile as error:
        raise Unsound(f"it would be too large for a ZIP file ({error})") from None
    return file.getvalue()


class Archive:
    """The members of an archive, each read when it is asked for."""

    def __init__(self, data: bytes, most: int) -> None:
        """Look at the names, kinds and sizes of all members, which may be `most` bytes together; raise `Unsound`."""
        _require_end(data)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
            raise Unsound(f"the ZIP file is damaged ({error})") from None
        self.sizes: dict[str, int] = {}
        for member in self._archive.infolist():
            self._take(member)
        total = sum(self.sizes.values())
        if total > most:
            raise Unsound(f"its members have {total:,} bytes together, and {most:,} are the most that are read")

    def read(self, name: str) -> bytes:
        """Read a member; raise `Unsound` for a damaged one."""
        try:
            data = self._archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise Unsound(f"{show(name)} is damaged ({error})") from None
        if len(data) != self.sizes[name]:
            raise Unsound(f"{show(name)} is damaged (it has {len(data):,} bytes, not {self.sizes[name]:,})")
        return data

    def _take(self, member: zipfile.ZipInfo) -> None:
        name = member.orig_filename
        for mistake in _mistakes(name, member):
            raise Unsound(f"{show(name)} {mistake}")
        if name in self.sizes:
            raise Unsound(f"{show(name)} is in it twice")
        self.sizes[name] = member.file_size


def require_plain(name: str) -> None:
    """Raise `Unsound` for a name that is not the path of a file below some folder."""
    if mistake := _bad_name(name):
        raise Unsound(f"{show(name)} {mistake}")


def _mistakes(name: str, member: zipfile.ZipInfo) -> Iterator[str]:
    if mistake := _bad_name(name):
        yield mistake
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        yield "is a link; a bundle has regular files only"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        yield "is not a regular file"
    if member.flag_bits & _IS_ENCRYPTED:
        yield "is encrypted"
    if member.compress_type not in _METHODS:
        yield "is compressed in a way that is not read here; deflate is"


def _bad_name(name: str) -> str:
    """Say what is wrong with the name of a member; empty where nothing is."""
    if ".." in name.split("/"):
        return 'has ".." in its name, and would lead out of the bundle'
    if name.startswith("/") or name[1:2] == ":":
        return "has an absolute name"
    if name.endswith("/"):
        return "is a folder; a bundle has regular files only"
    if "\\" in name or not name.isprintable() or not all(part not in ("", ".") for part in name.split("/")):
        return "is not a plain name"
    return ""


def _require_end(data: bytes) -> None:
    """Bound the directory before it is read; raise `Unsound` for what is no ZIP file, or has more behind its end."""
    end = data[-_END.size :]
    if len(end) < _END.size or not end.startswith(_SIGNATURE):
        raise Unsound("it is not a bundle: not a ZIP file, or one that is cut short")
    members, directory = _END.unpack(end)[4:6]
    if directory > len(data) or directory > MOST_MEMBERS * _DIRECTORY_BYTES_PER_MEMBER:
        raise Unsound(f"it is damaged: its directory would have {directory:,} bytes")
    if members > MOST_MEMBERS:
        raise Unsound(f"it has {plural(members, 'member')}, and {MOST_MEMBERS:,} are the most")
