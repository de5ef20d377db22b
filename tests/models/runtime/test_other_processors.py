"""The C of trees on another processor (AArch64, whose vectors are NEON), run by qemu: the same bits as here."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostRegressor
from sklearn.ensemble import RandomForestRegressor

from engine.models.lowering.boosters.catboost_json import read_model
from engine.models.lowering.tree_tables import forest_table
from engine.models.runtime import native_trees
from engine.models.runtime.native_trees import SOURCES, NativeTrees, build_library
from engine.models.runtime.tree_table import TreeTable

COMPILER, RUNNER, LIBRARIES = "aarch64-linux-gnu-gcc", "qemu-aarch64", "/usr/aarch64-linux-gnu"
FOLDER = Path(native_trees.__file__).parent
# Reads sizes, a program's memory and the places in it that are pointers, as offsets; writes the sums.
MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int32_t walk(const void *ensemble, const double *rows, int64_t count, int32_t asked, double *out);
int main(void)
{
    int64_t sizes[7]; /* of the memory, its pointers, where the ensemble and the rows are, count, asked, outputs */
    int64_t place;
    if (fread(sizes, sizeof sizes, 1, stdin) != 1)
        return 2;
    char *memory = aligned_alloc(64, sizes[0]);
    double *out = calloc(sizes[4] * sizes[6], sizeof(double));
    if (fread(memory, sizes[0], 1, stdin) != 1)
        return 2;
    while (sizes[1]-- && fread(&place, sizeof place, 1, stdin) == 1)
        *(int64_t *)(memory + place) += (int64_t)memory;
    const int32_t said = walk(memory + sizes[2], (double *)(memory + sizes[3]), sizes[4], sizes[5], out);
    return said ? said : !fwrite(out, sizes[4] * sizes[6] * sizeof(double), 1, stdout);
}
"""

pytestmark = pytest.mark.skipif(
    not (shutil.which(COMPILER) and shutil.which(RUNNER)), reason=f"needs {COMPILER} and {RUNNER}"
)


class _Memory:
    """Arrays and structs as bytes, and the places of pointers: both processors have the same layout."""

    def __init__(self) -> None:
        self.content, self.pointers = bytearray(), list[int]()

    def add(self, content: bytes) -> int:
        """Add bytes and return their place."""
        place = len(self.content)
        self.content += content + bytes(-len(content) % 64)
        return place

    def add_struct(self, structure: Any, places: dict[str, int]) -> int:
        """Add a struct of words, some of which point to places."""
        begin = self.add(bytes(structure))
        for name, place in places.items():
            at = begin + getattr(type(structure), name).offset
            self.content[at : at + 8] = place.to_bytes(8, "little")
            self.pointers.append(at)
        return begin

    def add_part(self, part: Any) -> int:
        """Add masks or symmetric trees, whose struct begins with pointers to their arrays."""
        names = [name for name, _ in part.structure._fields_]
        places = [self.add(array.tobytes()) for array in part._arrays]
        return self.add_struct(part.structure, dict(zip(names, places, strict=False)))


def _sent(trees: NativeTrees, rows: Any) -> bytes:
    """Write an ensemble and its rows as `MAIN` reads them."""
    memory, table = _Memory(), trees.table
    arrays = {name: getattr(table, name) for name in ("nodes", "missing_right", "roots", "leaves", "values")}
    parts = {"masks": trees._masks, "symmetric": trees._symmetric}
    places = {name: memory.add(array.tobytes()) for name, array in arrays.items()}
    places |= {name: memory.add_part(part) for name, part in parts.items() if part is not None}
    ensemble, cells = memory.add_struct(trees._ensemble, places), memory.add(rows.tobytes())
    sizes = [len(memory.content), len(memory.pointers), ensemble, cells]
    sizes += [len(rows), trees._asked, table.values.shape[1]]
    return struct.pack("<7q", *sizes) + memory.content + struct.pack(f"<{len(memory.pointers)}q", *memory.pointers)


def _table(name: str) -> tuple[TreeTable, bool]:
    """Train an ensemble whose leaves are found in one of three ways; return whether its rows are float32, too."""
    random = np.random.default_rng(5)
    cells = random.normal(size=(400, 4))
    y = cells[:, 0] * cells[:, 1] + random.normal(size=400)
    if name == "symmetric":
        model = CatBoostRegressor(30, depth=6, verbose=0, thread_count=1, allow_writing_files=False).fit(cells, y)
        return read_model(model).table(4), False
    size: Any = {"max_leaf_nodes": 20, "n_estimators": 300} if name == "masks" else {"n_estimators": 9}
    return forest_table(RandomForestRegressor(**size, random_state=0).fit(cells, y).estimators_), True


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the C of trees for the other processor."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "main.c").write_text(MAIN)
    sources = [folder / "main.c", *(FOLDER / name for name in SOURCES)]
    subprocess.run([COMPILER, "-O2", "-o", str(folder / "main"), *map(str, sources)], check=True)
    return folder / "main"


@pytest.mark.parametrize("count", [1, 37, 200])
@pytest.mark.parametrize("name", ["walked", "masks", "symmetric"])
def test_sums_are_those_of_this_processor(program: Path, name: str, count: int) -> None:
    table, narrow = _table(name)
    cells = np.random.default_rng(6).normal(size=(count, 4))
    trees = NativeTrees(table, build_library(), narrow=narrow, missing=not narrow)
    assert (trees._masks is None, trees._symmetric is None) == (name != "masks", name != "symmetric")
    command = [RUNNER, "-L", LIBRARIES, str(program)]
    done = subprocess.run(command, input=_sent(trees, cells), check=True, capture_output=True)
    assert done.stdout == trees(cells).tobytes()
