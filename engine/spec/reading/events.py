"""A spec's text as a flat run of events, from YAML by libyaml or from JSON, so that one composer reads both.

JSON gets a reader of its own because libyaml follows YAML 1.1, which is not a superset of JSON: it refuses
surrogate pairs, long keys and a few characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from engine.spec.reading.scalars import resolve_scalar
from engine.spec.reading.source import Source

Kind = Literal["mapping", "sequence", "end", "scalar", "alias"]

_JSON_TOKEN = re.compile(r'[{}\[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}\[\]:,"]+')
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_CORE_TAGS = {"tag:yaml.org,2002:map": "mapping", "tag:yaml.org,2002:seq": "sequence"}
_STRING_TAGS = ("!", "tag:yaml.org,2002:str")
_BAD_START = "found character that cannot start any token"
_ADVICE: Mapping[str | tuple[str, str], str] = {
    (_BAD_START, "\t"): "a tab cannot indent YAML; use spaces",
    (_BAD_START, "@"): "a plain value cannot begin with @; put it in quotes",
    (_BAD_START, "`"): "a plain value cannot begin with a backquote; put it in quotes",
    (_BAD_START, "%"): "a plain value cannot begin with %; put it in quotes",
    "found a tab character that violates indentation": "a tab cannot indent YAML; use spaces",
    "could not find expected ':'": "this line has no ': ' after its key, or its indentation is wrong",
    "did not find expected key": "the indentation matches no mapping above, or a quote or bracket is not closed",
    "did not find expected '-' indicator": "a list item is missing its '- ', or the indentation is off",
    "did not find expected ',' or ']'": "the list that begins on line {line} lacks a ',' or ']' before this",
    "did not find expected ',' or '}'": "the mapping that begins on line {line} lacks a ',' or '}}' before this",
    "did not find expected node content": "a value is missing here, or the ']' or '}}' for the bracket on line {line}",
    "did not find expected <document start>": "there is text after the end of the document",
    "found unexpected end of stream": "the file ends inside a quoted value; close the quote",
    "found unexpected document indicator": "the document ends inside a quoted value; close the quote",
    "found unknown escape character": "no such escape in double quotes; write \\\\ for \\, or use single quotes",
    "found undefined tag handle": "tags are not supported; put the value in quotes if it begins with !",
}
_FLOW_END = re.compile(r"[,\]}\n]")
_LINE = re.compile(r"(?P<indent> *)(?P<dashes>(?:- +)*)(?P<text>[^# ].*)")
_NO_SPACE = re.compile(r"[^\s:'\"]+:(?=\S)(?!//)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a document: a collection begins or ends, a scalar with its `value`, or an alias."""

    kind: Kind
    start: int
    end: int
    value: Any = None
    text: str = ""
    anchor: str | None = None
    flow: bool = False


def read_events(source: Source) -> Iterator[Event]:
    """Read a document; raise `SpecError` at the first place that is not valid."""
    if source.text.lstrip(" \t\r\n")[:1] in ("{", "[", '"') and _is_json(source.text):
        return _json_events(source)
    return _yaml_events(source)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=int, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def _json_events(source: Source) -> Iterator[Event]:
    for token in _JSON_TOKEN.finditer(source.text):
        text, (start, end) = token.group(), token.span()
        match text[0]:
            case "{":
                yield Event("mapping", start, end, flow=True)
            case "[":
                yield Event("sequence", start, end, flow=True)
            case "}" | "]":
                yield Event("end", start, end)
            case ":" | ",":
                continue
            case '"':
                yield Event("scalar", start, end, _storable(json.loads(text, strict=False), source, start, end))
            case _:
                yield _plain(source, text, start, end)


def _yaml_events(source: Source) -> Iterator[Event]:
    if unreadable := _UNREADABLE.search(source.text):
        message = (
            f"the character U+{ord(unreadable.group()):04X} is not allowed in YAML; write it as an escape in quotes"
        )
        raise source.error(*unreadable.span(), message)
    loader: Any = yaml.CLoader(source.text)
    documents = 0
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    start = event.start_mark.index  # type: ignore[union-attr]
                    raise source.error(start, start + 3, "a second document begins here; a spec is one document")
            elif not isinstance(event, yaml.StreamStartEvent | yaml.DocumentEndEvent):
                yield _from_libyaml(source, event)
    except yaml.MarkedYAMLError as error:
        unclosed = "unexpected end of stream" in str(error.problem)
        mark: Any = error.context_mark if unclosed else error.problem_mark
        start = mark.index
        if error.problem == "mapping values are not allowed in this context":
            first, end, advice = explain_second_colon(source.text, start)
            raise source.error(first, end, f"not YAML: {advice}") from None
        if source.text[start - 1 : start + 1] == "${" and str(error.problem).startswith("did not find expected ','"):
            begin, end = _around_reference(source.text, start - 1)
            written = source.text[begin:end]
            message = f'between brackets or braces, a text with a reference needs quotes: write "{written}"'
            raise source.error(begin, end, f"not YAML: {message}") from None
        if found := _second_colon_in_flow(source.text, start):
            advice = f'between brackets or braces, a text with ": " needs quotes: write "{source.text[slice(*found)]}"'
            raise source.error(*found, f"not YAML: {advice}") from None
        began = source.place(error.context_mark.index, 0).line if error.context_mark else 0
        raise source.error(start, start + 1, _explain(source.text[start : start + 1], error, began)) from None
    finally:
        loader.dispose()


def _around_reference(text: str, at: int) -> tuple[int, int]:
    """Return the start and the end of the plain text around an unquoted reference in a flow collection."""
    before = max(text.rfind(mark, 0, at) + len(mark) for mark in ("{", "[", ",", ": ", "\n") if mark in text[:at])
    begin = before + len(text[before:at]) - len(text[before:at].lstrip())
    closed = text.find("}", at, at + 200) + 1 or at + 2
    rest = _FLOW_END.search(text, closed)
    end = rest.start() if rest is not None else len(text)
    return begin, closed + len(text[closed:end].rstrip())


def _second_colon_in_flow(text: str, at: int) -> tuple[int, int] | None:
    """Return the start and the end of a plain text in a flow collection whose ': ' is not that of a key, at `at`.

    If a word stands alone before the colon, a comma before that may be missing instead.
    """
    begin = max(text.rfind(mark, 0, at) + len(mark) for mark in (": ", "{", "[", ", ", "\n"))
    end = min(at for at in (text.find("}", at), text.find("\n", at), len(text)) if at >= 0)
    is_value = text[begin - 2 : begin] == ": " and '"' not in text[begin:end]
    return (begin, end) if text[at : at + 2] == ": " and is_value and " " not in text[begin:at] else None


def _from_libyaml(source: Source, event: Any) -> Event:
    start, end = event.start_mark.index, event.end_mark.index
    match event:
        case yaml.AliasEvent():
            return Event("alias", start, end, anchor=event.anchor)
        case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
            return Event("end", start, end)
        case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
            kind: Kind = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
            if event.tag not in (None, "!") and _CORE_TAGS.get(event.tag) != kind:
                raise _unread_tag(source, start)
            return Event(kind, start, end, anchor=event.anchor, flow=bool(event.flow_style))
    if event.tag is None and event.implicit[0]:
        return _plain(source, event.value, start, end, event.anchor)
    if event.tag is not None and event.tag not in _STRING_TAGS:
        raise _unread_tag(source, start)
    value = _storable(event.value, source, start, end)
    return Event("scalar", start, end, value, event.value, event.anchor)


def _plain(source: Source, text: str, start: int, end: int, anchor: str | None = None) -> Event:
    try:
        return Event("scalar", start, end, resolve_scalar(text), text, anchor)
    except ValueError as error:
        raise source.error(start, end, str(error)) from None


def _storable(text: str, source: Source, start: int, end: int) -> str:
    """Refuse half of a surrogate pair, which JSON can express and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise source.error(start, end, "half of a surrogate pair is not a character; write both halves") from None
    return text


def _unread_tag(source: Source, start: int) -> Exception:
    end = start + len(source.text[start : start + 200].split(maxsplit=1)[0])
    tag = source.text[start:end]
    return source.error(start, end, f"tags such as {tag} are not supported; write the value plainly, or in quotes")


def _explain(character: str, error: yaml.MarkedYAMLError, began: int) -> str:
    problem = error.problem or "this cannot be read"
    advice = _ADVICE.get((problem, character)) or _ADVICE.get(problem)
    return f"not YAML: {advice.format(line=began) if advice else problem}"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is neither empty nor a comment; its `text`, from `start`, comes after the dashes of list items.

    A plain value on it continues on lines that are indented more than `base`.
    """

    number: int
    start: int
    text: str
    indent: int
    base: int
    is_item: bool

    @property
    def has_key(self) -> bool:
        return ": " in self.text or self.text.endswith(":")


def explain_second_colon(text: str, at: int) -> tuple[int, int, str]:
    """Explain a ': ' inside of a plain value, of which libyaml names only the place, `at`.

    Return the start and the end of what to mend, and how.
    """
    *above, line = [_Line(0, 0, "", 0, 0, is_item=False), *_lines(text[:at])]
    if len(above) <= 1 or ": " in line.text:
        return at, at + 1, "a second ': ' on one line; put the value in quotes"
    began = _beginning(above[1:])
    unspaced = None if began.has_key else _NO_SPACE.match(began.text)
    if unspaced is not None:
        colon = began.start + unspaced.end() - 1
        return colon, colon + 1, "a ':' without a space after it; write ': '"
    if not began.has_key and not began.is_item:
        return began.start, began.start + len(began.text), "this line has no ': ' after its key"
    of = "above" if began is above[-1] else "that begins there"
    advice = "indent both alike, and begin each item of a list with '- '"
    message = f"this line is indented more than line {began.number}, so it continues the value {of}; {advice}"
    return line.start, at, message


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.match(line.rstrip())
        if found is not None:
            column, dashes = found.start("text"), found["dashes"]
            is_item = bool(dashes) and ": " not in found["text"] and not found["text"].endswith(":")
            base = found.start("dashes") + dashes.rindex("-") if is_item else column
            yield _Line(number, start + column, found["text"], len(found["indent"]), base, is_item)
        start += len(line) + 1


def _beginning(lines: list[_Line]) -> _Line:
    """Return the line on which the value begins that the last of the lines ends or continues."""
    for above, line in zip(reversed(lines[:-1]), reversed(lines), strict=False):
        if line.has_key or line.indent <= above.base or above.text.endswith(":"):
            return line
    return lines[0]
