"""`${now}` and `${uuid}`, which the engine makes itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from engine import create_app


def test_an_answer_has_one_time_and_one_uuid(tmp_path: Path) -> None:
    """The same wherever the answer has it, others in the next answer."""
    (tmp_path / "routes.yaml").write_text(
        'routes:\n  - path: /\n    response: {headers: {X-Id: "${uuid}"}, json: ["${now}", "at ${now}", "${uuid}"]}\n'
    )
    client = create_app(tmp_path / "routes.yaml").test_client()
    before = datetime.now(UTC)
    answers = [client.get("/") for _ in range(2)]
    after = datetime.now(UTC)
    (now, text, uuid), (_, _, other) = [json.loads(answer.data) for answer in answers]
    assert f"at {now}" == text
    assert now.endswith("Z")
    assert before - timedelta(milliseconds=1) <= datetime.fromisoformat(now) <= after
    assert uuid == answers[0].headers["X-Id"] == str(UUID(uuid))
    assert UUID(uuid).version == 4
    assert uuid != other
