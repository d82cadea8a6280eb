"""A client of the language server that speaks the protocol itself, and keeps what it is told."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import LIMIT


class Client:
    """One server process and its messages."""

    def __init__(self, folder: Path, **initialize: Any) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "glmlint", "lsp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
            env={**os.environ, "LANG": "C.UTF-8"},
        )  # fmt: skip
        self._received: queue.Queue[dict[str, Any]] = queue.Queue()
        self.heard: list[dict[str, Any]] = []
        """Notifications and requests of the server, in their order."""
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.capabilities = self.ask(
            "initialize",
            {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}, **initialize},
        )["capabilities"]
        self.tell("initialized", {})

    def _read(self) -> None:
        out = self.process.stdout
        assert out is not None
        while header := out.readline():
            size = int(header.split(b":")[1])
            while out.readline().strip():
                pass
            self._received.put(json.loads(out.read(size)))

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def start(self, method: str, params: Any) -> int:
        """Send a request, and return its number."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int) -> dict[str, Any]:
        """The whole response to a request."""
        self._until(lambda: number in self._answers)
        return self._answers.pop(number)

    def ask(self, method: str, params: Any) -> Any:
        """The result of a request."""
        response = self.answer(self.start(method, params))
        assert "error" not in response, response
        return response["result"]

    def hear(self, method: str, good: Callable[[Any], bool] = lambda _: True) -> Any:
        """Wait for a message of the server that fits, and take it away."""
        found: list[Any] = []

        def look() -> bool:
            for message in self.heard:
                if message["method"] == method and good(message["params"]):
                    self.heard.remove(message)
                    found.append(message["params"])
                    return True
            return False

        self._until(look)
        return found[0]

    def _until(self, done: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT
        while not done():
            try:
                message = self._received.get(timeout=max(limit - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no answer; heard {self.heard}") from None
            if "method" not in message:
                self._answers[message["id"]] = message
            else:
                self.heard.append(message)
                if "id" in message:
                    self._send({"id": message["id"], "result": None})

    def end(self) -> tuple[int, bytes]:
        """Shut the server down: its exit code, and what it wrote to standard error."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        code = self.process.wait(LIMIT)
        assert self.process.stderr is not None and self.process.stdin is not None
        self.process.stdin.close()
        return code, self.process.stderr.read()
