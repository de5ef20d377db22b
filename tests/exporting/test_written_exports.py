"""What `export` writes over, removes, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from exports import ROUTES, enter_service, export
from serving import run_here

MODEL = """\
models:
  iris:
    file: build/model.pkl
    input: {type: object, required: [a, b, c, d], properties: {a: {type: number}, b: {type: number},
            c: {type: number}, d: {type: number}}}
"""


def refused(kind: str, *options: str) -> str:
    done = export(kind, *options)
    assert (1, "") == (done.returncode, done.stdout)
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter_service(tmp_path, monkeypatch)


def test_its_own_files_are_written_again(folder: Path) -> None:
    assert 0 == export("kubernetes", "-o", "k8s").returncode
    done = export("kubernetes", "-o", "k8s", "--memory", "3Gi")
    assert (0, False) == (done.returncode, "replaced" in done.stdout)
    assert "3Gi" in (folder / "k8s" / "deployment.yaml").read_text()


def test_a_file_that_a_person_changed_is_left_alone(folder: Path) -> None:
    """Nothing at all is written then; with --force, it is said what was replaced."""
    export("kubernetes", "-o", "k8s")
    changed = folder / "k8s" / "service.yaml"
    text = changed.read_text().replace("port: 80\n", "port: 81\n")
    changed.write_text(text)
    assert (
        "error: k8s/service.yaml was not written by this command, or was changed since; choose another -o, or replace "
        "such files with --force\n"
    ) == refused("kubernetes", "-o", "k8s", "--memory", "3Gi").split("1 warning\n")[1]
    assert text == changed.read_text()
    assert "3Gi" not in (folder / "k8s" / "deployment.yaml").read_text()
    done = export("kubernetes", "-o", "k8s", "--force")
    assert "k8s/service.yaml: written, which replaced a file that a person wrote or changed\n" in done.stdout
    assert 1 == done.stdout.count("replaced")
    assert "port: 80\n" in changed.read_text()


def test_several_such_files_are_counted(folder: Path) -> None:
    (folder / "k8s").mkdir()
    for name in ("service.yaml", "deployment.yaml", "kustomization.yaml"):
        (folder / "k8s" / name).write_text("kind: Mine\n")
    assert (
        "error: k8s/deployment.yaml was not written by this command, or was changed since (and 2 other files); choose "
        "another -o, or replace such files with --force\n"
    ) == refused("kubernetes", "-o", "k8s").split("1 warning\n")[1]
    assert 3 == len(list((folder / "k8s").iterdir()))


def test_what_an_export_no_longer_needs_is_removed_unless_it_was_changed(folder: Path) -> None:
    export("kubernetes", "-o", "k8s", "--config-map")
    (folder / "k8s" / "mine.yaml").write_text("kind: Mine\n")
    done = export("kubernetes", "-o", "k8s")
    assert "k8s/spec.yaml: removed, since this export does not need it\n" in done.stdout
    assert (False, True) == tuple((folder / "k8s" / name).exists() for name in ("spec.yaml", "mine.yaml"))
    export("kubernetes", "-o", "k8s", "--config-map")
    with (folder / "k8s" / "spec.yaml").open("a") as file:
        file.write("# mine\n")
    assert "spec.yaml: removed, " not in export("kubernetes", "-o", "k8s").stdout.replace("templates/spec.yaml", "")
    assert (folder / "k8s" / "spec.yaml").exists()


def test_a_compose_file_of_another_is_left_alone(folder: Path) -> None:
    (folder / "compose.yaml").write_text("services: {}\n")
    assert "compose.yaml was not written by this command" in refused("compose", "-o", "compose.yaml")
    assert "services: {}\n" == (folder / "compose.yaml").read_text()


def test_a_folder_that_is_a_file_is_no_traceback(folder: Path) -> None:
    (folder / "k8s").write_text("")
    assert "error: k8s/deployment.yaml cannot be written: " in refused("kubernetes", "-o", "k8s")
    (folder / "dir").mkdir()
    assert "dir was not written by this command" in refused("compose", "-o", "dir")
    assert "dir cannot be written: Is a directory" in refused("compose", "-o", "dir", "--force")


@pytest.mark.usefixtures("folder")
def test_models_do_not_fit_into_a_config_map(folder: Path, iris_file: Path) -> None:
    (folder / "build").mkdir()
    (folder / "build" / "model.pkl").write_bytes(iris_file.read_bytes())
    (folder / "models.yaml").write_text(MODEL)
    assert (
        'models.yaml:3:11: error: "iris" has a model file, which a ConfigMap does not hold; leave out --config-map, '
        "and put the service into the image, or a bundle of it (--bundle)\n"
    ) == refused("kubernetes", "-o", "k8s", "--config-map").partition("    3 |")[0]
    assert not (folder / "k8s").exists()


def test_a_config_map_holds_a_mebibyte(folder: Path) -> None:
    (folder / "pages" / "page.html").write_text("x" * 1024 * 1024)
    found = refused("kubernetes", "-o", "k8s", "--config-map").split("1 warning\n")[1]
    size = 1024 * 1024 + sum(len(file.read_text()) for file in folder.glob("*.yaml"))
    size += len("pages..page.html") + len("routes.yaml") + len("models.yaml")
    assert (
        f"error: the files of the spec have {size:,} bytes, and a ConfigMap holds 1,048,576; the largest is "
        "pages/page.html with 1,048,576; leave out --config-map, and put the service into the image, or a bundle of it "
        "(--bundle)\n"
    ) == found


def test_probes_need_their_routes(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("live: /alive", "ready: false"))
    assert (
        "routes.yaml:5:21: error: probes ask for the built-in route ready, which is turned off here; remove ready: "
        "false\n"
    ) in refused("kubernetes", "-o", "k8s")


def test_kserve_needs_the_protocol(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("[v2]", "[v1]"))
    assert (
        "routes.yaml:4:14: error: KServe needs the Open Inference Protocol v2, and the service does not speak it; add "
        "protocols: [v2] under service\n"
    ) in refused("kserve", "-o", "kserve")


def test_a_wrong_spec_is_not_exported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN")
    assert 'the environment variable "TOKEN" is not set' in refused("kubernetes", "-o", "k8s")
    assert not (folder / "k8s").exists()


def test_a_title_of_the_environment_names_nothing(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("Greetings 2", '"${env:TOKEN}"').replace('"1.4"', '"${env:WHO}"')
    )
    export("compose", "-o", "compose.yaml")
    text = (folder / "compose.yaml").read_text()
    assert "name: service\n" in text
    assert 'image: "service:latest"\n' in text


def test_a_title_without_a_letter_needs_a_name(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("Greetings 2", '"42"'))
    said = 'the title "42" makes no name of a to z, 0 to 9 and hyphens; choose one: --name iris'
    assert said in refused("kubernetes", "-o", "k8s")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--name", "Iris"], '"Iris" is not a name of at most 40 lower-case letters, digits and hyphens'),
        (["--image", "a b"], '"a b" is not the name of an image, such as registry.example.com/iris:1.0'),
        (["--cpus", "0"], '"0" is not a number of cores, such as 2 or 0.5'),
        (["--memory", "1G"], '"1G" is not a size, such as 512Mi or 2Gi'),
        (["--bundle", "service.zip"], '"service.zip" is not the path of a bundle in the image, such as /service.zip'),
        (["--bundle", "/a.zip", "--sha256", "abc"], '"abc" is not a SHA-256 of 64 hexadecimal digits'),
        (["--sha256", "0" * 64], "--sha256 needs --bundle, the path of the bundle in the image"),
        (["--bundle", "/a.zip", "--config-map"], "--bundle and --config-map exclude each other"),
        (["--min", "3", "--max", "2"], "--min 3 is more than --max 2"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_options_say_what_is_right(options: list[str], told: str) -> None:
    done = run_here("export", "kubernetes", "-o", "k8s", *options)
    assert (2, True) == (done.returncode, told in done.stderr), done.stderr
