"""The file of a bundle has regular files with plain names, within bounds, and nothing else."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable

import pytest

from engine.bundle.archive import Archive, Unsound


def archive_of(change: Callable[[zipfile.ZipInfo], None], name: str = "name") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        member = zipfile.ZipInfo(name)
        change(member)
        archive.writestr(member, b"data")
    return file.getvalue()


def mode(value: int) -> Callable[[zipfile.ZipInfo], None]:
    return lambda member: setattr(member, "external_attr", value << 16)


def nothing(_: zipfile.ZipInfo) -> None:
    pass


ODD: dict[str, tuple[bytes, str]] = {
    "a link": (archive_of(mode(stat.S_IFLNK | 0o777)), '"name" is a link; a bundle has regular files only'),
    "a device": (archive_of(mode(stat.S_IFCHR | 0o666)), '"name" is not a regular file'),
    "a folder": (archive_of(nothing, "name/"), '"name/" is a folder; a bundle has regular files only'),
    "a way up": (
        archive_of(nothing, "files/../../name"),
        '"files/../../name" has ".." in its name, and would lead out of the bundle',
    ),
    "an absolute name": (archive_of(nothing, "/name"), '"/name" has an absolute name'),
    "a drive": (archive_of(nothing, "C:name"), '"C:name" has an absolute name'),
    "a backslash": (archive_of(nothing, "a\\..\\b"), '"a\\\\..\\\\b" is not a plain name'),
    "an empty part": (archive_of(nothing, "a//b"), '"a//b" is not a plain name'),
    "another compression": (
        archive_of(lambda member: setattr(member, "compress_type", zipfile.ZIP_LZMA)),
        '"name" is compressed in a way that is not read here; deflate is',
    ),
    "too much": (archive_of(nothing) * 1, "its members have 4 bytes together, and 3 are the most that are read"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_archive_has_regular_files_with_plain_names_and_a_bound(kind: str) -> None:
    data, reason = ODD[kind]
    with pytest.raises(Unsound) as error:
        Archive(data, 3)
    assert reason == str(error.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_stands_in_an_archive_once() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("name", b"1")
        archive.writestr("name", b"2")
    with pytest.raises(Unsound) as error:
        Archive(file.getvalue(), 100)
    assert '"name" is in it twice' == str(error.value)


def test_a_directory_beyond_the_bound_is_not_read() -> None:
    data = bytearray(archive_of(nothing))
    data[-14:-12] = (20_000).to_bytes(2, "little")
    data[-12:-10] = (20_000).to_bytes(2, "little")
    with pytest.raises(Unsound) as error:
        Archive(bytes(data), 100)
    assert "it has 20,000 members, and 10,000 are the most" == str(error.value)
