"""Full disks, and folders that take nothing: said clearly, served all the same, and nothing half-written is read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
from modelling import X, y
from serving import command, replace_file, serving
from sklearn.tree import DecisionTreeClassifier

INSTANCE = "[5.9, 3.0, 5.1, 1.8]"
MODELS = "models: {m: {file: m.pkl, input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}}}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ENGINE_CACHE_DIR")
    joblib.dump(DecisionTreeClassifier(max_depth=2).fit(X, y), tmp_path / "m.pkl")
    (tmp_path / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    (tmp_path / "models.yaml").write_text(MODELS)
    return tmp_path


@pytest.fixture
def full_disk(folder: Path) -> Iterator[Path]:
    """The same files on a disk of their own, with not one page left."""
    disk = folder / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=64k", "disk", disk]
    if shutil.which("mount") is None or subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a disk")
    try:
        for name in ("m.pkl", "routes.yaml", "models.yaml"):
            (disk / name).write_bytes((folder / name).read_bytes())
        with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_served_from(full_disk: Path) -> None:
    """No cache and no lock can be kept there; both are said or done without, and a reload works."""
    with serving(full_disk, "-w", "1") as server:
        assert (200, b'{"result":[2]}\n') == server.request("POST", "/p", body=INSTANCE)[::2]
        said = "m: not pinned, since models.lock cannot be written (No space left on device)"
        assert any(said in line for line in server.lines)
        with (full_disk / "routes.yaml").open("r+") as file:
            file.write("routes: [{path: /q, model: m}]")
        server.wait_for_generation(2)
        assert (200, b'{"result":[2]}\n') == server.request("POST", "/q", body=INSTANCE)[::2]
    assert {"filler", "m.pkl", "routes.yaml", "models.yaml"} >= {file.name for file in full_disk.iterdir()} - {
        ".engine"
    }
    assert not list(full_disk.glob(".engine/cache/*.model"))


def test_a_lock_on_a_full_disk_is_an_error_that_says_so(full_disk: Path) -> None:
    done = subprocess.run(command("lock"), cwd=full_disk, capture_output=True, text=True, check=False)
    assert (1, "error: models.lock cannot be written: No space left on device\n") == (done.returncode, done.stderr)
    assert not (full_disk / "models.lock").exists()


def test_folders_that_take_nothing_are_served_from(folder: Path) -> None:
    """A folder in the place of each file that would be written; the cache goes elsewhere."""
    (folder / ".engine").write_text("no folder")
    with serving(folder, "-w", "1") as server:
        assert (200, b'{"result":[2]}\n') == server.request("POST", "/p", body=INSTANCE)[::2]
        assert 0 == server.stop()


def test_what_a_killed_writer_left_is_never_read(folder: Path) -> None:
    """Halves of a lock and of a cache entry, under the names that a writer gives them before they are whole."""
    cache = folder / ".engine" / "cache"
    cache.mkdir(parents=True, mode=0o700)
    (cache / ".new-abc").write_bytes(b"half an entry")
    (folder / ".models.lock.abc").write_text('{"version": 1, "models": {"m": {"sha256": "')
    with serving(folder, "-w", "1") as server:
        assert 200 == server.request("POST", "/p", body=INSTANCE)[0]
        (entry,) = cache.glob("*.model")
        whole = entry.read_bytes()
        for size in (0, 65, len(whole) - 1):
            replace_file(entry, whole[:size])
            replace_file(folder / "routes.yaml", json.dumps({"routes": [{"path": f"/p{size}", "model": "m"}]}).encode())
            server.wait_until(lambda _, size=size: is_served(server, f"/p{size}"))
            digest, _, payload = entry.read_bytes().partition(b"\n")
            assert hashlib.sha256(payload).hexdigest().encode() == digest


def is_served(server: object, path: str) -> bool:
    return all(server.request("POST", path, body=INSTANCE)[0] == 200 for _ in range(4))
