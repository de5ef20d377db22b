"""Whether a condition, a JSON Schema, holds for all values that another schema allows, or for none."""

from engine.schema.relation.relating import Verdict, judge_condition
