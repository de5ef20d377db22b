"""Links that change while a file route is built: never a byte from outside of the spec's folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import SpecError
from engine.spec import load_spec
from engine.spec import named_files as files

SWAPS = """
import os, sys
os.chdir(sys.argv[1])
print(flush=True)
while True:
    with open("new", "w") as file:
        file.write("inside")
    os.rename("new", "page")
    os.symlink("../outside/page", "new")
    os.rename("new", "page")
    os.rename("sub", "away")
    os.symlink("../outside", "sub")
    os.unlink("sub")
    os.rename("away", "sub")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec's folder, and another one beside it with a file of the same name."""
    folder = tmp_path / "spec"
    for place, text in ((folder, "inside"), (folder / "sub", "inside"), (tmp_path / "outside", "outside")):
        place.mkdir()
        (place / "page").write_text(text)
    routes = "routes: [{path: /a, response: {file: page}}, {path: /b, response: {file: sub/page}}]"
    (folder / "routes.yaml").write_text(routes)
    return folder


def link_the_file(folder: Path) -> None:
    (folder / "sub/page").unlink()
    (folder / "sub/page").symlink_to("../../outside/page")


def link_the_folder(folder: Path) -> None:
    (folder / "sub").rename(folder / "away")
    (folder / "sub").symlink_to("../outside")


def put_a_fifo(folder: Path) -> None:
    (folder / "sub/page").unlink()
    os.mkfifo(folder / "sub/page")


def put_a_folder(folder: Path) -> None:
    (folder / "sub/page").unlink()
    (folder / "sub/page").mkdir()


def grow(folder: Path) -> None:
    os.truncate(folder / "sub/page", files.MAX_BYTES + 1)


def remove(folder: Path) -> None:
    (folder / "sub/page").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (link_the_file, "Too many levels of symbolic links"),
        (link_the_folder, ""),
        (put_a_fifo, "it is a FIFO"),
        (put_a_folder, "it is a folder"),
        (grow, "is larger than 16 MiB"),
        (remove, "No such file"),
    ],
)
def test_what_changes_between_the_look_and_the_opening_is_refused(
    change: Callable[[Path], None], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and its folder were looked at while they were what they should be."""
    look = files.find_inside
    open_files = count_open_files()

    def look_and_change(home: Path, name: str, below: str = "") -> Path:
        found = look(home, name, below)
        change(folder)
        return found

    monkeypatch.setattr(files, "find_inside", look_and_change)
    with pytest.raises(ValueError, match=f'file "sub/page" .*{said}'):
        files.read_inside(folder, "sub/page")
    assert open_files == count_open_files()


def test_a_file_that_goes_while_it_is_looked_at_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_refuse_outside", lambda *_: remove(folder))
    with pytest.raises(ValueError, match='file "sub/page" cannot be read: No such file'):
        files.find_inside(folder, "sub/page")


def count_open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@contextlib.contextmanager
def swapping(folder: Path) -> Iterator[None]:
    """Have another process change what is inside for links to the outside and back, as fast as it can."""
    with subprocess.Popen([sys.executable, "-c", SWAPS, folder], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def load_for(seconds: float, folder: Path) -> None:
    loaded, refused, deadline = 0, 0, time.monotonic() + seconds
    with swapping(folder):
        while time.monotonic() < deadline or not (loaded and refused):
            try:
                spec = load_spec(folder / "routes.yaml")
            except SpecError:
                refused += 1
            else:
                loaded += 1
                assert [b"inside", b"inside"] == [
                    data for route in spec.routes for data in route.cases[0].response.bodies[0].files.values()
                ]


def test_links_that_are_swapped_all_the_time(folder: Path) -> None:
    load_for(1.0, folder)


@pytest.mark.soak
def test_links_that_are_swapped_for_two_minutes(folder: Path) -> None:
    load_for(120.0, folder)
