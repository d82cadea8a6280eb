r"""Half of a surrogate pair, such as `\ud83d` without its `\ude00`.

It is not a character: a text with it can't be written as UTF-8. Arrow rejects the file when it is
loaded, and where another reader lets it pass, the tokenizer raises in the middle of the run. It
comes from emoji that were cut in two by a length limit.

Evidence: tiktoken #82; `datasets` 5.2 raises DatasetGenerationError ("The surrogate pair in string
is invalid").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from glmlint.finding import Pointer, place, value_at
from glmlint.rules.base import Edit, Fact, Problem, Row, Rule, Text, part_of

rule = Rule(
    name="lone-surrogate",
    family="structure",
    title_zh=r"不成对的代理项，例如只有 `\ud83d` 而没有 `\ude00`",
    doc_zh="""
    它不是字符：含有它的文本无法写成 UTF-8。加载时 Arrow 会拒绝该文件；即使其他程序放行，分词
    器也会在训练中途报错。它来自被长度限制切成两半的 emoji。

    依据：tiktoken #82；`datasets` 5.2 抛出 DatasetGenerationError（“The surrogate pair in
    string is invalid”）。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    fix="unsafe",
    text=Text(
        "{place} contains {escape}, half of a character: the loader rejects the file",
        "{place} 含有 {escape}，只是半个字符：加载器会拒绝该文件",
    ),
    help=Text(
        "Restore the whole character (mostly a cut emoji), or delete the half (`--unsafe-fixes` writes "
        "U+FFFD instead).",
        "补全这个字符（多半是被截断的 emoji），或删除这一半（`--unsafe-fixes` 会用 U+FFFD 代替）。",
    ),
    help_alone=Text(
        "Restore the whole character (mostly a cut emoji), or delete the half.",
        "补全这个字符（多半是被截断的 emoji），或删除这一半。",
    ),
    bad=(
        b'{"messages": [{"role": "user", "content": "Hi \\ud83d"},'
        b' {"role": "assistant", "content": "Hello"}]}',
        b'{"messages": [{"role": "user", "content": "\\u4f60\\u597d"},'
        b' {"role": "assistant", "content": "\\ude00\\u597d"}]}',
        b'{"messages": [{"role": "user", "content": "Hi"},'
        b' {"role": "assistant", "content": "A"}], "\\ud83d": 1}',
    ),
    good=(
        b'{"messages": [{"role": "user", "content": "Hi \\ud83d\\ude00"},'
        b' {"role": "assistant", "content": "Hello"}]}',
        '{"messages": [{"role": "user", "content": "你好😀"},'
        ' {"role": "assistant", "content": "好"}]}'.encode(),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is None or row.defect.rule != "lone-surrogate":
        return
    at: Pointer = tuple(row.defect.values.get("pointer", ()))
    edits = tuple(Edit("replace", where, _whole(text)) for where, text in _halves(row.value, ()))
    text = value_at(row.value, at)
    half = _half(text) if isinstance(text, str) else ""
    yield rule.problem(
        at, edits=edits, place=place(at), escape=_escape(row.value, at),
        part=part_of(row, at, half) if half else None,
    )  # fmt: skip


def _halves(value: Any, at: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Every string that contains a half; keys are left out."""
    if isinstance(value, str):
        if _half(value):
            yield at, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _halves(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _halves(item, (*at, index))


def _half(text: str) -> str:
    return next((char for char in text if "\ud800" <= char <= "\udfff"), "")


def _whole(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _escape(value: Any, at: Pointer) -> str:
    """The half at a place, as JSON escapes it; in a key where the place is not a string."""
    for part in at:
        if isinstance(value, dict) and part not in value:
            break
        value = value[part]
    texts = [value] if isinstance(value, str) else list(value) if isinstance(value, dict) else []
    half = next((half for text in texts if (half := _half(text))), "\ud800")
    return f"\\u{ord(half):04x}"
