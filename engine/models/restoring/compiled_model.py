"""A compiled model: what is known of it, and the programs that serve it. It is what the cache and bundles keep."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from engine.models.data.instances import TrainedInput
from engine.models.predictor import ResultForm
from engine.models.restoring.result_form import TYPE_NAMES
from engine.models.runtime.class_names import Wording
from engine.models.runtime.report import Report, Trial

_PROGRAMS = ("program", "batch_program")


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """What was found out about a model, and the programs that serve it; without any, scikit-learn does.

    `size` is that of its file in bytes, `golden` the golden answers that it was held to, as instance and result, and
    `warnings` are texts with their places in the entry. `good` is an instance that it answers. `modules` are the
    SHA-256 of the files beside models.yaml that it needs. `lacked_compiler` says that it has trees, and that there was
    no C compiler, which would make them faster. `largest` and `rows` are as in `Facts`.
    """

    size: int
    estimator: str
    kind: str
    trained_with: str
    wanted: TrainedInput
    wording: Wording
    report: Report
    program: bytes | None = None
    batch_program: bytes | None = None
    warnings: tuple[tuple[tuple[str | int, ...], str], ...] = ()
    good: Any = None
    lacked_compiler: bool = False
    modules: Mapping[str, str] = field(default_factory=dict)
    result: ResultForm | None = None
    rows: tuple[Any, ...] = ()
    largest: float | None = None
    golden: tuple[tuple[Any, Any], ...] = ()

    def dump(self) -> bytes:
        """Write it: the programs as arrays, all else as one JSON text."""
        facts = {name: value for name, value in asdict(self).items() if name not in _PROGRAMS}
        made = {"program": self.program, "batch_program": self.batch_program}
        programs = {name: np.frombuffer(data, np.uint8) for name, data in made.items() if data is not None}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, facts=np.array(json.dumps(facts)), **programs)
        return file.getvalue()

    @classmethod
    def load(cls, payload: bytes) -> CompiledModel:
        """Read what `dump` wrote."""
        with np.load(io.BytesIO(payload), allow_pickle=False) as file:
            programs = {name: file[name].tobytes() for name in _PROGRAMS if name in file.files}
            facts = json.loads(str(file["facts"]))
        result, trials = facts["result"], tuple(Trial(**trial) for trial in facts["report"]["trials"])
        known = {
            "wanted": TrainedInput.restored(facts["wanted"]),
            "wording": Wording.restored(facts["wording"]),
            "report": Report(**{**facts["report"], "trials": trials}),
            "warnings": tuple((tuple(path), text) for path, text in facts["warnings"]),
            "result": result and ResultForm(tuple(result["lengths"]), result["type"]),
            "rows": tuple(facts["rows"]),
            "golden": tuple((instance, answer) for instance, answer in facts["golden"]),
        }
        return cls(**{**facts, **known, **programs})

    @property
    def programs(self) -> tuple[bytes, ...]:
        """The programs that serve it; none if scikit-learn does."""
        return tuple(filter(None, (self.program, self.batch_program)))

    @property
    def needs_estimator(self) -> bool:
        """Whether scikit-learn answers some requests, so that the model's own file must be opened."""
        return self.program is None or self.report.batch_runtime == "sklearn"

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the lists of one result; none if it is a single value, or unknown."""
        return () if self.result is None else self.result.lengths

    @property
    def result_types(self) -> frozenset[str]:
        """The JSON types of the values in a result; none where they are not known."""
        return self.types_of(self.result, self.wording.classes)

    @staticmethod
    def types_of(result: ResultForm | None, classes: tuple[Any, ...] | None) -> frozenset[str]:
        """Return the JSON types of the values in results of a form, by the classes if they are these."""
        named, lengths = ("", ()) if result is None else (result.type, result.lengths)
        if classes and not lengths and named in {"boolean", "integer", "string"}:
            return frozenset(TYPE_NAMES.get(type(one), "") for one in classes)
        return frozenset((named,) if named else ())

    def without_faster_batches(self) -> CompiledModel:
        """Have what was compiled answer batches too, where scikit-learn only computes them faster."""
        report = self.report
        if self.program is None or report.batch_runtime != "sklearn":
            return self
        many = next((trial.many_rows for trial in report.trials if trial.candidate == report.candidate), None)
        speed_up = (report.many_rows or 0.0) / many if many else 1.0
        return replace(self, report=replace(report, batch_runtime=None, batch_from=0, speed_up_many=speed_up))
