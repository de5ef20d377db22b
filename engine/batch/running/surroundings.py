"""Whether this process is like the one that has compiled a snapshot's models, on which these depend."""

from __future__ import annotations

from collections.abc import Sequence

from engine.models import describe_surroundings


def difference_here(compiled_with: Sequence[str], here: str) -> str:
    """Say in what this process differs from the one that has compiled a model; empty if it is like it.

    `here` is what messages call this process.
    """
    for place, (there, found) in enumerate(zip(compiled_with, describe_surroundings(), strict=True)):
        if there != found:
            what = f"{_named(found)}, and the model was compiled with {_named(there)}"
            return f"{here} has {what if place else 'another version of this package'}; install the same everywhere"
    return ""


def _named(found: str) -> str:
    return f"no {found.removesuffix(' absent')}" if found.endswith(" absent") else found
