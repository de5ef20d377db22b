"""The programs of docs/dask-and-spark.md run as they stand there, and give what `engine predict` gives."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from machines import open_network
from ray_clusters import PYTHON, open_folder

pytestmark = pytest.mark.cluster

PAGE = (ROOT / "docs" / "dask-and-spark.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
# Nothing is looked up or opened outside of the machine that runs it.
ENVIRONMENT = {
    **os.environ,
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": PYTHON,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "180",
}
ARROW = (
    "mapInPandas(lambda tables: map(score, tables), schema)",
    "mapInArrow(lambda tables: map(score, tables), schema)",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The tutorial's service with a file of rows."""
    with open_folder("rows") as folder:
        for name in ("routes.yaml", "models.yaml", "models.lock", "build"):
            (folder / name).symlink_to(ROOT / name)
        rows = pd.read_csv(ROOT / "build" / "reference.csv")
        pd.concat([rows] * 500, ignore_index=True).reset_index(names="id").to_csv(folder / "rows.csv", index=False)
        yield folder


def run_block(number: int, folder: Path, old: str = "", new: str = "") -> None:
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("there is no environment with Ray: make build/ray/installed")
    assert old in BLOCKS[number]
    (folder / "program.py").write_text(BLOCKS[number].replace(old, new) if old else BLOCKS[number])
    with open_network() as network:
        machine = network.add_machine()
        command = ("env", "-C", str(folder), PYTHON, "program.py")
        machine.run(*command, env={**ENVIRONMENT, "HOME": str(folder)}, timeout=300)


def commanded(folder: Path) -> pd.DataFrame:
    words = ["-m", "engine", "predict", "iris", "rows.csv", "-o", "scored.csv"]
    subprocess.run([PYTHON, *words], cwd=folder, check=True, capture_output=True, timeout=120)
    return pd.read_csv(folder / "scored.csv")


PROGRAMS = {
    "Dask": (1, "scored-by-dask", "", ""),
    "Spark": (2, "scored-by-spark", "", ""),
    "Spark with tables of Arrow": (2, "scored-by-spark", *ARROW),
    "Ray": (3, "scored-by-ray", "", ""),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_has_programs_that_give_what_the_command_gives(program: str, folder: Path) -> None:
    number, output, *changed = PROGRAMS[program]
    run_block(number, folder, *changed)
    scored = pd.read_parquet(folder / output).sort_values("id", ignore_index=True)
    wanted = commanded(folder)
    assert len(scored) == len(wanted)
    pd.testing.assert_frame_equal(wanted, scored, check_dtype=False)


def test_the_page_shows_each_of_them_in_ten_lines() -> None:
    assert [True] * 4 == [len(block.strip().splitlines()) <= 10 for block in BLOCKS]
