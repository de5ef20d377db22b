"""Every error below /v2 is `{"error": …}` in exactly application/json, whoever refuses, and whatever the spec says."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from serving import Server, serving
from wire_models import write_wire_service

KEYS = {"ci": "ci-0123456789abcdef", "other": "other-0123456789abcdef"}
SERVICE = {
    "errors": "html",
    "error_bodies": {"default": {"text": "ours"}},
    "limits": {"body": "4 KiB", "instances": 3, "url": 200},
    "auth": {"api_keys": [{"name": name, "env": f"ENGINE_TEST_{name.upper()}"} for name in KEYS]},
    "rate_limit": "20/hour",
    "protocols": {"v2": {"models": ["line"], "auth": ["ci"]}},
}
NO_KEY = "an API key is required: send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
INFER = "/v2/models/line/infer"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("wires")
    write_wire_service(folder, SERVICE)
    environment = {**os.environ, **{f"ENGINE_TEST_{name.upper()}": key for name, key in KEYS.items()}}
    with serving(folder, "-w", "1", environment=environment) as running:
        yield running


def tensor(*values: float) -> bytes:
    return json.dumps({"inputs": [{"name": "x", "shape": [len(values)], "datatype": "FP64", "data": values}]}).encode()


def refused(
    server: Server, path: str, body: bytes | None = None, method: str = "POST", key: str = "ci", **headers: str
) -> tuple[int, str]:
    """The status of an error, and what is said of it; its form is that of the protocol."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Accept": "text/html"}
    if key:
        sent["Authorization"] = f"Bearer {KEYS.get(key, key)}"
    status, found, answer = server.request(method, path, body=body, headers=sent)
    assert "application/json" == found["content-type"], answer
    said: dict[str, Any] = json.loads(answer)
    assert ["error"] == list(said)
    return status, said["error"]


def test_every_status_has_the_form_of_the_protocol(server: Server) -> None:
    assert (404, 'there is no model "species"') == refused(server, "/v2/models/species", method="GET")
    assert (404, "no route matches /v2/x/y") == refused(server, "/v2/x/y", method="GET")
    assert (405, "GET is not allowed; allowed: OPTIONS, POST") == refused(server, INFER, method="GET")
    assert (401, NO_KEY) == refused(server, INFER, tensor(1), key="")
    assert 401 == refused(server, INFER, tensor(1), key="wrong-0123456789abcdef")[0]
    assert (403, 'the key "other" may not use this route') == refused(server, INFER, tensor(1), key="other")
    assert (413, "the body is larger than 4,096 bytes") == refused(server, INFER, b"x" * 5000)
    large = gzip.compress(tensor(*([1.0] * 2000)))
    assert len(large) < 1000
    assert (413, "the body is larger than 4,096 bytes once it is decoded") == refused(
        server, INFER, large, Content_Encoding="gzip"
    )
    assert 415 == refused(server, INFER, tensor(1), Content_Encoding="br")[0]
    assert 414 == refused(server, f"{INFER}?{'x' * 300}", tensor(1))[0]
    assert (400, "the body is empty; send JSON") == refused(server, INFER, b"")
    assert (422, "there are 4 instances; at most 3 are allowed") == refused(server, INFER, tensor(1, 2, 3, 4))


def test_health_needs_no_key_and_counts_for_no_rate(server: Server) -> None:
    for _ in range(30):
        assert 200 == server.request("GET", "/v2/health/live")[0]
        assert 200 == server.request("GET", "/v2/health/ready")[0]
    found = [refused(server, INFER, b"") for _ in range(30)]
    assert 429 == found[-1][0]
    assert found[-1][1].startswith("more than 20 requests in 3,600 seconds; retry in 3,")


def test_other_routes_keep_the_errors_of_the_spec(server: Server) -> None:
    status, headers, body = server.request("GET", "/none", headers={"Authorization": f"Bearer {KEYS['other']}"})
    assert (404, "text/plain; charset=utf-8", b"ours") == (status, headers["content-type"], body)
