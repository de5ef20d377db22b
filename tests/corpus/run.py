"""Serve models of many libraries, fitted as people fit them, and hold every answer against the estimator's own.

python tests/corpus/run.py [--jobs N] [--again] [LIBRARY or NAME...]

Everything is in build/corpus: an environment with the versions of requirements.txt, and a folder for each model. A
model is fitted once, and judged once for each state of the engine's code, so an interrupted run continues where it
stopped; --again judges all of them again. Exits with 1 if an answer is wrong, a model fails, or too many are refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOME = ROOT / "build" / "corpus"
PYTHON = HOME / "env" / "bin" / "python"
KINDS = ("right", "refused", "wrong", "failed")
MOST_REFUSED = 0.1
LEAST_MODELS = 120


def in_its_environment() -> None:
    """Install what the corpus needs, and run this script there."""
    stamp, requirements = HOME / "env" / "installed", HERE / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "env")], check=True)
        install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(requirements)], check=True)
        subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)
        stamp.write_text(requirements.read_text())
    if Path(sys.prefix) != HOME / "env":
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


def chosen_recipes(words: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Give the recipes by library, those that the words name; all without words."""
    import yaml

    wanted = set(words)
    recipes: dict[str, list[dict[str, Any]]] = yaml.safe_load((HERE / "recipes.yaml").read_text())
    if not wanted:
        return recipes
    return {
        library: kept
        for library, listed in recipes.items()
        if (kept := [one for one in listed if library in wanted or one["name"] in wanted])
    }


def folder_of(library: str, recipe: Mapping[str, Any]) -> Path:
    """Name the folder of a model."""
    return HOME / "models" / f"{library}-{recipe['name'].replace(' ', '-')}"


def digest(files: Iterable[Path], *more: str) -> str:
    """Hash files, and some words."""
    found = hashlib.sha256("\0".join(more).encode())
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()


def fit(library: str, recipes: list[dict[str, Any]]) -> list[Path]:
    """Fit what is not fitted yet; give the models' folders."""
    missing = []
    for recipe in recipes:
        folder = folder_of(library, recipe)
        made_of = digest([HERE / "data.py", HERE / "features.py", HERE / "fit.py"], json.dumps(recipe))
        if not (folder / "made_of").exists() or (folder / "made_of").read_text() != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            missing.append((recipe["name"], folder, made_of))
    if missing:
        names = [name for name, _, _ in missing]
        subprocess.run([str(PYTHON), str(HERE / "fit.py"), str(HOME / "models"), library, *names], check=True)
    for _, folder, made_of in missing:
        (folder / "made_of").write_text(made_of)
    return [folder_of(library, recipe) for recipe in recipes]


def judged(folder: Path, code: str, *, again: bool) -> tuple[Path, dict[str, str]]:
    """Judge a model, unless it was with this code."""
    from judge import judge

    file = folder / "verdict.json"
    state = digest([folder / "made_of"], code)
    known = json.loads(file.read_text()) if file.exists() and not again else {}
    if known.get("state") != state:
        verdict = judge(folder)
        known = {"state": state, "kind": verdict.kind, "why": verdict.why}
        file.write_text(json.dumps(known))
        print(f"{verdict.kind:8} {folder.name}  {verdict.why.splitlines()[0] if verdict.why else ''}", flush=True)
    return folder, known


def all_judged(
    recipes: Mapping[str, list[dict[str, Any]]], jobs: int, *, again: bool
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Fit and judge, several models at a time; give library, model and verdict."""
    code = digest(file for kind in ("py", "c", "json") for file in (ROOT / "engine").rglob(f"*.{kind}"))
    with ThreadPoolExecutor(jobs) as pool:
        fitted = {library: pool.submit(fit, library, listed) for library, listed in recipes.items()}
        waiting = {
            library: [pool.submit(judged, folder, code, again=again) for folder in folders.result()]
            for library, folders in fitted.items()
        }
        for library, verdicts in waiting.items():
            for folder, verdict in (one.result() for one in verdicts):
                yield library, folder.name.removeprefix(f"{library}-").replace("-", " "), verdict


def show(found: list[tuple[str, str, dict[str, str]]]) -> str:
    """Write the table, and below it why each model that is not served is not."""
    lines = ["| library | models | served right | refused | wrong | failed |", "|---|---|---|---|---|---|"]
    for library in [*dict.fromkeys(library for library, _, _ in found), "all"]:
        counts = Counter(verdict["kind"] for where, _, verdict in found if library in ("all", where))
        lines.append(f"| {library} | {counts.total()} | {' | '.join(str(counts[kind]) for kind in KINDS)} |")
    for kind in KINDS[1:]:
        lines += [
            f"\n{kind}: {library}: {name}\n    " + verdict["why"].replace("\n", "\n    ")
            for library, name, verdict in found
            if verdict["kind"] == kind
        ]
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for; print the table, and keep it in build/corpus/table.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="libraries or models, all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="models at a time")
    parser.add_argument("--again", action="store_true", help="judge again what was judged with this code")
    given = parser.parse_args()
    in_its_environment()
    found = [*all_judged(chosen_recipes(given.names), given.jobs, again=given.again)]
    table = show(found)
    (HOME / "table.md").write_text(table + "\n")
    print("\n" + table)
    counts = Counter(verdict["kind"] for _, _, verdict in found)
    is_whole = bool(given.names) or len(found) >= LEAST_MODELS
    is_good = not counts["wrong"] and not counts["failed"] and counts["refused"] <= MOST_REFUSED * len(found)
    sys.exit(0 if is_whole and is_good else 1)


if __name__ == "__main__":
    main()
