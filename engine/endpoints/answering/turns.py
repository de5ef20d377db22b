"""Answers one after another, as a `sequence` has them: which one a request gets depends on those before it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from engine.endpoints.answering.counters import Counter
from engine.endpoints.answering.responding import Answer
from engine.endpoints.bodies.filling import as_text
from engine.endpoints.messages import Response
from engine.endpoints.problems import overload_problem
from engine.endpoints.requests.values import ABSENT, Values, read_name
from engine.errors import Overloaded
from engine.spec import Names
from engine.spec import Sequence as DeclaredSequence


def build_sequence(declared: DeclaredSequence, answers: Sequence[Answer], names: Names, counter: Counter) -> Answer:
    """Prepare a sequence of prepared answers, each for so many requests as it is declared.

    What it answers raises `Problem` if nobody can tell the turn of a request.
    """
    ends = [*accumulate(step.times for step in declared.steps)]
    repeats, last = declared.repeat, len(answers) - 1
    responds = [answer.respond for answer in answers]
    read_key = None if declared.per is None else read_name(declared.per, names)

    def respond(values: Values) -> Response:
        key = b"" if read_key is None else _write_key(read_key(values))
        try:
            count = counter(key)
        except Overloaded as busy:
            raise overload_problem(busy) from None
        turn = bisect_right(ends, count % ends[-1] if repeats else count)
        return responds[min(turn, last)](values)

    return Answer(respond, several=[body for answer in answers for body in answer.kept])


def _write_key(value: object) -> bytes:
    """Write a value as a key; that of an absent one is no other's."""
    return b"" if value is ABSENT else b"." + as_text(value).encode(errors="surrogatepass")
