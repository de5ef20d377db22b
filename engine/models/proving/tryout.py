"""Ask a model for rows one by one and together: whether it answers at all, and whether answers depend on a batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.data.rows import join_rows, slice_rows
from engine.models.files.modules import raised_at
from engine.models.proving.proof_rows import ProofRows
from engine.models.runtime.answer import Answer, Refusal, Runtime
from engine.schema import clip, show
from engine.spec import FileModel
from engine.text import join_words, plural

TOGETHER = 32
MOST = 200
SECONDS = 2.0
HOPELESS_SECONDS = 10.0
FLOAT64_TOLERANCE = 1e-9
FLOAT32_TOLERANCE = 1e-5
REASON_LENGTH = 300
_NO_NUMBER = "could not convert string to float"


@dataclass(frozen=True, slots=True)
class Tried:
    """The findings from asking a model.

    `good` is an instance that it answers, None if it answers none; `failed` and `error` are the first that it does not
    answer, and the exception. `rows` were asked, `declared` of them from the spec, and `answered` were answered.
    `depends` says that an answer changes with the other rows of a batch, or may do so; it is empty otherwise.
    """

    good: Any = None
    failed: Any = None
    error: str = ""
    rows: int = 0
    answered: int = 0
    declared: int = 0
    depends: str = ""

    @property
    def is_hopeless(self) -> bool:
        """Whether the model answered none of the rows."""
        return self.good is None and self.rows > 0

    @property
    def refused_texts(self) -> list[str]:
        """The features whose text the model could not make a number of."""
        instance = self.failed if isinstance(self.failed, dict) and _NO_NUMBER in self.error else {}
        return [name for name, value in instance.items() if isinstance(value, str) and repr(value) in self.error]

    @property
    def is_dependent(self) -> bool:
        """Whether an answer changed with the other rows of a batch."""
        return bool(self.depends) and self.answered > 1

    def require_answer(self, model: FileModel) -> None:
        """Raise `SpecError` for a model that answered none of the rows."""
        if not self.is_hopeless:
            return
        if self.refused_texts:
            named = join_words([f'"{name}"' for name in self.refused_texts], "and")
            reason = self.error.partition(": ")[2]
            message = f"the model cannot take {named} as text: {reason}; declare type: number, as it was trained"
            raise model.error(message, "input", "properties", self.refused_texts[0], "type")
        made_up = self.rows - self.declared
        kinds = [f"{self.declared} of its examples and reference"] * bool(self.declared)
        kinds += [f"{made_up} made up from its input"] * bool(made_up)
        hint = (
            "" if self.declared else '; if it answers others, add one under "examples", or a CSV of them as "reference"'
        )
        raise model.error(
            f"the model answers none of the {plural(self.rows, 'row')} it was tried with ({', '.join(kinds)}); "
            f"{show(self.failed)} raised {self.error}{hint}",
            "file",
        )

    def warnings(self) -> Iterator[tuple[tuple[str], str]]:
        """Warn of a model that could not be tried, and of one whose answers depend on the batch; each at a path."""
        if not self.rows:
            message = (
                "the model was not tried: no row could be made up that its input allows; "
                'add one under "examples", or name a file of rows as its reference'
            )
            yield ("input",), message
        elif self.depends:
            message = (
                f"{self.depends}; requests do not share calls, and the instances of a request are computed one by one"
            )
            yield ("file",), message


def try_out(runtime: Runtime, rows: ProofRows) -> Tried:
    """Ask a model some of the rows, until enough are answered."""
    answered: list[tuple[int, Answer]] = []
    failed, error, asked = None, "", 0
    begin = time.monotonic()
    for place in _places(rows):
        spent = time.monotonic() - begin
        if len(answered) >= TOGETHER or spent > (SECONDS if len(answered) > 1 else HOPELESS_SECONDS):
            break
        asked += 1
        try:
            answered.append((place, runtime(slice_rows(rows.plain, place, place + 1))))
        except MemoryError:
            raise
        except Exception as raised:  # noqa: BLE001 - an estimator may raise anything
            if not error:
                failed, error = rows.instances[place], _told(raised)
    return Tried(
        good=rows.instances[answered[0][0]] if answered else None,
        failed=failed,
        error=error,
        rows=asked,
        answered=len(answered),
        declared=min(asked, _declared(rows)),
        depends=_dependence(runtime, rows, answered),
    )


def _declared(rows: ProofRows) -> int:
    """Return how many of the declared rows to ask, so that others are asked too."""
    return min(rows.declared, TOGETHER // 2)


def _places(rows: ProofRows) -> Iterator[int]:
    """Choose rows: some declared ones, the most ordinary of the made-up ones, and then some of all."""
    count, first = len(rows.instances), _declared(rows)
    chosen = [*range(first), *range(rows.declared, min(count, rows.declared + TOGETHER))]
    chosen += np.linspace(0, count - 1, MOST).astype(int).tolist() if count else []
    return iter(list(dict.fromkeys(chosen))[:MOST])


def _told(error: Exception) -> str:
    words, place = str(error).strip().partition("\n")[0], raised_at(error)
    kind = type(error).__name__
    if isinstance(error, Refusal):  # which is scikit-learn's own error
        kind = type(error.__cause__ or ValueError()).__name__
    said = clip(f"{kind}: {words}" if words else kind, REASON_LENGTH)
    return f"{said} (at {place})" if place else said


def _dependence(runtime: Runtime, rows: ProofRows, answered: list[tuple[int, Answer]]) -> str:
    """Say how an answer in a batch differs from the answer alone; empty if it does not."""
    if len(answered) < 2:  # noqa: PLR2004
        few = "only one row" if answered else "no row"
        return f"{few} was answered, so it is not known whether an answer depends on the other rows of a batch"
    parts = [slice_rows(rows.plain, place, place + 1) for place, _ in answered]
    try:
        whole = runtime(join_rows(parts))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        return f"the model answers {plural(len(parts), 'row')} one by one, but raised {_told(error)} for all at once"
    if len(whole.result) != len(parts):
        return f"the model gave {plural(len(whole.result), 'result')} for {plural(len(parts), 'row')} at once"
    alone = [answer for _, answer in answered]
    differing = _differing([one.result[0] for one in alone], whole.result)
    if differing is None and whole.probabilities is not None:
        chances = [(one.probabilities or [[]])[0] for one in alone]
        differing = _differing(chances, whole.probabilities, least=1.0)  # one of them is what the others leave of 1
    if differing is None:
        return ""
    instance = rows.instances[answered[differing][0]]
    results = show(alone[differing].result[0]), show(whole.result[differing])
    said = f"{show(instance)} gets {results[0]} alone, and {results[1]} among {len(parts)} rows"
    return f"the model's answer to a row depends on the other rows of the batch: {said}"


def _differing(alone: list[Any], together: list[Any], least: float = 0.0) -> int | None:
    """Find the first row whose answers differ by more than rounding values of at `least` this size."""
    try:
        one, other = np.asarray(alone), np.asarray(together)
    except ValueError:  # rows of different lengths
        one, other = np.array(list(map(repr, alone))), np.array(list(map(repr, together)))
    if one.shape != other.shape:
        return 0
    if one.dtype.kind != "f" or other.dtype.kind != "f":
        unequal = one != other
    else:
        unequal = ~np.isclose(one, other, rtol=0, atol=_allowed(one, other, least), equal_nan=True)
    places = np.flatnonzero(unequal.reshape(len(one), -1).any(axis=1))
    return int(places[0]) if len(places) else None


def _allowed(one: Array, other: Array, least: float) -> Array:
    """Return the allowed effect of rounding on a value, or on the usual one of its column if that is larger."""
    with np.errstate(all="ignore"):
        is_narrow = np.array_equal(one.astype(np.float32).astype(np.float64), one, equal_nan=True)
        sizes = np.nan_to_num(np.maximum(np.abs(one), np.abs(other)), posinf=0.0)
    tolerance = FLOAT32_TOLERANCE if is_narrow else FLOAT64_TOLERANCE
    computed: Array = tolerance * np.maximum(np.maximum(sizes, np.median(sizes, axis=0)), least)
    return computed
