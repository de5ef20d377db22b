"""Measure what an installation takes on disk: the files of a distribution and of all that it depends on.

python benchmarks/sizes.py         the two distributions of the engine, as they are installed in this environment
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
MEGABYTE = 1e6


def main() -> None:
    """Print a line for each, with the largest of its parts."""
    for name, file, extras in (
        ("endpoint-engine", "pyproject.toml", ()),
        ("endpoint-engine-serve", "serve-only/pyproject.toml", ()),
        ("endpoint-engine-serve[onnx]", "serve-only/pyproject.toml", ("onnx",)),
    ):
        project = tomllib.loads((ROOT / file).read_text())["project"]
        wanted = [*project["dependencies"]]
        for extra in extras:
            wanted += project["optional-dependencies"][extra]
        sizes = {one: size_of(one) for one in sorted(closure(map(Requirement, wanted)))}
        sizes["engine"] = sum(path.stat().st_size for path in (ROOT / "engine").rglob("*") if path.is_file())
        largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:6]
        listed = ", ".join(f"{one} {size / MEGABYTE:.0f}" for one, size in largest)
        print(f"{name}: {sum(sizes.values()) / MEGABYTE:.0f} MB in {len(sizes)} distributions ({listed})")


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Name all that requirements need, as far as it is needed on this machine."""
    found: set[str] = set()
    waiting = [*requirements]
    while waiting:
        one = waiting.pop()
        name = one.name.lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += needed_by(one)
    return found


def needed_by(requirement: Requirement) -> Iterator[Requirement]:
    """Give the requirements of an installed distribution, with those of the extras that are asked for."""
    for line in distribution(requirement.name).requires or ():
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
            try:
                distribution(one.name)
            except PackageNotFoundError:
                continue
            yield one


def size_of(name: str) -> int:
    """Sum the bytes of the files of an installed distribution, compiled Python included."""
    files = (Path(str(file.locate())) for file in distribution(name).files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
