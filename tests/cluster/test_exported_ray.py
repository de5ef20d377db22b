"""What `export ray` writes, read by Ray itself."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from containing import python_mounts
from exports import enter_service, export, written
from machines import Network, open_network
from ray_clusters import PYTHON, open_folder
from serving import run_here

pytestmark = pytest.mark.cluster

# Ray lets unknown keys pass, for newer versions; here they are mistakes.
READ = """\
import sys, yaml
from engine.ray.building import _ARGUMENTS
from ray.serve.schema import ServeDeploySchema

text = yaml.safe_load(sys.stdin)
read = ServeDeploySchema.model_validate(text)
(said,), (understood,) = text["applications"], read.applications
unknown = text.keys() - ServeDeploySchema.model_fields.keys() | said.keys() - type(understood).model_fields.keys()
unknown |= understood.args.keys() - {*_ARGUMENTS}
print(sorted(unknown), read.proxy_location.value, read.http_options.port, understood.import_path, understood.args)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    return enter_service(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (
            ["--bundle", "s3://bucket/a.zip", "--sha256", "0" * 64, "--replicas", "3"],
            {"bundle": "s3://bucket/a.zip", "sha256": "0" * 64, "replicas": 3},
        ),
        (
            ["--spec", "/opt/routes.yaml", "-m", "models.yaml", "--min", "0", "--max", "8"],
            {"routes": "/opt/routes.yaml", "models": "/opt/models.yaml", "locked": True, "min": 0, "max": 8},
        ),
    ],
)
def test_serve_reads_the_configuration(options: list[str], arguments: dict[str, Any], folder: Path) -> None:
    """And `engine.ray:build` knows every argument."""
    done = export("ray", "-o", "ray", *options)
    assert 0 == done.returncode, done.stderr
    text = (folder / "ray" / "serve.yaml").read_text()
    read = subprocess.run([PYTHON, "-c", READ], input=text, capture_output=True, text=True, check=True)
    expected = {"name": "greetings-2", **arguments}
    assert f"[] EveryNode 8000 engine.ray:build {expected}\n" == read.stdout


# The pods, as KubeRay runs them.

SPEC = """\
service: {title: Greetings, base_path: /greetings}
routes:
  - path: /
    response: "%s, ${env:WHO}"
"""
# What KubeRay adds to the parameters of `ray start`, beside the address of the head.
ADDED = ("--block", "--dashboard-agent-listen-port=52365", "--metrics-export-port=8080")


def restricted(user: int, service: Path) -> list[str]:
    """Begin a command in a container of a pod: nothing but /tmp and the shared memory can be written."""
    return [
        "bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
        "--perms", "1777", "--tmpfs", "/tmp", "--perms", "1777", "--tmpfs", "/dev/shm", *python_mounts(),
        "--tmpfs", "/srv", "--ro-bind", str(service), "/srv/service", "--chdir", "/srv/service",
        "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", "--",
        "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
        "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
    ]  # fmt: skip


class Pod:
    """A pod of the service on a machine of its own."""

    def __init__(self, network: Network, group: dict[str, Any], service: Path, *where: str) -> None:
        self.network, self.machine = network, network.add_machine()
        (self.container,) = group["template"]["spec"]["containers"]
        security = self.container["securityContext"]
        assert (True, ["ALL"]) == (security["readOnlyRootFilesystem"], security["capabilities"]["drop"])
        limits = self.container["resources"]["limits"]
        parameters = {"num-cpus": limits["cpu"], **group["rayStartParams"], "node-ip-address": self.machine.address}
        words = [*where, *(f"--{name}={value}" for name, value in parameters.items()), *ADDED]
        environment = {one["name"]: one.get("value", "everybody") for one in self.container["env"]}
        environment |= {
            "PATH": os.environ["PATH"],
            "RAY_raylet_start_wait_time_s": "180",
        }
        command = [*restricted(security["runAsUser"], service), PYTHON, "-m", "ray.scripts.scripts", "start", *words]
        self.process = self.machine.start(*command, env=environment, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        self.machine.cut_power()
        self.process.wait(30)

    def ask(self, port: int, path: str, body: bytes | None = None) -> bytes:
        """Ask from another machine; with a body, by PUT."""
        url = f"http://{self.machine.address}:{port}{path}"
        request = Request(url, body, {"Content-Type": "application/json"}, method="GET" if body is None else "PUT")
        answer: bytes = self.network.call(lambda: urlopen(request, timeout=60).read())
        return answer

    def configure(self, spec: dict[str, Any]) -> None:
        """Send Serve's configuration to the head, as the operator does."""
        self.ask(8265, "/api/serve/applications/", json.dumps(yaml.safe_load(spec["serveConfigV2"])).encode())

    def wait_for_application(self) -> None:
        """Wait until all replicas have the configuration."""
        for _ in range(600):
            said = self._application()
            if said["status"] == "RUNNING":
                return
            assert "DEPLOYING" == said["status"], said["message"]
            time.sleep(0.2)
        pytest.fail(f"the application does not run: {said}")

    def _application(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask(8265, "/api/serve/applications/"))["applications"]["greetings"]
        return found

    def wait_for(self, kind: str) -> None:
        """Ask as the kubelet does, until the probe passes."""
        probe = self.container[f"{kind}Probe"]["httpGet"]
        for _ in range(600):
            with suppress(OSError):
                self.ask(probe["port"], probe["path"])
                return
            time.sleep(0.2)
        pytest.fail(f"{self.container['name']} has no {kind}")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that all machines see, whose /tmp is their own."""
    with open_folder("exported") as made:
        made.chmod(0o755)
        monkeypatch.chdir(made)
        monkeypatch.setenv("WHO", "exporter")
        yield made


def bundled(folder: Path, word: str) -> dict[str, Any]:
    """Make a bundle whose service says a word, and export it; return what the RayService says."""
    (folder / "routes.yaml").write_text(SPEC % word)
    done = run_here("bundle", "-o", f"{word}.zip")
    assert 0 == done.returncode, done.stderr
    digest = hashlib.sha256((folder / f"{word}.zip").read_bytes()).hexdigest()
    bundle = ["--bundle", f"/srv/service/{word}.zip", "--sha256", digest]
    done = export("ray", "-o", "ray", "--replicas", "1", *bundle)
    assert 0 == done.returncode, done.stderr
    spec: dict[str, Any] = written(folder / "ray")["ray-service.yaml"]["spec"]
    return spec


def test_pods_start_and_serve_under_their_restrictions(shared: Path) -> None:
    """As KubeRay does it: probes pass, the configuration goes to the dashboard, and the worker answers.

    Another bundle is another configuration and nothing else. It replaces the first one once there is room for one more
    replica, for which the autoscaler adds a worker.
    """
    spec, changed = (bundled(shared, word) for word in ("Hello", "Goodbye"))
    cluster = spec.pop("rayClusterConfig")
    assert cluster == changed.pop("rayClusterConfig")
    with open_network() as network, ExitStack() as pods:

        def start(group: dict[str, Any], *where: str) -> Pod:
            pod = Pod(network, group, shared, *where)
            pods.callback(pod.end)
            pod.wait_for("startup")
            return pod

        head = start(cluster["headGroupSpec"], "--head", "--dashboard-host=0.0.0.0")
        (group,), joining = cluster["workerGroupSpecs"], (f"--address={head.machine.address}:6379",)
        worker = start(group, *joining)
        head.wait_for("readiness")
        head.configure(spec)
        head.wait_for_application()
        worker.wait_for("readiness")
        for path in ("/greetings", "/greetings/"):
            assert b"Hello, everybody" == worker.ask(8000, path)
        head.configure(changed)
        assert b"Hello, everybody" == worker.ask(8000, "/greetings")
        second = start(group, *joining)
        head.wait_for_application()
        second.wait_for("readiness")
        assert b"Goodbye, everybody" == second.ask(8000, "/greetings")
        for pod in (head, worker, second):
            pod.wait_for("liveness")
