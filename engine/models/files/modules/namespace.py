"""The modules of one model, as a separate namespace beside the modules that Python has imported.

Each model imports its own copies, so that two models of one process can have modules of the same name.
"""

from __future__ import annotations

import builtins
import importlib.util
import itertools
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.models.files.modules.loaders import ExtensionLoader, FolderLoader, SourceLoader
from engine.models.files.modules.module_files import (
    Opens,
    hash_file,
    imported_names,
    read_module,
    require_pinned,
    with_parents,
)
from engine.models.files.modules.start import without_start_folder
from engine.spec import FileModel

# Names that never mean a file beside the spec: other modules import these too, and must get Python's own.
_RESERVED = sys.stdlib_module_names | {"engine"}
_LOCK = threading.RLock()
_NUMBERS = itertools.count()
_ALL: weakref.WeakValueDictionary[int, Modules] = weakref.WeakValueDictionary()


class _Here(threading.local):
    """The modules that this thread finds now, and whether others with the same names are hidden meanwhile."""

    modules: Modules | None = None
    is_active = False


_HERE = _Here()


class Modules:
    """The modules beside models.yaml that one model imports.

    Without `files`, they are read from the folder; with them, no other file is used. A file is read once: the bytes
    that were hashed are those that run. `opens` is called with each file before it is read.
    """

    def __init__(
        self, model: FileModel, files: Mapping[str, bytes] | None = None, opens: Opens = lambda _: None
    ) -> None:
        self.folder = model.modules_folder.absolute()
        self._model = model
        self._files = files
        self._opens = opens
        self._read: dict[str, bytes] = {}
        self._loaded: dict[str, ModuleType] = {}
        self._missing: set[str] = set()
        self._names = self._top_level() - _RESERVED
        _install()
        _ALL[next(_NUMBERS)] = self

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this thread import these modules, and hide modules with the same names that others have imported."""
        if _HERE.modules is self and _HERE.is_active:
            yield
            return
        with _LOCK, without_start_folder(), self.found():
            was_active, _HERE.is_active = _HERE.is_active, True
            hidden = {name: sys.modules.pop(name) for name in self._in_the_way()}
            sys.modules.update(self._loaded)
            try:
                yield
            finally:
                _HERE.is_active = was_active
                taken = {name.partition(".")[0] for name in hidden}
                for name in [*self._loaded]:
                    if name.partition(".")[0] in taken:
                        sys.modules.pop(name, None)
                sys.modules.update(hidden)

    @contextmanager
    def found(self) -> Iterator[None]:
        """Make this thread find these modules first, for modules that are not imported yet."""
        before, _HERE.modules = _HERE.modules, self
        try:
            yield
        finally:
            _HERE.modules = before

    def all_files(self) -> Mapping[str, bytes]:
        """Return the files of all modules that were imported, or that these import when they are called."""
        waiting = [*self._read]
        while waiting:
            file = waiting.pop()
            for name in imported_names(file, self._read[file]):
                for found in filter(None, map(self._file_of, with_parents(name))):
                    if found not in self._read:
                        self.read(found)
                        waiting.append(found)
        return dict(sorted(self._read.items()))

    def follow_missing(self) -> None:
        """Return the files that would be read if they existed: those of the modules that were not found."""
        self._opens([self.folder / f"{name}.py" for name in sorted(self._missing)])

    def read(self, file: str) -> bytes:
        """Return a module's bytes; raise `SpecError` if that fails, or it differs from its pin."""
        if file not in self._read:
            if self._files is None:
                self._opens([self.folder / file])
            data = self._read_from_folder(file) if self._files is None else self._files[file]
            require_pinned(self._model, {file: hash_file(data)})
            self._read[file] = data
        return self._read[file]

    def _read_from_folder(self, file: str) -> bytes:
        try:
            return read_module(self._model, file)
        except OSError as error:
            code = self._model.modules_folder
            where = "beside models.yaml" if code == self._model.folder else f"in {code}"
            raise self._model.error(f"the module {file} {where} cannot be read: {error.strerror}", "file") from None

    def find(self, name: str, *, namespaces: bool = False) -> ModuleSpec | None:
        """Find a module by its full name, None if it has no file; with `namespaces`, a mere folder counts too."""
        file = self._file_of(name)
        if file is None:
            return self._namespace(name) if namespaces else None
        path = str(self.folder / file)
        kind = SourceLoader if file.endswith(".py") else ExtensionLoader
        places = [str(Path(path).parent)] if file.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            name, path, loader=kind(name, path, self, file), submodule_search_locations=places
        )

    def _namespace(self, name: str) -> ModuleSpec | None:
        folder = name.replace(".", "/")
        if name.partition(".")[0] in _RESERVED:
            return None
        inside = chain.from_iterable(map((self.folder / folder).glob, ("*.py", "*/*.py")))
        if not any(inside if self._files is None else (file.startswith(f"{folder}/") for file in self._files)):
            return None
        spec = ModuleSpec(name, FolderLoader(self), is_package=True)
        spec.submodule_search_locations = [str(self.folder / folder)]
        return spec

    def owns(self, name: str) -> bool:
        """Return whether Python's module of this name is one of these."""
        return name in self._loaded and sys.modules.get(name) is self._loaded[name]

    def owned(self) -> list[str]:
        """Name the modules of Python that are some of these."""
        return [name for name in [*self._loaded] if self.owns(name)]

    def begin(self, module: ModuleType) -> None:
        """Record a module that is about to run, and make its own imports find these modules, whenever they happen."""
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self._loaded[module.__name__] = module

    def forget(self, name: str) -> None:
        self._loaded.pop(name, None)

    def miss(self, name: str) -> None:
        """Record a module that was not found."""
        self._missing.add(name)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the parameters of __import__
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Iterable[str] = (),
        level: int = 0,
    ) -> Any:
        """Import on behalf of one of these modules, as the function `__import__` does."""
        first = name.partition(".")[0]
        is_own = level > 0 or first in self._names or (self.folder / first).is_dir()
        if not is_own or (level == 0 and self.owns(name)):
            return builtins.__import__(name, globals, locals, tuple(fromlist or ()), level)
        with self.active():
            return builtins.__import__(name, globals, locals, tuple(fromlist or ()), level)

    def _in_the_way(self) -> list[str]:
        """Name the modules with the name of one of these, or of another model."""
        others = {name for other in [*_ALL.values()] if other is not self for name in other.owned()}
        named = {name for name in [*sys.modules] if name.partition(".")[0] in self._names and not self.owns(name)}
        return sorted(others | named)

    def _file_of(self, name: str) -> str | None:
        stem = name.replace(".", "/")
        candidates = (f"{stem}/__init__.py", *(f"{stem}{suffix}" for suffix in EXTENSION_SUFFIXES), f"{stem}.py")
        if name.partition(".")[0] in _RESERVED:
            return None
        return next(filter(self._has, candidates), None)

    def _has(self, file: str) -> bool:
        if self._files is not None:
            return file in self._files
        is_pinned = self._model.pin is not None and file in self._model.pin.modules
        return is_pinned or (self.folder / file).is_file()

    def _top_level(self) -> set[str]:
        pinned = self._model.pin.modules if self._model.pin is not None else ()
        if self._files is not None:
            return {file.partition("/")[0].partition(".")[0] for file in (*self._files, *pinned)}
        found = {file.partition("/")[0].partition(".")[0] for file in pinned}
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name.endswith((".py", *EXTENSION_SUFFIXES)) or (path / "__init__.py").is_file():
                    found.add(path.name.partition(".")[0])
        return found


class _First:
    """Finds these modules before any others: those of the model that is being loaded, and parts of packages."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        package = name.rpartition(".")[0]
        if not package:
            return _HERE.modules.find(name) if _HERE.modules is not None else None
        owner = next((modules for modules in [*_ALL.values()] if modules.owns(package)), None)
        if owner is None:
            return None
        found = owner.find(name, namespaces=True)
        if found is None:  # no other finder may look into that folder
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


class _Last:
    """Finds modules after all others: folders without __init__.py, and a model's imports while it computes."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        if "." in name:
            return None
        if (active := _HERE.modules) is not None:
            active.miss(name)
            return active.find(name, namespaces=True)
        found = {one.folder: spec for one in [*_ALL.values()] if (spec := one.find(name, namespaces=True)) is not None}
        return next(iter(found.values())) if len(found) == 1 else None


def _install() -> None:
    """Put the two finders in their places, once."""
    if _First not in sys.meta_path:
        sys.meta_path.insert(0, _First)
        sys.meta_path.append(_Last)
