"""The class of a library that a model folder names."""

from __future__ import annotations

from collections.abc import Sequence

from engine.schema import show
from engine.spec import FileModel
from engine.text import join_words


def require_class(model: FileModel, named: str, readable: Sequence[str], library: str) -> None:
    """Raise `SpecError` for a class that is none of those that can be read."""
    if named not in readable:
        raise model.error(
            f"the model's folder names the class {show(named)} of {library}, and those that can be read are "
            f"{join_words(readable, 'and')}",
            "file",
        )
