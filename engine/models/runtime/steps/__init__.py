"""The steps of a compiled model: scikit-learn's computation as operations on plain arrays.

They are scikit-learn's own operations, in its order and its precision. Every step is a frozen record, made by
`saved_step`, which `program` saves and reads.
"""

from engine.models.runtime.steps.boosting import (
    Exponential,
    Odds,
    Sigmoid,
    Single,
    SingleSigmoid,
    SoftMaximum,
    WholeAsSingle,
)
from engine.models.runtime.steps.checks import Cast, Check, Narrow, RequireClasses, RequireColumns, RequireExact, Within
from engine.models.runtime.steps.columns import (
    Arithmetic,
    AsColumn,
    Clip,
    Dot,
    Elementwise,
    FillTexts,
    Impute,
    Join,
    LastColumn,
    Length,
    Pick,
    Powers,
    Products,
    Ravel,
    RowSums,
    Select,
    Squeeze,
)
from engine.models.runtime.steps.encoding import Bins, OneHot, Ordinal, Pieces
from engine.models.runtime.steps.frames import Apart, Fill, Lookup, Missing, Numbers, Positive, Present
from engine.models.runtime.steps.machines import AxisDistances, Distances, Kernel, NormalScores, OneVsOne
from engine.models.runtime.steps.running import Append, Concatenate, Step, run
from engine.models.runtime.steps.scores import (
    Average,
    Choose,
    ChooseEach,
    CountVotes,
    Interpolate,
    Logistic,
    LogSum,
    Normalize,
    Shares,
    Softmax,
    Stack,
    Take,
    WeightedMedian,
)
from engine.models.runtime.steps.texts import Dense, OneText, Weigh, Words
from engine.models.runtime.steps.times import TimeParts, Times
