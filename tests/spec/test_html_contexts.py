"""Whether escaping protects a reference in HTML; Chromium, which knows nothing of our code, is the referee."""

from __future__ import annotations

import html
import random
import time
from typing import Any

import pytest
from playwright.sync_api import Browser

from engine.spec.checking.html_contexts import HtmlDanger, find_dangers

pytest_plugins = ["browsers"]

SCRIPTED = 'put the value into an attribute such as data-value="${…}", and let a script read it from there'
MARKUP = "; write the markup out, and use references in texts and quoted values"
UNDECODED = "where browsers do not decode escapes; use another element, such as <pre>"
IN_A_TAG = 'in a tag outside of a quoted value; write it as a value, as in title="${…}"'
UNSURE = (
    "after an element in <svg>, <math>, <select>, <frameset>, <noscript> or <template> that browsers may read in "
    "several ways; put the reference in front of it, or close the elements in order"
)


def split(text: str) -> list[str | None]:
    """Split a template at its references, which are written `@`."""
    pieces: list[str | None] = []
    for literal in text.split("@"):
        pieces += [literal, None]
    return pieces[:-1]


def start(name: str) -> str:
    return (
        f'at the start of the address in "{name}", where a value could be a script ("javascript:…") or lead to another '
        f'host; write the start in front of it, as in {name}="/items/${{…}}"'
    )


def host(name: str) -> str:
    return (
        f'in the address in "{name}", where a value could lead to another host; write the host and the start of the '
        f'path in front of it, as in {name}="/items/${{…}}"'
    )


def scheme(name: str) -> str:
    return (
        f'in an address in "{name}" whose scheme is none of http, https, mailto, sms and tel, so that a value could '
        f'be a script; use one of these, as in {name}="/items/${{…}}"'
    )


def loading(name: str, element: str) -> str:
    return (
        f'in "{name}" of <{element}>, where a value could choose what the page loads; write the address out, up to a '
        f'? at least, as in {name}="/app.js?v=${{…}}"'
    )


def setting(name: str, element: str) -> str:
    return f'in the attribute "{name}" of <{element}>, which decides how browsers read the page; write it out'


def adding(name: str) -> str:
    return (
        f'in the attribute "{name}", where a value could add an address of another host; write it out, or use a single '
        "address"
    )


SAFE = [
    "@",
    "<p>@</p>",
    "a < @ b & @ &@; &#@",
    "<b title='@' class=\"a @ b\">",
    "<TITLE>@</TITLE><textarea>@ <b></textarea>",
    '<input value="@" name=x disabled>',
    '<a href="/items/@">@</a>',
    '<a href="items/@?b=@#@">',
    '<a href="./@"><a href="../@"><a href="#@"><a href="?a=@"><a href="1@">',
    '<a href="https://example.org/@"><a href="//example.org/@"><a href=" \n/a@">',
    '<a href="HTTPS://example.org?@"><a href="https://${host}/@">',
    '<a href="mailto:@"><a href="tel:@"><a href="sms:@">',
    '<img src="/a@" alt="@"><img src="data:image/png;base64,@">',
    '<script src="/app.js?v=@"></script>@',
    '<link rel="canonical" href="/items/@"><link rel=stylesheet href="/a.css?@">',
    '<div data-name="@" aria-label="@" data-url="@" lang="@" xml:lang="@">',
    '<meta name="description" content="@">',
    '<path d="@" fill="#@">',
    "<!-- @ --><!-- @--><!--@ --!><!-- > @ > --> @",
    "<!-- @ > -->",
    "<script>if (a < b) '<b title=' </script><b title='@'>",
    "<script><!-- <script> </script> --></script>@",
    "<style>a > b {}</style>@<xmp><b title='</xmp>@",
    "<svg viewBox='0 0 1 1'><title>@</title><path d='M0'/><g>@</g></svg><script>a<b</script>@",
    "<svg><path></svg><script>a<b</script>@",
    "<svg/><script>a<b</script>@",
    "<svg><style>a{}</style></svg>@",
    "<select><option value='@'>@<option></select><script>a<b</script>@",
    "<noscript><b>no</b></noscript>@",
    "</ b x>@",
    "<custom-card heading='@'>",
    "\ue000 @",
]


@pytest.mark.parametrize("text", SAFE)
def test_safe_places(text: str) -> None:
    assert [None] * text.count("@") == [*find_dangers(split(text))]


UNSAFE: list[tuple[str, str | None]] = [
        ("<script>@", SCRIPT := (
            "inside <script>, where escaping does not protect; put the value into an attribute, as in <div "
            'data-value="${…}">, and let the script read it from there'
        )),
        ("<svg><script>@</script></svg>", SCRIPT),
        ("<ScRiPt type='text/x'>a<b/>@</script>", SCRIPT),
        ("<script><!-- <script> </script>@", SCRIPT),
        ("<script/>@", SCRIPT),
        ("<style>@", STYLE := "inside <style>, where escaping does not protect; choose a class of an element instead"),
        ("<svg><style>@</style></svg>", STYLE),
        ("<xmp>@", f"inside <xmp>, {UNDECODED}"),
        ("<iframe>@", f"inside <iframe>, {UNDECODED}"),
        ("<noembed>@", f"inside <noembed>, {UNDECODED}"),
        ("<noframes>@", f"inside <noframes>, {UNDECODED}"),
        ("<plaintext></plaintext>@", f"inside <plaintext>, {UNDECODED}"),
        ("<noscript><b>@</b></noscript>", "inside <noscript>, which browsers read in two ways; put it outside"),
        ("<!DOCTYPE @>", f"inside <!DOCTYPE…>, which is no text{MARKUP}"),
        ("<!-@- -->", f"inside <!…>, which is no text{MARKUP}"),
        ("<?a @>", f"inside <?…>, which is no text{MARKUP}"),
        ("</ @>", f"inside </…>, which is no text{MARKUP}"),
        ("<svg><![CDATA[ @ ]]></svg>", f"inside <![CDATA[…]]>, where escapes are not decoded{MARKUP}"),
        ("<!--@>-->", COMMENT := (
            "in a comment in front of a >, so that a value could end the comment; write a blank in between"
        )),
        ("<!-- @-> -->", COMMENT),
        ("<!-- -@!> -->", COMMENT),
        ("<@", TAG := f"in a tag's name{MARKUP}"),
        ("<h@>", TAG),
        ("</@>", TAG),
        ("<b @>", IN_A_TAG),
        ("<b data-@='1'>", IN_A_TAG),
        ("<b title='a'@>", IN_A_TAG),
        ("<b title=@>", 'in a value without quotes; quote it, as in title="${…}"'),
        ("<b title=a@>", 'in a value without quotes; quote it, as in title="${…}"'),
        ("<title></@", "after a < in <title>, so that a value could end it; write &lt; instead"),
        ("<textarea><@</textarea>", "after a < in <textarea>, so that a value could end it; write &lt; instead"),
        ("<textarea></text@", "after a < in <textarea>, so that a value could end it; write &lt; instead"),
        ("<b onclick='f(\"@\")'>", f'in the attribute "onclick", which browsers run as a script; {SCRIPTED}'),
        ("<b ONNEW='@'>", f'in the attribute "onnew", which browsers run as a script; {SCRIPTED}'),
        ("<b :click='@'>", f'in the attribute ":click", which a script may run as code; {SCRIPTED}'),
        ("<b x-on='@'>", f'in the attribute "x-on", which a script may run as code; {SCRIPTED}'),
        ("<b data-bind='@'>", f'in the attribute "data-bind", which a script may run as code; {SCRIPTED}'),
        ("<b style='@'>",
         'in the attribute "style", which browsers read as CSS; use a class or data-value="${…}" for it'),
        ("<iframe srcdoc='@'>",
         'in the attribute "srcdoc", which browsers read as a document; use src with an address'),
        ("<meta content='@' http-equiv=refresh>", setting("content", "meta")),
        ("<meta charset='@'>", setting("charset", "meta")),
        ("<meta http-equiv='@'>", setting("http-equiv", "meta")),
        ("<iframe sandbox='@'>", setting("sandbox", "iframe")),
        ("<script type='@'>", setting("type", "script")),
        ("<math><annotation-xml encoding='@'>", setting("encoding", "annotation-xml")),
        ("<svg><animate attributeName='href' to='@'>", setting("to", "animate")),
        ("<a href='javascript:f(\"@\")'>", scheme("href")),
        ("<a href=' java\nscript:@'>", scheme("href")),
        ("<iframe src='data:text/html,@'>", scheme("src")),
        ("<iframe src='data:image/png;base64,@'>", scheme("src")),
        ("<svg><title><b title='@'>", None),
        ("<svg><foreignObject><title><b title='</title>@", UNSURE),
        ("<svg><desc><style><b title='</style>@", UNSURE),
        ("<svg><style>a{}</b>@", UNSURE),
        ("<svg><script><font>@", UNSURE),
        ("<svg><style><desc><b></desc>@", UNSURE),
        ("<select><title><b></title>@", UNSURE),
        ("<svg></g><script>a<b</script>@", UNSURE),
        ("<template><col><title><b></title>@", UNSURE),
        ("<noscript><!-- </noscript> --> @", UNSURE),
        ("<noscript><b title='</noscript>@", UNSURE),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), UNSAFE)
def test_unsafe_places(text: str, reason: str | None) -> None:
    expected = None if reason is None else HtmlDanger("markup", reason)
    assert [expected] == [*find_dangers(split(text))]


ADDRESSED: list[tuple[str, str | None]] = [
        ("<a href='@'>", start("href")),
        ("<a href=' @'>", start("href")),
        ("<a href='java@'>", start("href")),
        ("<a href='java&#115;cript@'>", start("href")),
        ("<a href='&@'>", start("href")),
        ("<form action='@'>", start("action")),
        ("<button formaction='@'>", start("formaction")),
        ("<svg><a xlink:href='@'>", start("xlink:href")),
        ("<object data='@'>", start("data")),
        ("<video poster='@'>", start("poster")),
        ("<my-image full-src='@'>", start("full-src")),
        ("<a href='/@'>", host("href")),
        ("<a href='\\@'>", host("href")),
        ("<a href='/\t@'>", host("href")),
        ("<a href='//@'>", host("href")),
        ("<a href='https:@'>", host("href")),
        ("<a href='https://@/a'>", host("href")),
        ("<a href='https://example.org@'>", host("href")),
        ("<a href='https://example.org&@'>", host("href")),
        ("<a href='//example.org:@/'>", host("href")),
        ("<script src='/js/@'></script>", loading("src", "script")),
        ("<link href='/css/@.css' rel=stylesheet>", loading("href", "link")),
        ("<link href='/a/@'>", loading("href", "link")),
        ("<base href='/a/@'>", loading("href", "base")),
        ("<object data='/a/@'>", loading("data", "object")),
        ("<img srcset='/a.png?@'>", adding("srcset")),
        ("<a ping='/a?@'>", adding("ping")),
        ("<path fill='@'>",
         'in the attribute "fill", where a value could be url(…) with another host; write # in front of it'),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), ADDRESSED)
def test_places_where_a_value_gives_an_address(text: str, reason: str) -> None:
    assert [HtmlDanger("address", reason)] == [*find_dangers(split(text))]


def test_each_reference_is_judged_as_if_those_before_it_were_harmless() -> None:
    first, second = find_dangers(split("<@@>"))
    assert (TAG, TAG) == (first.reason, second.reason)
    assert [HtmlDanger("address", start("href")), None] == [*find_dangers(split("<a href='@/items/@'>"))]
    assert [HtmlDanger("address", start("href")), HtmlDanger("address", host("href"))] == [
        *find_dangers(split("<a href='@/@'>"))
    ]
    assert [HtmlDanger("address", start("href")), HtmlDanger("markup", scheme("href"))] == [
        *find_dangers(split("<a href='@:@'>"))
    ]
    assert [HtmlDanger("markup", SCRIPT), None] == [*find_dangers(split("<script>@</script>@"))]


SIZE = 2**18
LARGE = [
    "<b title='@'>" * (SIZE // 13),
    "<a href='" + "@" * SIZE,
    "<a href='" + "a@:" * (SIZE // 3),
    "<svg>" + "<g>@" * (SIZE // 4),
    "<svg>" + "<g>" * (SIZE // 6) + "</b>@" * (SIZE // 10),
    "<!--@>" * (SIZE // 6),
    "<!--" * (SIZE // 4) + "@",
    "<script><!--" + "<script>" * (SIZE // 8) + "@",
    "<noscript>" * (SIZE // 10) + "@",
    "<noscript></noscript>@" * (SIZE // 22),
    "<title>" + "</t@" * (SIZE // 4),
    "<" * SIZE + "@",
    "<a " + "b@ " * (SIZE // 3),
    "<meta " + "content='@' " * (SIZE // 12),
    "<meta " + "content='@' " * (SIZE // 12) + "http-equiv>",
    "<![CDATA[>@" * (SIZE // 10),
    "<svg>" + "<![CDATA[>]]>@" * (SIZE // 14),
    "<link rel='" + "a " * 1000 + "' " + "href='/a@' " * (SIZE // 11) + ">",
]


@pytest.mark.alone
@pytest.mark.parametrize("text", LARGE, ids=range(len(LARGE)))
def test_the_time_is_linear(text: str) -> None:
    template = split(text)
    begin = time.process_time()
    find_dangers(template)
    assert time.process_time() - begin < 2


WORDS = """
@ @ @ @ @ @ @ @ a b x < </ <b </b> > / = " ' <a <b _ title=" <b _ title=' <a _ href=" <a _ href='/a href=" src=
title= data-x=" <!-- --> -- - ! --!> <! <? <!DOCTYPE _ html> ]]> <![CDATA[ _ _ _ & &# ; : // ./ ? # https://h.test/
javascript: <svg> </svg> <svg <math> </math> <mi> <mtext> <annotation-xml> <foreignObject> </foreignObject> <desc>
</desc> <path/> <title> </title> <textarea> </textarea> <script> </script> <style> </style> <xmp> </xmp> <iframe>
</iframe> <noframes> </noframes> <noscript> </noscript> <select> </select> <option> <template> </template> <table>
</table> <tr> <td> <col> <p> </p> <frameset> <head> </head> <body> <plaintext> <font _ color='a'> <g> </g> /> <img
_ src='/a <form _ action='a/ <img _ alt=" onclick=" style=" <b _ class=a _ title=" "> '>
""".split()
VALUES = [
    "y", "- ", "--", "!--", "--!", "-", "/", "//evil.test", "/evil.test/", "\\\\evil.test", "javascript:alert(1)",
    "script", "/script", "/title", "/textarea", "/svg", "<img src=x onerror=1>", "</script>", "</title><img>",
    '"><img>', '" onclick="1', "' onclick='1", "lt;", "#60;", "amp;", "&#60;", "&lt;img>", "=", "\t", "\n", "\0",
    "]]", "]]>", "-->", "a:b", "on", ":", "[CDATA[", "DOCTYPE", "?", "#", "@evil.test", "svg", "xmlns", "colon;",
    "sol;sol;evil.test", ";base64,", "é\ue000",
]  # fmt: skip
HARMLESS = ("x", "", " ")
OUTLINE = """texts => texts.map(text => [true, false].map(whole => {
  const lines = [];
  const visit = node => {
    if (node.nodeType === 8) lines.push("comment");
    if (node.nodeType === 1) {
      const name = node.localName;
      lines.push("<" + node.namespaceURI.slice(-4) + name);
      for (const {name: key, value} of node.attributes) {
        lines.push(key);
        if (/^on|^style$|^srcdoc$/.test(key)) lines.push(value);
        if (/href$|^src$|^action$/.test(key)) {
          try { const url = new URL(value, "https://home.test/a/b");
            lines.push(url.protocol, url.protocol.startsWith("http") ? url.host : ""); }
          catch { lines.push("no address") }
        }
      }
      if (/^(script|style)$/.test(name)) {
        lines.push(...Array.from(node.childNodes).filter(one => one.nodeType === 3).map(one => one.data));
      }
      if (name === "template" && node.content) node.content.childNodes.forEach(visit);
    }
    node.childNodes.forEach(visit);
    if (node.nodeType === 1) lines.push(">");
  };
  visit(whole ? new DOMParser().parseFromString(text, "text/html")
              : document.createRange().createContextualFragment(text));
  return lines.join(" ");
}))"""


def fill(template: list[str | None], values: list[str]) -> str:
    left = iter(values)
    return "".join(html.escape(next(left)) if piece is None else piece for piece in template)


CORPUS = [*SAFE, *(text for text, _ in UNSAFE + ADDRESSED)]


def make_template(draw: random.Random) -> str:
    """Join some of the templates above, with some words put in, or in place of others; or words alone."""
    if draw.random() < 0.2:
        return "".join(draw.choice(WORDS).replace("_", " ") for _ in range(draw.randint(2, 14)))
    text = "".join(draw.choices(CORPUS, k=draw.randint(1, 3)))
    for _ in range(draw.randint(0, 3)):
        first = draw.randint(0, len(text))
        text = text[:first] + draw.choice(WORDS).replace("_", " ") + text[first + draw.choice([0, 0, 0, 1, 3]) :]
    return text


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(4))
def test_no_value_in_a_safe_place_changes_what_a_browser_reads(chromium: Browser, seed: int) -> None:
    """Elements, names of attributes, hosts, scripts and styles are those of a page with harmless values."""
    draw = random.Random(seed)
    page = chromium.new_page()
    page.route("**/*", lambda route: route.fulfill(body="<!DOCTYPE html><title>home</title>", content_type="text/html"))
    page.goto("https://home.test/")
    page.route("**/*", lambda route: route.abort())
    checked = 0
    for _ in range(40):
        asked: list[tuple[str, int, str]] = []
        texts: list[str] = []
        for text in (make_template(draw) for _ in range(60)):
            template = split(text)
            safe = [number for number, danger in enumerate(find_dangers(template)) if danger is None]
            for number in safe[-2:]:
                values = ["x"] * text.count("@")
                for value in (*HARMLESS, *draw.sample(VALUES, 14)):
                    values[number] = value
                    asked.append((text, number, value))
                    texts.append(fill(template, values))
        outlines: list[Any] = page.evaluate(OUTLINE, texts)
        for first in range(0, len(asked), len(HARMLESS) + 14):
            harmless = outlines[first : first + len(HARMLESS)]
            for case, outline in zip(asked[first : first + 17], outlines[first : first + 17], strict=True):
                for kind, found in enumerate(outline):
                    assert found in [one[kind] for one in harmless], case
                checked += 1
    page.close()
    assert checked > 10_000
