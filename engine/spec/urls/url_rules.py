"""URL rules as in Flask: Werkzeug itself reads them, so that a rule has the same meaning in both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    Map,
    Rule,
    UUIDConverter,
)

from engine.spec.urls.splits import check_splits
from engine.text import did_you_mean


class LazyRule(Rule):
    """A rule that prepares for `url_for` only when that is first used, because this takes most of a rule's time."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        build: Callable[..., tuple[str, str]] | None = None

        def build_url(rule: Rule, **values: Any) -> tuple[str, str]:
            nonlocal build
            if build is None:
                build = Rule._compile_builder(rule, append_unknown)  # noqa: SLF001 - the one seam there is
            return build(rule, **values)

        return build_url


class _ReadRule(LazyRule):
    """A rule that keeps the converters of its path parameters, by name."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.converters: dict[str, BaseConverter] = {}
        Map([self])

    def get_converter(
        self, variable_name: str, converter_name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> BaseConverter:
        converter = super().get_converter(variable_name, converter_name, args, kwargs)
        self.converters[variable_name] = converter
        return converter


_VARIABLE = re.compile(r"<(?:(?P<converter>[a-zA-Z_]\w*)(?P<arguments>\(.*?\))?:)?(?P<name>[a-zA-Z_]\w*)>")


# A parameter in the syntax of Express (":id", "*"), Next.js ("[id]", "[...rest]") and others.
_FOREIGN = re.compile(
    _VARIABLE.pattern.replace("?P<name>", "").replace("?P<converter>", "").replace("?P<arguments>", "")
    + r"|(?P<foreign>(?<=/):(?P<id>[a-zA-Z_]\w*)|(?<=/)\[(?P<rest>\.\.\.)?(?P<box>[a-zA-Z_]\w*)\](?=/|$)"
    r"|(?P<star>\*+)(?P<starred>[a-zA-Z_]?\w*))"
)


# A parameter in the syntax of OpenAPI ("{id}"), FastAPI ("{id:int}") and Spring ("{id:[0-9]+}", "{*rest}").
_IN_BRACES = re.compile(r"\{+\s*(?P<star>\*?)(?P<name>[a-zA-Z_][\w-]*)\*?\s*(?::(?P<converter>[^{}]*))?\}+")


def path_parameters(path: str) -> tuple[str, ...]:
    """Return the names of a rule's path parameters, in their order."""
    return tuple(match["name"] for match in _VARIABLE.finditer(path))


def text_parameters(path: str) -> tuple[str, ...]:
    """Return the names of the path parameters that accept any text."""
    found = _VARIABLE.finditer(path)
    return tuple(match["name"] for match in found if match["converter"] in (None, "default", "string", "path"))


def meant_rule(path: str) -> tuple[str, str] | None:
    """Return a parameter in another framework's syntax, with the rule in ours; None if the path has none."""
    found = ""

    def translate(piece: re.Match[str]) -> str:
        nonlocal found
        if piece["foreign"] is None:
            return piece[0]
        found = found or piece[0]
        takes_slashes = piece["rest"] or (piece["star"] and piece.end() == len(path) and path[piece.start() - 1] == "/")
        name = piece["id"] or piece["box"] or piece["starred"] or ("rest" if takes_slashes else "part")
        return f"<path:{name}>" if takes_slashes else f"<{name}>"

    meant = _FOREIGN.sub(translate, path)
    return (found, meant) if found else None


def path_template(path: str) -> str:
    """Write a rule in OpenAPI's syntax: `/users/{id}`."""
    return _VARIABLE.sub(lambda variable: f"{{{variable['name']}}}", path)


def parameter_schemas(path: str) -> Mapping[str, dict[str, Any]]:
    """Return the JSON Schema of each path parameter, according to its converter."""
    if "<" not in path:
        return {}
    return {name: _converted(converter) for name, converter in _converters(path).items()}


@lru_cache(maxsize=100)  # several checks of a route ask in succession, and it takes Werkzeug its time
def _converters(path: str) -> Mapping[str, BaseConverter]:
    return _ReadRule(path).converters


def _converted(converter: BaseConverter) -> dict[str, Any]:
    match converter:
        case IntegerConverter() | FloatConverter():
            integer = isinstance(converter, IntegerConverter)
            least = converter.min if converter.min is not None or converter.signed else 0
            bounds = {"minimum": least, "maximum": converter.max}
            known = {name: bound for name, bound in bounds.items() if bound is not None}
            return {"type": "integer" if integer else "number", **known}
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string", "pattern": f"^{converter.regex}$"}


@lru_cache(maxsize=1000)
def why_no_prefix(prefix: str, at_end: str = "") -> str:
    """Say what keeps a text from being put before paths, empty if nothing does; `at_end` says why no slash ends it."""
    if "://" in prefix:
        return "must be a path, not a URL; leave out the scheme and the host"
    if not prefix.strip("/"):
        return "adds nothing to a path; leave it out"
    if not prefix.startswith("/"):
        return f'must begin with "/"; write /{prefix.rstrip("/")}'
    if prefix.endswith("/"):
        return f'must not end with "/"{at_end}; write {prefix.rstrip("/")}'
    try:
        rule_shape(prefix)
    except ValueError as error:
        return str(error)
    return ""


def rule_shape(path: str) -> str:
    """Return a key that is equal for rules that match the same URLs; raise `ValueError`, for the author, if invalid."""
    if not path.startswith("/"):
        raise ValueError('a path must begin with "/"')
    literal = _VARIABLE.sub("", path)
    if (misnamed := _MISNAMED.search(literal)) is not None:
        raise ValueError(f"a name has letters, digits and _; write {_renamed(misnamed)}")
    for character, why in _NOT_IN_A_PATH.items():
        if character in literal:
            meant = _in_our_syntax(path) if character == "{" else "{"
            raise ValueError(why if "{" in meant else f'{why}: "{meant}"')
    if (odd := _UNWRITABLE.search(path)) is not None:
        raise ValueError(f"a path cannot have the character U+{ord(odd[0]):04X}; remove it")
    if "//" in path:
        raise ValueError("a path cannot have an empty segment; write one slash")
    if {".", ".."} & set(path.split("/")):
        raise ValueError('a path cannot have a segment "." or "..", which clients resolve before they send the request')
    if "<" not in path:
        return path
    _check_parameters(path)
    return _VARIABLE.sub(_anonymous, path)


def _in_our_syntax(path: str) -> str:
    """Write a path with the parameters of OpenAPI, `{id}`, or of FastAPI, `{id:int}`, as a rule."""

    def translate(piece: re.Match[str]) -> str:
        converter = "path" if piece["star"] else piece["converter"] if piece["converter"] in _NAMED else ""
        name = re.sub(r"\W", "_", piece["name"])
        return f"<{converter}:{name}>" if converter else f"<{name}>"

    return _IN_BRACES.sub(translate, path)


def _renamed(misnamed: re.Match[str]) -> str:
    name = re.sub(r"\W+", "_", misnamed["name"].strip())
    return f"<{misnamed['converter'] or ''}{name if not name[0].isdigit() else f'_{name}'}>"


def _check_parameters(path: str) -> None:
    names = path_parameters(path)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the parameter "{twice}" appears twice; name each once')
    _check_converters(path)
    for match in _VARIABLE.finditer(path):
        if match["converter"] == "any" and (quoted := _in_quotes((match["arguments"] or "()")[1:-1])):
            raise ValueError(f'the values of "{match["name"]}" need quotes: <any({quoted}):{match["name"]}>')
    try:
        converters = _converters(path)
        for converter in converters.values():  # Werkzeug compiles them at the first request
            re.compile(converter.regex)
    except Exception as error:  # noqa: BLE001 - a converter may raise anything over its arguments
        raise ValueError(f"not a URL rule: {error}") from None
    for name, converter in converters.items():  # Werkzeug takes min=two and fails at a request
        bounds = (getattr(converter, bound, None) for bound in ("min", "max", "fixed_digits"))
        if any(isinstance(bound, str | bool) for bound in bounds):
            raise ValueError(f'the bounds of "{name}" must be numbers, as in <int(min=1):{name}>')
    for run in _runs(path, converters):
        check_splits(run)


def _check_converters(path: str) -> None:
    for match in _VARIABLE.finditer(path):
        if (converter := match["converter"]) not in _CONVERTERS:
            meant = _MEANT.get(match["name"], match["name"])
            turned = f"; write <{meant}:{converter}>" if meant in _NAMED else ""
            known = did_you_mean(converter, _NAMED, "available")
            raise ValueError(f'unknown converter "{converter}"{turned or f" {known}"}')


def _in_quotes(values: str) -> str:
    """Return the values of `any` in quotes if one needs them, else an empty text: Werkzeug reads `1,2` as a number."""
    found = [value.strip() for value in _VALUE.findall(values) if value.strip()]
    if all(value[0] in "\"'" or (value.isidentifier() and value not in _CONSTANTS) for value in found):
        return ""
    return ", ".join(value if value[0] in "\"'" else f'"{value}"' for value in found)


def _runs(path: str, converters: Mapping[str, BaseConverter]) -> Iterator[list[str | BaseConverter]]:
    """Return the parts that are matched together, as texts and parameters: a segment, or all from the first path on."""
    segments = path.split("/")
    for number, segment in enumerate(segments):
        takes_slashes = any(match["converter"] == "path" for match in _VARIABLE.finditer(segment))
        whole = "/".join(segments[number:]) if takes_slashes else segment
        texts = _VARIABLE.sub("\0", whole).split("\0")
        parameters = [converters[match["name"]] for match in _VARIABLE.finditer(whole)]
        yield [piece for pair in zip_longest(texts, parameters) for piece in pair if piece]
        if takes_slashes:
            return


def _anonymous(variable: re.Match[str]) -> str:
    converter = variable["converter"]
    if converter in (None, "default"):
        converter = "string"
    return f"<{converter}{variable['arguments'] or ''}>"


_NOT_IN_A_PATH: Mapping[str, str] = {
    "<": 'a "<" without a ">"; write a path parameter as <name> or <converter:name>',
    ">": 'a ">" without a "<"; write a path parameter as <name> or <converter:name>',
    "{": "a path parameter is written as <name>",
    "?": "a path cannot have a query, which is not matched; end it before the ?, and declare parameters under query",
    "#": "a path cannot have a fragment, which clients do not send",
    "%": "write the path decoded: é instead of %C3%A9",
    "\\": "a path is written with forward slashes",
}
_UNWRITABLE = re.compile("[\0-\x1f\x7f\ud800-\udfff]")  # control characters, and bytes that are not UTF-8
_VALUE = re.compile(r"\s*(?:\"[^\"]*\"|'[^']*'|[^,]+)")
_CONSTANTS = ("None", "True", "False")
_MISNAMED = re.compile(r"<(?P<converter>[a-zA-Z_]\w*(?:\(.*?\))?:)?(?P<name>[^<>/:()]*\w[^<>/:()]*)>")
_MEANT = {"integer": "int", "number": "float", "str": "string"}
_NAMED = sorted(set(Map.default_converters) - {"default"})
_CONVERTERS = {None, *Map.default_converters}
