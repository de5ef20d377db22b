"""load, parse: YAML text → a frozen, typed `Spec`. The only folder that knows a YAML key."""

from engine.spec.builtin import BUILT_IN
from engine.spec.files import inside, write_whole
from engine.spec.grammar import GrammarName, grammar
from engine.spec.load import load
from engine.spec.lock import write_pins
from engine.spec.paths import LazyRule, parameter_schemas, path_template
from engine.spec.records import BuiltIn, Example, Limits, Model, Output, Response, Route, Schema, Service, Spec
from engine.spec.templates import Parameter, parse_template

__all__ = [
    "BUILT_IN",
    "BuiltIn",
    "Example",
    "GrammarName",
    "LazyRule",
    "Limits",
    "Model",
    "Output",
    "Parameter",
    "Response",
    "Route",
    "Schema",
    "Service",
    "Spec",
    "grammar",
    "inside",
    "load",
    "parameter_schemas",
    "parse_template",
    "path_template",
    "write_pins",
    "write_whole",
]
