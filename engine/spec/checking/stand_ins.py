"""`stand_in: true`: a model whose file is not there yet, and whose examples answer in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import show
from engine.spec.named_files import near_by
from engine.spec.reading.node import Node
from engine.text import did_you_mean, join_words

_ANSWERED = ("result", "label", "probabilities")


def is_standing_in(entry: Node, folder: Path | None) -> bool:
    """Return whether an entry's examples answer; without a folder, as in a bundle, no file has to be there."""
    if folder is None or entry["stand_in"].plain is not True or not entry["file"].text or "\0" in entry["file"].text:
        return False
    try:
        return not (folder / entry["file"].text).exists()
    except OSError:
        return False


def check_stand_in(entry: Node, folder: Path | None, *, locked: bool) -> Iterator[Diagnostic]:
    """Return every mistake in an entry's examples as answers, and a warning if they answer now."""
    if "file" in entry and entry["stand_in"].plain is True and not entry["examples"].items:
        message = "a stand-in answers with the results of examples, and there are none; add one under examples"
        yield entry.key("stand_in").error(message)
        return
    yield from _check_answers(entry)
    if folder is None or not is_standing_in(entry, folder):
        return
    yield from _check_lacking(entry)
    yield from _check_unique(entry)
    file = entry["file"].text or ""
    if locked:
        yield entry["stand_in"].error(
            f'file "{file}" does not exist, and --locked serves no stand-in; train the model and pin it, or serve '
            "without --locked"
        )
        return
    message = f'file "{file}" does not exist; its examples answer until it does, with the header X-Stand-In'
    yield entry["stand_in"].error(f"{message}{near_by(folder, file)}", "warning")


def _check_answers(entry: Node) -> Iterator[Diagnostic]:
    """Report labels and probabilities of examples that the entry's labels do not have."""
    labels = entry["output"]["labels"].plain
    named = [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else None
    first: dict[str, Node] = {}
    for example in entry["examples"].items:
        label, chances = example["label"], example["probabilities"]
        if named is not None and label.text is not None and label.text not in named:
            known = did_you_mean(label.text, named, "the labels are")
            yield label.error(f"{show(label.text)} is not one of the labels under output {known}")
        for name, key, _ in chances.pairs():
            if named is not None and name not in named:
                known = did_you_mean(name, named, "the labels are")
                yield key.error(f"{show(name)} is not one of the labels under output {known}")
        if label.text is not None and "result" in example:
            other = first.setdefault(_exact(example["result"].plain), label)
            if other.text != label.text:
                message = f"the label of this result is {show(other.text)} on line {other.place.line}; use one of them"
                yield label.error(message)


def _check_lacking(entry: Node) -> Iterator[Diagnostic]:
    """Report examples without what the entry's answers must have."""
    output, examples = entry["output"], entry["examples"].items
    for key, is_needed in (("label", "labels" in output), ("probabilities", output["probabilities"].plain is True)):
        for example in examples if is_needed else ():
            if key not in example:
                needs = "labels" if key == "label" else "probabilities: true"
                yield example.error(
                    f'a stand-in with "{needs}" under output needs "{key}" in each example; add it here'
                )
    names = [[name for name, _, _ in one["probabilities"].pairs()] for one in examples if "probabilities" in one]
    for example in examples:
        chances = example["probabilities"]
        if chances.present and set(chances.fields or ()) != set(names[0]):
            listed = join_words(sorted(names[0]), "and")
            yield chances.error(f"the first example has probabilities of {listed}; name the same classes here")


def _check_unique(entry: Node) -> Iterator[Diagnostic]:
    """Report an instance that has two answers."""
    first: dict[str, Node] = {}
    for example in entry["examples"].items:
        if "input" in example:
            other = first.setdefault(_exact(example["input"].plain), example)
            if any(
                _exact(other[key].plain) != _exact(example[key].plain) for key in ("result", "label", "probabilities")
            ):
                line = other.place.line
                yield example["input"].error(
                    f"the example on line {line} has another result for the same instance; remove one of them"
                )


def _exact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
