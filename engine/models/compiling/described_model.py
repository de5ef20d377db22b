"""A model beside the description of its folder: the order of columns, and the versions of libraries."""

from __future__ import annotations

from collections.abc import Iterator

from engine.models.data.instances import TrainedInput, column_order
from engine.models.files.formats import installed_or_absent
from engine.spec import FileModel
from engine.text import first_words, join_words

_MOST_NAMED = 8


def require_signed_order(model: FileModel, wanted: TrainedInput) -> None:
    """Raise `SpecError` if the columns have another order than in the signature, and the model knows no names."""
    signature = model.model_folder.signature if model.model_folder is not None else None
    is_object = model.input.instance.types == {"object"}
    if signature is None or not signature.columns or not is_object or wanted.names or wanted.count is None:
        return
    declared = column_order(model, wanted)
    signed = [one.name for one in signature.columns if one.name in declared]
    if signed == [*declared]:
        return
    where = ("features",) if model.features is not None else ("input", "properties")
    raise model.error(
        "the columns are in another order than in the model's signature, and the model does not know their names; "
        f"write them in this order: {first_words(signed, _MOST_NAMED)}",
        *where,
    )


def other_versions(model: FileModel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Warn of libraries in the folder's requirements that are installed in other versions."""
    folder = model.model_folder
    differing = {}
    for library, version in folder.versions.items() if folder is not None else ():
        if library == "scikit-learn" and model.allow_version_mismatch:
            continue
        found = installed_or_absent(library)
        if found and found != version:  # what a model needs in vain is reported where it is opened
            differing[library] = version, found
    if folder is None or not differing:
        return
    made = join_words([f"{name} {version}" for name, (version, _) in differing.items()], "and")
    here = join_words([f"{name} {version}" for name, (_, version) in differing.items()], "and")
    files = [name for name in folder.files if name.endswith(".txt")] or [folder.description]
    said = f"the model was saved with {made} ({folder.path / files[0]}), and here is {here}"
    yield ("file",), f"{said}; if answers differ, install those versions"
