"""`predict` takes at most 500 MB for a file that is larger, in all of its processes together."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from modelling import NAMES, X, write_tree_service
from serving import command

MOST = 500 * 1024**2
SMAPS = Path("/proc/self/smaps_rollup")
ROWS, TIMES = 1000, 560
NOTES = [np.random.default_rng(place).bytes(500).hex() for place in range(ROWS)]
CELLS = X[np.arange(ROWS) % len(X)]

pytestmark = [pytest.mark.exhaustive, pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux's /proc")]


def csv_file(file: Path) -> None:
    lines = [f"{','.join(map(str, cells))},{note}\n" for cells, note in zip(CELLS.tolist(), NOTES, strict=True)]
    repeated(file, f"{','.join(NAMES)},note\n", "".join(lines))


def json_lines(file: Path) -> None:
    rows = [
        {**dict(zip(NAMES, cells, strict=True)), "note": note}
        for cells, note in zip(CELLS.tolist(), NOTES, strict=True)
    ]
    repeated(file, "", "".join(json.dumps(row) + "\n" for row in rows))


def repeated(file: Path, head: str, rows: str) -> None:
    with file.open("w") as stream:
        stream.write(head)
        for _ in range(TIMES):
            stream.write(rows)


def parquet_file(file: Path) -> None:
    """One row group, which is the whole file."""
    table = pa.table({**{name: CELLS[:, place] for place, name in enumerate(NAMES)}, "note": NOTES})
    whole = pa.concat_tables([table] * TIMES)
    pq.write_table(whole, file, row_group_size=whole.num_rows, compression="none", use_dictionary=False)


MAKERS: dict[str, Callable[[Path], None]] = {
    "rows.csv": csv_file,
    "rows.jsonl": json_lines,
    "rows.parquet": parquet_file,
}


def memory_of(process: int) -> int:
    """The memory of a process and its children, with that which several share counted once."""
    total, waiting = 0, [process]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:  # it has ended
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * 1024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    write_tree_service(folder)
    subprocess.run(command("compile"), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", MAKERS)
def test_a_large_file_takes_at_most_500_mb(name: str, folder: Path) -> None:
    MAKERS[name](folder / name)
    assert (folder / name).stat().st_size > MOST
    options = ("-o", f"scored-{name}", "-j", "2")
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen(command("predict", "m", name, *options), cwd=folder, stderr=said) as run,
    ):
        most = 0
        while run.poll() is None:
            most = max(most, memory_of(run.pid))
            time.sleep(0.1)
    last = (folder / "said.txt").read_text().splitlines()[-1]
    assert (0, f"{ROWS * TIMES:,} rows") == (run.returncode, last[last.index(": ") + 2 :].partition(" (")[0])
    (folder / name).unlink()
    (folder / f"scored-{name}").unlink()
    assert 50 * 1024**2 < most < MOST, f"{most:,} bytes"
