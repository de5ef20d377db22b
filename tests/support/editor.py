"""The editor's half of the Language Server Protocol, as far as the tests need it, and the YAML language server."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MODULE = "node_modules/yaml-language-server/bin/yaml-language-server"
SERVER = ROOT / re.search(r"^YAML_SERVER := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1] / MODULE
ANSWER_SECONDS = 60
ENDED = "the language server has ended; what it printed says why"
STOP_SECONDS = 10
KEYS = 10  # LSP's CompletionItemKind.Property; the server also offers whole skeletons, as another kind
SETTINGS = {"schemaStore": {"enable": False}, "kubernetesCRDStore": {"enable": False}}


@dataclass(frozen=True)
class Mark:
    """What an editor underlines, counted from 1 as the engine counts, and what it says of it."""

    line: int
    column: int
    end: tuple[int, int]
    message: str

    @property
    def place(self) -> tuple[int, int]:
        return self.line, self.column


@dataclass(frozen=True)
class Offer:
    """A completion: what the list shows, what is inserted, and whether it is a key."""

    label: str
    inserted: str
    is_key: bool


class Editor:
    """An editor with a folder open, which speaks with a language server over the server's stdin and stdout.

    `schemas` is the setting of an editor that says which schema is for a file and its numbered copies. Questions are
    asked at the end of a text, or of a piece of it.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, schemas: dict[str, str]) -> None:
        self._process = process
        self._folder = folder
        self._probes = [f"probe/{name}" for name in schemas]
        self._settings = {**SETTINGS, "schemas": {uri: name.replace(".", "*.") for name, uri in schemas.items()}}
        self._writing = threading.Lock()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._published: dict[str, queue.Queue[list[dict[str, Any]] | None]] = {}
        self._files = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def start(self) -> None:
        """Begin, and wait until the settings hold."""
        self._ask(
            "initialize",
            processId=None,
            rootUri=self._folder.as_uri(),
            workspaceFolders=[{"uri": self._folder.as_uri(), "name": self._folder.name}],
            capabilities={
                "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}
            },
        )
        self._tell("initialized")
        for name in self._probes:
            probe = self.open(name, "- a list is not a spec")
            while not self.marks(probe):
                pass  # before the settings hold there is nothing to say, and after it the server says it again

    def stop(self) -> None:
        self._ask("shutdown")
        self._tell("exit")
        self._process.wait(STOP_SECONDS)
        self._reader.join()

    def open(self, name: str, text: str) -> str:
        """Open a file of the folder, which need not be on a disk, and give its URI."""
        uri = (self._folder / name).as_uri()
        self._published[uri] = queue.Queue()
        self._tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "yaml", "version": 1, "text": text})
        return uri

    def marks(self, uri: str) -> list[Mark]:
        """Wait for the next word on an opened file."""
        found = []
        diagnostics = self._published[uri].get(timeout=ANSWER_SECONDS)
        if diagnostics is None:
            raise AssertionError(ENDED)
        for diagnostic in diagnostics:
            start, end = diagnostic["range"]["start"], diagnostic["range"]["end"]
            places = [(place["line"] + 1, place["character"] + 1) for place in (start, end)]
            found.append(Mark(*places[0], places[1], diagnostic["message"]))
        return found

    def offers(self, name: str, text: str) -> list[Offer]:
        """Tell what is offered at the end of a text."""
        found = self._ask_in(name, text, "textDocument/completion", len(text))
        items = found["items"] if isinstance(found, dict) else found
        return [Offer(item["label"], item["insertText"], item.get("kind") == KEYS) for item in items]

    def hover(self, name: str, text: str, piece: str) -> str:
        """Tell what is shown over a piece of a text, where it occurs last: Markdown, without its escapes."""
        found = self._ask_in(name, text, "textDocument/hover", text.rindex(piece) + 1)
        return re.sub(r"\\([^a-zA-Z0-9])", r"\1", found["contents"]["value"]) if found else ""

    def _ask_in(self, name: str, text: str, method: str, offset: int) -> Any:
        self._files += 1
        uri = self.open(name.replace(".yaml", f"-{self._files}.yaml"), text)
        line = text.count("\n", 0, offset)
        column = offset - (text.rfind("\n", 0, offset) + 1)
        return self._ask(method, textDocument={"uri": uri}, position={"line": line, "character": column})

    def _ask(self, method: str, **params: Any) -> Any:
        number = len(self._answers)
        answers = self._answers[number] = queue.Queue()
        self._send({"id": number, "method": method, "params": params})
        answer = answers.get(timeout=ANSWER_SECONDS)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self._writing:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self._process.stdin.flush()

    def _read(self) -> None:
        while message := self._message():
            if "method" not in message:
                self._answers[message["id"]].put(message)
            elif message["method"] == "textDocument/publishDiagnostics":
                self._published[message["params"]["uri"]].put(message["params"]["diagnostics"])
            elif "id" in message:
                self._send({"id": message["id"], "result": self._answer(message)})
        for answers in self._answers.values():
            answers.put({"error": ENDED})
        for published in self._published.values():
            published.put(None)

    def _message(self) -> Any:
        """Read the next message; give None once the server has ended."""
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self._process.stdout.read(length)) if length else None

    def _answer(self, question: dict[str, Any]) -> Any:
        if question["method"] == "workspace/configuration":
            return [self._settings if item["section"] == "yaml" else {} for item in question["params"]["items"]]
        return None


@contextlib.contextmanager
def editing(folder: Path, schemas: dict[str, str] | None = None) -> Iterator[Editor]:
    """Start the YAML language server for a folder, without a network; skip the test where it is not installed."""
    if shutil.which("node") is None or not SERVER.exists():
        pytest.skip("the YAML language server is not here: make test installs it, where there is Node.js with npm")
    command = ["node", "--require", str(Path(__file__).with_name("offline.cjs")), str(SERVER), "--stdio"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            editor = Editor(process, folder, schemas or {})
            editor.start()
            yield editor
            editor.stop()
        finally:
            process.kill()
