"""Write the expected.txt of broken specs that have none: read what it says before you commit it.

python tests/expect.py
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("", "spec", "support"))]

from test_invalid import told  # noqa: E402


def main() -> None:
    """Fill in the cases that lack their expectation."""
    with tempfile.TemporaryDirectory() as models:
        model = Path(models) / "model.pkl"
        runpy.run_path(str(ROOT / "train.py"))["main"](model)
        for routes in sorted((ROOT / "tests" / "invalid").glob("*/routes.yaml")):
            expected = routes.parent / "expected.txt"
            if expected.exists():
                continue
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(routes.parent, folder, symlinks=True, dirs_exist_ok=True)
                (Path(folder) / "build").mkdir(exist_ok=True)
                shutil.copytree(models, Path(folder) / "build", dirs_exist_ok=True)
                os.chdir(folder)
                text = told()
            expected.write_text(text + "\n")
            print(f"--- {routes.parent.name}\n{text}")  # noqa: T201


if __name__ == "__main__":
    main()
