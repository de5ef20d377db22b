"""Write what is generated: docs/reference.md from the grammars, docs/cli.md from the commands' help, and a list.

The list is in the grammar of routes.yaml: a file excludes the other bodies of a response in a way that editors show.

python docs/generate.py            write them
python docs/generate.py --check    only report which are out of date; exit status 1 if any is
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from engine.commands import cli
from engine.spec import grammar

DOCS = Path(__file__).parent
GRAMMAR = DOCS.parent / "engine" / "spec" / "routes.schema.json"


def main() -> int:
    """Write or compare the pages."""
    stale = 0
    for page, text in ((DOCS / "reference.md", reference()), (DOCS / "cli.md", command_line()), (GRAMMAR, bodies())):
        if "--check" not in sys.argv:
            page.write_text(text)
        elif not page.exists() or page.read_text() != text:
            print(f"{page.name} is out of date; run: make docs", file=sys.stderr)
            stale = 1
    return stale


def reference() -> str:
    """Describe every key of both files."""
    parts = [
        "# Reference",
        (
            "Every key of the two files. This page is generated from the grammars, which are JSON Schemas. "
            "`python -m engine schema routes` prints one, and [editors](editors.md) use them to explain every key."
        ),
    ]
    for name in ("routes", "models"):
        schema = grammar(name)
        parts += [f"## {schema['title']}", schema["description"], table(schema, schema)]
        for key, part in schema["$defs"].items():
            if key != "schema" and "properties" in part:
                parts += [f"### {part['title']}", part["description"], table(part, schema)]
    keywords = schema["$defs"]["schema"]
    parts += ["## schema", keywords["description"], table(keywords, schema)]
    return "\n\n".join(parts) + "\n"


def bodies() -> str:
    """Return the grammar of routes.yaml in which a file excludes each other key of a response that is a body."""
    text = GRAMMAR.read_text()
    keys = json.loads(text)["$defs"]["response"]["properties"]
    others = [key for key in keys if key not in ("status", "headers", "file")]
    with_file = {
        "type": "object",
        "required": ["file"],
        "properties": dict.fromkeys(others, False),
        "errorMessage": f"A response has either a file, or any of {', '.join(others[:-1])} and {others[-1]}.",
    }
    alternatives = [with_file, {"properties": {"file": False}}]
    begin = text.index('"oneOf": [\n', text.index('"response": {\n      "title"')) + len('"oneOf": [\n')
    end = text.index("\n      ],\n", begin)
    return text[:begin] + ",\n".join(f"        {json.dumps(one)}" for one in alternatives) + text[end:]


def table(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """Make the table of an object's keys."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = part.get("required", [])
    for key, value in part["properties"].items():
        resolved = follow(value, schema)
        meaning = value.get("description", resolved["description"])
        default = "required" if key in required else code(resolved["default"]) if "default" in resolved else ""
        cells = (f"`{key}`", kind(value, schema), default, " ".join([meaning, *bounds(value)]))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def follow(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return a value's schema, with that of its reference if it has one."""
    return {**schema["$defs"][value["$ref"].rpartition("/")[2]], **value} if "$ref" in value else value


def kind(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """Name a value's type in words."""
    if "allOf" in value:
        return kind({**value["allOf"][0], **{key: part for key, part in value.items() if key != "allOf"}}, schema)
    if "$ref" in value:
        named = follow(value, schema)
        if "anyOf" in named:
            return kind({"anyOf": named["anyOf"]}, schema)
        if "properties" not in named:  # a value that is described where it is used
            return kind({key: part for key, part in named.items() if key != "$ref"}, schema)
        types, title = named["type"], named["title"]
        bare = [] if isinstance(types, str) else [word for word in types if word != "object"]
        return " or ".join([*bare, f"[{title}](#{title.replace(' ', '-')})"])
    if "anyOf" in value:
        return " or ".join(kind(part, schema) for part in value["anyOf"])
    if "enum" in value:
        return ", ".join(map(code, value["enum"]))
    types = value.get("type", "any value")
    if types == "array" and "items" in value:
        return f"list of {kind(value['items'], schema)}"
    if types == "object" and "additionalProperties" in value and "$ref" in value["additionalProperties"]:
        return f"{kind(value['additionalProperties'], schema)} by name"
    return types if isinstance(types, str) else " or ".join(types)


def bounds(value: dict[str, Any]) -> Iterator[str]:
    """State an integer's bounds."""
    if "maximum" in value and value.get("type") == "integer":
        yield f"From {value['minimum']:,} to {value['maximum']:,}."


def code(value: Any) -> str:
    """Write a value as it is written in YAML."""
    return f"`{value if value and isinstance(value, str) else json.dumps(value)}`"


def command_line() -> str:
    """Return every command's help."""
    parts = [
        "# Command line",
        (
            "Exit status of every command: 0 for success; 1 if the spec, a model or a file of rows has a mistake (such "
            "as bad rows in `predict` without `--errors` or `--skip-errors`), `call` got a status of 400 or above, or "
            "`diff` found a difference; 2 for wrong usage, such as an unclear format in `predict`, or any mistake in "
            "`diff`; 130 if interrupted. Mistakes go to stderr, results to stdout."
        ),
    ]
    for name in ("", *_command_names()):
        arguments = [*name.split(), "--help"]
        shown = CliRunner().invoke(cli, arguments, prog_name="python -m engine", env={"COLUMNS": "100"})
        parts += [f"## {name or 'python -m engine'}", f"```text\n{shown.output.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _command_names() -> Iterator[str]:
    """Yield the name of every command, and after that of a group those of its own."""
    for name, command in sorted(cli.commands.items()):
        yield name
        yield from (f"{name} {inner}" for inner in sorted(getattr(command, "commands", ())))


if __name__ == "__main__":
    sys.exit(main())
