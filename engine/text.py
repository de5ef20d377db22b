"""Pieces of messages: counts, suggestions, and what a terminal can show."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def join_words(words: Sequence[str], conjunction: str) -> str:
    """Write a list: `a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def first_words(words: Sequence[str], most: int) -> str:
    """Write the first of some words, with `…` for the rest: `a, b, …`."""
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another one; None if none is."""
    lowered = {name.lower(): name for name in sorted(set(known), reverse=True)}
    near = difflib.get_close_matches(word.lower()[:100], lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def say_lacking(word: str, present: Iterable[str], noun: str) -> str:
    """Say in parentheses which of some names is probably a word that is not among them, or list them after `noun`."""
    names = [*present]
    near = nearest(word, names)
    return did_you_mean(word, names, noun) if near is None else f'("{near}" may be it, misspelt)'


def did_you_mean(word: str, known: Iterable[str], noun: str) -> str:
    """Suggest in parentheses the known word that was probably meant, or list the known words after `noun`."""
    names = sorted(set(known))
    if (near := nearest(word, names)) is not None:
        return f'(did you mean "{near}"?)'
    if not names:
        return f"({noun}: none)"
    if len(names) == 1 and noun.endswith(" are"):
        return f'(the only one is "{names[0]}")'
    return f"({noun}: {first_words(names, 12)})"


def begin_alike(one: str, other: str) -> int:
    """Count the characters with which both texts begin, by bisection: a suggestion compares hundreds of names."""
    count = 0
    for bit in reversed(range(len(one).bit_length() if one[:1] == other[:1] else 0)):
        more = count + (1 << bit)
        if more <= len(one) and other.startswith(one[:more]):
            count = more
    return count


def make_printable(text: str) -> str:
    """Replace characters that could move a terminal's cursor or break a log line."""
    return "".join(c if c == "\t" or c.isprintable() else "�" for c in text)


def terminal_cells(character: str) -> int:
    """Count the terminal cells that a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
