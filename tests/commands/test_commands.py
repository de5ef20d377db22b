"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from serving import command, run, run_here

from engine import terminal
from engine.commands import cli
from engine.commands.routes import print_routes
from engine.spec import load_spec

pytestmark = pytest.mark.usefixtures("in_place")
INSTANCE = '{"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": 1.8}'


@pytest.fixture
def sample(spec_folder: Path) -> Path:
    for name in ("routes.yaml", "models.yaml"):
        shutil.copy(ROOT / name, spec_folder)
    return spec_folder


@pytest.fixture
def wrong(spec_folder: Path) -> Path:
    (spec_folder / "routes.yaml").write_text(
        "routes:\n  - path: x\n    respons: hi\n    input: {minimun: 1}\n    response: hi\n"
    )
    return spec_folder


WRONG = """\
routes.yaml:2:11: error: path "x": a path must begin with "/"
    2 |   - path: x
      |           ^
routes.yaml:3:5: error: unknown key "respons" in a route (did you mean "response"?)
    3 |     respons: hi
      |     ^^^^^^^
routes.yaml:4:13: warning: unknown schema keyword "minimun" is ignored (did you mean "minimum"?)
    4 |     input: {minimun: 1}
      |             ^^^^^^^
2 errors, 1 warning
"""


@pytest.mark.parametrize(
    "arguments", [("check",), ("routes",), ("routes", "--json"), ("call", "GET", "/"), ("serve", "-p", "0")]
)
@pytest.mark.usefixtures("wrong")
def test_mistakes_go_to_stderr_and_the_status_is_1(arguments: tuple[str, ...]) -> None:
    done = (run if arguments[0] == "serve" else run_here)(*arguments)
    first, _, rest = done.stderr.partition("\n")  # a server that starts says what it does
    said = rest if first.endswith(" INFO checking routes.yaml") else done.stderr
    assert (1, "", WRONG) == (done.returncode, done.stdout, said)


@pytest.mark.usefixtures("wrong")
def test_check_tells_mistakes_as_json_too() -> None:
    done = run_here("check", "--json")
    assert (1, "") == (done.returncode, done.stderr)
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert {
        "severity": "error",
        "file": "routes.yaml",
        "line": 2,
        "column": 11,
        "message": 'path "x": a path must begin with "/"',
    } == told["diagnostics"][0]
    assert ["error", "error", "warning"] == [found["severity"] for found in told["diagnostics"]]


@pytest.mark.usefixtures("sample")
def test_check_shows_each_models_facts() -> None:
    done = run("check")
    assert (0, "") == (done.returncode, done.stderr)
    header, _, row, _, _, last = done.stdout.splitlines()
    assert ["model", "hash", "estimator", "kind", "features", "classes", "runtime", "examples"] == header.split()
    names = "sepal_length, sepal_width, petal_length, petal_width"
    cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
    runtime = cells.pop(6)
    assert hashlib.sha256(Path("build/model.pkl").read_bytes()).hexdigest()[:12] == cells.pop(1)
    assert ["iris", "RandomForestClassifier", "classifier", names, "0, 1, 2", "1 pass"] == cells
    assert re.fullmatch(r"(native|onnx): exact on [\d,]+ rows; [\d,]+x for 1 row, [\d,.]+x for 1,000", runtime)
    assert "7 routes, 2 models: ok" == last


@pytest.mark.usefixtures("sample")
def test_check_tells_as_json_why_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{include: a.yaml}]")
    (tmp_path / "a.yaml").write_text("routes: [{path: /}]")
    (found,) = json.loads(run_here("check", "--json", cwd=tmp_path).stdout)["diagnostics"]
    assert ("a.yaml", ["included at routes.yaml:1:20"]) == (found["file"], found["via"])


def test_routes_of_groups_have_whole_paths(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{prefix: /v1, routes: [{include: a.yaml}]}]")
    (tmp_path / "a.yaml").write_text("routes: [{path: /users, response: {json: []}}]")
    told = json.loads(run_here("routes", "--json", cwd=tmp_path).stdout)
    assert {"path": "/v1/users", "methods": ["GET"], "answer": "200 json", "keys": None, "rate_limit": None} == told[0]


def test_at_most_so_many_routes_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As at the start of `serve`."""
    routes = ", ".join(f"{{path: /r{number}, response: hi}}" for number in range(5))
    (tmp_path / "routes.yaml").write_text(f"routes: [{routes}]")
    print_routes(load_spec(tmp_path / "routes.yaml"), 3)
    shown = capsys.readouterr().out
    assert (True, False) == ("/r2 " in shown, "/r3 " in shown)
    assert "/-/status" in shown
    assert shown.endswith("\n2 more routes are not shown; to list all: python -m engine routes\n")


def test_check_tells_facts_as_json() -> None:
    done = run_here("check", "--json")
    told = json.loads(done.stdout)
    assert (0, True, 7, []) == (done.returncode, told["ok"], told["routes"], told["diagnostics"])
    facts, _ = told["models"]
    assert ("iris", [0, 1, 2], 1) == (facts["name"], facts["classes"], facts["examples"])


@pytest.mark.usefixtures("sample")
def test_compile_shows_every_candidate() -> None:
    done = run_here("compile", "iris")
    rows = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]
    assert 0 == done.returncode
    assert ["iris", "scikit-learn", "sklearn"] == rows[2][:3]
    tried = {row[1]: row for row in rows[3:]}
    assert ["native", "exact", "serves"] == [tried["trees in C"][column] for column in (2, 3, -1)]
    assert "the model has trees" == tried["arrays"][-1]


@pytest.mark.usefixtures("sample")
def test_compile_tells_candidates_as_json_and_fills_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_CACHE_DIR", str(tmp_path))
    done = run_here("compile", "--json", "iris")
    (model,) = json.loads(done.stdout)["models"]
    assert "native" == model["report"]["runtime"]
    assert 1 == len(list(tmp_path.glob("*.model")))


@pytest.mark.usefixtures("sample")
def test_compile_knows_its_models() -> None:
    done = run_here("compile", "irs")
    assert 2 == done.returncode
    assert 'there is no model "irs" (did you mean "iris"?)' in done.stderr


def test_check_passes_warnings_by(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes:\n  - {path: /, input: {minimun: 1}, response: hi}\n")
    done = run_here("check")
    assert (0, "1 route: ok\n") == (done.returncode, done.stdout)
    assert "1 warning" == done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("sample")
def test_routes_lists_what_answers() -> None:
    lines = run_here("routes").stdout.splitlines()
    rows = [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in lines]
    assert ["path", "methods", "answer"] == rows[0]
    assert ["/hello", "POST, PUT", "200 json"] in rows
    assert ["/feedback", "POST", "201 json, input checked"] in rows
    assert ["/predict", "POST", "model iris"] in rows
    told = json.loads(run_here("routes", "--json").stdout)
    hello = {"path": "/hello", "methods": ["POST", "PUT"], "answer": "200 json", "keys": None, "rate_limit": None}
    assert hello in told


def test_the_start_shows_a_row_for_each_protocol(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.pkl").touch()
    models = "models: {a: {file: a.pkl, input: {type: number}}, b: {file: b.pkl, input: {type: number}}}\n"
    (tmp_path / "models.yaml").write_text(models)
    (tmp_path / "routes.yaml").write_text(
        "service: {protocols: {v2: {}, v1: {}, mlflow: {model: a}, sagemaker: {model: a}}}\n"
        "routes: [{path: /a, model: a}]\n"
    )
    print_routes(load_spec(tmp_path / "routes.yaml"), 3)
    rows = [line.rstrip().split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[2:]]
    assert ["/a", "POST", "model a"] == rows[0]
    assert [
        ["/v2", "GET", "the protocol v2, 18 routes"],
        ["/v1/models", "GET", "the protocol v1, 6 routes"],
        ["/ping", "GET", "the protocol mlflow, 5 routes; the protocol sagemaker, 3 routes"],
    ] == rows[7:]


def test_routes_says_which_cases_never_answer(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("""
routes:
  - path: /carriers/<name>
    fail: timeout
    cases:
      - {when: {path.name: brittle}, fail: reset, response: {status: 503}}
      - {when: {path.name: silent}, response: {status: 503}}
      - {chance: 5%, fail: false, response: {status: 502, text: no}}
      - {fail: false, response: {json: {}}}
  - {path: /now-and-then, fail: reset, chance: 50%, response: hi}
""")
    answers = {one["path"]: one["answer"] for one in json.loads(run_here("routes", "--json").stdout)}
    assert "reset, timeout, 502 text or 200 json" == answers["/carriers/<name>"]
    assert "200 html" == answers["/now-and-then"]


def test_routes_says_who_may_ask_and_how_often() -> None:
    guarded = ("routes", "-r", "examples/guarded/routes.yaml")
    rows = [line.split() for line in run_here(*guarded, cwd=ROOT).stdout.splitlines()]
    assert ["path", "methods", "answer", "keys", "rate"] == rows[0]
    assert ["/", "GET", "200", "json", "ci", "100/minute"] in rows
    assert ["/open", "GET", "200", "text", "everybody", "100/minute"] in rows
    assert ["/livez", "GET", "built", "in:", "live", "everybody"] in rows
    assert ["/-/status", "GET", "built", "in:", "status", "this", "machine"] in rows
    told = json.loads(run_here(*guarded, "--json", cwd=ROOT).stdout)
    assert {"path": "/", "methods": ["GET"], "answer": "200 json", "keys": ["ci"], "rate_limit": "100/minute"} in told


def test_a_table_breaks_no_word_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    for name, value in (("COLUMNS", "80"), ("FORCE_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    row = ("classifier", "sepal_length, " * 4, "exact on 40,000 rows " * 8)
    terminal.print_table(("kind", "features", "runtime"), [row])
    printed = capsys.readouterr().out
    assert 6 < len(printed.splitlines())
    assert set(printed.split("\n", 2)[2].split()) <= set(" ".join(row).split())


COLUMNS = ("model", "estimator", "kind", "features", "classes", "runtime", "note")
ROW = (
    *("iris", "RandomForestClassifier", "classifier", "sepal_length, sepal_width, petal_length, petal_width", ""),
    *("native: exact on 40,312 rows; 992x for 1 row, 7.3x for 1,000", "a long reason, with many words in it"),
)


@pytest.mark.parametrize(("width", "lines"), [("80", 6), ("250", 3), ("", 3)], ids=["narrow", "wide", "piped"])
def test_a_table_shows_all_that_is_in_it_wherever_it_is_shown(
    width: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """In a terminal that is too narrow, each row is a block; no cell is cut or squeezed into a few columns."""
    term = "dumb" if width == "80" else "xterm"  # a dumb one has 80 columns, whatever the environment says
    for name, value in (("COLUMNS", width), ("FORCE_COLOR", "1"), ("TERM", term)) if width else ():
        monkeypatch.setenv(name, value)
    terminal.print_table(COLUMNS, [ROW])
    printed = capsys.readouterr().out.rstrip().splitlines()
    assert lines == len(printed)
    assert all(any(cell in line for line in printed) for cell in ROW)
    if width == "80":
        assert max(map(len, printed)) <= 80
        assert not any("classes" in line for line in printed)


def test_a_long_cell_is_folded_and_not_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    for name, value in (("COLUMNS", "80"), ("FORCE_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    for columns in (("model", "sha256"), COLUMNS):
        terminal.print_table(columns, [("m" * 40, *(str(number) * 100 for number in range(1, len(columns))))])
        printed = capsys.readouterr().out
        assert [100] * (len(columns) - 1) == [printed.count(str(number)) for number in range(1, len(columns))]


def test_commands_run_from_any_folder(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = run("check", "-r", str(sample / "routes.yaml"), cwd=elsewhere)
    assert (0, "7 routes, 2 models: ok") == (done.returncode, done.stdout.splitlines()[-1])
    done = run("check", cwd=elsewhere)
    advice = "go to the folder of your spec, or begin one: python -m engine init"
    expected = f"routes.yaml: error: the file does not exist; {advice}\n1 error\n"
    assert (1, expected) == (done.returncode, done.stderr)


def test_a_file_that_is_misspelt_is_told_by_its_neighbour(spec_folder: Path) -> None:
    (spec_folder / "routes.yml").write_text("routes: [{path: /, response: {file: lgoo.svg}}, {path: /p, model: m}]\n")
    (spec_folder / "logo.svg").write_text("<svg/>")
    (spec_folder / "model.yaml").write_text(
        "models: {m: {file: modle.pkl, reference: rows.cvs, input: {type: number}}}"
    )
    for name in ("model.pkl", "rows.csv", "train.py"):
        (spec_folder / name).write_text("")
    told = run_here("check").stderr
    assert 'routes.yaml: error: the file does not exist; did you mean "routes.yml"?\n1 error\n' == told
    told = run_here("check", "-r", "routes.yml", "-m", "models.yaml").stderr
    assert 'models.yaml: error: the file does not exist; did you mean "model.yaml"?' in told
    told = run_here("check", "-r", "routes.yml", "-m", "model.yaml").stderr
    meant = {"modle.pkl": "model.pkl", "rows.cvs": "rows.csv", "lgoo.svg": "logo.svg"}
    for wrong, right in meant.items():
        assert f'error: file "{wrong}" does not exist; did you mean "{right}"?\n' in told


@pytest.mark.usefixtures("sample")
def test_call_prints_the_body_as_it_is() -> None:
    done = run("call", "POST", "/predict", "-d", INSTANCE)
    assert (0, '{"result":[2]}\n', "") == (done.returncode, done.stdout, done.stderr)


def test_call_takes_a_body_from_a_file_or_stdin(sample: Path) -> None:
    (sample / "instance.json").write_text(INSTANCE)
    assert '{"result":[2]}\n' == run_here("call", "post", "/predict", "-d", "@instance.json").stdout
    assert '{"result":[2]}\n' == run_here("call", "POST", "/predict", "-d", "@-", data=INSTANCE).stdout
    done = run_here("call", "POST", "/predict", "-d", "@nothing.json")
    assert 2 == done.returncode
    assert "nothing.json cannot be read: No such file or directory" in done.stderr


@pytest.mark.usefixtures("sample")
def test_call_shows_status_and_headers_on_demand() -> None:
    done = run_here("call", "GET", "/hello", "-i", "-H", "Accept: application/json")
    assert 1 == done.returncode
    head, _, body = done.stdout.partition("\n\n")
    assert "HTTP/1.1 405 Method Not Allowed" == head.splitlines()[0]
    assert "Allow: OPTIONS, POST, PUT" in head.splitlines()
    assert 405 == json.loads(body)["status"]
    told = json.loads(run_here("call", "GET", "/", "--json").stdout)
    assert (200, "<p>Hello, World!</p>") == (told["status"], told["body"])
    refused = run_here("call", "POST", "/predict", "-i", "-d", "{}")
    assert "HTTP/1.1 422 Unprocessable Content" == refused.stdout.splitlines()[0]


@pytest.mark.usefixtures("sample")
def test_call_without_a_method_gets_or_posts_what_it_has() -> None:
    assert "<p>Hello, World!</p>" == run_here("call", "/").stdout.strip()
    assert '{"result":[2]}\n' == run_here("call", "/predict", "-d", INSTANCE).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chekc",), "No such command 'chekc'"),
        (("check", "--jsn"), "--jsn"),
        (("schema", "routs"), "'routs' is not one of 'routes', 'models'"),
        (("serve", "-p", "70000"), '"70000" is not a whole number from 0 to 65535'),
        (("call", "GET", "/", "-H", "nocolon"), '"nocolon" is not one line of the form NAME: VALUE'),
    ],
)
@pytest.mark.usefixtures("sample")
def test_wrong_usage_is_status_2(arguments: tuple[str, ...], said: str) -> None:
    done = run_here(*arguments)
    assert 2 == done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["routes", "models"])
def test_schema_prints_the_grammar(name: str) -> None:
    grammar = json.loads((ROOT / "engine" / "spec" / f"{name}.schema.json").read_text())
    assert grammar == json.loads(run_here("schema", name).stdout)


@pytest.mark.usefixtures("wrong")
def test_colours_are_for_terminals_alone() -> None:
    assert "\x1b" not in run_here("check").stderr
    script = (
        "import sys; sys.argv = ['engine', 'check']; sys.stderr.isatty = lambda: True; "
        "import engine.commands as c; c.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "\x1b[31m" in done.stderr


@pytest.mark.usefixtures("sample")
def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    shell = f"{sys.executable} -m engine schema routes | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_every_command_has_help_with_examples() -> None:
    for name in cli.commands:
        shown = CliRunner().invoke(cli, [name, "--help"]).output
        assert f"python -m engine {name}" in shown.split("Examples:")[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["call", "GET", "hello"], '"hello" does not begin with "/"'),
        (["call", "GET", "http://[/"], '"http://[/" does not begin with "/"'),
        (["call", "hello/a"], '"hello/a" does not begin with "/"'),
        (["call", "GET"], "GET is a method without a path; write: call GET /"),
        (["call"], "Missing argument '[METHOD] PATH'"),
        (["call", "GET", "/a", "b"], "expected a method and a path, got 3 words: GET /a b"),
        (["call", "GET", "/", "-H", "X: a\nY: b"], "is not one line of the form NAME: VALUE"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_call_refuses_what_is_no_request(arguments: list[str], told: str) -> None:
    done = run_here(*arguments)
    assert (2, True, False) == (done.returncode, told in done.stderr, "Traceback" in done.stderr)


def test_call_takes_and_gives_any_bytes(spec_folder: Path) -> None:
    (spec_folder / "routes.yaml").write_text("routes:\n  - {path: /bytes, response: {file: bytes.bin}}\n")
    (spec_folder / "bytes.bin").write_bytes(b"\xff\xd8")
    assert "\ufffd\ufffd" == json.loads(run_here("call", "GET", "/bytes", "--json").stdout)["body"]
    for path, status, code in ((b"/\xff", 400, 1), (b"//bytes", 200, 0)):
        asked = [*map(os.fsencode, command("call", "--json", "GET")), path]
        done = subprocess.run(asked, capture_output=True, check=False)
        assert (code, b"") == (done.returncode, done.stderr)
        assert status == json.loads(done.stdout)["status"]
    done = subprocess.run(
        [*map(os.fsencode, command("call", "POST", "/", "-d")), b"\xff"], capture_output=True, check=False
    )
    assert 404 == json.loads(done.stdout)["status"]


@pytest.mark.parametrize(("host", "reach"), [("127.0.0.1", ""), ("0.0.0.0", ", which other machines can reach")])
def test_an_address_that_others_can_reach_is_said(
    host: str, reach: str, spec_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    monkeypatch.setattr("engine.server.Signals", lambda: None)  # they would stay with this process
    monkeypatch.setattr(
        "engine.server.serve", lambda *arguments: arguments[-1](f"http://{host}:5000", f"http://{host}:9000")
    )
    done = CliRunner().invoke(cli, ["serve", "-H", host, "--admin", f"{host}:9000"])
    expected = [
        f"docs at http://{host}:5000/docs",
        f"metrics and status at http://{host}:9000{reach}",
        f"serving on http://{host}:5000{reach} (press ^C to stop)",
    ]
    assert expected == done.output.splitlines()[-3:]


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0.0), ("1s", 1.0), ("1500ms", 1.5), ("2.5s", 2.5), ("2m", 120.0), ("1h", 3600.0)]
)
def test_a_duration_has_a_unit(text: str, seconds: float, spec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec_folder / "routes.yaml").write_text("routes: [{path: /, response: hi}]")
    seen: list[float] = []
    monkeypatch.setattr("engine.server.Signals", lambda: None)  # they would stay with this process
    monkeypatch.setattr("engine.server.serve", lambda *arguments: seen.append(arguments[2].hang_seconds))
    assert 0 == CliRunner().invoke(cli, ["serve", "--hang-timeout", text]).exit_code
    assert [seconds] == seen


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10", '"10" is not a duration; write a number and its unit: 1500ms, 10s, 2m or 1h'),
        ("-1s", '"-1s" is not a duration; write a number and its unit: 1500ms, 10s, 2m or 1h'),
        ("soon", '"soon" is not a duration; write a number and its unit: 1500ms, 10s, 2m or 1h'),
        ("0s", '"0s" is too short; write 1s or more, or 0 for never'),
        ("999ms", '"999ms" is too short; write 1s or more, or 0 for never'),
    ],
)
def test_what_is_no_duration_is_told(text: str, why: str) -> None:
    done = CliRunner().invoke(cli, ["serve", "--hang-timeout", text])
    assert (2, f"Error: Invalid value for '--hang-timeout': {why}") == (done.exit_code, done.output.splitlines()[-1])
