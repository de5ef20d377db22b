"""`export kubernetes`, `compose` and `kserve`: files that their readers accept, and that say what the spec says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import pytest
import yaml
from conftest import ROOT
from exports import MODELS, ROUTES, VALUES, enter_service, export, texts, written

# The oldest Kubernetes that has everything, and the newest that is known here.
VERSIONS = ("1.27", "1.37")
NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
# From the reference of the Prometheus Operator, the keys that are used here.
SERVICE_MONITOR = {
    "type": "object",
    "required": ["selector", "endpoints"],
    "additionalProperties": False,
    "properties": {
        "jobLabel": {"type": "string"},
        "selector": {"type": "object", "required": ["matchLabels"], "additionalProperties": False,
                     "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "endpoints": {"type": "array", "minItems": 1, "items": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "port": {"type": "string"}, "path": {"type": "string"},
                "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
                "authorization": {"type": "object", "additionalProperties": False, "properties": {
                    "type": {"type": "string"},
                    "credentials": {"type": "object", "required": ["name", "key"]},
                }},
            },
        }},
    },
}  # fmt: skip
PROMETHEUS_RULE = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {"groups": {"type": "array", "items": {
        "type": "object", "required": ["name"], "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "rules": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["expr", "alert"], "additionalProperties": False,
            "properties": {
                "alert": {"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
                "expr": {"type": "string"},
                "for": {"type": "string", "pattern": "^(0|([0-9]+(ms|s|m|h))+)$"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }}},
    }}},
}  # fmt: skip
CUSTOM = {"ServiceMonitor": SERVICE_MONITOR, "PrometheusRule": PROMETHEUS_RULE}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter_service(tmp_path, monkeypatch)


def require_valid(found: Mapping[str, Any]) -> str:
    """Hold an object against its published schema, which allows no key that it does not have."""
    kind = found["kind"]
    if kind in CUSTOM:
        assert "monitoring.coreos.com/v1" == found["apiVersion"]
        jsonschema.validate(found["spec"], CUSTOM[kind])
    elif kind != "Kustomization":
        for version in VERSIONS:
            kubernetes_validate.validate(found, version, strict=True)
    return kind


def test_every_object_is_valid(folder: Path) -> None:
    done = export("kubernetes", "-o", "k8s", "--config-map")
    assert 0 == done.returncode, done.stderr
    found = {name: one for name, one in written(folder / "k8s").items() if not name.startswith("chart/")}
    assert {name: require_valid(one) for name, one in found.items()} == {
        "autoscaler.yaml": "HorizontalPodAutoscaler",
        "deployment.yaml": "Deployment",
        "disruption-budget.yaml": "PodDisruptionBudget",
        "kustomization.yaml": "Kustomization",
        "monitoring/admin-service.yaml": "Service",
        "monitoring/alerts.yaml": "PrometheusRule",
        "monitoring/kustomization.yaml": "Kustomization",
        "monitoring/service-monitor.yaml": "ServiceMonitor",
        "network-policy.yaml": "NetworkPolicy",
        "service.yaml": "Service",
        "spec.yaml": "ConfigMap",
    }


def test_the_schemas_find_a_key_that_does_not_exist(folder: Path) -> None:
    """The referee can say no."""
    export("kubernetes", "-o", "k8s")
    wrong = written(folder / "k8s")["deployment.yaml"]
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        require_valid(wrong)


def test_no_value_of_the_environment_is_written(folder: Path) -> None:
    for kind, output in (("kubernetes", "k8s"), ("kserve", "kserve"), ("compose", "compose.yaml")):
        done = export(kind, "-o", output, *(["--config-map"] if kind != "compose" else []))
        assert 0 == done.returncode, done.stderr
        for value in VALUES.values():
            assert value not in done.stdout
            assert not [file for file, text in texts(folder).items() if value in text]


def test_variables_come_from_a_secret_and_those_with_a_default_are_optional(folder: Path) -> None:
    """One that has a default in one place and none in another is required."""
    (folder / "routes.yaml").write_text(ROUTES.replace(" ${env:WHO}", ""))
    done = export("kubernetes", "-o", "k8s")
    (container,) = written(folder / "k8s")["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    secret = "greetings-2-env"
    assert [
        {"name": "CI_KEY", "valueFrom": {"secretKeyRef": {"name": secret, "key": "CI_KEY"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "TOKEN"}}},
        {"name": "WHO", "valueFrom": {"secretKeyRef": {"name": secret, "key": "WHO", "optional": True}}},
    ] == container["env"]
    assert (
        'first: kubectl create secret generic greetings-2-env --from-literal=CI_KEY="$CI_KEY" '
        '--from-literal=TOKEN="$TOKEN"' in done.stdout
    )
    (folder / "routes.yaml").write_text(ROUTES)
    assert '--from-literal=WHO="$WHO"' in export("kubernetes", "-o", "k8s").stdout


def test_probes_and_policies_follow_the_spec(folder: Path) -> None:
    """A built-in route that was moved is asked where it is; the Redis server can be reached at its own port."""
    export("kubernetes", "-o", "k8s", "--cpus", "2", "--memory", "512Mi", "--min", "3", "--max", "4")
    found = written(folder / "k8s")
    (container,) = found["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    assert {"path": "/alive", "port": "admin"} == container["livenessProbe"]["httpGet"]
    assert {"path": "/readyz", "port": "http"} == container["readinessProbe"]["httpGet"]
    assert {"cpu": "2", "memory": "512Mi"} == container["resources"]["limits"] == container["resources"]["requests"]
    assert (3, 4) == tuple(found["autoscaler.yaml"]["spec"][key] for key in ("minReplicas", "maxReplicas"))
    ports = [port["port"] for rule in found["network-policy.yaml"]["spec"]["egress"] for port in rule["ports"]]
    assert [53, 53, 6380] == ports
    (folder / "routes.yaml").write_text(ROUTES.replace('"redis://cache.example.com:6380"', "memory"))
    export("kubernetes", "-o", "k8s")
    assert [] == written(folder / "k8s")["network-policy.yaml"]["spec"]["egress"]


def test_a_redis_server_of_the_environment_has_the_usual_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's may be another than that of the machine where the files are written."""
    monkeypatch.setenv("REDIS", "redis://localhost:7001")
    (folder / "routes.yaml").write_text(ROUTES.replace("redis://cache.example.com:6380", "${env:REDIS}"))
    export("kubernetes", "-o", "k8s")
    egress = written(folder / "k8s")["network-policy.yaml"]["spec"]["egress"]
    assert [6379] == [port["port"] for port in egress[1]["ports"]]


def test_the_config_map_has_the_files_and_its_name_follows_them(folder: Path) -> None:
    """A changed spec is another ConfigMap, so that it becomes a rolling update."""
    export("kubernetes", "-o", "k8s", "--config-map")
    first = written(folder / "k8s")["spec.yaml"]
    assert {"routes.yaml": ROUTES, "models.yaml": MODELS, "pages..page.html": "<p>a page</p>\n"} == first["data"]
    pod = written(folder / "k8s")["deployment.yaml"]["spec"]["template"]["spec"]
    (spec,) = (one["configMap"] for one in pod["volumes"] if one["name"] == "spec")
    assert first["metadata"]["name"] == spec["name"]
    keys = {"pages..page.html": "pages/page.html", "models.yaml": "models.yaml", "routes.yaml": "routes.yaml"}
    assert keys == {one["key"]: one["path"] for one in spec["items"]}
    (folder / "pages" / "page.html").write_bytes(b"\xff\x00 no text")
    export("kubernetes", "-o", "k8s", "--config-map")
    second = written(folder / "k8s")["spec.yaml"]
    require_valid(second)
    assert {"pages..page.html": "/wAgbm8gdGV4dA=="} == second["binaryData"]
    assert first["metadata"]["name"] != second["metadata"]["name"]


def test_alerts_ask_for_metrics_that_there_are(folder: Path) -> None:
    export("kubernetes", "-o", "k8s")
    known = (ROOT / "docs" / "serving.md").read_text()
    (group,) = written(folder / "k8s")["monitoring/alerts.yaml"]["spec"]["groups"]
    for rule in group["rules"]:
        promql_parser.parse(rule["expr"])
        names = {word for word in rule["expr"].replace("{", " ").replace("(", " ").split() if word[:7] == "engine_"}
        assert names or "up{" in rule["expr"]
        assert not [name for name in names if f"`{name.removesuffix('_bucket')}`" not in known]


@pytest.mark.parametrize("auth", [True, False])
def test_prometheus_gets_a_key_where_the_metrics_need_one(folder: Path, auth: bool) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("required: false", f"required: {str(auth).lower()}"))
    done = export("kubernetes", "-o", "k8s")
    (endpoint,) = written(folder / "k8s")["monitoring/service-monitor.yaml"]["spec"]["endpoints"]
    credentials = {"type": "Bearer", "credentials": {"name": "greetings-2-metrics", "key": "key"}}
    assert (credentials if auth else None) == endpoint.get("authorization")
    assert auth == ("kubectl create secret generic greetings-2-metrics" in done.stdout)


def test_without_metrics_nothing_watches_them(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("{live: /alive}", "{metrics: false}"))
    export("kubernetes", "-o", "k8s")
    assert not (folder / "k8s" / "monitoring").exists()
    assert "monitoring" not in (folder / "k8s" / "chart" / "values.yaml").read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("part", ["", "monitoring"])
def test_kustomize_builds_every_object(folder: Path, part: str) -> None:
    export("kubernetes", "-o", "k8s", "--config-map")
    build = ["kubectl", "kustomize", str(folder / "k8s" / part)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert [require_valid(one) for one in built]
    own = [one for name, one in written(folder / "k8s" / part).items() if "/" not in name and "kust" not in name]
    assert sorted(own, key=str) == sorted(built, key=str)


def test_helm_renders_the_same_objects(folder: Path) -> None:
    """Released under the same name, the chart is what kubectl applies; braces in the spec mean nothing to Helm."""
    helm = pytest.importorskip("helm_python")
    export("kubernetes", "-o", "k8s", "--config-map")
    plain = written(folder / "k8s")
    chart = folder / "k8s" / "chart"
    with helm.Chart.load(str(chart)) as loaded:
        rendered = {
            Path(name).name: yaml.safe_load(text)
            for name, text in loaded.render({"monitoring": True}, name="greetings-2", namespace="default").items()
        }
        without = loaded.render({"cpus": "3"}, name="other", namespace="default")
    assert rendered == {
        Path(name).name: one for name, one in plain.items() if "chart/" not in name and "kustomization" not in name
    }
    other = {Path(name).name: yaml.safe_load(text) for name, text in without.items()}
    assert [None] * 3 == [other.get(name) for name in ("admin-service.yaml", "alerts.yaml", "service-monitor.yaml")]
    (container,) = other["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    assert ("3", "other") == (container["resources"]["limits"]["cpu"], other["service.yaml"]["metadata"]["name"])
    assert all(require_valid(one) for one in other.values() if one is not None)


def test_compose_reads_its_file(folder: Path) -> None:
    compose_spec = pytest.importorskip("compose_spec")
    export("compose", "-o", "compose.yaml", "--cpus", "0.5", "--memory", "512Mi", "--image", "greetings")
    text = (folder / "compose.yaml").read_text()
    found = compose_spec.PyCompose.from_yaml(text)
    found.validate()
    assert found.to_spec()
    service = yaml.safe_load(text)["services"]["service"]
    assert {
        "image": "greetings",
        "user": "10001:10001",
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "environment": {"CI_KEY": None, "TOKEN": None, "WHO": None},
        "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "512m"}}},
    }.items() <= service.items()
    assert "http://127.0.0.1:8080/alive" in service["healthcheck"]["test"][-1]


def test_kserve_runs_the_same_container(folder: Path) -> None:
    """Its predictor is a pod with three keys more, so the rest of it is held against the schema of pods."""
    done = export("kserve", "-o", "kserve", "--config-map", "--image", "registry.example.com/greetings:2")
    assert 0 == done.returncode, done.stderr
    found = written(folder / "kserve")
    service = found["inference-service.yaml"]
    assert ("serving.kserve.io/v1beta1", "InferenceService") == (service["apiVersion"], service["kind"])
    predictor = service["spec"]["predictor"]
    assert (2, 10) == (predictor.pop("minReplicas"), predictor.pop("maxReplicas"))
    require_valid({"apiVersion": "v1", "kind": "Pod", "metadata": service["metadata"], "spec": predictor})
    require_valid(found["spec.yaml"])
    (container,) = predictor["containers"]
    assert "kserve-container" == container["name"]
    assert {"name": "PROTOCOL", "value": "v2"} in container["env"]
    ports = {container[f"{name}Probe"]["httpGet"]["port"] for name in ("startup", "liveness", "readiness")}
    assert {8080} == ports == {port["containerPort"] for port in container["ports"]}
    assert "--admin" not in container["command"]
