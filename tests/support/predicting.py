"""What tests of `predict` share: how it is run, and what it says of a mistake."""

from __future__ import annotations

from click.testing import CliRunner, Result

from engine.commands import cli
from engine.errors import EngineError


def predict(*arguments: str, text: str | bytes | None = None, catch: bool = True) -> Result:
    return CliRunner().invoke(cli, ["predict", *arguments], input=text, catch_exceptions=catch)


def told(*arguments: str, text: str | bytes | None = None) -> str:
    """What the command says of a mistake."""
    done = predict(*arguments, text=text)
    assert done.exit_code != 0
    return (
        str(done.exception) if isinstance(done.exception, EngineError) else done.stderr.partition("Error: ")[2].strip()
    )
