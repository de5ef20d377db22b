"""References in the notations of other tools, and how to write them here.

`${query.page | default(1)}` and `${query['page']}` are mistakes, and `{{request.query.page}}` is a text like any other:
in each, this finds the declared name that was probably meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.spec.naming.known import ANY
from engine.spec.naming.names import Names
from engine.spec.references import Name, parse_name

# What other tools write between a name and its default, or a name and what is to be done with its value.
_AFTER_NAME = re.compile(
    r"\s*\|\s*default\s*[(:]?\s*(?P<filter>[^()]*)\)?\s*\Z"
    r"|\s*(?::[=?]?|\|\|?|\?\?|\?:|,|=|-|\bor\b)\s*(?P<default>[\w.'\"-]*)\s*\Z"
    r"|\.get\(\s*['\"](?P<got>[^'\"]*)['\"]\s*(?:,\s*(?P<otherwise>[^()]*))?\)\s*\Z"
    r"|\s*[|?:+*/%=<>,-].*|\.?\w+\(.*",
    re.DOTALL,
)
_FILTERS = frozenset(
    "abs capitalize downcase e escape first float int join json last length lower safe size string title tojson trim "
    "upcase upper urlencode".split()
)
_BRACKETS = re.compile(r"\.?\[\s*(?:'([^']*)'|\"([^\"]*)\"|(\d+))\s*\]")
_BEFORE_ROOT = re.compile(r"\A\$?\.?(?:(?:ctx|req|request)\.)?", re.IGNORECASE)
_ROOT = re.compile(r"\A([A-Za-z][A-Za-z0-9]*)(?:[:/.](.*))?\Z", re.DOTALL)
# {{queryParam 'page' '1'}} of Mockoon, {{jsonPath request.body '$.user.name'}} of WireMock
_HELPER = re.compile(
    r"\A(?P<root>jsonPath|\w+)\s+(?:(?:request\.)?body\s+)?['\"](?:\$\.)?(?P<key>[^'\"]*)['\"]"
    r"(?:\s+['\"]?(?P<default>[^'\"]*)['\"]?)?\Z"
)
_NUMBERED = re.compile(r"\A([^.]+)\.0\Z")  # in WireMock, every parameter may be several values
_ROOTS = {
    **dict.fromkeys(("param", "params", "pathparam", "pathparams", "urlparam"), ("path", "query")),
    **dict.fromkeys(("args", "queryparam", "queryparamraw", "queryparams", "querystring"), ("query",)),
    "header": ("headers",),
    "cookie": ("cookies",),
    **dict.fromkeys(("date", "datetime", "timestamp"), ("now",)),
    **dict.fromkeys(("guid", "randomuuid", "uuid4", "uuidv4"), ("uuid",)),
    **dict.fromkeys(("bodyraw", "data", "form", "json", "jsonpath", "payload"), ("body",)),
}
_MADE = ("method", "now", "url", "uuid")  # of every request
_LONGEST = 200
_DECLARABLE = ("body.", "cookies.", "headers.", "path.", "query.")
_OF_OTHERS = re.compile(r"request\.|\w+\s+['\"]")
_MUSTACHES = re.compile(r"(?<!\$)\{\{\{?[\s&]*(?P<inside>[^{}]{1,200}?)\s*\}?\}\}")


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a text may mean: a name and its default; it `is_whole` if nothing of the text is left out."""

    name: str
    default: str = ""
    is_whole: bool = True


def explain_notation(written: str, names: Names) -> str:
    """Say how a reference that names nothing is written here; empty if it is in no other notation that is known."""
    inside = written.removeprefix("${").removesuffix("}").strip()
    if len(inside) > _LONGEST:
        return ""
    if _declared(inside.partition(":-")[0].strip(), names) is not None:
        return ""  # it has another mistake
    for reading in _readings(inside):
        if (meant := _write(reading, names)) is None:
            continue
        if ":-" in meant and reading.name in _MADE:
            return f'"{written}": {reading.name} has one format and is never absent; write "${{{reading.name}}}"'
        if ":-" in meant:
            return f'"{written}": a default begins with :-; write "{meant}"'
        if reading.default:
            return f'"{written}": its schema has a default, so no other is allowed here; write "{meant}"'
        if reading.is_whole:
            return f'unknown name "{inside}" (did you mean "{meant[2:-1]}"?)'
        return f'"{written}": nothing is computed in a reference; write "{meant}"'
    return ""


def find_mustaches(text: str, names: Names, *, is_page: bool) -> Iterator[tuple[str, str]]:
    """Yield each `{{…}}` of a text that means a value of the request, and a reference to that, empty if there is none.

    A page may have its own, so there only a declared value counts, with its whole name.
    """
    for found in _MUSTACHES.finditer(text):
        inside = found["inside"]
        readings = [*_readings(inside), *(() if is_page else _same_names(inside, names))]
        meant = next((one for reading in readings if (one := _write(reading, names))), None)
        if meant is None and not is_page:
            meant = _undeclared(readings)
        if meant is not None or (not is_page and _OF_OTHERS.match(inside)):
            yield found.group(), meant or ""


def _undeclared(readings: list[_Reading]) -> str | None:
    """Return a reference to a parameter that is not declared yet."""
    for reading in readings:
        if reading.is_whole and reading.name.startswith(_DECLARABLE):
            try:
                return f"${{{parse_name(reading.name)}}}"
            except ValueError:
                continue
    return None


def _same_names(word: str, names: Names) -> Iterator[_Reading]:
    return (_Reading(known) for known in names.words() if known.partition(".")[2] == word)


def _write(reading: _Reading, names: Names) -> str | None:
    """Write a reference to what was meant; None if nothing declared is called so."""
    name = _declared(reading.name, names)
    if name is None:
        return None
    is_filled = any(part.has_default for part in names.find(name).parts)
    return f"${{{name}:-{reading.default}}}" if reading.default and not is_filled else f"${{{name}}}"


def _declared(text: str, names: Names) -> Name | None:
    try:
        name = parse_name(text)
        if names.find(name).parts != [ANY]:
            return name
        above = names.find(Name(name.root, name.steps[:-1]))
        return name if name.steps[-1:] and name.steps[-1].isdigit() and above.types == {"array"} else None
    except ValueError:
        return None


def _readings(inside: str) -> Iterator[_Reading]:
    """Yield what a text may mean, the likeliest first."""
    if (helper := _HELPER.match(inside)) is not None:
        for name in _rooted(f"{helper['root']}.{helper['key']}"):
            yield _Reading(name, helper["default"] or "")
    dotted = _BRACKETS.sub(lambda key: "." + next(filter(None, key.groups()), ""), inside)
    for name in _rooted(dotted):
        yield _Reading(name)
    for number in range(1, len(dotted)):
        found = _AFTER_NAME.match(dotted, number)
        if found is None:
            continue
        got = f".{found['got']}" if found["got"] else ""
        default = next(filter(None, (found["filter"], found["default"], found["otherwise"])), "").strip(" \t'\"")
        is_whole = bool(got) or found["default"] == ""
        if "|" in found.group() and default in _FILTERS:
            default = ""
        for name in _rooted(dotted[:number] + got):
            yield _Reading(name, default, is_whole=is_whole)


def _rooted(text: str) -> Iterator[str]:
    """Yield the names that a dotted text of another tool may mean: `request.params.id` is `path.id` or `query.id`."""
    found = _ROOT.match(_BEFORE_ROOT.sub("", text.strip()))
    if found is None:
        return
    root = found[1].lower()
    for meant in _ROOTS.get(root, (root,)):
        yield meant if found[2] is None else f"{meant}.{found[2]}"
        if found[2] is not None and (numbered := _NUMBERED.match(found[2])) is not None:
            yield f"{meant}.{numbered[1]}"
