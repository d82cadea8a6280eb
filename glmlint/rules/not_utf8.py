"""Bytes that are not UTF-8.

JSON is UTF-8, so the loader stops at the first byte that is not (UnicodeDecodeError, or a
DatasetGenerationError without a line number). Chinese files saved by older editors are often GBK,
files of Windows tools UTF-16. The rule names the likely encoding, once per file.

Evidence: a file of a FastChat pull request is GB18030 from end to end, an axolotl one is UTF-16;
two of six comparable validators call such files clean.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.read.charset import BINARY, CODECS, DAMAGED, decoded, encoding_guess
from glmlint.read.sample import read
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text

rule = Rule(
    name="not-utf8",
    family="structure",
    title_zh="含有不是 UTF-8 的字节",
    doc_zh="""
    JSON 使用 UTF-8，所以加载器会在第一个不是 UTF-8 的字节处停止（UnicodeDecodeError，或不带行号的
    DatasetGenerationError）。旧编辑器保存的中文文件往往是 GBK，Windows 工具写的文件往往是 UTF-16。
    本规则会指出最可能的编码，每个文件只报告一次。

    依据：FastChat 某个拉取请求里的文件通篇是 GB18030，axolotl 的一个文件是 UTF-16；六个同类校验工具
    中有两个认为这样的文件没有问题。
    """,
    severity="error",
    when=Fact.DEFECT,
    needs_value=False,
    fix="unsafe",
    text=Text(
        "not UTF-8 but probably {encoding} ({rows:row}): the loader raises at the first such byte",
        "不是 UTF-8，很可能是 {encoding}（共 {rows} 行）：加载器在第一个这样的字节处报错",
    ),
    variants={
        "damaged": Text(
            "damaged UTF-8 ({rows:row}): the loader raises at the first invalid byte",
            "UTF-8 字节已损坏（共 {rows} 行）：加载器在第一个无效字节处报错",
        ),
        "binary": Text(
            "binary data, not text ({rows:row}): the loader raises here",
            "是二进制数据而不是文本（共 {rows} 行）：加载器在此处报错",
        ),
        "file": Text(
            "the file is {encoding}: the loader reads only UTF-8 and refuses the file",
            "文件编码是 {encoding}：加载器只读 UTF-8，会拒绝这个文件",
        ),
    },
    help=Text(
        "Convert the file to UTF-8 (iconv -f ENCODING -t UTF-8) and check the result; "
        "`--unsafe-fixes` converts rows whose encoding is certain.",
        "把文件转存为 UTF-8（iconv -f 原编码 -t UTF-8）并检查结果；--unsafe-fixes 会转换编码明确的"
        "行。",
    ),
    bad=(
        '{"messages": [{"role": "user", "content": "你好，请介绍一下北京"}]}'.encode("gbk"),
        Example(
            file='{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", '
            '"content": "Hello"}]}\n'.encode("utf-16")
        ),
        b'{"messages": [{"role": "user", "content": "caf\xe9"}]}',
    ),
    good=(
        '{"messages": [{"role": "user", "content": "你好"}, '
        '{"role": "assistant", "content": "你好！"}]}'.encode(),
        Example(
            file='{"messages": [{"role": "user", "content": "café"}, '
            '{"role": "assistant", "content": "oui"}]}\n'.encode()
        ),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    if row.defect is None or row.defect.rule != "not-utf8":
        return
    encoding = encoding_guess(row.raw)
    text = {DAMAGED: "damaged", BINARY: "binary"}.get(encoding)
    codec = CODECS.get(encoding)
    yield rule.problem(
        text=text,
        once=encoding,
        column=row.defect.column,
        edits=(Edit("rewrite", (), codec),) if codec and _readable(row.raw, codec) else (),
        encoding=encoding,
    )


def _readable(raw: bytes, codec: str) -> bool:
    """Whether the row, decoded so, is JSON."""
    text = decoded(raw, codec)
    defect = None if text is None else read(text).defect
    return text is not None and (defect is None or defect.rule not in ("invalid-json", "not-utf8"))


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    del plan
    for defect in file.defects:
        if defect.rule == "not-utf8":
            name = str(defect.values.get("encoding", "UTF-16"))
            zh = name.replace(" (little-endian)", "（小端）").replace(" (big-endian)", "（大端）")
            encoding = Text(name, zh)
            yield rule.problem(None, text="file", encoding=encoding, edits=(Edit("rewrite", ()),))
