"""`predict --on ray` reads and writes buckets, on a server that speaks S3."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from conftest import ROOT
from machines import Machine, open_network
from ray_clusters import PYTHON, open_folder

pytestmark = pytest.mark.cluster

ADDRESS = ("-H", "127.0.0.1", "-p", "5001")
OPTIONS = "?endpoint_override=http://127.0.0.1:5001&region=us-east-1"
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "RAY_raylet_start_wait_time_s": "180",
}
PREPARE = f"""
import pathlib, pyarrow.fs
rows = pathlib.Path("build/reference.csv").read_bytes()
system, _ = pyarrow.fs.FileSystem.from_uri("s3://bucket/{OPTIONS}&allow_bucket_creation=true")
system.create_dir("bucket")
for name, data in (("a.csv", rows), ("b.csv", rows + b"x,1,1,1\\n"), (".hidden.csv", b""), ("c.txt", b"")):
    with system.open_output_stream(f"bucket/rows/{{name}}") as file:
        file.write(data)
"""
LIST = f"""
import json, pyarrow.fs
system, _ = pyarrow.fs.FileSystem.from_uri("s3://bucket/{OPTIONS}")
found = system.get_file_info(pyarrow.fs.FileSelector("bucket", recursive=True))
files = [one.path for one in found if one.is_file and not one.path.startswith("bucket/rows")]
print(json.dumps({{path: system.open_input_stream(path).read().decode() for path in files}}))
"""


@pytest.fixture
def machine() -> Iterator[Machine]:
    if not os.access(PYTHON, os.X_OK) or subprocess.run([PYTHON, "-c", "import moto"], check=False).returncode:
        pytest.skip("there is no environment with Ray and moto: make build/ray/installed")
    with open_network() as network:
        machine = network.add_machine()
        server = machine.start(PYTHON, "-m", "moto.server", *ADDRESS, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        machine.run("sh", "-c", "until ss -ltn | grep -q :5001; do sleep 0.1; done")
        yield machine
    server.wait(10)


def test_a_bucket_in_and_a_bucket_out(machine: Machine) -> None:
    with open_folder("s3") as folder:
        for name in ("routes.yaml", "models.yaml", "models.lock", "build"):
            (folder / name).symlink_to(ROOT / name)
        environment = {**ENVIRONMENT, "HOME": str(folder)}
        machine.run(PYTHON, "-c", PREPARE, cwd=folder, env=environment)
        words = (f"s3://bucket/rows/*.csv{OPTIONS}", "-o", f"s3://bucket/out/{OPTIONS}", "--part-size", "1 KiB")
        command = (PYTHON, "-m", "engine", "predict", "iris", *words, "--errors", f"s3://bucket/bad/{OPTIONS}")
        machine.run(*command, "--on", "ray", cwd=folder, env=environment)
        found = json.loads(machine.run(PYTHON, "-c", LIST, cwd=folder, env=environment))
        alone = (PYTHON, "-m", "engine", "predict", "iris", "build/reference.csv", "-j", "1")
        scored = subprocess.run(alone, cwd=folder, check=True, capture_output=True, text=True).stdout
    report = '{"line":47,"column":"sepal_length","value":"x","reason":"\\"x\\" must be a number"}\n'
    assert {
        "bucket/out/part-00000.csv": scored,
        "bucket/out/part-00001.csv": f"{scored}x,1,1,1,\n",
        "bucket/out/_SUCCESS": "",
        "bucket/bad/a.csv.jsonl": "",
        "bucket/bad/b.csv.jsonl": report,
    } == found
