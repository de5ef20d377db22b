"""examples/systemd and examples/container: what they promise, by systemd's own judgement and in a sandbox."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

UNIT = ROOT / "examples" / "systemd" / "iris.service"
DOCKERFILE = ROOT / "examples" / "container" / "Dockerfile"
USER = 10001


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_as_little_exposed_as_the_page_says() -> None:
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze cannot judge files")
    exposure = float(re.search(r"Overall exposure level for iris\.service: (\d+\.\d+)", done.stdout)[1])
    promised = re.search(r"an exposure of (\d+\.\d+) of 10", (ROOT / "docs" / "serving.md").read_text())[1]
    assert exposure < 3
    assert exposure == pytest.approx(float(promised), abs=0.3)  # versions of systemd weigh differently


def test_the_unit_starts_the_service_with_options_that_there_are() -> None:
    (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    python, *options = start.split()
    assert "/srv/iris/.venv/bin/python" == python
    known = subprocess.run(
        [sys.executable, "-m", "engine", "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    named = {option for option in options if option.startswith("-")} - {"-m"}
    assert named <= set(re.findall(r"(?<=\s)--?[a-zA-Z-]+", known))


def steps(stage: str) -> Iterator[tuple[str, str]]:
    """The instructions of a stage of the Dockerfile, without comments, each in one line."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    (chosen,) = [one for one in found if ("AS build" in one.splitlines()[0]) == (stage == "build")]
    for line in chosen.splitlines()[1:]:
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, rest.strip()


class Image:
    """A file system in the making: this machine's, read-only, with /opt, /srv and /tmp of its own.

    As in Python's images, /usr/local has the Python that runs the tests; /mnt has the packages that it has installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("opt", "srv", "tmp"):
            (folder / name).mkdir()
            (folder / name).chmod(0o755)
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}
        self.environment["LD_LIBRARY_PATH"] = "/usr/local/lib"  # of a Python that was built for another folder
        self.at = "/"

    def start(self, *command: str, final: bool = False) -> subprocess.Popen[str]:
        """Run a command; in the `final` image, as its user, where only /tmp can be written."""
        mounts = [("--bind", self.folder / name, f"/{name}") for name in ("opt", "srv")]
        mounts += [("--bind", sys.base_prefix, "/usr/local")] if sys.base_prefix not in ("/usr", "/usr/local") else []
        mounts += [("--bind", sysconfig.get_path("purelib"), "/mnt"), ("--bind", self.folder / "tmp", "/tmp")]
        words = [str(word) for one in mounts for word in one]
        if final:
            words = ["--ro-bind" if word == "--bind" else word for word in words[:-3]] + ["--tmpfs", "/tmp"]
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        drop = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
        allowed = [word for name in ("setuid", "setgid", "setpcap") for word in ("--cap-add", f"cap_{name}")]
        return subprocess.Popen(
            ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *words, "--unshare-pid",
             "--die-with-parent", "--chdir", self.at, *(allowed if final else []), *([*user, *drop] if final else []),
             *command],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, command: str) -> None:
        process = self.start("sh", "-c", command)
        said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, f"{command}\n{said}"


def build(image: Image, context: Path) -> None:
    """Do the steps of the first stage."""
    image.environment |= {"PACKAGES": "", "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"}
    for instruction, rest in steps("build"):
        match instruction:
            case "COPY":
                pattern, target = rest.split()
                into = image.folder / (target if target.startswith("/") else image.at).lstrip("/")
                into.mkdir(parents=True, exist_ok=True)
                for file in context.glob("*" if pattern == "." else pattern):
                    shutil.copytree(file, into / file.name) if file.is_dir() else shutil.copy(file, into)
            case "WORKDIR":
                image.at = rest
                (image.folder / rest.lstrip("/")).mkdir(parents=True)
            case "RUN":
                image.run(rest)
                (packages,) = (image.folder / "opt").glob("engine/lib/python3.*/site-packages")
                (packages / "tests.pth").write_text("/mnt\n")


def finish(image: Image) -> list[str]:
    """Do the steps of the second stage; return its command, on a free port of this machine alone."""
    final = dict(step for step in steps("final") if step[0] != "COPY")
    assert f"{USER}:{USER}" == final["USER"]
    image.at = final["WORKDIR"]
    path = image.environment["PATH"]
    for pair in final["ENV"].split():
        name, _, value = pair.partition("=")
        image.environment[name] = value.replace("$PATH", path)
    command: list[str] = json.loads(final["CMD"])
    return [{"8080": "0", "0.0.0.0": "127.0.0.1"}.get(word, word) for word in command]


@pytest.fixture
def context(tmp_path: Path, iris_file: Path) -> Path:
    """What docker build gets: a service with its model, and the engine's wheel."""
    folder, source = tmp_path / "context", tmp_path / "source"
    folder.mkdir()
    source.mkdir()
    (folder / "build").mkdir()
    shutil.copy(iris_file, folder / "build" / "model.pkl")
    for name in ("routes.yaml", "models.yaml"):
        shutil.copy(ROOT / name, folder)
    text = (folder / "models.yaml").read_text()
    (folder / "models.yaml").write_text(re.sub(r"^    reference: .*\n", "", text, flags=re.MULTILINE))
    subprocess.run([sys.executable, "-m", "engine", "lock"], cwd=folder, check=True, capture_output=True)
    for name in ("engine", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(wheel, check=True, capture_output=True)
    return folder


@pytest.mark.exhaustive
@pytest.mark.skipif(
    shutil.which("bwrap") is None or shutil.which("setpriv") is None or os.geteuid() != 0,
    reason="needs bubblewrap, setpriv and root",
)
def test_the_steps_of_the_image_give_a_service_that_runs_read_only_and_without_root(
    context: Path, tmp_path: Path
) -> None:
    """Only what pip would download comes from the packages of the tests."""
    (tmp_path / "image").mkdir()
    image = Image(tmp_path / "image")
    probe = image.start("true", final=True)
    refused, _ = probe.communicate(timeout=60)
    if probe.returncode:
        pytest.skip(f"a container cannot be made here: {refused}")
    build(image, context)
    assert [] == list((image.folder / "srv" / "service").glob("*.whl"))
    before = sorted(str(path) for path in image.folder.rglob("*"))
    command = finish(image)
    process = image.start(*command, "-w", "1", final=True)
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"serving on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        assert "native: " in "".join(lines)  # compiled in the first stage
        assert not any("proving" in line for line in lines)  # and not again
        body = b'{"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}'
        with urllib.request.urlopen(f"{found[1]}/predict", body) as answer:
            assert {"result": [2]} == json.load(answer)
        with urllib.request.urlopen(f"{found[1]}/-/status") as answer:
            pid = json.load(answer)["supervisor"]
        ids = {line.split()[1] for line in _status_lines(process.pid)}
        assert {str(USER)} == ids
        assert pid < 100  # in a namespace of its own, as in a container
    finally:
        for child in _below(process.pid):
            if "serve" in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(child, signal.SIGTERM)
        process.communicate(timeout=60)
    assert 0 == process.returncode
    assert before == sorted(str(path) for path in image.folder.rglob("*"))


def _below(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have started."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for child in children for one in (child, *_below(child))]


def _status_lines(pid: int) -> Iterator[str]:
    """The user ids of all processes that run a Python."""
    for child in _below(pid):
        if "python" in Path(f"/proc/{child}/cmdline").read_text().partition("\0")[0]:
            yield re.search(r"^Uid:.*$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE)[0]
