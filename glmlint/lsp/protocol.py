"""What this room knows, in the types of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from glmlint.lsp.check import Checked, Marked
from glmlint.lsp.document import DocumentText
from glmlint.lsp.edits import Change
from glmlint.visible import visible

TOKENS: Final = "glmlint-tokens"
"""Scheme of documents with the tokens of a row: `glmlint-tokens:/train.jsonl-17.txt?uri=…&line=16`."""

RULE: Final = "glmlint-rule"
"""Scheme of documents that explain a rule: `glmlint-rule:/null-content.md`."""

SEVERITIES: Final = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "info": lsp.DiagnosticSeverity.Information,
}


class Declined(JsonRpcException):
    """A request that can't be answered, with a sentence for the user."""

    CODE = lsp.LSPErrorCodes.RequestFailed.value


def range_of(text: DocumentText, start: int, stop: int) -> lsp.Range:
    """A range of code points as the client counts."""
    return lsp.Range(lsp.Position(*text.place(start)), lsp.Position(*text.place(stop)))


def offset_of(text: DocumentText, position: lsp.Position) -> int:
    """The code point at a client's position."""
    return text.offset((position.line, position.character))


def diagnostic(marked: Marked, checked: Checked) -> lsp.Diagnostic:
    """A finding as the protocol has it."""
    finding = marked.finding
    return lsp.Diagnostic(
        range_of(checked.text, marked.start, marked.stop),
        f"{visible(finding.message)}\n{visible(finding.help)}".strip(),
        SEVERITIES[finding.severity],
        finding.rule,
        source="glmlint",
        data={"fingerprint": finding.fingerprint, "fixable": finding.fixable},
    )


def text_edits(text: DocumentText, changes: Sequence[Change]) -> list[lsp.TextEdit]:
    """Changes of a document as the protocol has them."""
    return [lsp.TextEdit(range_of(text, one.start, one.stop), one.new) for one in changes]


def tokens_uri(uri: str, line: int) -> str:
    """The document with the tokens of the row at a 0-based line of another document."""
    name = quote(uri.rpartition("/")[2].partition("?")[0][-80:], safe="%")
    return f"{TOKENS}:/{name}-{line + 1}.txt?{urlencode({'uri': uri, 'line': line})}"


def source_of(uri: str) -> tuple[str, int]:
    """The document and the 0-based line of which a document of tokens tells; "" where it is none."""
    try:
        query = parse_qs(urlsplit(uri).query)
        return query["uri"][0], int(query["line"][0])
    except (KeyError, ValueError):
        return "", 0
