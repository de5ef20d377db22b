"""Declared responses → answers, made when a route is built as far as possible."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from engine.endpoints.answering.header_values import write_header
from engine.endpoints.answering.negotiation import MAX_ACCEPT, choose_type
from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.bodies.file_body import type_of_file
from engine.endpoints.bodies.filling import Written, fill_text
from engine.endpoints.messages import Headers, Request, Response
from engine.endpoints.problems import Problem
from engine.endpoints.requests.values import Values
from engine.spec import DeclaredBody, DeclaredResponse, Names, parse_template, references_in
from engine.text import join_words

_ETAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Answer:
    """What a declared response answers: `respond` makes it from the values of a request.

    `constant` is the response to every request without conditions, None if there is none. `several` are the bodies that
    it sends again and again, if these are not that of `constant`.
    """

    respond: Callable[[Values], Response]
    constant: Response | None = None
    several: Sequence[bytes] = ()

    @property
    def kept(self) -> Sequence[bytes]:
        """The bodies that are sent again and again without change."""
        constant = self.constant
        return (constant.body,) if constant is not None and isinstance(constant.body, bytes) else self.several


def build_answer(declared: DeclaredResponse, names: Names) -> Answer:
    """Prepare a response; `names` are those that its references can use."""
    written = [(name, write_header(name, text, names)) for name, text in declared.headers]
    to_fill = {name for name, value in written if not isinstance(value, str)}  # all values of a header stay in order
    filled = [(name, value) for name, value in written if name in to_fill]
    fixed = tuple((name, value) for name, value in written if name not in to_fill and isinstance(value, str))
    answers = [_build_one(declared, body, fixed, names) for body in declared.bodies]
    if len(answers) > 1:
        answers = [_choose(declared, answers)]
    answer = answers[0] if answers else _constant(Response(declared.status, fixed, b""))
    return _with_headers(answer, filled) if filled else answer


def content_type(declared: DeclaredResponse, body: DeclaredBody) -> str:
    """Return the Content-Type of a body of a response."""
    own = (value for name, value in declared.headers if name.lower() == "content-type")
    return next(own, None) or BODY_KINDS[body.kind].content_type(body.content)


def is_kept(declared: DeclaredResponse) -> bool:
    """Return whether clients may keep an answer: conditions apply only if it would be 2xx (RFC 9110, 13.2.1)."""
    kinds = [BODY_KINDS[body.kind] for body in declared.bodies]
    return any(kind.is_kept for kind in kinds) and HTTPStatus.OK <= declared.status < HTTPStatus.MULTIPLE_CHOICES


def tag_file(status: int, headers: Headers, body: bytes) -> Callable[[Request], Response]:
    """Return what answers with a body that clients may keep, or 304 to a client that has it (RFC 9110, 13.1.2).

    It has an ETag, its own unless `headers` have one.
    """
    etag = next((value for name, value in headers if name.lower() == "etag"), None)
    if etag is None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = (*headers, ("ETag", etag))
    whole = Response(status, headers, body)
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-type")
    not_modified = Response(HTTPStatus.NOT_MODIFIED, kept, b"")

    def answer(request: Request) -> Response:
        known = request.if_none_match if request.method in ("GET", "HEAD") else ""
        if known and (known.strip() == "*" or etag in _ETAG.findall(known)):
            return not_modified
        return whole

    return answer


def _build_one(declared: DeclaredResponse, body: DeclaredBody, headers: Headers, names: Names) -> Answer:
    if body.kind == "file" and references_in(parse_template(body.content)):
        return _build_files(declared, body, headers, names)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers = (("Content-Type", content_type(declared, body)), *headers)
    made = BODY_KINDS[body.kind].body(body, names)
    if callable(made):
        status, fill = declared.status, made
        return Answer(lambda values: Response(status, headers, fill(values)))
    if is_kept(declared):
        tagged = tag_file(declared.status, headers, made)
        return Answer(lambda values: tagged(values.request), tagged(Request("POST")))
    return _constant(Response(declared.status, headers, made))


def _build_files(declared: DeclaredResponse, body: DeclaredBody, headers: Headers, names: Names) -> Answer:
    """Prepare the files that a name with references can name; any other name is 404."""
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    status = declared.status
    answers: dict[str, Callable[[Request], Response]] = {}
    for name, data in body.files.items():
        own = headers if has_type else (("Content-Type", type_of_file(name)), *headers)
        answers[name] = tag_file(status, own, data)
    written = fill_text(body.content, names)

    def respond(values: Values) -> Response:
        answer = answers.get(written if isinstance(written, str) else written(values))
        if answer is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such file")
        return answer(values.request)

    return Answer(respond)


def _choose(declared: DeclaredResponse, answers: list[Answer]) -> Answer:
    """Prepare several bodies, of which a client gets the one that it accepts (RFC 9110, section 12.5.1)."""
    types = [content_type(declared, body).partition(";")[0] for body in declared.bodies]

    @lru_cache(maxsize=256)
    def choose(accept: str) -> int:
        chosen = choose_type(accept, types)
        if chosen is None:
            detail = f"this route answers {join_words(types, 'or')}; send one of them in Accept"
            raise Problem(HTTPStatus.NOT_ACCEPTABLE, detail, headers=(("Vary", "Accept"),))
        return chosen

    def respond(values: Values) -> Response:
        response = answers[choose(values.request.accept[:MAX_ACCEPT])].respond(values)
        return Response(response.status, (*response.headers, ("Vary", "Accept")), response.body)

    return Answer(respond)


def _constant(response: Response) -> Answer:
    return Answer(lambda _: response, response)


def _with_headers(answer: Answer, filled: list[tuple[str, Written]]) -> Answer:
    respond = answer.respond

    def with_headers(values: Values) -> Response:
        response = respond(values)
        made = [(name, value if isinstance(value, str) else value(values)) for name, value in filled]
        return Response(response.status, (*response.headers, *made), response.body)

    return Answer(with_headers)
