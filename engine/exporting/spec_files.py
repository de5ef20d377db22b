"""The files of a spec without its models, for a ConfigMap."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from engine.diagnostics import Diagnostic
from engine.errors import EngineError, SpecError
from engine.spec import Model, Node, Spec, Table, normal_name, read_regular

MOST_BYTES = 1024 * 1024
"""What Kubernetes lets a ConfigMap hold."""

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def spec_files(spec: Spec) -> dict[str, bytes]:
    """Return the files of a spec by their names in its folder; raise `SpecError` for those that cannot be there."""
    mistakes = [
        model.node["file"].error(
            f'"{model.name}" has a model file, which a ConfigMap does not hold; leave out --config-map, and put the '
            "service into the image, or a bundle of it (--bundle)"
        )
        for model in spec.file_models.values()
    ]
    files = {"routes.yaml": spec.service.node.source.text.encode()}
    files |= {name: model.node.source.text.encode() for name, model in _first_model(spec)}
    files.update({name: source.text.encode() for name, source in spec.files.items()})
    for node, name, data in _named_files(spec):
        if normal_name(name).startswith(("../", "/")):
            mistakes.append(node.error("a ConfigMap holds files below the folder of routes.yaml only; move it there"))
        files[normal_name(name)] = data
    if mistakes:
        raise SpecError(mistakes)
    _require_space(files)
    return files


def key_of(number: int, name: str) -> str:
    """Return the key of a file: its name, with `..` for each slash, or a number if that is no key."""
    key = name.replace("/", "..")
    return key if _KEY.fullmatch(key) and ".." not in name else f"file-{number}"


def _first_model(spec: Spec) -> Iterator[tuple[str, Model]]:
    """Yield the file of the models with any of them, if there is one."""
    yield from (("models.yaml", model) for model in islice(spec.models.values(), 1))


def _named_files(spec: Spec) -> Iterator[tuple[Node, str, bytes]]:
    for body in (body for route in spec.routes for one in route.responses for body in one.bodies):
        yield from ((body.node, name, data) for name, data in body.files.items())
    for model in spec.models.values():
        if isinstance(model, Table):
            yield model.node["table"], model.node["table"].text or "", model.data
    keys = spec.service.auth.node["api_keys"].items if spec.service.auth is not None else ()
    for file in (key["file"] for key in keys if key["file"].text):
        yield file, file.text or "", _read(spec, file)


def _read(spec: Spec, node: Node) -> bytes:
    try:
        return read_regular(spec.folder / (node.text or ""), MOST_BYTES + 1)
    except OSError as error:
        raise SpecError([_unreadable(node, error)]) from None


def _unreadable(node: Node, error: OSError) -> Diagnostic:
    return node.error(f'file "{node.text}" cannot be read: {error.strerror}')


def _require_space(files: Mapping[str, bytes]) -> None:
    size = sum(len(key_of(number, name)) + len(data) for number, (name, data) in enumerate(files.items()))
    if size > MOST_BYTES:
        largest = max(files, key=lambda name: len(files[name]))
        raise EngineError(
            f"the files of the spec have {size:,} bytes, and a ConfigMap holds {MOST_BYTES:,}; the largest is "
            f"{largest} with {len(files[largest]):,}; leave out --config-map, and put the service into the image, or a "
            "bundle of it (--bundle)"
        )
