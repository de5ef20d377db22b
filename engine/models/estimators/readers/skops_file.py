"""Files of skops, an optional extra, which contain no code but the types that a spec trusts."""

from __future__ import annotations

from typing import Any

from engine.models.estimators.readers.lacking_library import lacks_library
from engine.spec import FileModel


def read(data: bytes, model: FileModel) -> Any:
    """Read a skops file with only safe types and those that the spec lists; raise `SpecError` for others."""
    if refused := untrusted_types(data, model):
        named = ", ".join(refused)
        raise model.error(
            f"the file contains types that are not trusted; if you know them to be safe, set trusted: [{named}]", "file"
        )
    import skops.io  # noqa: PLC0415

    return skops.io.loads(data, trusted=list(model.trusted))


def untrusted_types(data: bytes, model: FileModel) -> list[str]:
    """Name the types in a skops file that are neither safe nor listed, without loading it."""
    try:
        import skops.io  # noqa: PLC0415
    except ImportError as error:
        raise lacks_library(model, "a .skops", "skops", error) from None
    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(model.trusted))
