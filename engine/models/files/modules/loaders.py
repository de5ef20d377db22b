"""Loaders that run a module from the bytes that were read for it."""

from __future__ import annotations

from importlib.abc import Loader
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Protocol

from engine.spec import read_regular


class Owner(Protocol):
    """The owner of the modules that are loaded."""

    def read(self, file: str) -> bytes:
        """Return a module's bytes."""

    def begin(self, module: ModuleType) -> None:
        """Record a module that is about to run."""

    def forget(self, name: str) -> None:
        """Forget a module that has failed."""


class SourceLoader(SourceFileLoader):
    """Runs a module's text as it was read; neither reads nor writes a compiled one.

    `file` is its path in the folder of models.yaml.
    """

    def __init__(self, name: str, path: str, owner: Owner, file: str) -> None:
        super().__init__(name, path)
        self._owner, self.file = owner, file

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text."""
        return compile(self._owner.read(self.file), self.get_filename(fullname), "exec", dont_inherit=True)

    def get_data(self, path: str) -> bytes:
        """Return the text, or another file of the package."""
        return self._owner.read(self.file) if path == self.path else super().get_data(path)

    def exec_module(self, module: ModuleType) -> None:
        self._owner.begin(module)
        try:
            super().exec_module(module)
        except BaseException:
            self._owner.forget(module.__name__)
            raise


class ExtensionLoader(ExtensionFileLoader):
    """Loads a module in machine code; its file must still have the bytes that were read."""

    def __init__(self, name: str, path: str, owner: Owner, file: str) -> None:
        super().__init__(name, path)
        self._owner, self._file = owner, file

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Load the machine code; raise `ImportError` if it has changed."""
        if self._owner.read(self._file) != read_regular(Path(self.path)):
            raise ImportError(f"{self.path} has changed since it was checked", name=spec.name, path=self.path)
        return super().create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._owner.begin(module)


class FolderLoader(Loader):
    """Makes the module of a folder that has no __init__.py."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make an empty one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        self._owner.begin(module)
