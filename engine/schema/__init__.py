"""JSON Schema 2020-12 for the whole engine: compile a schema, validate a value, describe each violation in plain words.

The schema alone decides what is valid; suggestions only add to its verdicts. Nothing is ever fetched: a reference leads
into the same document or to a published metaschema.
"""

from engine.schema.budget import Budget
from engine.schema.not_json import explain_not_json, stray_token
from engine.schema.parts import LOCAL_TIME, METASCHEMA, SchemaError
from engine.schema.subschema import JSON_TYPES, InstanceSchema, Subschema
from engine.schema.validator import Validator
from engine.schema.violation import Violation
from engine.schema.words import (
    FORMATS,
    JSON_NUMBER,
    TYPE_NAMES,
    Path,
    advise_unquoted,
    clip,
    describe_mistyped,
    show,
    write_pointer,
)
