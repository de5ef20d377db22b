"""Wrong specs and damaged models under load: what was served goes on, and the log and the status say why."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import pytest
from serving import Clients, Server, command, replace_file
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

Serve = Callable[..., Server]
ROUTES = """routes:
  - path: /
    response: {text: %s}
  - path: /predict
    model: iris
"""
MODELS = """models:
  iris:
    file: model.pkl
    input: {type: array, items: {type: number}, minItems: 4, maxItems: 4}
"""
# Each kind of mistake: a file of the spec, what is wrong in it, and what is said of it.
MISTAKES = [
    ("routes.yaml", "", "the file is empty"),
    ("routes.yaml", "routes: [", "not YAML"),
    ("routes.yaml", "\t", "not YAML"),
    ("routes.yaml", "routes: []", "routes is empty"),
    ("routes.yaml", "routes: 1", "routes: 1 must be a list"),
    ("routes.yaml", "nothing: 1", 'unknown key "nothing"'),
    ("routes.yaml", "routes: [{path: x, response: a}]", 'a path must begin with "/"'),
    ("routes.yaml", "routes: [{path: /, respons: a}]", 'did you mean "response"?'),
    ("routes.yaml", "routes: [{path: /, response: a}, {path: /, response: b}]", "answers GET a second time"),
    ("routes.yaml", "routes: [{path: /, model: irys}]", 'unknown model "irys" (did you mean "iris"?)'),
    ("routes.yaml", "routes: [{path: /, response: {file: gone.txt}}]", 'file "gone.txt" does not exist'),
    ("routes.yaml", "routes: [{path: /, response: {file: ../../etc/passwd}}]", "leads outside the folder"),
    ("routes.yaml", "routes: [{path: /, response: {text: '${path.x}'}}]", "path.x"),
    ("routes.yaml", "routes: [{path: /, methods: [GETT], response: a}]", 'unknown method "GETT"'),
    ("routes.yaml", 'routes: [{path: /, response: {text: a, headers: {X: "a\\nb"}}}]', "cannot contain line breaks"),
    ("routes.yaml", "routes: [{path: /, response: a, response: b}]", "is a duplicate"),
    ("routes.yaml", "routes: [{path: /livez, response: a}]", "is built in and answers the liveness check"),
    ("routes.yaml", "routes: [{path: /, response: a, limits: {body: much}}]", "is not a size"),
    ("routes.yaml", "a: &a [*a]", "is inside its own anchor"),
    ("routes.yaml", "\udcff", "not UTF-8"),
    ("models.yaml", "", "the file is empty"),
    ("models.yaml", "models: {iris: {}}", '"file" is missing'),
    ("models.yaml", MODELS.replace("model.pkl", "gone.pkl"), 'file "gone.pkl" does not exist'),
    ("models.yaml", MODELS.replace("type: number", "type: numbr"), "numbr"),
    ("models.yaml", MODELS.replace("minItems: 4", "minItems: four"), "four"),
    ("models.yaml", MODELS + "    runtime: fast\n", 'unknown runtime "fast"'),
    ("models.yaml", MODELS + "    output: {labels: [one, two]}\n", "labels"),
    ("models.yaml", MODELS + "    examples: [{input: [1, 2, 3, 4], result: 9}]\n", "not 9"),
    ("models.yaml", MODELS + "    response_method: transform\n", "transform"),
    ("models.lock", '{"version": 1}', '"models" is missing'),
]


@pytest.fixture
def server(tmp_path: Path, serve_here: Serve) -> Server:
    model = RandomForestClassifier(5, random_state=0).fit(*load_iris(return_X_y=True))
    joblib.dump(model, tmp_path / "model.pkl")
    (tmp_path / "routes.yaml").write_text(ROUTES % "old")
    (tmp_path / "models.yaml").write_text(MODELS)
    return serve_here()


def is_old(status: int, _headers: dict[str, str], body: bytes) -> str:
    return "" if (200, b"old") == (status, body) else f"{status} {body[:50]!r}"


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.soak)])
def test_wrong_specs_change_nothing_and_are_told_at_their_places(server: Server, every: int) -> None:
    """Kinds of mistakes in turn; then a right spec is served."""
    mistakes = MISTAKES[::every]
    good = {name: (server.folder / name).read_bytes() for name in ("routes.yaml", "models.yaml", "models.lock")}
    with Clients(server, 4, is_old) as clients:
        for turn, (name, text, said) in enumerate(mistakes):
            for other in good.keys() - {name}:
                if good[other] != (server.folder / other).read_bytes():
                    replace_file(server.folder / other, good[other])
            replace_file(server.folder / name, text.encode(errors="surrogateescape"))
            if turn % 2:
                server.process.send_signal(signal.SIGHUP)
            status = server.wait_until(lambda status, said=said: any(said in reason for reason in status["degraded"]))
            assert all(re.match(rf"{name}(:\d+:\d+)?: error: ", reason) for reason in status["degraded"]), status
            assert {1} == {worker["generation"] for worker in status["workers"]}
            assert 200 == server.request("GET", "/readyz")[0]
    assert not clients.wrong
    assert clients.answered > 10 * len(mistakes)
    log = "".join(server.lines)
    assert all(said in log for _, _, said in mistakes)
    for name, content in good.items():
        replace_file(server.folder / name, content)
    replace_file(server.folder / "routes.yaml", (ROUTES % "new").encode())
    assert [] == server.wait_for_generation(2)["degraded"]
    assert b"new" == server.request("GET", "/")[2]


def damages(folder: Path, truncations: int) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """What can happen to a model's file."""
    data = (folder / "model.pkl").read_bytes()
    for place in range(truncations):
        cut = len(data) * place // truncations
        yield f"truncated at {cut}", lambda file, cut=cut: replace_file(file, data[:cut])
    for place in range(4):
        bit = len(data) * (2 * place + 1) // 8
        flipped = data[:bit] + bytes([data[bit] ^ 1]) + data[bit + 1 :]
        yield f"a bit flipped at {bit}", lambda file, flipped=flipped: replace_file(file, flipped)
    other = io.BytesIO()
    joblib.dump(RandomForestClassifier(3, random_state=1).fit(*load_iris(return_X_y=True)), other)
    yield "replaced by another model", lambda file: replace_file(file, other.getvalue())
    yield "deleted", lambda file: file.unlink()
    yield "a folder", lambda file: file.mkdir()
    yield "no folder any more", lambda file: file.rmdir()


@pytest.mark.parametrize("truncations", [4, pytest.param(64, marks=pytest.mark.soak)])
def test_a_damaged_model_file_is_never_served(server: Server, truncations: int) -> None:
    """Truncated, flipped, replaced, deleted: the previous model keeps answering, also in a restarted worker."""
    instance = json.dumps([5.9, 3.0, 5.1, 1.8])
    file = server.folder / "model.pkl"
    data = file.read_bytes()
    with Clients(server, 2, is_old) as clients:
        for what, damage in damages(server.folder, truncations):
            before = server.status()["degraded"]
            damage(file)
            server.process.send_signal(signal.SIGHUP)
            status = server.wait_until(lambda status, before=before: status["degraded"] not in ([], before))
            assert {1} == {worker["generation"] for worker in status["workers"]}, what
            assert (200, b'{"result":[2]}\n') == server.request("POST", "/predict", body=instance)[::2], what
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        server.wait_until(lambda status: len(status["workers"]) == 2 and status["workers"][0]["generation"] == 1)
        assert (200, b'{"result":[2]}\n') == server.request("POST", "/predict", body=instance)[::2]
    assert clients.wrong.total() <= 2 * 2  # what was in flight in the killed workers
    replace_file(file, data)
    assert [] == server.wait_for_generation(2)["degraded"]


def test_another_model_is_served_once_it_is_pinned(server: Server) -> None:
    joblib.dump(RandomForestClassifier(4, random_state=1).fit(*load_iris(return_X_y=True)), server.folder / "model.pkl")
    status = server.wait_until(lambda status: status["degraded"])
    assert status["degraded"][0].endswith("if you trust it, accept it: python -m engine lock iris")
    subprocess.run(command("lock", "iris"), cwd=server.folder, check=True, capture_output=True)
    assert [] == server.wait_for_generation(2)["degraded"]


def test_a_file_that_is_written_in_two_steps_counts_when_it_is_whole(server: Server) -> None:
    """A spec whose first half would be right by itself is never served."""
    routes = server.folder / "routes.yaml"
    with routes.open("w") as file:
        file.write("routes:\n  - {path: /, response: half}\n")
        for _ in range(30):
            file.write("# more to come\n")
            file.flush()
            time.sleep(0.05)
        file.write("  - {path: /second, response: {text: whole}}\n")
    server.wait_for_generation(2)
    assert (200, b"whole") == server.request("GET", "/second")[::2]
    assert 2 == server.status()["generation"]


def test_without_watching_only_a_signal_reloads(tmp_path: Path, serve_here: Serve) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: old}]")
    server = serve_here("--no-reload")
    replace_file(tmp_path / "routes.yaml", b"routes: [{path: /, response: new}]")
    time.sleep(2.0)
    assert b"old" == server.request("GET", "/")[2]
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_generation(2)
    assert b"new" == server.request("GET", "/")[2]


def test_a_folder_that_is_swapped_by_a_link_is_a_change(tmp_path: Path, serve_here: Serve) -> None:
    """As Kubernetes changes a ConfigMap: the files are links through a link that is replaced."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "routes.yaml").write_text(f"routes: [{{path: /, response: {{text: {name}}}}}]")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "routes.yaml").symlink_to("data/routes.yaml")
    server = serve_here()
    assert b"one" == server.request("GET", "/")[2]
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "data")
    server.wait_for_generation(2)
    assert b"two" == server.request("GET", "/")[2]


def test_a_check_that_is_killed_is_made_again(server: Server) -> None:
    """The process that checks a change is killed each time that it shows up, three times."""
    replace_file(server.folder / "routes.yaml", (ROUTES % "new").encode())
    killed: set[int] = set()
    deadline = time.monotonic() + 60
    while len(killed) < 3:
        assert time.monotonic() < deadline, "".join(server.lines)
        for pid in {*server.checks()} - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        assert 200 == server.request("GET", "/")[0]
    assert [] == server.wait_for_generation(2)["degraded"]
    assert b"new" == server.request("GET", "/")[2]
    assert any("could not be checked" in line and "killed by signal 9" in line for line in server.lines)
