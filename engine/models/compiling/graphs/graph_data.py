"""The data of an ONNX graph that is in files beside it: read from its own folder only, and put into the graph."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.isolation import read_bounds
from engine.models.files.model_file import ModelFile
from engine.models.files.modules import hash_modules, require_pinned
from engine.models.restoring.prepared import LoadedEstimators
from engine.schema import show
from engine.spec import FileModel, near_by, read_unlinked
from engine.text import first_words, join_words

MOST_BYTES = 2**31 - 2**20  # protobuf's limit for a whole graph, less what its structure takes
MOST_INSIDE = MOST_BYTES
MOST_FILES = 1000
_NO_FILE = 2**62  # more values than any file has
_BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}  # tensors whose values share bytes, by their data_type


def read_beside(model: FileModel, file: ModelFile, opened: LoadedEstimators) -> Mapping[str, bytes]:
    """Read the files in which a graph keeps data, each once, by their paths from models.yaml; raise `SpecError`."""
    key = (model.file, file.sha256)
    if key not in opened.data:
        opened.data[key] = _read_all(model, file.data, opened.opens)
    require_pinned(model, hash_modules(opened.data[key]))
    return opened.data[key]


def _read_all(model: FileModel, data: bytes, opens: Callable[[Iterable[Path]], None]) -> dict[str, bytes]:
    """Read the files; a file that is no graph has none, which whoever reads the graph says."""
    if b"location" not in data:
        return {}
    import onnx  # noqa: PLC0415 - only where a model is one

    try:
        names = [*dict.fromkeys(_locations(onnx.load_from_string(data)))]
    except Exception:  # noqa: BLE001 - protobuf has errors of its own
        return {}
    if len(names) > MOST_FILES:
        raise model.error(f"the graph keeps its data in {len(names):,} files; at most {MOST_FILES:,} are read", "file")
    for name in names:
        _require_plain(model, name)
    opens([model.file.parent / name for name in names])
    found: dict[str, bytes] = {}
    for name in names:
        left = min(MOST_BYTES, read_bounds().memory) - len(data) - sum(map(len, found.values()))
        found[path_from_spec(model, name)] = _read(model, name, left)
    return found


def put_inside(model: FileModel, read: Any, files: Mapping[str, bytes]) -> bool:
    """Put data of files into the tensors of a graph, in place; return whether there was any. Raise `SpecError`."""
    tensors, size = [*_tensors_elsewhere(read)], 0
    for tensor in tensors:
        name = _entries(tensor).get("location", "")
        _require_plain(model, name)
        begin, end = _span(model, tensor, name, files[path_from_spec(model, name)])
        size += end - begin
        if size > MOST_INSIDE:  # tensors may share a part of a file
            raise model.error(f"the tensors of the graph have more than {MOST_INSIDE:,} bytes in other files", "file")
        tensor.raw_data = files[path_from_spec(model, name)][begin:end]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return bool(tensors)


def path_from_spec(model: FileModel, name: str) -> str:
    """Return the path of a file in the folder of a graph, relative to the folder of models.yaml."""
    return Path(os.path.relpath(model.file.parent / name, model.folder)).as_posix()


def _locations(read: Any) -> Iterator[str]:
    return (_entries(tensor).get("location", "") for tensor in _tensors_elsewhere(read))


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _tensors_elsewhere(read: Any) -> Iterator[Any]:
    """Yield the tensors whose data is in files, anywhere in the graph.

    Tensors are in initializers, in the attributes of operators, in the graphs that are attributes, in functions. So
    every part of the message is searched, not only the places known today.
    """
    waiting = [read]
    while waiting:
        part = waiting.pop()
        if part.DESCRIPTOR.name == "TensorProto" and part.data_location == part.EXTERNAL:
            yield part
            continue
        for field, value in part.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value


def _require_plain(model: FileModel, name: str) -> None:
    """Raise `SpecError` for a name that is not that of a file in a folder, or that is hidden, as `.env` is."""
    if not name or name.startswith(".") or any(one in name for one in "/\\:\0"):
        raise model.error(
            f"the graph keeps data in {show(name)}, and only files in the graph's own folder are read, none that is "
            "hidden; save it beside the graph under a plain name, or in one file: save_as_external_data=False",
            "file",
        )


def _read(model: FileModel, name: str, most: int) -> bytes:
    """Read a file in the folder of a graph, where a link may only lead to a file beside the graph itself."""
    what = f"the graph keeps data in {show(name)}"
    try:
        found = (model.file.parent / name).resolve(strict=True)
        if found.parent in (model.file.parent.resolve(), model.file.resolve().parent):
            return _read_bounded(found, most)
    except FileNotFoundError:
        near = near_by(model.file.parent, name) or "; copy it there with the graph"
        raise model.error(
            f"{what}, and there is no such file in the folder of {model.file.name}{near}", "file"
        ) from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or os.strerror(errno.ELOOP)
        raise model.error(f"{what}, which cannot be read: {reason}", "file") from None
    raise model.error(f"{what}, a link that leads out of the graph's folder; put the file there", "file")


def _read_bounded(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise OSError(errno.EFBIG, f"the graph is larger than {_shown_most()} with it")
    return read_unlinked(path, most)


def _shown_most() -> str:
    limits = read_bounds()
    return f"{limits.shown_memory}, the memory limit for loading it," if limits.memory < MOST_BYTES else "2 GiB"


def _span(model: FileModel, tensor: Any, name: str, data: bytes) -> tuple[int, int]:
    """Find where a tensor begins and ends in a file; raise `SpecError` where that is not in it."""
    entries, size = _entries(tensor), _size_of(model, tensor)
    try:
        begin = int(entries.get("offset") or 0)
        length = int(entries.get("length") or size)
    except ValueError:
        begin = length = -1
    what = f"the tensor {show(tensor.name)} of the graph"
    if begin < 0 or length != size:
        shown = join_words([f"{key} {show(entries[key])}" for key in ("offset", "length") if key in entries], "and")
        raise model.error(
            f"{what} has {size:,} bytes, so it cannot be in {show(name)} with {shown}; export the graph again", "file"
        )
    if begin + size > len(data):
        raise model.error(
            f"{what} takes {size:,} bytes from byte {begin:,} of {show(name)}, which has only {len(data):,}; the file "
            "is cut off, or it belongs to another graph",
            "file",
        )
    return begin, begin + size


def _size_of(model: FileModel, tensor: Any) -> int:
    """Count the bytes of a tensor's values; raise `SpecError` for one that cannot be in a file."""
    from onnx.helper import tensor_dtype_to_np_dtype  # noqa: PLC0415 - see above

    count = 1
    for length in tensor.dims:
        count = min(count * max(length, 0), _NO_FILE)
    try:
        bits = _BITS.get(tensor.data_type) or 8 * tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        bits = 0
    if bits == 0 or tensor.data_type == tensor.STRING or any(length < 0 for length in tensor.dims):
        shape = first_words([*map(str, tensor.dims)], 8).replace(", ", " x ")
        raise model.error(
            f"the tensor {show(tensor.name)} of the graph ({_type_name(tensor)}, shape {shape or 'none'}) cannot have "
            "its data in another file",
            "file",
        )
    size: int = -(-count * bits // 8)
    return size


def _type_name(tensor: Any) -> str:
    try:
        name: str = tensor.DataType.Name(tensor.data_type)
    except ValueError:
        return f"type {tensor.data_type}"
    return name.lower()
