"""The container of an exported Deployment, run as it says: its command, user, file system and probes, and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from containing import python_mounts
from exports import export, written
from serving import run

SPEC = """\
service:
  title: Slow greetings
routes:
  - path: /
    response: "Hello, ${env:WHO}"
  - path: /slow
    delay: 3s
    response: {file: pages/page.html}
"""
# Runs in the network of the container: waits for the probes, says so, and has a request in flight when the end begins.
CLIENT = """\
import http.client, json, sys, threading, time

def ask(path, port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()

def wait(path, port, status):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            if ask(path, port)[0] == status:
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False

for path, port in json.loads(sys.argv[1]):
    print(json.dumps(wait(path, port, 200)), flush=True)
print(json.dumps(ask("/", 8080)), flush=True)
slow = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
slow.request("GET", "/slow")
while "engine_requests_in_flight 1" not in ask("/metrics", 9000)[1]:
    time.sleep(0.02)
print(json.dumps("in flight"), flush=True)
answer = slow.getresponse()
print(json.dumps([answer.status, answer.getheader("Connection"), answer.read().decode()]), flush=True)
"""


@dataclass
class Container:
    """A container that runs; `process` is bwrap, whose child is the command."""

    process: subprocess.Popen[str]
    pid: int

    def within(self, *command: str) -> subprocess.Popen[str]:
        """Run a command in the network of the container."""
        enter = ["nsenter", f"--target={self.pid}", "--net", *command]
        return subprocess.Popen(enter, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if os.geteuid() != 0 or not all(map(shutil.which, ("bwrap", "setpriv", "nsenter"))):
        pytest.skip("this needs root, bwrap, setpriv and nsenter")
    ready = subprocess.run([*restricted(10001, tmp_path), sys.executable, "-c", ""], capture_output=True, check=False)
    if ready.returncode:
        pytest.skip(f"a container cannot be made here: {ready.stderr.decode()}")
    tmp_path.chmod(0o755)
    (tmp_path / "service" / "pages").mkdir(parents=True)
    (tmp_path / "service" / "pages" / "page.html").write_text("<p>a page</p>\n")
    (tmp_path / "service" / "routes.yaml").write_text(SPEC)
    (tmp_path / "srv").mkdir()
    monkeypatch.setenv("WHO", "exporter")
    monkeypatch.chdir(tmp_path / "service")
    return tmp_path


def restricted(user: int, srv: Path) -> list[str]:
    """Begin a command in a container: nothing but /tmp can be written, and no other machine be reached."""
    return [
        "bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
        *python_mounts(), "--ro-bind", str(srv), "/srv",
        "--chdir", "/", "--unshare-pid", "--as-pid-1", "--unshare-net", "--unshare-ipc",
        "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", "--",
        "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
    ]  # fmt: skip


@contextmanager
def running(deployment: dict[str, Any], srv: Path, values: dict[str, str]) -> Iterator[Container]:
    """Run the container of a Deployment, with the values of its Secret."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    assert (True, ["ALL"]) == (security["readOnlyRootFilesystem"], security["capabilities"]["drop"])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {one["name"]: values[one["valueFrom"]["secretKeyRef"]["key"]] for one in container["env"]}
    command = [*restricted(security["runAsUser"], srv), *container["command"]]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Container(process, child_of(process))
        finally:
            process.kill()


def child_of(process: subprocess.Popen[str]) -> int:
    """The command in the container, which the first line of its log shows to run."""
    assert process.stderr is not None
    assert "checking" in json.loads(process.stderr.readline())["message"]
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def probes(deployment: dict[str, Any]) -> list[tuple[str, int]]:
    """The path and the port of each probe, as the kubelet finds them."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    return [(one["path"], ports[one["port"]]) for one in asked]


def require_served_and_drained(container: Container, asked: Sequence[tuple[str, int]]) -> None:
    """Every probe is answered; on SIGTERM, the request in flight is answered whole, and the command ends well."""
    assert ("10001", "0000000000000000", "1") == status_of(container.pid)
    with container.within(sys.executable, "-c", CLIENT, json.dumps(asked)) as client:
        assert client.stdout is not None
        said = (json.loads(line) for line in client.stdout)
        assert [True] * len(asked) == [next(said) for _ in asked]
        assert [200, "Hello, somebody"] == next(said)
        assert "in flight" == next(said)
        os.kill(container.pid, signal.SIGTERM)
        assert [200, "close", "<p>a page</p>\n"] == next(said)
        assert 0 == client.wait(30)
    assert 0 == container.process.wait(30)


def status_of(pid: int) -> tuple[str, str, str]:
    """The user, the capabilities that could be gained, and whether privileges cannot."""
    fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return fields["Uid"].split("\t")[0], fields["CapBnd"], fields["NoNewPrivs"]


def test_a_bundle_is_served_with_no_right_at_all(folder: Path) -> None:
    done = run("bundle", "-o", str(folder / "srv" / "service.zip"), "--json")
    made = json.loads(done.stdout)
    exported = export("kubernetes", "-o", "k8s", "--bundle", "/srv/service.zip", "--sha256", made["sha256"])
    assert 0 == exported.returncode, exported.stderr
    deployment = written(Path("k8s"))["deployment.yaml"]
    with running(deployment, folder / "srv", {"WHO": "somebody"}) as container:
        require_served_and_drained(container, probes(deployment))


def test_a_spec_is_served_from_a_config_map(folder: Path) -> None:
    """Mounted as the kubelet mounts it: links to a folder that is replaced in one step."""
    assert 0 == export("kubernetes", "-o", "k8s", "--config-map").returncode
    found = written(Path("k8s"))
    pod = found["deployment.yaml"]["spec"]["template"]["spec"]
    (volume,) = (one["configMap"] for one in pod["volumes"] if one["name"] == "spec")
    data, mounted = found["spec.yaml"]["data"], folder / "srv" / "spec"
    for item in volume["items"]:
        file = mounted / "..2026_11_27" / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data[item["key"]])
        top = Path(item["path"]).parts[0]
        (mounted / top).symlink_to(Path("..data") / top)
    (mounted / "..data").symlink_to("..2026_11_27")
    with running(found["deployment.yaml"], folder / "srv", {"WHO": "somebody"}) as container:
        require_served_and_drained(container, probes(found["deployment.yaml"]))
