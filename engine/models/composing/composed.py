"""What a kind of composition makes of its parts, and what all kinds share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import SpecError
from engine.models.composing.part import Part
from engine.models.predictor import ResultForm
from engine.models.runtime.answer import Runtime
from engine.models.runtime.class_names import Wording
from engine.schema import show
from engine.spec import Composition
from engine.text import plural

Parts = Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class Composed:
    """A composition that can answer: its `runtime` takes instances as they are.

    `title` says what it is in place of an estimator; `threshold` is by the positive class's key. `file` and `size` are
    those of its own file, if it has one, and `identity` what its hash depends on beside its entry and its parts.
    """

    runtime: Runtime
    wording: Wording
    kind: str
    result: ResultForm | None
    title: str
    threshold: Mapping[str, float] = field(default_factory=dict)
    file: str = ""
    size: int = 0
    identity: str = ""


def worded(model: Composition, parts: Sequence[Part], path: tuple[str | int, ...]) -> Wording:
    """Return the classes that all parts have, in the order of the first, and what they are called.

    Without classes, the parts must all answer other values. Raises `SpecError`, at a path in the entry.
    """
    first, *others = parts
    for part in others:
        if _names(part) != _names(first):
            raise model.error(f"{_classes_of(first)}, but {_classes_of(part)}; they must be the same", *path)
    if not first.facts.answers_classes:
        for key in ("labels", "probabilities"):
            if key in model.node["output"] and model.node["output"][key].plain:
                message = f"{first.name} and the other models have no classes, so there are no {key}"
                raise model.error(message, "output", key)
        return Wording(None, None, ())
    classes = first.wording.classes or ()
    labels = model.output.labels
    if labels is not None and len(labels) != len(classes):
        found = f"{plural(len(labels), 'label')} for {len(classes)} classes ({', '.join(map(show, classes))})"
        raise model.error(f"{found}; name each class once, in this order", "output", "labels")
    return Wording(classes, labels, labels or _keys(model, parts, path))


def class_order(wording: Wording, part: Part) -> list[int]:
    """Return where a part has the classes of a composition."""
    own = list(map(show, part.wording.classes or ()))
    return [own.index(show(one)) for one in wording.classes or ()]


def require_probabilities(model: Composition, part: Part, path: tuple[str | int, ...], why: str) -> None:
    """Raise `SpecError` for a classifier that does not answer with probabilities."""
    if not part.model.output.probabilities:
        advice = f'add to the entry of "{part.name}": "output: {{probabilities: true}}"'
        raise model.error(
            f'{why} needs the probabilities of "{part.name}", which does not return them; {advice}', *path
        )


def require_same_form(model: Composition, parts: Sequence[Part], path: tuple[str | int, ...]) -> ResultForm | None:
    """Return the form that the results of all parts have; raise `SpecError` where they differ."""
    forms = [part.facts.result for part in parts]
    lengths = [None if form is None else form.lengths for form in forms]
    for part, found in zip(parts, lengths, strict=True):
        if found != lengths[0]:
            message = f'"{part.name}" answers {_shape(found)}, but "{parts[0].name}" answers {_shape(lengths[0])}'
            raise model.error(f"{message}; models of one composition answer alike", *path)
    types = {form.type for form in forms if form is not None}
    kind = types.pop() if len(types) == 1 else "number" if types <= {"integer", "number"} else ""
    return None if lengths[0] is None else ResultForm(lengths[0], kind)


def _shape(lengths: tuple[int, ...] | None) -> str:
    if lengths is None:
        return "lists of different lengths"
    return f"lists of {' by '.join(map(str, lengths))} values" if lengths else "single values"


def _names(part: Part) -> set[str] | None:
    return set(map(show, part.wording.classes or ())) if part.facts.answers_classes else None


def _classes_of(part: Part) -> str:
    names = _names(part)
    if names is None:
        return f'"{part.name}", a {part.facts.kind}, does not answer with classes'
    return f'"{part.name}" has the classes {", ".join(map(show, part.wording.classes or ()))}'


def _keys(model: Composition, parts: Sequence[Part], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return what classes are called: by the labels of the first part that has some, which no other may contradict."""
    first = parts[0]
    named = [part for part in parts if part.wording.labels is not None]
    called: dict[str, tuple[str, str]] = {}
    for part in named:
        for one, label in zip(part.wording.classes or (), part.wording.labels or (), strict=True):
            other = called.setdefault(show(one), (label, part.name))
            if other[0] != label:
                raise model.error(
                    f'"{other[1]}" calls the class {show(one)} {show(other[0])}, and "{part.name}" calls it '
                    f"{show(label)}; give this entry labels of its own, under output",
                    *path,
                )
    keys = dict(zip(map(show, first.wording.classes or ()), first.facts.keys, strict=True))
    return tuple(called[name][0] if name in called else key for name, key in keys.items())


def gather(mistakes: list[SpecError]) -> None:
    """Raise the mistakes together, if there are any."""
    if mistakes:
        raise SpecError([found for error in mistakes for found in error.diagnostics])
