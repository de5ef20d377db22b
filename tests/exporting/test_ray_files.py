"""`export ray`: Serve's configuration and KubeRay's RayService, as their references describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from exports import ROUTES, VALUES, enter_service, export, texts, written

VERSIONS = ("1.27", "1.37")
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
STARTED = {"type": "object", "additionalProperties": {"type": "string"}}
TEMPLATE = {"type": "object", "required": ["spec"]}  # which are held against the schema of pods


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


# From KubeRay's reference of its API (ray.io/v1), the keys that are used here.
RAY_SERVICE = closed(
    "rayClusterConfig",
    serveConfigV2={"type": "string"},
    excludeHeadPodFromServeSvc={"type": "boolean"},
    rayClusterConfig=closed(
        "headGroupSpec",
        rayVersion={"type": "string"},
        enableInTreeAutoscaling={"type": "boolean"},
        autoscalerOptions=closed(securityContext={"type": "object"}),
        headGroupSpec=closed("template", rayStartParams=STARTED, template=TEMPLATE),
        workerGroupSpecs={
            "type": "array",
            "items": closed(
                "groupName",
                "minReplicas",
                "maxReplicas",
                "template",
                groupName={"type": "string"},
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                rayStartParams=STARTED,
                template=TEMPLATE,
            ),
        },
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter_service(tmp_path, monkeypatch)


def exported(folder: Path, *options: str) -> dict[str, Any]:
    done = export("ray", "-o", "ray", *options)
    assert 0 == done.returncode, done.stderr
    return written(folder / "ray")


def arguments(folder: Path, *options: str) -> dict[str, Any]:
    (application,) = exported(folder, *options)["serve.yaml"]["applications"]
    found: dict[str, Any] = application["args"]
    return found


def workers(folder: Path, *options: str) -> tuple[int, int, int]:
    (group,) = exported(folder, *options)["ray-service.yaml"]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    return group["replicas"], group["minReplicas"], group["maxReplicas"]


def templates(service: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = service["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"]["template"], *(group["template"] for group in cluster["workerGroupSpecs"])]


def containers(service: dict[str, Any]) -> list[dict[str, Any]]:
    return [container for template in templates(service) for container in template["spec"]["containers"]]


def require_valid(service: dict[str, Any]) -> None:
    assert ("ray.io/v1", "RayService") == (service["apiVersion"], service["kind"])
    jsonschema.validate(service["spec"], RAY_SERVICE)
    for template in templates(service):
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        for version in VERSIONS:
            kubernetes_validate.validate(pod, version, strict=True)


def test_every_object_is_valid(folder: Path) -> None:
    for options in ((), ("--replicas", "3", "--cpus", "0.5"), ("--bundle", "/service.zip")):
        found = exported(folder, *options)
        require_valid(found["ray-service.yaml"])
        for version in VERSIONS:
            kubernetes_validate.validate(found["network-policy.yaml"], version, strict=True)
        assert {"serve.yaml", "ray-service.yaml", "network-policy.yaml"} == set(found)


def test_the_schemas_find_a_key_that_does_not_exist(folder: Path) -> None:
    """The referee can say no."""
    service = exported(folder)["ray-service.yaml"]
    service["spec"]["rayClusterConfig"]["headGroupSpecs"] = {}
    with pytest.raises(jsonschema.ValidationError):
        require_valid(service)


def test_kuberay_gets_the_same_configuration_as_serve(folder: Path) -> None:
    found = exported(folder)
    assert found["serve.yaml"] == yaml.safe_load(found["ray-service.yaml"]["spec"]["serveConfigV2"])
    assert {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "applications": [
            {
                "name": "greetings-2",
                "route_prefix": "/",
                "import_path": "engine.ray:build",
                "args": {
                    "name": "greetings-2",
                    "routes": "/srv/service/routes.yaml",
                    "locked": True,
                    "min": 2,
                    "max": 10,
                },
            }
        ],
    } == found["serve.yaml"]


def test_the_spec_is_a_bundle_or_in_the_image(folder: Path) -> None:
    name, scaled = {"name": "greetings-2"}, {"min": 2, "max": 10}
    uri, digest = "s3://bucket/greetings.zip", "0" * 64
    assert {**name, "bundle": "/a.zip", **scaled} == arguments(folder, "--bundle", "/a.zip")
    assert {**name, "bundle": uri, "sha256": digest, **scaled} == arguments(folder, "--bundle", uri, "--sha256", digest)
    at = {**name, "routes": "/opt/routes.yaml", "locked": True, **scaled}
    assert at == arguments(folder, "--spec", "/opt/routes.yaml")
    (folder / "other.yaml").write_text((folder / "models.yaml").read_text())
    assert {**at, "models": "/opt/other.yaml"} == arguments(folder, "--spec", "/opt/routes.yaml", "-m", "other.yaml")


def test_replicas_are_fixed_or_follow_the_load(folder: Path) -> None:
    fixed = arguments(folder, "--replicas", "3")
    assert {"replicas": 3}.items() <= fixed.items()
    assert not {"min", "max"} & fixed.keys()
    assert {"min": 0, "max": 16}.items() <= arguments(folder, "--min", "0", "--max", "16").items()


def test_the_autoscaler_adds_workers_and_only_the_head_may_ask_kubernetes(folder: Path) -> None:
    service = exported(folder)["ray-service.yaml"]
    assert service["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"]
    head, worker = templates(service)
    assert "automountServiceAccountToken" not in head["spec"]
    assert not worker["spec"]["automountServiceAccountToken"]


def test_workers_have_room_for_every_replica_and_in_a_change_for_one_more_of_each(folder: Path) -> None:
    assert (3, 3, 4) == workers(folder, "--replicas", "3")
    assert (0, 0, 9) == workers(folder, "--min", "0", "--max", "8")
    assert (1, 1, 5) == workers(folder, "--min", "1", "--max", "8", "--cpus", "2")
    assert (1, 1, 9) == workers(folder, "--min", "1", "--max", "8", "--cpus", "0.5")
    (folder / "days.joblib").write_bytes(b"")
    models = (folder / "models.yaml").read_text()
    for scale, expected in (
        ("{min: 0, max: 4}", (3, 3, 3 + 3)),  # two on each worker
        ("{min: 1, max: 4, cpus: 2}", (3 + 1, 3 + 1, 3 + 5)),
        ("{min: 3, max: 5, cpus: 0.3}", (3 + 1, 3 + 1, 3 + 1)),  # six on each worker
        ("{min: 3, max: 6, cpus: 0.3}", (3 + 1, 3 + 1, 3 + 2)),
        ("{min: 3, max: 7, cpus: 1.5}", (3 + 3, 3 + 3, 3 + 8)),  # one on each worker
    ):
        (folder / "models.yaml").write_text(f"{models}    scale: {scale}\n")
        assert expected == workers(folder, "--replicas", "5", "--cpus", "2")


def test_a_model_that_fits_on_no_worker_is_a_mistake(folder: Path) -> None:
    (folder / "days.joblib").write_bytes(b"")
    with (folder / "models.yaml").open("a") as file:
        file.write("    scale: {cpus: 2.5}\n")
    done = export("ray", "-o", "ray", "--cpus", "2")
    assert 1 == done.returncode
    assert (
        "models.yaml:7:19: error: a replica of this model occupies 2.5 CPUs, and a worker has 2; lower cpus, or export "
        "larger workers: --cpus 3\n"
    ) in done.stderr
    assert not (folder / "ray").exists()


def test_rates_need_one_place_to_count(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace(', storage: "redis://cache.example.com:6380"', ""))
    done = export("ray", "-o", "ray")
    assert 1 == done.returncode
    assert "routes.yaml:7:23: error: a cluster has many processes on several machines, " in done.stderr


def test_the_base_path_begins_the_paths(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("  protocols: [v2]\n", "  base_path: /iris\n"))
    (application,) = exported(folder)["serve.yaml"]["applications"]
    assert "/iris" == application["route_prefix"]


def test_no_value_of_the_environment_is_written(folder: Path) -> None:
    done = export("ray", "-o", "ray")
    for value in VALUES.values():
        assert value not in done.stdout
        assert not [file for file, text in texts(folder / "ray").items() if value in text]


def test_variables_come_from_a_secret(folder: Path) -> None:
    """Serve's configuration only names them, since Ray's nodes have the environment in which they were started."""
    (folder / "routes.yaml").write_text(ROUTES.replace(" ${env:WHO}", ""))
    done = export("ray", "-o", "ray")
    secret = "greetings-2-env"
    assert (
        f'first: kubectl create secret generic {secret} --from-literal=CI_KEY="$CI_KEY" --from-literal=TOKEN="$TOKEN"\n'
    ) in done.stdout
    for container in containers(written(folder / "ray")["ray-service.yaml"]):
        assert [
            {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"},
            {"name": "RAY_SERVE_ENABLE_HA_PROXY", "value": "1"},
            {"name": "HOME", "value": "/tmp"},
            {"name": "CI_KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "CI_KEY"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "TOKEN"}}},
            {"name": "WHO", "valueFrom": {"secretKeyRef": {"name": secret, "key": "WHO", "optional": True}}},
        ] == container["env"]
    assert (
        "# Set on every node before Ray starts: CI_KEY, TOKEN.\n# The spec has defaults for: WHO.\napplications:\n"
    ) in (folder / "ray" / "serve.yaml").read_text()


def test_a_variable_of_the_spec_is_not_there_twice(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("${env:TOKEN}", "${env:HOME}"))
    for container in containers(exported(folder)["ray-service.yaml"]):
        (home,) = [one for one in container["env"] if one["name"] == "HOME"]
        assert "valueFrom" in home


def test_pods_may_do_nothing_that_they_need_not(folder: Path) -> None:
    service = exported(folder, "--image", "registry.example.com/greetings:2")["ray-service.yaml"]
    for template in templates(service):
        security = template["spec"]["securityContext"]
        assert (True, 10001) == (security["runAsNonRoot"], security["runAsUser"])
    for container in containers(service):
        security = container["securityContext"]
        assert (False, True) == (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"])
        assert ["ALL"] == security["capabilities"]["drop"]
        assert "registry.example.com/greetings:2" == container["image"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
    assert "0" == service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"]


def test_a_worker_gets_requests_while_its_proxy_is_well(folder: Path) -> None:
    """The paths are those of Ray: KubeRay's own probes need wget, which small images lack."""
    head, worker = containers(exported(folder)["ray-service.yaml"])
    paths = [
        [(one["httpGet"]["path"], one["httpGet"]["port"]) for one in (box["livenessProbe"], box["readinessProbe"])]
        for box in (head, worker)
    ]
    node, proxy = ("/api/healthz", 52365), ("/-/healthz", 8000)
    assert [[node, node], [node, proxy]] == paths


def test_only_clients_pods_of_the_service_and_kuberay_reach_it(folder: Path) -> None:
    found = exported(folder)
    policy, labels = found["network-policy.yaml"]["spec"], {"endpoint-engine/service": "greetings-2"}
    assert [labels, labels] == [one["metadata"]["labels"] for one in templates(found["ray-service.yaml"])]
    assert labels == policy["podSelector"]["matchLabels"]
    clients, ray = policy["ingress"]
    assert {"ports": [{"protocol": "TCP", "port": 8000}]} == clients
    assert [labels, {"app.kubernetes.io/component": "kuberay-operator"}] == [
        one["podSelector"]["matchLabels"] for one in ray["from"]
    ]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--replicas", "2", "--min", "1"], "--replicas is a fixed number, --min and --max follow the load; use one"),
        (["--min", "3", "--max", "2"], "--min 3 is more than --max 2"),
        (["--min", "11"], "--min 11 is more than --max 10"),
        (["--sha256", "0" * 64], "--sha256 needs --bundle, the URI of the bundle, or its path in the image"),
        (["--bundle", "/a.zip", "--spec", "/routes.yaml"], "--bundle and --spec exclude each other; a bundle contains"),
        (["--bundle", "gs://a/b.zip"], "a bundle with a URI needs --sha256: what comes over a network is served only"),
        (["--bundle", "ftp://a/b.zip"], '"ftp://a/b.zip" is not the path of a bundle in the image, such as /service'),
        (["--spec", "routes.yaml"], '"routes.yaml" is not the path of a file in the image, such as /srv/service/'),
        (["--ray-version", "2"], '"2" is not a version of Ray, such as 2.60.0'),
        (["--name", "Iris"], '"Iris" is not a name of at most 40 lower-case letters'),
    ],
)
def test_wrong_options_say_what_is_right(options: list[str], told: str) -> None:
    done = export("ray", "-o", "ray", *options)
    assert (2, True) == (done.returncode, told in done.stderr), done.stderr


def test_a_file_that_a_person_changed_is_left_alone(folder: Path) -> None:
    exported(folder)
    (folder / "ray" / "serve.yaml").write_text("applications: []\n")
    done = export("ray", "-o", "ray", "--replicas", "1")
    assert 1 == done.returncode
    assert "ray/serve.yaml was not written by this command, or was changed since" in done.stderr
    assert "applications: []\n" == (folder / "ray" / "serve.yaml").read_text()


def test_the_versions_of_ray_are_the_same_everywhere(folder: Path) -> None:
    service = exported(folder, "--ray-version", "2.61.0")["ray-service.yaml"]
    assert "2.61.0" == service["spec"]["rayClusterConfig"]["rayVersion"]
    assert "2.60.0" == exported(folder)["ray-service.yaml"]["spec"]["rayClusterConfig"]["rayVersion"]
