"""What the first bytes of a model's file and the ending of its name say, for advice: the name alone is a format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMPRESSED = (".bz2", ".gz", ".lzma", ".xz", ".z")
_ROWS = (".arrow", ".csv", ".feather", ".jsonl", ".ndjson", ".parquet", ".tsv", ".xls", ".xlsx")
_NETWORKS = (".ckpt", ".h5", ".hdf5", ".keras", ".mlmodel", ".pb", ".pt", ".pth", ".safetensors", ".tflite")
_OF_BOOSTERS = (".bin", ".deprecated", ".model")


@dataclass(frozen=True, slots=True)
class Content:
    """What a file contains, by the bytes that it begins with: whose it is, the format, and the ending of such files."""

    begin: re.Pattern[bytes]
    whose: str
    format: str
    ending: str


_CONTENTS = (
    Content(re.compile(rb"\{[LlIUi]\0*[^\0]{1,4}learner"), "XGBoost's, in UBJSON", "xgboost", ".ubj"),
    Content(re.compile(rb"\{\s*\"(learner|version)\"\s*:"), "XGBoost's, in JSON", "xgboost", ".json"),
    Content(re.compile(rb"tree\r?\n(version|num_class)="), "LightGBM's own text", "lightgbm", ".txt"),
    Content(re.compile(rb"CBM1"), "CatBoost's own", "catboost", ".cbm"),
    Content(re.compile(rb"\x80[\x02-\x05]"), "a pickle", "pickle", ".pkl"),
)
# The formats whose files begin in a way of their own: one that somebody adds may well be a pickle.
_OWN = frozenset(("onnx", "skops", *(content.format for content in _CONTENTS)))
_HDF5 = re.compile(rb"\x89HDF\r\n\x1a\n")


def content_of(data: bytes) -> Content | None:
    """Return what a file contains, None if its beginning does not show that."""
    return next((one for one in _CONTENTS if one.begin.match(data)), None)


def misnamed(file: Path, data: bytes, form: str) -> str:
    """Say that a file of this format, by its name, contains a model of another one; empty if it does not show that."""
    found = content_of(data)
    if found is None or found.format == form or form not in _OWN:
        return ""
    return f'the model\'s file is {found.whose}, which its name does not say; rename it to "{_renamed(file, found)}"'


def advise_name(file: Path, data: bytes, known: Mapping[str, str]) -> str:
    """Say what to do with a file whose name has no format; `known` are the formats by their endings."""
    if file.name == "MLmodel":
        return f'"MLmodel" describes the model in its folder; name the folder: "{file.parent}"'
    ending, found = file.suffix.lower(), content_of(data)
    inner = file.with_suffix("").suffix.lower()
    if ending in COMPRESSED and inner in known:
        return f'only pickles are read compressed; decompress the file, and name "{file.with_suffix("").name}"'
    lack = f'unknown model format "{file.suffix}"' if ending else "the file's name has no ending"
    if found is not None:
        return f'{lack}; the file is {found.whose}: rename it to "{_renamed(file, found)}"'
    if ending in _ROWS:
        return f'a {ending} file has rows, and no model; name the model\'s own file, and this one as its "reference"'
    if ending in _NETWORKS or _HDF5.match(data):
        return f'{lack}; export the model to ONNX, and name that file: "{file.stem}.onnx"'
    stem = f"{file.stem}.pkl{file.suffix if ending in COMPRESSED else ''}"
    by_booster = f', or save it with save_model("{file.stem}.ubj") if XGBoost did' * (ending in _OF_BOOSTERS)
    return f'{lack} (known: {", ".join(known)}); rename it to "{stem}" if pickle or joblib wrote it{by_booster}'


def _renamed(file: Path, content: Content) -> str:
    return f"{file.stem}{content.ending}"
