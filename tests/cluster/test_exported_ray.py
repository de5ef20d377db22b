"""What `export ray` writes, read by Ray itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from exports import enter_service, export
from ray_clusters import PYTHON

pytestmark = pytest.mark.cluster

# Ray lets unknown keys pass, for newer versions; here they are mistakes.
READ = """\
import sys, yaml
from ray.serve.schema import ServeDeploySchema

text = yaml.safe_load(sys.stdin)
read = ServeDeploySchema.model_validate(text)
(said,), (understood,) = text["applications"], read.applications
unknown = text.keys() - ServeDeploySchema.model_fields.keys() | said.keys() - type(understood).model_fields.keys()
print(sorted(unknown), read.proxy_location.value, read.http_options.port, understood.import_path, understood.args)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    return enter_service(tmp_path, monkeypatch)


def test_serve_reads_the_configuration(folder: Path) -> None:
    done = export("ray", "-o", "ray", "--bundle", "s3://bucket/a.zip", "--sha256", "0" * 64, "--replicas", "3")
    assert 0 == done.returncode, done.stderr
    text = (folder / "ray" / "serve.yaml").read_text()
    read = subprocess.run([PYTHON, "-c", READ], input=text, capture_output=True, text=True, check=True)
    arguments = {"name": "greetings-2", "bundle": "s3://bucket/a.zip", "sha256": "0" * 64, "replicas": 3}
    assert f"[] EveryNode 8000 engine.ray:build {arguments}\n" == read.stdout
