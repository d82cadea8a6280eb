"""A row that is not valid JSON.

`datasets` reads a file in one go: with one broken line in a million the load fails, with a message
that names a byte offset or a column of some block, not the line. Other readers skip the line
silently. It is mostly one of a few mistakes: text in Python's spelling (single quotes, None,
True), an extra comma, a raw line break inside a string, a comment, an unescaped quote. The rule
says which, and where.

Evidence: LLaMA-Factory #412; the files under `broken` in the test data, all published so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.json_fault import JsonFault, diagnose
from glmlint.rules.base import Fact, Problem, Row, Rule, Text

_WHY: Final = {
    "mark": ("a byte order mark is before the row", "行首有一个字节顺序标记（BOM）"),
    "comment": (
        "{found!r} is a comment, which JSON does not allow",
        "{found!r} 是注释，JSON 不允许注释",
    ),
    "conflict": (
        "{found!r} is the marker of an unresolved merge conflict",
        "{found!r} 是未解决的合并冲突标记",
    ),
    "rest": (
        "the line begins in the middle of an object: {found!r} (one row must be on one line)",
        "这一行从对象的中间开始：{found!r}（一条数据必须写在一行内）",
    ),
    "prose": (
        "plain text, {found!r} (or the rest of the row above, cut by a raw line break)",
        "普通文本 {found!r}（或者是上一行被换行符截断的剩余部分）",
    ),
    "first": (
        "plain text, {found!r}",
        "普通文本 {found!r}",
    ),
    "word": (
        "{found} is not valid JSON: write {wanted}",
        "{found} 不是合法的 JSON，应写作 {wanted}",
    ),
    "single-quote": (
        "single quotes, as Python prints them: {found!r}; JSON needs double quotes",
        "使用了单引号（Python 的写法）：{found!r}；JSON 只接受双引号",
    ),
    "full-width": (
        "the full-width {found} instead of {wanted}",
        "使用了全角符号 {found}，应为 {wanted}",
    ),
    "comma-after": (
        "a comma after the object, as between the elements of an array",
        "对象后面多了一个逗号（像是从数组里复制来的）",
    ),
    "extra-closer": (
        "an extra {found}: the row is already closed",
        "多了一个 {found}：这一行已经闭合",
    ),
    "more-text": (
        "the object is complete, but {found!r} follows",
        "对象已经结束，后面却还有 {found!r}",
    ),
    "raw-newline": (
        "a raw line break inside a string: JSON writes it as \\n",
        "字符串里有未转义的换行：JSON 中应写作 \\n",
    ),
    "control-character": (
        "the raw control character {found} inside a string: JSON escapes it",
        "字符串里有未转义的控制字符 {found}：JSON 要求转义",
    ),
    "unterminated": (
        "a string begins here and does not end on this line: a raw line break in it "
        "(JSON writes \\n), or the closing quote is missing",
        "此处开始的字符串没有在这一行结束：其中有未转义的换行（应写作 \\n），或缺少结尾的引号",
    ),
    "escape": (
        "{found} is not a JSON escape; a backslash is written \\\\",
        "{found} 不是 JSON 的转义；反斜杠应写作 \\\\",
    ),
    "unclosed": (
        "the row ends before it is closed: {wanted} is missing",
        "这一行没有闭合就结束了：缺少 {wanted}",
    ),
    "trailing-comma": (
        "a comma before the closing {found}",
        "结尾的 {found} 之前多了一个逗号",
    ),
    "no-value": ("a value is missing", "缺少一个值"),
    "double-comma": ("a comma where a value or a key should be", "多了一个逗号"),
    "missing-closer": (
        "{wanted} is missing before {found}",
        "{found} 之前缺少 {wanted}",
    ),
    "unquoted-key": (
        "a key without quotes: {found!r}",
        "键没有加双引号：{found!r}",
    ),
    "no-key": (
        "a key in double quotes should be here, not {found!r}",
        "这里应该是双引号括起来的键，而不是 {found!r}",
    ),
    "no-colon": (
        "no colon after the key (or a quote inside the key is not escaped): {found!r}",
        "键后面缺少冒号（或键里的引号没有转义）：{found!r}",
    ),
    "stray-quote": (
        "the string ends at this quote, but {found!r} follows: "
        'a quote inside a string is written \\", or a comma is missing',
        '字符串在这个引号处结束，后面却是 {found!r}：字符串里的引号应写作 \\"，或者缺少逗号',
    ),
    "number": ("{found!r} is not a JSON number", "{found!r} 不是 JSON 的数字"),
    "unquoted-text": (
        "text without quotes: {found!r}",
        "文本没有加双引号：{found!r}",
    ),
    "no-comma": ("a comma is missing before {found!r}", "{found!r} 之前缺少逗号"),
    "after-array": ("text after the end of the array", "数组结束之后还有文本"),
    "open-array": ("the array is not closed: ] is missing", "数组没有闭合：缺少 ]"),
    "unknown": ("{found}", "{found}"),
}
"""Kind of fault -> its reason in a few words."""

_SOURCE_KINDS: Final = {
    "an unexpected comma before this value": "double-comma",
    "no comma before this value": "no-comma",
    "text after the end of the array": "after-array",
    "a comma before the closing bracket": "trailing-comma",
    "a comma after the last value": "comma-after",
    "the array is not closed": "open-array",
}
"""What the source says of the syntax between rows -> kind of fault."""

rule = Rule(
    name="invalid-json",
    family="structure",
    title_zh="这一行不是合法的 JSON",
    doc_zh="""
    `datasets` 一次性读取整个文件：一百万行里有一行损坏，加载就会失败，错误信息给出的是字节偏
    移或某个数据块中的列，而不是行号。其他程序会悄悄跳过这一行。错误多半是常见的几种：Python
    的写法（单引号、None、True）、多余的逗号、字符串里未转义的换行、注释、没有转义的引号。本规
    则会指出是哪一种，在哪里。

    依据：LLaMA-Factory #412；测试数据中 `broken` 下的文件，都是原样公开发布过的。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    text=Text(
        "invalid JSON at {at}: {found}; the loader rejects the whole file",
        "{at} 处不是合法的 JSON：{found}；加载器会拒绝整个文件",
    ),
    variants={
        kind: Text(
            f"invalid JSON at {{at}}: {en}; the loader rejects the whole file",
            f"{{at}} 处不是合法的 JSON：{zh}；加载器会拒绝整个文件",
        )
        for kind, (en, zh) in _WHY.items()
    },
    help=Text(
        "Repair or delete the line; write rows with json.dumps(row, ensure_ascii=False).",
        "修复或删除这一行；写文件时用 json.dumps(row, ensure_ascii=False)。",
    ),
    bad=(
        b'{"messages": [{"role": "user", "content": "Hi"},]}',
        "{'messages': [{'role': 'user', 'content': '你好'}]}".encode(),
        '{"messages"：[{"role": "user", "content": "你好"}]}'.encode(),
        b'{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": None}]}',
        b"# one conversation a line",
        b'{"messages": [{"role": "user", "content": "What is "it"?"}]}',
    ),
    good=(
        b'{"messages": [{"role": "user", "content": "It\'s \\"it\\""},'
        b' {"role": "assistant", "content": "a\\nb"}]}',
        '{"messages": [{"role": "user", "content": "“你好”，‘世界’"},'
        ' {"role": "assistant", "content": "# 不是注释"}]}'.encode(),
    ),
)


_SKIPPED_EN: Final = ("the loader rejects the whole file", "{trainer} skips the line")
_SKIPPED_ZH: Final = ("加载器会拒绝整个文件", "{trainer}会跳过这一行")
"""What the sentence says of the file -> what it says where the trainer skips such a line."""


def check(row: Row) -> Iterator[Problem]:
    defect = row.defect
    if defect is None or defect.rule != "invalid-json":
        return
    reason = defect.values.get("reason", "")
    text = row.raw.decode("utf-8", "replace")
    if "at" in defect.values:
        fault = diagnose(text, defect.values["at"], reason)
    else:  # the source's: about what stands between rows
        kind = _SOURCE_KINDS.get(reason, "unknown")
        found = {"trailing-comma": "]", "no-comma": text[:20], "unknown": reason}.get(kind, "")
        fault = JsonFault(kind, 0, found)
    line_start = text.rfind("\n", 0, fault.at) + 1
    line = row.line + text.count("\n", 0, fault.at)
    column = fault.at - line_start + 1
    no_row_above = fault.kind == "prose" and row.line == 1
    text_ = rule.variants["first" if no_row_above else fault.kind]
    if row.context.trainer.reads_json:
        text_ = Text(text_.en.replace(*_SKIPPED_EN), text_.zh.replace(*_SKIPPED_ZH))
    yield rule.problem(
        text=text_,
        column=column if line == row.line else 1,
        at=f"{line}:{column}",
        found=fault.found,
        wanted=fault.wanted,
    )
