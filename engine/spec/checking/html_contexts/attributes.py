"""What a value can do in an attribute, though it is quoted and escaped: its name decides, and its element.

The attributes of HTML, SVG and MathML that browsers run, load or follow are listed here. Names that scripts of
frameworks run as code count too; other attributes hold a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from engine.spec.checking.html_contexts.addresses import settle_address

_BY_SCRIPT = 'put the value into an attribute such as data-value="${…}", and let a script read it from there'
_SHOWN = 40
_NAME = re.compile(r"[a-z][a-z0-9_-]*|xml:(?:lang|space)|xlink:(?:href|role|arcrole|title|show|actuate|type)")
_FRAMEWORKS = tuple("data-bind data-hx- data-ng- data-on- data-v- data-x- hx-headers hx-on hx-va ng- v- x-".split())
_ADDRESSES = frozenset(
    "action background cite classid code codebase data dynsrc formaction href hx-delete hx-get hx-patch hx-post hx-put "
    "icon itemid itemtype longdesc lowsrc manifest poster src usemap xlink:arcrole xlink:href xlink:role".split()
)
_SEVERAL_ADDRESSES = frozenset("archive attributionsrc imagesrcset ping profile srcset".split())
_PLAIN = frozenset(("hreflang", "srclang"))
_LIKE_ADDRESSES = ("href", "src", "uri", "url")
_PAINTS = frozenset("clip-path cursor fill filter marker marker-end marker-mid marker-start mask stroke".split())
_ANIMATIONS = frozenset("animate animatecolor animatemotion animatetransform set".split())
_LOADERS = {  # elements that load code, or from where other addresses start
    "applet": {"archive", "code", "codebase"},
    "base": {"href"},
    "embed": {"src", "code"},
    "object": {"data", "classid", "codebase", "code"},
    "script": {"src", "href", "xlink:href"},
}
_HARMLESS_LINKS = frozenset("alternate author bookmark canonical help license next prev search tag".split())
_SETTINGS = {  # attributes that say how browsers read or confine the rest
    "*": {"accept-charset", "attributename", "charset", "csp", "http-equiv", "sandbox", "xmlns"},
    "annotation-xml": {"encoding"},
    "iframe": {"allow"},
    "param": {"name", "value"},
    "script": {"language", "type"},
    **{name: {"by", "from", "to", "values"} for name in _ANIMATIONS},
}


@dataclass(frozen=True, slots=True)
class HtmlDanger:
    """Why escaping does not protect at a reference, with the remedy, as a clause.

    In an "address", values that are all known, as those of an enum, do no harm; elsewhere they may.
    """

    kind: Literal["address", "markup"]
    reason: str


class Tag:
    """A tag: its element, and the values of each attribute, a reference being a mark."""

    def __init__(self, element: str, mark: str) -> None:
        self.element = element
        self.mark = mark
        self.values: dict[str, list[str]] = {}

    @property
    def is_refresh(self) -> bool:
        """Whether its `content` is more than a text."""
        return self.element == "meta" and "http-equiv" in self.values

    @cached_property
    def is_harmless_link(self) -> bool:
        """Whether it is certainly a link that loads nothing."""
        relations = [value.lower().split() for value in self.values.get("rel", ())]
        return bool(relations) and all(one and _HARMLESS_LINKS.issuperset(one) for one in relations)


def judge_value(tag: Tag, name: str, before: str) -> HtmlDanger | None:
    """Judge a reference in the quoted value of an attribute, after what stands `before` it there."""
    element = tag.element
    shown = f'the attribute "{name[:_SHOWN]}"'
    if name.startswith("on"):
        return HtmlDanger("markup", f"in {shown}, which browsers run as a script; {_BY_SCRIPT}")
    if name == "style":
        return HtmlDanger(
            "markup", f'in {shown}, which browsers read as CSS; use a class or data-value="${{…}}" for it'
        )
    if name == "srcdoc":
        return HtmlDanger("markup", f"in {shown}, which browsers read as a document; use src with an address")
    if not _NAME.fullmatch(name) or name.startswith(_FRAMEWORKS):
        return HtmlDanger("markup", f"in {shown}, which a script may run as code; {_BY_SCRIPT}")
    if name.startswith("data-") or name in _PLAIN:
        return None
    if name in _SETTINGS["*"] | _SETTINGS.get(element, set()) or (name == "content" and tag.is_refresh):
        return HtmlDanger(
            "markup", f"in {shown} of <{element[:_SHOWN]}>, which decides how browsers read the page; write it out"
        )
    if name in _SEVERAL_ADDRESSES:
        reason = (
            f"in {shown}, where a value could add an address of another host; write it out, or use a single address"
        )
        return HtmlDanger("address", reason)
    if name in _PAINTS:
        return _judge_paint(shown, before)
    if name in _ADDRESSES or any(part in name for part in _LIKE_ADDRESSES):
        return _judge_address(tag, name, before)
    return None


def _judge_paint(shown: str, before: str) -> HtmlDanger | None:
    if before.lstrip().startswith("#"):
        return None
    return HtmlDanger("address", f"in {shown}, where a value could be url(…) with another host; write # in front of it")


def _judge_address(tag: Tag, name: str, before: str) -> HtmlDanger | None:
    """Judge an address, by its beginning with nothing in place of other references, and with a letter."""
    is_image = tag.element == "img" and name == "src"
    order = ("query", "path", "host", "scheme", "script")
    found = max(
        (settle_address(before.replace(tag.mark, filled), is_image=is_image) for filled in ("", "x")),
        key=order.index,
    )
    shown = name[:_SHOWN]
    if found == "scheme":
        return HtmlDanger(
            "address",
            f'at the start of the address in "{shown}", where a value could be a script ("javascript:…") or lead to '
            f'another host; write the start in front of it, as in {shown}="/items/${{…}}"',
        )
    if found == "script":
        return HtmlDanger(
            "markup",
            f'in an address in "{shown}" whose scheme is none of http, https, mailto, sms and tel, so that a value '
            f'could be a script; use one of these, as in {shown}="/items/${{…}}"',
        )
    if found == "host":
        return HtmlDanger(
            "address",
            f'in the address in "{shown}", where a value could lead to another host; write the host and the start of '
            f'the path in front of it, as in {shown}="/items/${{…}}"',
        )
    if found == "path" and _loads_code(tag, name):
        return HtmlDanger(
            "address",
            f'in "{shown}" of <{tag.element}>, where a value could choose what the page loads; write the address out, '
            f'up to a ? at least, as in {shown}="/app.js?v=${{…}}"',
        )
    return None


def _loads_code(tag: Tag, name: str) -> bool:
    if tag.element == "link" and name == "href":
        return not tag.is_harmless_link
    return name in _LOADERS.get(tag.element, ())
