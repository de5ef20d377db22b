"""Several processes of another server: the numbers say whose they are, and modules beside the spec are found."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import flask
import pytest
from modules import INSTANCE, save_model, write_module, write_spec
from prometheus_client.parser import text_string_to_metric_families

AppOf = Callable[..., flask.Flask]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of two processes of gunicorn, which runs in another folder than that of the spec."""
    home = tmp_path / "spec"
    write_spec(home, 3)
    write_module(home, 3)
    save_model(home / "m.pkl")
    (tmp_path / "scale.py").write_text("raise RuntimeError('the wrong module')")
    line = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", "127.0.0.1:0", "--worker-tmp-dir", str(tmp_path)]
    app = 'engine:create_app("spec/routes.yaml")'
    process = subprocess.Popen([*line, app], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, "")))
    reader.start()
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"127\.0\.0\.1:(\d+)", "".join(lines))):
            assert time.monotonic() < deadline
            assert process.poll() is None, lines
            time.sleep(0.05)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(30)
        reader.join()
        process.stderr.close()


def ask(port: int, method: str, path: str, body: str | None = None) -> str:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body=body)
        answer = connection.getresponse()
        text = answer.read().decode()
    assert 200 == answer.status, text
    return text


def test_the_numbers_of_several_processes_add_up(port: int) -> None:
    for _ in range(20):
        assert [3] == json.loads(ask(port, "POST", "/m", INSTANCE))["result"]
    seen: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while sum(seen.values()) < 20:
        assert time.monotonic() < deadline, seen
        page = ask(port, "GET", "/metrics")
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        (process,) = {sample.labels["process"] for sample in samples}
        assert page.startswith(f"# These are the metrics of process {process} alone")
        asked = [one for one in samples if (one.name, one.labels.get("route")) == ("engine_requests_total", "/m")]
        seen[process] = sum(one.value for one in asked)
    assert 20 == sum(seen.values())


def test_one_process_has_no_such_label(app_of: AppOf) -> None:
    client = app_of("routes: [{path: /, response: hi}]").test_client()
    assert 'process="' not in client.get("/metrics").text
    assert 'process="' in client.get("/metrics", environ_overrides={"wsgi.multiprocess": True}).text
