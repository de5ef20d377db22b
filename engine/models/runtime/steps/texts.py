"""Steps that count the words of texts: sparse rows, of which only values that are not zero are kept."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Refusal
from engine.models.runtime.saved import saved, saved_step

_SPACES = re.compile(r"\s\s+")


@saved_step
class SparseRows:
    """Rows as their non-zero `values`, with the column of each; `begins` has the position of each row's first one."""

    values: Array
    columns: Array
    begins: Array

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.begins)

    def sum(self) -> Any:
        return self.values.sum()

    def row_sums(self, values: Array) -> Array:
        """Sum the values of each row: `values` has an entry for each of this one's."""
        sums = np.zeros((len(self), *values.shape[1:]))
        filled = np.diff(self.begins, append=len(values)) > 0  # `reduceat` gives no zero for a row without values
        if filled.any():
            sums[filled] = np.add.reduceat(values, self.begins[filled], axis=0)
        return sums

    def __matmul__(self, matrix: Array) -> Array:
        """Multiply by a matrix, or by a vector."""
        weights = matrix[self.columns]
        return self.row_sums(weights * (self.values if weights.ndim == 1 else self.values[:, None]))


@saved
@dataclass(slots=True, eq=False)
class Words:
    """Counts the words of each text, or sequences of words or characters, that are in a vocabulary.

    `kind` is "word", "char" or "char_wb"; sequences have from `shortest` to `longest` parts, and none of the words in
    `stop`. `accents` says how accents are removed, if they are. With `binary`, a word counts once.
    """

    kind: str
    vocabulary: Array
    pattern: str
    shortest: int
    longest: int
    stop: tuple[str, ...]
    lowercase: bool
    accents: str
    binary: bool
    _places: Mapping[str, int] = field(init=False)
    _find: Callable[[str], list[str]] = field(init=False)
    _stop: frozenset[str] = field(init=False)
    _split: Callable[[str], Sequence[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {word: place for place, word in enumerate(self.vocabulary.tolist())}
        self._find = re.compile(self.pattern).findall
        self._stop = frozenset(self.stop)
        splits = {"word": self._words, "char": self._characters, "char_wb": self._characters_of_words}
        self._split = splits[self.kind]

    def __call__(self, texts: Sequence[str]) -> SparseRows:
        columns: list[int] = []
        counts: list[int] = []
        begins = []
        place = self._places.get
        for text in texts:
            begins.append(len(columns))
            found = Counter(self._split(self._prepared(text)))
            known = sorted((column, count) for word, count in found.items() if (column := place(word)) is not None)
            columns += [column for column, _ in known]
            counts += [count for _, count in known]
        values = np.ones(len(counts)) if self.binary else np.array(counts, np.float64)
        return SparseRows(values, np.array(columns, np.intp), np.array(begins, np.intp))

    def _prepared(self, text: str) -> str:
        if self.lowercase:
            text = text.lower()
        if not self.accents or text.isascii():
            return text
        apart = unicodedata.normalize("NFKD", text)
        if self.accents == "ascii":
            return apart.encode("ascii", "ignore").decode("ascii")
        return "".join(character for character in apart if not unicodedata.combining(character))

    def _words(self, text: str) -> list[str]:
        words = self._find(text)
        if self._stop:
            words = [word for word in words if word not in self._stop]
        if self.longest == 1:
            return words
        found = [] if self.shortest > 1 else list(words)
        for length in range(max(2, self.shortest), min(self.longest, len(words)) + 1):
            found += (" ".join(words[begin : begin + length]) for begin in range(len(words) - length + 1))
        return found

    def _characters(self, text: str) -> list[str]:
        text = _SPACES.sub(" ", text)
        lengths = range(self.shortest, min(self.longest, len(text)) + 1)
        return [text[begin : begin + length] for length in lengths for begin in range(len(text) - length + 1)]

    def _characters_of_words(self, text: str) -> list[str]:
        return [part for word in _SPACES.sub(" ", text).split() for part in self._parts(f" {word} ")]

    def _parts(self, word: str) -> Iterator[str]:
        """Return the sequences of one word with the spaces around it; one that is too short counts once."""
        for length in range(self.shortest, self.longest + 1):
            for begin in range(max(1, len(word) - length + 1)):
                yield word[begin : begin + length]
            if length >= len(word):
                return


@saved_step
class OneText:
    """Take the texts of one column."""

    def __call__(self, columns: Sequence[Array]) -> list[str]:
        """Return the texts; raise `Refusal` for a cell that is none."""
        cells: list[Any] = columns[0].tolist()
        if not all(isinstance(cell, str) for cell in cells):
            raise Refusal("np.nan is an invalid document, expected byte or unicode string.")
        return cells


@saved_step
class Dense:
    """Make an array of sparse rows, with zeros, of so many columns."""

    width: int

    def __call__(self, rows: SparseRows) -> Array:
        made = np.zeros((len(rows), self.width))
        made[np.repeat(np.arange(len(rows)), np.diff(rows.begins, append=len(rows.values))), rows.columns] = rows.values
        return made


@saved_step
class Weigh:
    """Weigh the counts of words as TfidfTransformer does: by `weights` of the columns, and by the row's own size."""

    weights: Array | None
    sublinear: bool
    norm: str

    def __call__(self, rows: SparseRows) -> SparseRows:
        values = rows.values
        if self.sublinear:
            values = np.log(values) + 1.0
        if self.weights is not None:
            values = values * self.weights[rows.columns]
        if self.norm:
            sizes = np.sqrt(rows.row_sums(values**2)) if self.norm == "l2" else rows.row_sums(np.abs(values))
            values = values / np.repeat(sizes, np.diff(rows.begins, append=len(values)))
        return replace(rows, values=values)
