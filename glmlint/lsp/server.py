"""The state of a session: open documents, their settings, and when they are checked.

Everything that lays out, checks or repairs rows runs in one worker thread, one call after the other:
the loop stays free to take changes in, and a check whose document has changed stops by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from lsprotocol import types as lsp
from pygls.capabilities import get_capability
from pygls.exceptions import JsonRpcException, JsonRpcInternalError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from glmlint import __version__
from glmlint.lsp.check import Checked, Stale, check_changes, check_document, holds_rows
from glmlint.lsp.document import DocumentText
from glmlint.lsp.preferences import name_of, path_of, plan_of
from glmlint.lsp.protocol import RULE, TOKENS, diagnostic, source_of
from glmlint.lsp.words import say
from glmlint.output import language
from glmlint.plan import Plan
from glmlint.read.source import SourceError
from glmlint.text import RunStopped, Told
from glmlint.trainer.base import Context, open_context
from glmlint.visible import visible

MOST_TYPED: Final = 5_000_000
"""Code points of a document that is checked while somebody types in it."""

PAUSE: Final = 0.15, 2.0
"""Seconds without a change before a check: at least, and at most; in between twice the last check."""

SLOW: Final = 0.3
"""Seconds of a check before which the changed rows are checked alone."""

MOST_CONTEXTS: Final = 4
"""Plans whose tokenizer stays loaded."""

T = TypeVar("T")


class OpenDocument:
    """A document that the client holds open."""

    def __init__(self, item: lsp.TextDocumentItem, encoding: str) -> None:
        self.uri = item.uri
        self.version = item.version
        self.path = path_of(item.uri)
        self.name = self.path or name_of(item.uri, item.language_id)
        self.text = DocumentText(item.text, encoding)
        self.round = 0
        """Rises where the settings may have changed, or a large document was saved."""
        self.settings: tuple[Plan, Context] | None = None
        """Its plan and context of this round, once they are known."""
        self.checked: Checked | None = None
        """Of this text, or of an earlier one."""
        self.result_id = ""
        """Stands for `checked`."""
        self.running: tuple[DocumentText, int, asyncio.Task[Checked | None]] | None = None
        """What is being checked, its round, and the task."""
        self.timer: asyncio.TimerHandle | None = None
        self.seconds = 0.0
        """How long the last check took."""
        self.closed = False

    @property
    def waits_for_save(self) -> bool:
        """Whether it is too large for a check after each change."""
        return len(self.text.text) > MOST_TYPED

    @property
    def is_slow(self) -> bool:
        """Whether a check of the whole takes so long that the changed rows are checked before."""
        return self.seconds > SLOW

    @property
    def pause(self) -> float:
        """Seconds without a change before it is checked again."""
        return min(max(PAUSE[0], 2 * self.seconds), PAUSE[1])

    def renew(self) -> None:
        """Nothing that is known of it holds any more."""
        self.round += 1
        self.settings = self.checked = self.running = None


class GlmlintProtocol(LanguageServerProtocol):
    """Adds to the capabilities what pygls does not know yet, and keeps tracebacks here."""

    @lsp_method(lsp.INITIALIZE)
    def lsp_initialize(
        self, params: lsp.InitializeParams
    ) -> Generator[Any, Any, lsp.InitializeResult]:
        """Answer `initialize`."""
        result: lsp.InitializeResult = yield from super().lsp_initialize(params)
        if result.capabilities.workspace is not None:
            content = lsp.TextDocumentContentOptions(schemes=[TOKENS, RULE])
            result.capabilities.workspace.text_document_content = content
        return result

    def _send_response(
        self, msg_id: Any, result: Any = None, error: lsp.ResponseError | None = None
    ) -> None:
        if error is not None:
            error.data = None  # a traceback
        super()._send_response(msg_id, result, error)


class ShownFiles:
    """Texts as files, for clients that open nothing else; they go with the server."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def write(self, name: str, text: str) -> Path:
        """Write a text under a name."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="glmlint-")
        path = Path(self._folder.name) / re.sub(r"[^\w.-]", "-", name)
        path.write_text(text, encoding="utf-8", errors="replace")
        return path

    def remove(self) -> None:
        """Take them away."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


class GlmlintServer(LanguageServer):
    """The server of one client."""

    def __init__(self) -> None:
        super().__init__("glmlint", __version__, protocol_cls=GlmlintProtocol)
        # pygls ends lines at U+2028 and its like: its own copies of the documents are not kept.
        for method in (
            lsp.TEXT_DOCUMENT_DID_OPEN,
            lsp.TEXT_DOCUMENT_DID_CHANGE,
            lsp.TEXT_DOCUMENT_DID_CLOSE,
        ):
            self.protocol.fm.builtin_features.pop(method)
        self.documents: dict[str, OpenDocument] = {}
        self.worker = ThreadPoolExecutor(1, "glmlint")
        self.lang = language("auto")
        self.keeps_lang = False
        """The command line named it: the editor's locale changes nothing."""
        self.folder: str | None = None
        """Where the client works: settings of documents without a file are looked for there."""
        self.given: dict[str, Any] = {}
        """Settings of `initializationOptions`, by the names of the flags."""
        self.flags: dict[str, Any] = {}
        """Those and the ones of the client's configuration."""
        self.tokens_shown: set[str] = set()
        """Documents of tokens that the client has asked for."""
        self.shown = ShownFiles()
        self.ended = False
        """The client has said that it ends."""
        self._contexts: list[Context] = []
        """Of the last plans; the worker alone looks at them."""
        self._told: set[str] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._numbers = count(1)

    def can(self, capability: str) -> Any:
        """A capability of the client; None without it."""
        return get_capability(self.client_capabilities, capability)

    @property
    def pulls(self) -> bool:
        """Whether the client asks for findings by itself: then none are sent, or it shows two."""
        return self.can("text_document.diagnostic") is not None

    # --- words to the user -----------------------------------------------------------------------

    def report_server_error(self, error: Exception, source: Any) -> None:
        """A message that can't be read, or a fault of a handler: a line in the client's log."""
        del source
        told = isinstance(error, JsonRpcException) and not isinstance(error, JsonRpcInternalError)
        if not told:  # else the client has it as an answer
            self.log(say("fault", self.lang, error=_short(error)))

    def log(self, sentence: str) -> None:
        """A line in the client's log."""
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, visible(sentence)))

    def tell(self, sentence: str, kind: lsp.MessageType = lsp.MessageType.Warning) -> None:
        """A message to the user, the same one once."""
        if sentence not in self._told:
            self._told.add(sentence)
            self.window_show_message(lsp.ShowMessageParams(kind, visible(sentence)))

    @property
    def can_show(self) -> bool:
        """Whether the client opens a document that the server names."""
        return bool(self.can("window.show_document.support"))

    def show(self, uri: str, text: str) -> None:
        """Have a text opened: as a document of the server, or as a file where there is no such."""
        if not self.can_show:
            return
        if not self.can("workspace.text_document_content"):
            name = unquote(urlsplit(uri).path.rpartition("/")[2])
            uri = self.shown.write(name, text).as_uri()
        # The client may open it only after the answer to the request that wanted it.
        self.spawn(self._show(lsp.ShowDocumentParams(uri, take_focus=True)))

    async def _show(self, shown: lsp.ShowDocumentParams) -> None:
        with contextlib.suppress(JsonRpcException):  # the client has told its user
            await self.window_show_document_async(shown)

    # --- checks ----------------------------------------------------------------------------------

    async def work(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run a call in the worker."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.worker, _guarded, call, *arguments)

    def spawn(self, call: Coroutine[Any, Any, None]) -> None:
        """Run what no request waits for."""
        task = asyncio.ensure_future(call)
        self._tasks.add(task)
        task.add_done_callback(self._spawned)

    def _spawned(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.report_server_error(error, None)

    def end(self) -> None:
        """Let running checks end."""
        self.ended = True
        for document in self.documents.values():
            document.closed = True

    async def check(self, document: OpenDocument, *, whole: bool = False) -> Checked | None:
        """What is known of the document as it is now, of a large one as it was saved.

        None where it is no data, can't be checked, or was closed. Unless the whole is asked for, the
        changed rows are enough where all of them would take long.
        """
        while not document.closed:
            text, round_ = document.text, document.round
            known = document.checked
            if known is not None and (known.text is text or document.waits_for_save):
                if known.whole or not whole:
                    return known
            elif known is not None and document.is_slow and not whole:
                quick = await self._check_changes(document, known, text)
                if document.text is not text or document.round != round_:
                    continue
                if quick is not None:
                    return quick
            running = document.running
            if running is None or running[:2] != (text, round_):
                task = asyncio.ensure_future(self._check(document, text, round_))
                running = document.running = text, round_, task
            result = await asyncio.shield(running[2])
            if document.round == round_ and (document.text is text or document.waits_for_save):
                return result
        return None

    async def _check_changes(
        self, document: OpenDocument, known: Checked, text: DocumentText
    ) -> Checked | None:
        try:
            quick = await self.work(check_changes, known, text)
        except Exception as error:  # the whole check will say so again, or does better
            self.log(say("fault-of", self.lang, path=document.name, error=_short(error)))
            return None
        if quick is not None and document.checked is known and document.text is text:
            self._keep(document, quick)
            return quick
        return None

    def _keep(self, document: OpenDocument, checked: Checked | None) -> None:
        document.checked = checked
        document.result_id = str(next(self._numbers))

    async def _check(
        self, document: OpenDocument, text: DocumentText, round_: int
    ) -> Checked | None:
        """Check one text; every fault is told or logged, and None."""

        def stale() -> bool:
            if document.closed or document.round != round_:
                return True
            return document.text is not text and not document.waits_for_save

        def call() -> Checked:
            if stale():
                raise Stale
            settings = document.settings
            if settings is None:
                plan = plan_of(self.flags, document.path, self.folder, self.lang)
                settings = plan, self._context(plan)
                if document.round == round_:
                    document.settings = settings
            return check_document(text, document.name, *settings, stale)

        started = time.monotonic()
        checked = None
        try:
            if holds_rows(document.name, text.text):
                checked = await self.work(call)
        except Stale:
            return None
        except SourceError as error:
            why = error.say(self.lang)
            self.tell(say("not-checked", self.lang, path=document.name, why=why))
        except Told as error:  # a setting, or a row at which no run goes on
            self.tell(say("settings", self.lang, why=error.say(self.lang)))
        except Exception as error:
            self.log(say("fault-of", self.lang, path=document.name, error=_short(error)))
        if document.round == round_:
            document.seconds = time.monotonic() - started
            self._keep(document, checked)
        if checked is not None and checked.left_out:
            shown, left = len(checked.findings), checked.left_out
            self.log(say("more", self.lang, path=document.name, shown=shown, left=left))
        return checked

    def _context(self, plan: Plan) -> Context:
        """The tokenizer and the template of a plan; a model's own take seconds to load."""
        for context in self._contexts:
            if context.plan == plan:
                return context
        context = open_context(plan)
        self._contexts = [context, *self._contexts[: MOST_CONTEXTS - 1]]
        return context

    async def checked_of(self, uri: str) -> tuple[OpenDocument, Checked] | None:
        """An open document and what is known of it as it is; None where that is not known."""
        document = self.documents.get(uri)
        checked = None if document is None else await self.check(document)
        if document is None or checked is None or checked.text is not document.text:
            return None
        return document, checked

    def diagnostics(self, document: OpenDocument) -> list[lsp.Diagnostic]:
        """The findings of its last check as the protocol has them."""
        checked = document.checked
        return [] if checked is None else [diagnostic(one, checked) for one in checked.findings]

    def publish(self, document: OpenDocument) -> None:
        """Check, and send the findings to a client that does not ask for them."""
        if not self.pulls:
            self.spawn(self._publish(document))
        elif self.refreshes:
            self.workspace_diagnostic_refresh(None)

    @property
    def refreshes(self) -> bool:
        """Whether a client that asks for findings can be told to ask again."""
        return bool(self.can("workspace.diagnostics.refresh_support"))

    async def _publish(self, document: OpenDocument) -> None:
        checked = await self.check(document)
        if document.closed:
            return
        found = self.diagnostics(document)
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(document.uri, found, document.version)
        )
        self.complete(document, checked)
        await self.refresh_tokens(document)

    def complete(self, document: OpenDocument, checked: Checked | None) -> None:
        """Where only changed rows were checked, check the whole as soon as the document rests."""
        if checked is not None and not checked.whole:
            self._later(document, document.pause, self._complete)

    def _complete(self, document: OpenDocument) -> None:
        async def call() -> None:
            checked = await self.check(document, whole=True)
            if checked is not None and checked.text is document.text:
                self.publish(document)

        self.spawn(call())

    def _later(
        self, document: OpenDocument, seconds: float, call: Callable[[OpenDocument], None]
    ) -> None:
        """Call after a pause, unless the document changes before."""
        if document.timer is not None:
            document.timer.cancel()
        document.timer = asyncio.get_running_loop().call_later(seconds, call, document)

    async def refresh_tokens(self, document: OpenDocument) -> None:
        """Tell the client that the tokens of the document's rows are others now."""
        for uri in [uri for uri in self.tokens_shown if source_of(uri)[0] == document.uri]:
            try:
                await self.workspace_text_document_content_refresh_async(
                    lsp.TextDocumentContentRefreshParams(uri)
                )
            except JsonRpcException:
                self.tokens_shown.discard(uri)

    def recheck(self) -> None:
        """Settings have changed: what was told may be so no more, and every document is due."""
        self._told.clear()
        for document in self.documents.values():
            document.renew()
            self.publish(document)

    # --- documents -------------------------------------------------------------------------------

    def open(self, item: lsp.TextDocumentItem) -> None:
        """Take a document in."""
        if item.uri.startswith((f"{TOKENS}:", f"{RULE}:")):
            return
        if item.uri in self.documents:
            self.documents[item.uri].closed = True
        encoding = self.server_capabilities.position_encoding or lsp.PositionEncodingKind.Utf16
        name = str(getattr(encoding, "value", encoding))
        document = self.documents[item.uri] = OpenDocument(item, name)
        self._tell_size(document)
        self.publish(document)

    def change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """Take changes in, in their order."""
        document = self.documents.get(params.text_document.uri)
        if document is None:
            return
        text = document.text
        for change in params.content_changes:
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                begin, end = change.range.start, change.range.end
                text = text.changed(
                    (begin.line, begin.character), (end.line, end.character), change.text
                )
            else:
                text = DocumentText(change.text, text.encoding)
        document.text, document.version = text, params.text_document.version
        self._tell_size(document)
        if document.timer is not None:
            document.timer.cancel()
        if not self.pulls and not document.waits_for_save:
            self._later(document, PAUSE[0], self.publish)

    def _tell_size(self, document: OpenDocument) -> None:
        if document.waits_for_save:
            sentence = say("large", self.lang, path=document.name, size=MOST_TYPED)
            self.tell(sentence, lsp.MessageType.Info)

    def save(self, uri: str) -> None:
        """Check with the settings as they are now; a large document is due as well."""
        document = self.documents.get(uri)
        if document is not None:
            document.renew()
            self.publish(document)

    def close(self, uri: str) -> None:
        """Forget a document, and take its findings away."""
        document = self.documents.pop(uri, None)
        if document is None:
            return
        document.closed = True
        if document.timer is not None:
            document.timer.cancel()
        if not self.pulls:
            self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))


def _guarded(call: Callable[..., T], *arguments: Any) -> T:
    """A call in the worker: what would end a run of `check` ends the call alone."""
    try:
        return call(*arguments)
    except RunStopped as stopped:
        raise Told(stopped.text, **stopped.values) from None


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:500]
