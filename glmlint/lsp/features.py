"""What a client may ask, and what answers it."""

from __future__ import annotations

from typing import Any, Final

from lsprotocol import types as lsp

from glmlint.lsp.actions import QuickFix, anything_safe, quick_fixes
from glmlint.lsp.check import Checked, RowSpan
from glmlint.lsp.edits import Change, fix_document
from glmlint.lsp.markdown import explanation, message_at, tokens_text
from glmlint.lsp.preferences import flags_of, path_of
from glmlint.lsp.protocol import (
    RULE,
    Declined,
    diagnostic,
    offset_of,
    range_of,
    source_of,
    text_edits,
    tokens_uri,
)
from glmlint.lsp.server import GlmlintServer, OpenDocument
from glmlint.lsp.words import say
from glmlint.output import language
from glmlint.rules.base import all_rules
from glmlint.text import Told

FIX_ALL: Final = "source.fixAll.glmlint"
SHOW_TOKENS: Final = "glmlint.showTokens"
EXPLAIN: Final = "glmlint.explain"

_WATCHED: Final = ("**/glmlint.toml", "**/pyproject.toml")


def make_server() -> GlmlintServer:
    """A server with all that it answers."""
    server = GlmlintServer()
    _of_session(server)
    _of_documents(server)
    _of_fixes(server)
    _of_explanations(server)
    return server


# --- the session ---------------------------------------------------------------------------------


def _of_session(server: GlmlintServer) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(ls: GlmlintServer, params: lsp.InitializeParams) -> None:
        folders = params.workspace_folders or ()
        uri = folders[0].uri if folders else params.root_uri
        ls.folder = path_of(uri) if uri else params.root_path
        if params.locale and not ls.keeps_lang:
            ls.lang = "zh" if params.locale.lower().startswith("zh") else "en"
        options = params.initialization_options
        try:
            ls.given = flags_of(options)
        except Told as error:
            ls.tell(say("settings", ls.lang, why=error.say(ls.lang)))
        _use(ls, {})

    @server.feature(lsp.INITIALIZED)
    async def initialized(ls: GlmlintServer, _params: lsp.InitializedParams) -> None:
        registrations = []
        if ls.can("workspace.did_change_watched_files.dynamic_registration"):
            watchers = [lsp.FileSystemWatcher(glob) for glob in _WATCHED]
            registrations.append(
                lsp.Registration(
                    "glmlint-settings",
                    lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                    lsp.DidChangeWatchedFilesRegistrationOptions(watchers),
                )
            )
        if ls.can("workspace.did_change_configuration.dynamic_registration"):
            options = lsp.DidChangeConfigurationRegistrationOptions(section="glmlint")
            registrations.append(
                lsp.Registration(
                    "glmlint-configuration", lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, options
                )
            )
        if registrations:
            await ls.client_register_capability_async(lsp.RegistrationParams(registrations))
        await _ask_configuration(ls)

    @server.feature(lsp.SHUTDOWN)
    def shut_down(ls: GlmlintServer, *_params: Any) -> None:
        ls.end()

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(ls: GlmlintServer, params: lsp.DidChangeConfigurationParams) -> None:
        if ls.can("workspace.configuration"):
            await _ask_configuration(ls)
        elif isinstance(params.settings, dict):
            _configure(ls, params.settings.get("glmlint", params.settings))

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(ls: GlmlintServer, _params: lsp.DidChangeWatchedFilesParams) -> None:
        ls.recheck()


async def _ask_configuration(ls: GlmlintServer) -> None:
    if ls.can("workspace.configuration"):
        item = lsp.ConfigurationItem(section="glmlint")
        answer = await ls.workspace_configuration_async(lsp.ConfigurationParams([item]))
        _configure(ls, answer[0] if answer else None)


def _configure(ls: GlmlintServer, options: Any) -> None:
    """Take the client's configuration; a fault in it is told, and the one before stays."""
    try:
        flags = flags_of(options)
    except Told as error:
        ls.tell(say("settings", ls.lang, why=error.say(ls.lang)))
        return
    if _use(ls, flags):
        ls.recheck()


def _use(ls: GlmlintServer, flags: dict[str, Any]) -> bool:
    """Use settings over those of the start. Returns whether any has changed."""
    before, ls.flags = ls.flags, {**ls.given, **flags}
    if ls.flags.get("lang") in ("en", "zh", "auto"):
        ls.lang = language(ls.flags["lang"])
    return before != ls.flags


# --- documents -----------------------------------------------------------------------------------


def _of_documents(server: GlmlintServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: GlmlintServer, params: lsp.DidOpenTextDocumentParams) -> None:
        ls.open(params.text_document)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: GlmlintServer, params: lsp.DidChangeTextDocumentParams) -> None:
        ls.change(params)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE, lsp.SaveOptions(include_text=False))
    def saved(ls: GlmlintServer, params: lsp.DidSaveTextDocumentParams) -> None:
        ls.save(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: GlmlintServer, params: lsp.DidCloseTextDocumentParams) -> None:
        ls.close(params.text_document.uri)

    @server.feature(
        lsp.TEXT_DOCUMENT_DIAGNOSTIC,
        lsp.DiagnosticOptions(
            inter_file_dependencies=False, workspace_diagnostics=False, identifier="glmlint"
        ),
    )
    async def pulled(
        ls: GlmlintServer, params: lsp.DocumentDiagnosticParams
    ) -> lsp.DocumentDiagnosticReport:
        document = ls.documents.get(params.text_document.uri)
        if document is None:
            return lsp.RelatedFullDocumentDiagnosticReport(items=[])
        checked = await ls.check(document, whole=not ls.refreshes)
        ls.complete(document, checked)
        ls.spawn(ls.refresh_tokens(document))
        if params.previous_result_id and params.previous_result_id == document.result_id:
            return lsp.RelatedUnchangedDocumentDiagnosticReport(result_id=document.result_id)
        return lsp.RelatedFullDocumentDiagnosticReport(
            items=ls.diagnostics(document), result_id=document.result_id
        )


# --- fixes ---------------------------------------------------------------------------------------


def _of_fixes(server: GlmlintServer) -> None:
    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        lsp.CodeActionOptions(
            code_action_kinds=[lsp.CodeActionKind.QuickFix, FIX_ALL], resolve_provider=True
        ),
    )
    async def actions(ls: GlmlintServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        found = await ls.checked_of(params.text_document.uri)
        if found is None:
            return []
        document, checked = found
        start = offset_of(checked.text, params.range.start)
        stop = offset_of(checked.text, params.range.end)
        only = params.context.only
        support = ls.can("text_document.code_action.resolve_support")
        later = support is not None and "edit" in support.properties
        made: list[lsp.CodeAction] = []
        if _wanted("quickfix", only):
            fixes = await ls.work(quick_fixes, checked, start, stop)
            made += [
                _action(ls, document, checked, fix)
                for fix in fixes
                if (fix.explains is None or ls.can_show) and (fix.every is None or later)
            ]
        # What is to be said at once is worth its time only where it is asked for.
        if _wanted(FIX_ALL, only) and (later or only) and anything_safe(checked):
            title = say("fix-file", checked.plan.lang)
            action = lsp.CodeAction(title, FIX_ALL, data=_data(document))
            if not later:
                await _fill(ls, action)
            if action.data or action.edit:
                made.append(action)
        if not only and ls.can_show and (row := checked.row(start)) is not None:
            title = say("tokens", checked.plan.lang)
            line = checked.text.place(row.start)[0]
            command = lsp.Command(title, SHOW_TOKENS, arguments=[document.uri, line])
            made.append(lsp.CodeAction(title, command=command))
        return made

    @server.feature(lsp.CODE_ACTION_RESOLVE)
    async def resolved(ls: GlmlintServer, action: lsp.CodeAction) -> lsp.CodeAction:
        await _fill(ls, action)
        return action


def _wanted(kind: str, only: Any) -> bool:
    """Whether the client asks for actions of a kind; without any word for all."""
    return not only or any(kind == one or kind.startswith(f"{one}.") for one in only)


def _data(document: OpenDocument, rule: str | None = None) -> dict[str, Any]:
    """What an action about a whole document needs to be filled in later."""
    return {"uri": document.uri, "version": document.version, "rule": rule}


def _action(
    ls: GlmlintServer, document: OpenDocument, checked: Checked, fix: QuickFix
) -> lsp.CodeAction:
    action = lsp.CodeAction(fix.title, lsp.CodeActionKind.QuickFix)
    if fix.about is not None:
        action.diagnostics = [diagnostic(fix.about, checked)]
    if fix.preferred:
        action.is_preferred = True
    if fix.changes is not None:
        action.edit = _edit(ls, document, checked, fix.changes)
    elif fix.every is not None:
        action.data = _data(document, fix.every)
    else:
        action.command = lsp.Command(fix.title, EXPLAIN, arguments=[fix.explains])
    return action


def _edit(
    ls: GlmlintServer, document: OpenDocument, checked: Checked, changes: list[Change]
) -> lsp.WorkspaceEdit:
    """Changes that the client applies to the version that was checked, and to no other."""
    edits = text_edits(checked.text, changes)
    if not ls.can("workspace.workspace_edit.document_changes"):
        return lsp.WorkspaceEdit(changes={document.uri: edits})
    identifier = lsp.OptionalVersionedTextDocumentIdentifier(
        uri=document.uri, version=document.version
    )
    return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(identifier, edits)])


async def _fill(ls: GlmlintServer, action: lsp.CodeAction) -> None:
    """Make the edit of an action about a whole document."""
    data = action.data if isinstance(action.data, dict) else {}
    found = await ls.checked_of(str(data.get("uri")))
    if found is None or found[0].version != data.get("version"):
        raise Declined(say("changed", ls.lang))
    document, checked = found
    rule = data.get("rule")
    if rule is not None and rule not in all_rules():
        raise Declined(say("no-rule", ls.lang, rule=rule))
    changes = await ls.work(fix_document, checked, rule)
    action.data = None
    if changes:
        action.edit = _edit(ls, document, checked, changes)


# --- explanations and tokens ---------------------------------------------------------------------


def _of_explanations(server: GlmlintServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(ls: GlmlintServer, params: lsp.HoverParams) -> lsp.Hover | None:
        found = await ls.checked_of(params.text_document.uri)
        if found is None:
            return None
        checked = found[1]
        return await ls.work(_hover, checked, offset_of(checked.text, params.position))

    @server.command(EXPLAIN)
    def explain(ls: GlmlintServer, rule: str) -> str:
        text = _explained(ls, rule)
        ls.show(f"{RULE}:/{rule}.md", text)
        return text

    @server.command(SHOW_TOKENS)
    async def show_tokens(ls: GlmlintServer, uri: str, line: int) -> str:
        text = await _tokens(ls, uri, line)
        ls.show(tokens_uri(uri, line), text)
        return text

    @server.feature(lsp.WORKSPACE_TEXT_DOCUMENT_CONTENT)
    async def content(
        ls: GlmlintServer, params: lsp.TextDocumentContentParams
    ) -> lsp.TextDocumentContentResult:
        if params.uri.startswith(f"{RULE}:"):
            name = params.uri.rpartition("/")[2].removesuffix(".md")
            return lsp.TextDocumentContentResult(_explained(ls, name))
        text = await _tokens(ls, *source_of(params.uri))
        ls.tokens_shown.add(params.uri)
        return lsp.TextDocumentContentResult(text)


def _explained(ls: GlmlintServer, rule: str) -> str:
    """A rule's explanation. Raises Declined where there is none of that name."""
    if rule not in all_rules():
        raise Declined(say("no-rule", ls.lang, rule=rule))
    return explanation(rule, ls.lang)


def _hover(checked: Checked, at: int) -> lsp.Hover | None:
    """What the narrowest finding at a place means, and what becomes of the message there."""
    parts: list[str] = []
    start = stop = at
    found = [one for one in checked.findings if one.start <= at <= one.stop > one.start]
    if found:
        narrow = min(found, key=lambda marked: marked.stop - marked.start)
        start, stop = narrow.start, narrow.stop
        rules = [one.finding.rule for one in found if (one.start, one.stop) == (start, stop)]
        parts += [explanation(name, checked.plan.lang) for name in dict.fromkeys(rules)]
    row = checked.row(at)
    message = None if row is None else message_at(checked, row, at)
    if message is not None:
        parts.append(message[0])
        if not found:
            start, stop = message[1:]
    if not parts:
        return None
    content = lsp.MarkupContent(lsp.MarkupKind.Markdown, "\n\n---\n\n".join(parts))
    return lsp.Hover(content, range_of(checked.text, start, stop))


async def _tokens(ls: GlmlintServer, uri: str, line: int) -> str:
    """The tokens of the row at a 0-based line of a document. Raises Declined without one."""
    found = await ls.checked_of(uri)
    if found is None:
        raise Declined(say("not-open", ls.lang, uri=uri))
    checked = found[1]
    row = _row_of_line(checked, line)
    if row is None:
        raise Declined(say("no-row", checked.plan.lang, line=line + 1))
    return await ls.work(tokens_text, checked, row)


def _row_of_line(checked: Checked, line: int) -> RowSpan | None:
    """The first row that stands at a 0-based line of the client, or goes over it."""
    text = checked.text
    if not 0 <= line < len(text.starts):
        return None
    begin, end = text.starts[line], text.line_end(line)
    return next((row for row in checked.rows if row.start <= end and begin <= row.stop), None)
