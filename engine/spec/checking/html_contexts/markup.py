"""Where the references of a template stand in its markup, by the tokenizer of https://html.spec.whatwg.org.

An escaped value may be empty, and contains any characters except `<`, `>` and quotes. So it never ends a text or a
quoted value, but it can complete what literals have begun. Which elements hold raw text depends on the tree; wherever
that is not certain, or browsers differ, and it makes a difference, nothing after that is safe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.spec.checking.html_contexts.attributes import HtmlDanger, Tag, judge_value
from engine.spec.checking.html_contexts.raw_text import (
    BREAKOUTS,
    IN_SELECT,
    INTEGRATION_POINTS,
    RAW_REASONS,
    TEXT_ELEMENTS,
    find_end,
)

MARK = "\ue000"  # stands for a reference; the same character in a literal is replaced, as any other would do
_OTHER = "\ue001"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_SPACES = re.compile(r"[\t\n\f\r /]*")
_BLANKS = re.compile(r"[\t\n\f\r ]*")
_TAG_NAME = re.compile(r"[^\t\n\f\r />]*")
_ATTRIBUTE_NAME = re.compile(r"=?[^\t\n\f\r />=]*")
_UNQUOTED = re.compile(r"[^\t\n\f\r >]*")
_COMMENT_END = re.compile(r"--!?>")
_LETTER = re.compile(f"[a-zA-Z{MARK}]")
_COULD_END_COMMENT = re.compile(r"-?!?>")
_COULD_END_TEXT = re.compile(r"<(?:/[a-zA-Z]*)?\Z")
_LOOKED_BACK = 20
_JUDGED = 20  # references in one value, and characters before them
_BEGINNING = 2000

_UNSURE = (
    "after an element in <svg>, <math>, <select>, <frameset>, <noscript> or <template> that browsers may read in "
    "several ways; put the reference in front of it, or close the elements in order"
)
_MARKUP = "; write the markup out, and use references in texts and quoted values"


def find_dangers(template: Sequence[str | None]) -> tuple[HtmlDanger | None, ...]:
    """Judge each reference, a None between literals: None if escaping protects there (`html.escape` with quotes).

    Each is judged as if those before it were harmless. The time is linear in the size of the template.
    """
    pieces = [MARK if piece is None else piece.replace(MARK, _OTHER) for piece in template]
    places, position = [], 0
    for piece, literal in zip(pieces, template, strict=True):
        if literal is None:
            places.append(position)
        position += len(piece)
    walk = _Markup("".join(pieces), places)
    walk.run()
    return tuple(walk.dangers)


class _Markup:
    """One walk through a template; a method for a state takes where it begins, and returns where it ends."""

    def __init__(self, text: str, places: list[int]) -> None:
        self._text = text
        self._places = places
        self._next = 0
        self._end = len(text)
        self.dangers: list[HtmlDanger | None] = [None] * len(places)
        self._is_cut = False  # in a tag, comment or raw text
        self._foreign: list[str] = []  # the open elements from <svg> or <math> on
        self._is_lost = False  # whether an element may be foreign, or left out, without our knowing
        self._is_unsure = False  # whether the tokenizer itself may be in another state
        self._in_select = self._has_template = False

    def run(self) -> None:
        position = 0
        while position < self._end:
            found = self._text.find("<", position)
            opening = self._end if found < 0 else found
            self._mark_text(opening)
            position = self._open(opening) if opening < self._end else opening

    @property
    def is_certain(self) -> bool:
        """Whether the template ends as it began, in a text outside of special elements, and certainly so."""
        is_inside = self._is_cut or self._foreign or self._in_select or self._has_template
        return not (is_inside or self._is_lost or self._is_unsure)

    def _mark(self, end: int, danger: HtmlDanger | None) -> range:
        """Set the danger of all references up to a position; return their numbers."""
        first = self._next
        while self._next < len(self._places) and self._places[self._next] < end:
            self.dangers[self._next] = _markup(_UNSURE) if self._is_unsure else danger
            self._next += 1
        return range(first, self._next)

    def _mark_text(self, end: int) -> None:
        name = next((name for name in ("script", "style") if name in self._foreign[-2:]), None)
        self._mark(end, _markup(RAW_REASONS[name]) if name else None)

    def _cut(self) -> int:
        self._is_cut = True
        return self._end

    def _open(self, start: int) -> int:
        """Read what a `<` begins."""
        text, after = self._text, start + 1
        if text.startswith("!--", after):
            return self._comment(start)
        if text.startswith("![CDATA[", after):
            return self._cdata(start)
        if text[after : after + 1] in ("!", "?"):
            return self._declaration(start)
        if text[after : after + 1] == "/":
            if _LETTER.match(text, after + 1):
                return self._tag(after + 1, is_end=True)
            return start + 3 if text.startswith(">", after + 1) else self._declaration(start)
        return self._tag(after, is_end=False) if _LETTER.match(text, after) else after

    def _comment(self, start: int) -> int:
        found = _COMMENT_END.search(self._text, start + 2)
        if found and "!" in found[0] and found.start() < start + 4:
            found = _COMMENT_END.search(self._text, start + 4)
        end = found.end() if found else self._cut()
        for number in self._mark(end, None):
            if _COULD_END_COMMENT.match(self._text, self._places[number] + 1) and not self._is_unsure:
                reason = "in a comment in front of a >, so that a value could end the comment; write a blank in between"
                self.dangers[number] = _markup(reason)
        return end

    def _declaration(self, start: int) -> int:
        """Read `<!DOCTYPE>`, or what browsers take as a comment up to the first `>`."""
        found = self._text.find(">", start)
        end = found + 1 if found >= 0 else self._cut()
        shown = "<!DOCTYPE" if self._text[start + 2 : start + 9].lower() == "doctype" else self._text[start : start + 2]
        self._mark(end, _markup(f"inside {shown}…>, which is no text{_MARKUP}"))
        return end

    def _cdata(self, start: int) -> int:
        """Read a CDATA section, which is one only in SVG and MathML, and else a comment up to the first `>`."""
        section = self._text.find("]]>", start) if self._foreign else -1
        found = self._text.find(">", start if not self._foreign else section if section >= 0 else self._end)
        end = found + 1 if found >= 0 else self._cut()
        self._mark(end, _markup(f"inside <![CDATA[…]]>, where escapes are not decoded{_MARKUP}"))
        self._is_unsure |= self._is_lost and self._text[end - 3 : end] != "]]>"
        return end

    def _tag(self, start: int, *, is_end: bool) -> int:
        """Read a tag from its name on, and what is raw text after it."""
        name_end = self._match_end(_TAG_NAME, start)
        name = self._text[start:name_end].translate(_LOWER)
        self._mark(name_end, _markup(f"in a tag's name{_MARKUP}"))
        tag = Tag(name, MARK)
        judged: list[tuple[range, str, str]] = []
        position = name_end
        while True:
            begin, position = position, self._match_end(_SPACES, position)
            if position >= self._end or self._text[position] == ">":
                break
            position = self._attribute(position, tag, judged)
        for numbers, key, before in [] if self._is_unsure else judged:
            danger = judge_value(tag, key, before)
            for number in numbers:
                self.dangers[number] = danger
        if position >= self._end:
            return self._cut()
        is_closed = position > begin and self._text[position - 1] == "/"
        if is_end:
            self._end_element(name)
            return position + 1
        return self._start_element(name, position + 1, is_closed=is_closed)

    def _attribute(self, start: int, tag: Tag, judged: list[tuple[range, str, str]]) -> int:
        """Read an attribute; note the references in its value, which the whole tag decides."""
        text = self._text
        name_end = self._match_end(_ATTRIBUTE_NAME, start)
        name = text[start:name_end].translate(_LOWER)
        self._mark(name_end, _markup('in a tag outside of a quoted value; write it as a value, as in title="${…}"'))
        position = self._match_end(_BLANKS, name_end)
        if not text.startswith("=", position):
            tag.values.setdefault(name, []).append("")
            return position
        begin = self._match_end(_BLANKS, position + 1)
        quote = text[begin : begin + 1]
        if quote not in ('"', "'"):
            end = self._match_end(_UNQUOTED, begin)
            tag.values.setdefault(name, []).append(text[begin:end])
            self._mark(end, _markup(f'in a value without quotes; quote it, as in {name[:40]}="${{…}}"'))
            return end
        found = text.find(quote, begin + 1)
        end = found if found >= 0 else self._end
        tag.values.setdefault(name, []).append(text[begin + 1 : end])
        numbers = self._mark(end, None)
        for count, number in enumerate(numbers[:_JUDGED], 1):
            same = numbers[count - 1 :] if count == _JUDGED else range(number, number + 1)
            judged.append((same, name, text[begin + 1 : min(self._places[number], begin + _BEGINNING)]))
        return min(end + 1, self._end)

    def _match_end(self, pattern: re.Pattern[str], position: int) -> int:
        found = pattern.match(self._text, position)
        return found.end() if found else position

    def _start_element(self, name: str, position: int, *, is_closed: bool) -> int:
        """Enter an element; return where its raw text ends, or where it begins if it has none."""
        if self._foreign:
            if name not in BREAKOUTS and name != "font" and self._foreign[-1] not in INTEGRATION_POINTS:
                self._foreign += [] if is_closed else [name]
                return position
            if name not in BREAKOUTS or self._foreign[-1] in INTEGRATION_POINTS:
                self._lose(self._foreign)
            self._foreign = []
        self._is_lost |= name == "frameset" or (name == "col" and self._has_template)
        self._is_lost |= self._in_select and name not in IN_SELECT
        self._has_template |= name == "template"
        self._in_select |= name == "select"
        if name in ("svg", "math"):
            self._foreign = [] if is_closed or self._is_lost else [name]
        return self._raw_text(name, position) if name in RAW_REASONS or name in TEXT_ELEMENTS else position

    def _end_element(self, name: str) -> None:
        self._in_select &= name != "select"
        if not self._foreign:
            return
        closed: list[str] = []
        while self._foreign and self._foreign[-1] != name:
            closed.append(self._foreign.pop())
        if self._foreign:
            self._foreign.pop()
        else:
            self._lose(closed)

    def _lose(self, foreign: list[str]) -> None:
        """Note that these elements may be open or closed."""
        self._is_lost = True
        self._is_unsure |= "script" in foreign or "style" in foreign

    def _raw_text(self, name: str, start: int) -> int:
        """Read the text of an element in which tags are none; what ends it is read as a tag."""
        found = find_end(name, self._text, start)
        end = self._cut() if found is None else found
        has_markup = self._text.find("<", start, end) >= 0
        self._is_unsure |= has_markup and self._is_lost
        if name == "noscript" and found is not None and not self._is_unsure:
            inside = _Markup(self._text[start:end], [])
            inside.run()
            self._is_unsure = not inside.is_certain
        numbers = self._mark(end, _markup(RAW_REASONS[name]) if name in RAW_REASONS else None)
        for number in numbers if name in TEXT_ELEMENTS and not self._is_unsure else ():
            place = self._places[number]
            if _COULD_END_TEXT.search(self._text[max(start, place - _LOOKED_BACK) : place]):
                self.dangers[number] = _markup(
                    f"after a < in <{name}>, so that a value could end it; write &lt; instead"
                )
        return end


def _markup(reason: str) -> HtmlDanger:
    return HtmlDanger("markup", reason)
