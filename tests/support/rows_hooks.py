"""What schemathesis needs to send rows: CSV and JSON Lines from arrays of instances."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_: Any, value: Any) -> bytes:
    if not isinstance(value, list):
        return json.dumps(value).encode()
    return "".join(json.dumps(one) + "\n" for one in value).encode()


@schemathesis.serializer("text/csv")
def rows(_: Any, value: Any) -> bytes:
    if not (isinstance(value, list) and value and all(isinstance(one, dict) for one in value)):
        return json.dumps(value).encode()
    names = list(dict.fromkeys(name for one in value for name in one))
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(names)
    writer.writerows([cell(one[name]) if name in one else "" for name in names] for one in value)
    return text.getvalue().encode("utf-8", "replace")


def cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
