"""The library that a file needs and that cannot be imported, or another one that it needs itself."""

from __future__ import annotations

from engine.errors import SpecError
from engine.models.estimators.unreadable import DISTRIBUTIONS, to_install
from engine.schema import clip
from engine.spec import FileModel

_MOST_LETTERS = 200


def lacks_library(model: FileModel, files: str, library: str, error: ImportError) -> SpecError:
    """Return the mistake that `files` need a library whose import raised this error."""
    needs = f"{files} file needs {library}" if model.model_folder is None else f"the model needs {library}"
    lacking = (error.name or "").partition(".")[0]
    if lacking == library and isinstance(error, ModuleNotFoundError):
        return model.error(f"{needs}: pip install {to_install(library, model.saved_with)}", "file")
    if lacking in DISTRIBUTIONS and isinstance(error, ModuleNotFoundError):
        return model.error(
            f"{needs}, which needs {lacking}, and that is not installed here: "
            f"pip install {to_install(lacking, model.saved_with)}",
            "file",
        )
    said = clip(" ".join(str(error).split()), _MOST_LETTERS)
    return model.error(f"{needs}, which cannot be imported here: {said}", "file")
