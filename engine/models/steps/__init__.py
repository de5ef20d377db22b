"""The steps of a compiled model: what scikit-learn computes, as operations on plain arrays.

They are the operations that scikit-learn does, in its order and its precision. Every step is a frozen record of
numbers and arrays, which `program` saves and reads.
"""

from typing import Any

from engine.models.steps.checks import Check, Narrow
from engine.models.steps.columns import (
    Arithmetic,
    Clip,
    Column,
    Dot,
    Elementwise,
    FillTexts,
    Impute,
    LastColumn,
    Pick,
    Products,
    Ravel,
    RowSums,
    Select,
    Squeeze,
)
from engine.models.steps.encoding import OneHot
from engine.models.steps.machines import Kernel, OneVsOne
from engine.models.steps.running import Append, Concatenate, Step, run
from engine.models.steps.scores import (
    Average,
    Choose,
    ChooseEach,
    CountVotes,
    Logistic,
    Normalize,
    Softmax,
    Stack,
    Take,
    WeightedMedian,
)

ARRAY_STEPS: tuple[type[Any], ...] = (
    *(Append, Arithmetic, Average, Check, Choose, ChooseEach, Clip, Column, Concatenate, CountVotes, Dot, Elementwise),
    *(FillTexts, Impute, Kernel, LastColumn, Logistic, Narrow, Normalize, OneHot, OneVsOne, Pick, Products, Ravel),
    *(RowSums, Select, Softmax, Squeeze, Stack, Take, WeightedMedian),
)

__all__ = [
    "ARRAY_STEPS",
    "Append",
    "Arithmetic",
    "Average",
    "Check",
    "Choose",
    "ChooseEach",
    "Clip",
    "Column",
    "Concatenate",
    "CountVotes",
    "Dot",
    "Elementwise",
    "FillTexts",
    "Impute",
    "Kernel",
    "LastColumn",
    "Logistic",
    "Narrow",
    "Normalize",
    "OneHot",
    "OneVsOne",
    "Pick",
    "Products",
    "Ravel",
    "RowSums",
    "Select",
    "Softmax",
    "Squeeze",
    "Stack",
    "Step",
    "Take",
    "WeightedMedian",
    "run",
]
