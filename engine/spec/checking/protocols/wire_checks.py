"""The mistakes in the protocols of a service: unknown models, and paths that two answers would have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.diagnostics import Diagnostic
from engine.schema import show
from engine.spec.checking.built_in import built_in_shapes
from engine.spec.checking.protocols.declared_protocols import DeclaredProtocol, declared_protocols, model_names
from engine.spec.checking.protocols.wire_paths import HEALTH, HEALTH_VARIABLE, PREDICT_VARIABLE, WirePath
from engine.spec.protocol_records import SINGLE
from engine.spec.reading.node import Node
from engine.spec.urls.url_rules import path_parameters, rule_shape
from engine.text import did_you_mean

_Taken = dict[tuple[str, str], tuple[WirePath, DeclaredProtocol]]


def check_protocols(service: Node, models_file: str | None, models: Node | None) -> Iterator[Diagnostic]:
    """Return every mistake in the protocols of a service; `models` are those of the models' file, None if broken."""
    if "protocols" not in service:
        return
    if models_file is None:
        yield service.key("protocols").error(
            "protocols serve models, and there is no models.yaml beside this file; write one, or remove protocols"
        )
    if models is None:
        return
    known, built_in = model_names(models), built_in_shapes(service)
    taken: _Taken = {}
    declared = [*declared_protocols(service)]
    for one in declared:
        mistakes = list(_check_models(one, declared, known, models_file or ""))
        yield from mistakes
        if mistakes:
            continue
        paths = one.paths(known)
        yield from _check_base_path(service, one, paths)
        for path in paths:
            found = [*_check_path(path, one, built_in), *_check_shared(path, one, taken)]
            yield from found
            if found:
                break  # the others of this protocol have the same mistake
        if one.name == "vertex" and not paths:
            message = (
                f"{HEALTH_VARIABLE} and {PREDICT_VARIABLE} are not set, so this protocol has no paths here; Vertex AI "
                f"sets them; to try it, set {HEALTH_VARIABLE}=/health and {PREDICT_VARIABLE}=/predict"
            )
            yield one.place.error(message, "warning")


def wire_shapes(service: Node, models: Node | None) -> Mapping[str, str]:
    """Describe the path of a protocol at each shape; the one at `/` gives way to a route of the spec."""
    known = model_names(models)
    return {
        shape: f"is a path of the protocol {one.name} under service: protocols; choose another path"
        for one in declared_protocols(service)
        for path in one.paths(known)
        if path.action != "alive" and (shape := _shape(path.path))
    }


def _check_models(
    one: DeclaredProtocol, declared: Iterable[DeclaredProtocol], known: tuple[str, ...], models_file: str
) -> Iterator[Diagnostic]:
    """Report models that do not exist, and a protocol of one model that does not say which."""
    for node in (one.settings["model"], *one.settings["models"].items):
        if node.text is not None and node.text not in known:
            yield node.error(f'unknown model "{node.text}" {did_you_mean(node.text, known, f"{models_file} has")}')
    if one.name in SINGLE and "model" not in one.settings and len(known) > 1:
        if one.settings["models"].present or (one.settings.present and one.settings.fields is None):
            return  # which the grammar reports
        named = f"{{model: {known[0]}}}"
        written = ", ".join(f"{other.name}: {named if other.name in SINGLE else '{}'}" for other in declared)
        yield one.place.error(
            f'{one.name} serves one model, and there are {len(known)}; name it: "protocols: {{{written}}}"'
        )


def _check_base_path(service: Node, one: DeclaredProtocol, paths: Iterable[WirePath]) -> Iterator[Diagnostic]:
    base = service["base_path"].text
    for path in paths:
        if base and (path.path == base or path.path.startswith(f"{base}/")):
            yield service["base_path"].error(
                f'base_path "{base}": the protocol {one.name} has the path {path.path}; choose another base_path'
            )
            return


def _check_path(path: WirePath, one: DeclaredProtocol, built_in: Mapping[str, str]) -> Iterator[Diagnostic]:
    if path.action == "alive":
        return
    said = f"path {show(path.path).encode(errors='backslashreplace').decode()} of {one.name}"
    try:
        shape = rule_shape(path.path)
    except ValueError as error:
        yield one.place.error(f"{said}: {error}{_variable(path, one)}")
        return
    if one.name == "vertex" and path_parameters(path.path):
        yield one.place.error(f"{said}: it must not have path parameters{_variable(path, one)}")
    if shape in built_in:
        yield one.place.error(f"{said} {built_in[shape].replace('choose another path, or ', '')}")


def _check_shared(path: WirePath, one: DeclaredProtocol, taken: _Taken) -> Iterator[Diagnostic]:
    """Report a path that another protocol has too, for another model, other requests, or other keys."""
    first, other = taken.setdefault((path.path, path.method), (path, one))
    if other.name == one.name:
        return
    said = f"{path.path} is a path of {other.name} too"
    if path.action == "infer" and first.action == "infer":
        if path.model != first.model:
            yield one.place.error(
                f"{said}, where it asks the model {first.model}, and here {path.model}; name the same model in both"
            )
        elif "v2" in (one.name, other.name):
            yield one.place.error(f"{said}, and their requests differ{_variable(path, one, other)}")
    if {path.action, first.action}.isdisjoint(HEALTH) and _keys(one) != _keys(other):
        yield one.place.error(f"{said}, and one route has one list of keys; write the same auth in both")


def _keys(one: DeclaredProtocol) -> object:
    """Return what a protocol says of its keys, as something to compare."""
    said = one.settings["auth"].plain
    return sorted(said) if isinstance(said, list) else said


def _variable(path: WirePath, *several: DeclaredProtocol) -> str:
    """Name the variable that chose a path, if one did."""
    if all(one.name != "vertex" for one in several):
        return ""
    return f"; change {HEALTH_VARIABLE if path.method == 'GET' else PREDICT_VARIABLE}"


def _shape(path: str) -> str:
    """Return the shape of a path, empty for one that is no rule."""
    try:
        return rule_shape(path)
    except ValueError:
        return ""
