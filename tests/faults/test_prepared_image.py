"""An image that `compile` has prepared starts as it was prepared: for another user, read-only, without a compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from containing import python_mounts
from modelling import ROW, X, y
from serving import command, serving
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from engine import lock_models
from engine.models.restoring.cache import VARIABLE

BODY = "[5.9, 3.0, 5.1, 1.8]"
NOBODY = 65534
COMPILES = (": loading", ": proving", ": trying", "asking for")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec with a forest that C walks, pinned and compiled by this user while a compiler was there."""
    home = tmp_path_factory.mktemp("built") / "image"
    home.mkdir()
    joblib.dump(RandomForestClassifier(5, random_state=0).fit(X, y), home / "m.pkl")
    (home / "routes.yaml").write_text("routes: [{path: /p, model: m}]")
    (home / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW}}}))
    lock_models(home / "routes.yaml")
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    subprocess.run(command("compile"), cwd=home, env=environment, check=True, capture_output=True)
    return home


@pytest.fixture
def image(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with no cache but its own."""
    monkeypatch.delenv(VARIABLE)
    shutil.copytree(built, tmp_path / "image")
    return tmp_path / "image"


def run(folder: Path, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    line = [*under, *command(*arguments)]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


Container = Callable[..., tuple[str, ...]]


@pytest.fixture
def container(image: Path) -> Container:
    """Make the command that runs another one in a container around the image, at /srv, with nothing else to write to.

    Everything is mounted read-only there, /tmp and /dev/shm included, unless `tmp` has options for another /tmp. The
    user is nobody, unless told.
    """

    def make(*, user: int = NOBODY, path: str = os.environ["PATH"], tmp: tuple[str, ...] = ()) -> tuple[str, ...]:
        return (
            *(
                "bwrap",
                "--die-with-parent",
                "--unshare-pid",  # what changes its user is no longer ended with its parent, but with its namespace
                "--ro-bind",
                "/",
                "/",
                "--dev",
                "/dev",
                "--proc",
                "/proc",
                "--remount-ro",
                "/dev",
            ),
            *(*python_mounts(), "--ro-bind", str(image), "/srv"),
            *(tmp or ("--tmpfs", "/tmp", "--remount-ro", "/tmp")),
            *("--chdir", "/srv", "--setenv", "PATH", path, "--unsetenv", VARIABLE),
            *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"),
            *(str(shutil.which("setpriv")), f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        )

    if os.geteuid() != 0 or shutil.which("bwrap") is None or shutil.which("setpriv") is None:
        pytest.skip("this needs root, bwrap and setpriv")
    ready = subprocess.run([*make(), sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if ready.returncode:
        pytest.skip(f"a container cannot be made here: {ready.stderr}")
    return make


PATHS = {"a compiler": os.environ["PATH"], "no compiler": "/nowhere"}


@pytest.mark.parametrize("user", [0, NOBODY])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_what_was_compiled_is_served(container: Container, image: Path, user: int, path: str) -> None:
    """Nothing is loaded or proven, nothing is written, and the runtime is the one that was chosen."""
    with serving(image, "-w", "1", "--locked", under=container(user=user, path=path)) as server:
        status, _, body = server.request("POST", "/p", body=BODY)
        assert (200, {"result": [2]}) == (status, json.loads(body))
        (model,) = server.status()["models"]
        assert "native" == model["runtime"]
    assert not [line for line in server.lines if any(word in line for word in COMPILES)]
    assert not [line for line in server.lines if "WARNING" in line or "not used" in line]


def test_a_folder_that_is_read_only_and_runs_no_code_serves_what_was_compiled(image: Path) -> None:
    mount = f"mount --bind {image} {image} && mount -o remount,bind,ro,noexec {image} && cd {image}"
    under = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*under, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user cannot mount a folder")
    with serving(image, "-w", "1", "--locked", under=under) as server:
        assert b'{"result":[2]}\n' == server.request("POST", "/p", body=BODY)[2]
        assert "native" == server.status()["models"][0]["runtime"]
    assert not [line for line in server.lines if any(word in line for word in COMPILES)]


def test_check_tells_the_same_in_the_container_as_in_the_build(container: Container, image: Path) -> None:
    built, there = run(image, "check", "--json"), run(image, "check", "--json", under=container(path="/nowhere"))
    assert (0, "") == (there.returncode, there.stderr)
    assert json.loads(built.stdout) == json.loads(there.stdout)


def test_without_any_folder_to_write_to_a_change_is_compiled_and_served(container: Container, image: Path) -> None:
    """Though nothing of it can be kept."""
    (image / "models.yaml").write_text(json.dumps({"models": {"m": {"file": "m.pkl", "input": ROW, "timeout": 9}}}))
    with serving(image, "-w", "1", "--locked", under=container()) as server:
        assert b'{"result":[2]}\n' == server.request("POST", "/p", body=BODY)[2]
        assert any("INFO m: proving" in line for line in server.lines), server.lines
        assert not [line for line in server.lines if "Traceback" in line]


def test_what_is_compiled_anew_is_kept_elsewhere_as_long_as_the_service_runs(container: Container, image: Path) -> None:
    """In a temporary folder, while the rest still comes from the image."""
    joblib.dump(KNeighborsClassifier(3).fit(X, y), image / "other.pkl")
    entry = {"input": ROW, "file": "m.pkl"}
    (image / "models.yaml").write_text(json.dumps({"models": {"m": entry, "n": {**entry, "file": "other.pkl"}}}))
    (image / "routes.yaml").write_text("routes: [{path: /p, model: m}, {path: /n, model: n}]")
    tmp = ("--perms", "1777", "--tmpfs", "/tmp")
    with serving(image, "-w", "1", under=container(tmp=tmp)) as server:
        assert b'{"result":[2]}\n' == server.request("POST", "/n", body=BODY)[2]
        assert "native" == server.status()["models"][0]["runtime"]
        assert any("INFO n: proving" in line for line in server.lines), server.lines
        assert not any(": m: proving" in line or "INFO m: loading" in line for line in server.lines)
        replaced = json.dumps({"routes": [{"path": "/q", "model": "n"}]})
        (image / "routes.yaml").write_text(replaced)
        server.wait_for_generation(2)
        assert b'{"result":[2]}\n' == server.request("POST", "/q", body=BODY)[2]
        after = server.lines[next(place for place, line in enumerate(server.lines) if "checking the changed" in line) :]
        assert not [line for line in after if "n: proving" in line], after


def test_what_others_could_have_written_is_not_used_and_this_is_said(container: Container, image: Path) -> None:
    (image / ".engine" / "cache").chmod(0o757)
    checked = run(image, "check", under=container())
    said = f"is not used: another user than this one or root can write to {Path('/srv/.engine/cache')}\n"
    assert (0, True) == (checked.returncode, said in checked.stderr), checked.stderr
    (image / ".engine" / "cache").chmod(0o700)
    checked = run(image, "check", under=container())
    assert (0, True) == (checked.returncode, "cannot be read: Permission denied\n" in checked.stderr), checked.stderr
    with serving(image, "-w", "1", "--log-format", "json", under=container()) as server:
        (warned,) = [json.loads(line) for line in server.lines if '"warning"' in line]
        assert "cannot be read: Permission denied" in warned["message"]


def test_without_a_compiler_in_the_build_one_is_used_when_it_comes(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(image / ".engine")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert ["onnx", "onnx"] == [runtime_of(image) for _ in range(2)]
    assert ["native", "native"] == [runtime_of(image) for _ in range(2)]


def runtime_of(image: Path) -> str:
    done = run(image, "check", "--json")
    return json.loads(done.stdout)["models"][0]["report"]["runtime"]


def test_a_cold_start_and_a_check_of_changes_log_what_they_do(image: Path) -> None:
    """Without a terminal, from the beginning; every line is JSON where that was asked for."""
    shutil.rmtree(image / ".engine")
    with serving(image, "-w", "1", "--log-format", "json") as server:
        said = [json.loads(line)["message"] for line in server.lines]
        assert "checking routes.yaml" == said[0]
        assert ["m: loading", "m: proving trees in C"] == [line for line in said if "loading" in line or "in C" in line]
        assert said.index("m: loading") < next(place for place, line in enumerate(said) if "serving on" in line)
        (image / "models.yaml").write_text((image / "models.yaml").read_text().replace("[", "[ ", 1) + "\n")
        server.process.send_signal(1)
        server.wait_for_generation(2)
        assert "checking the changed files" in [json.loads(line)["message"] for line in server.lines]
