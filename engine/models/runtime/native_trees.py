"""Trees walked by C: the functions of `SOURCES`, compiled for this machine, if it has a C compiler.

One small function serves every ensemble, so that compiling takes a fraction of a second for any model.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import HAS_NAN, TOO_LARGE, Refusal
from engine.models.runtime.leaf_masks import LeafMasks, suits
from engine.models.runtime.saved import saved
from engine.models.runtime.steps import Narrow
from engine.models.runtime.symmetric_trees import SymmetricTrees, are_symmetric
from engine.models.runtime.tree_table import TreeTable

COMPILE_SECONDS = 60
SOURCES = ("trees.c", "leaf_masks.c", "symmetric_trees.c")
FEW_ROWS = 16
_MFD_EXEC = 0x10  # linux/memfd.h, since Linux 6.3

# As in trees.c.
_NARROW, _REFUSE_MISSING, _REFUSE_INFINITE = 1, 2, 4
_DONE, _HAS_MISSING, _HAS_INFINITE = 0, 1, 2


@saved
class NativeTrees:
    """Walks an ensemble; `library` is the compiled function, as bytes.

    With `narrow`, rows are rounded to float32 and refused if that overflows, or if a value is missing, unless
    `missing`: the work of a step `Narrow` before it.

    If this process may not load machine code, numpy walks the same trees, with the same bits; `unloaded` says why.
    """

    def __init__(self, table: TreeTable, library: Array, narrow: bool = False, missing: bool = True) -> None:
        self.table = table
        self.library = library
        self.narrow = narrow
        self.missing = missing
        self._asked = (_NARROW | _REFUSE_INFINITE) * narrow | _REFUSE_MISSING * (not missing)
        arrays = (table.nodes, table.missing_right, table.roots, table.leaves, table.values)
        self._outputs = table.values.shape[1]
        self._symmetric = SymmetricTrees(table) if are_symmetric(table) else None
        self._masks = LeafMasks(table, narrow) if self._symmetric is None and suits(table) else None
        self._ensemble = _Ensemble(
            *(array.ctypes.data for array in arrays),
            len(table.roots), self._outputs, table.width, table.single,
            *(None if one is None else ctypes.addressof(one.structure) for one in (self._masks, self._symmetric)),
        )  # fmt: skip
        self._address = ctypes.addressof(self._ensemble)
        self.unloaded = ""
        try:
            self._walk, self._walk_freely = load_library(library.tobytes())
        except OSError as error:
            self.unloaded = str(error)

    def __call__(self, rows: Array) -> Array:
        """Sum the leaves of each row: float64 of shape (rows, outputs); raise `Refusal`."""
        if self.unloaded:
            return self.table.sum_leaves(self._checked(rows))
        rows = np.ascontiguousarray(rows, np.float64)  # C reads no other dtype
        sums: Array = np.zeros((len(rows), self._outputs))
        count = len(rows)
        if 0 < count < FEW_ROWS and rows.flags.writeable:  # `from_buffer` needs both, and takes half the time
            said = self._walk(self._address, _Start.from_buffer(rows), count, self._asked, _Start.from_buffer(sums))
        else:
            said = self._walk_freely(self._address, rows.ctypes.data, count, self._asked, sums.ctypes.data)
        if said == _HAS_MISSING:
            raise Refusal(HAS_NAN)
        if said == _HAS_INFINITE:
            raise Refusal(TOO_LARGE.format("float32"))
        if said != _DONE:
            raise MemoryError
        return sums

    @property
    def is_walked(self) -> bool:
        """Whether many rows are walked, not found by masks of leaves or as those of symmetric trees."""
        return self._masks is None and self._symmetric is None

    def walk_only(self) -> None:
        """Walk all rows, to compare."""
        self._masks = self._ensemble.masks = None
        self._symmetric = self._ensemble.symmetric = None

    def _checked(self, rows: Array) -> Array:
        if self.narrow:
            with np.errstate(over="ignore", invalid="ignore"):  # overflows are checked for
                return Narrow(self.missing)(rows)
        if not self.missing and np.isnan(rows).any():
            raise Refusal(HAS_NAN)
        return rows


# The address of an array.
_Start: Any = ctypes.c_double * 1


class _Ensemble(ctypes.Structure):
    """The struct `Ensemble` of trees.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("nodes", "missing_right", "roots", "leaves", "values")),
        *((name, ctypes.c_int64) for name in ("trees", "outputs", "width", "single")),
        *((name, ctypes.c_void_p) for name in ("masks", "symmetric")),
    )


def find_compiler() -> str | None:
    """Return the C compiler, None if there is none."""
    return os.environ.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)


def build_library() -> Array:
    """Compile trees.c, as bytes in an array; raise `RuntimeError` if that fails."""
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("there is no C compiler")
    return _compiled_by(compiler)


@cache
def _compiled_by(compiler: str) -> Array:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        sources = [Path(folder) / name for name in SOURCES]
        for source in sources:
            source.write_bytes(files(__package__).joinpath(source.name).read_bytes())
        library = Path(folder) / "trees.so"
        command = [*compiler.split(), "-O2", "-shared", "-fPIC", "-o", str(library), *map(str, sources)]
        try:
            done = subprocess.run(  # noqa: S603 - the compiler that this user's environment names
                command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeError(f"{compiler} does not work: {error}") from None
        if done.returncode != 0:
            raise RuntimeError(f"{compiler} failed: {done.stderr.strip().partition(chr(10))[0]}")
        return np.frombuffer(library.read_bytes(), np.uint8)


@cache
def load_library(code: bytes) -> tuple[Any, Any]:
    """Load `walk` from verified bytes; raise `OSError` if the system lets no code be loaded.

    The first form holds the interpreter's lock, since releasing and taking it takes longer than a few rows do; the
    second form lets other threads run.
    """
    try:
        return _load_from_memory(code)
    except OSError:  # not Linux, or a system that does not allow this
        return _load_from_disk(code)


def _load_from_memory(code: bytes) -> tuple[Any, Any]:
    """Load code from a file that is in no folder, so that it needs neither space nor rights on a disk."""
    descriptor = _memory_file()
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(code)
        # The file stays open: the loader knows a library by its name, and this one has its descriptor's number.
        return _walks(f"/proc/self/fd/{descriptor}")
    except OSError:
        os.close(descriptor)
        raise


def _memory_file() -> int:
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        return os.memfd_create("trees.so", os.MFD_CLOEXEC | _MFD_EXEC)
    except OSError:  # before Linux 6.3, which has no such flag, every such file is executable
        return os.memfd_create("trees.so", os.MFD_CLOEXEC)


def _load_from_disk(code: bytes) -> tuple[Any, Any]:
    """Load code from a file that only this user can write."""
    descriptor, name = tempfile.mkstemp(prefix="engine-", suffix=".so")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(code)
        return _walks(name)
    finally:
        Path(name).unlink()


def _walks(name: str) -> tuple[Any, Any]:
    return _typed(ctypes.PyDLL(name).walk), _typed(ctypes.CDLL(name).walk)


def _typed(walk: Any) -> Any:
    walk.restype = ctypes.c_int32
    walk.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p]
    return walk
