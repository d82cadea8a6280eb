"""Tells a file that is plainly no rows: a picture, an archive, a table of another kind, a README."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from glmlint.patterns import Pattern
from glmlint.read.faults import SourceError
from glmlint.read.scan import BLANK
from glmlint.text import Text

FIRST_LINES: Final = 64
"""So many lines that are not blank decide whether a text may hold rows."""

HEAD: Final = 1 << 16
"""Bytes at a file's start that are looked at."""

_ROWS: Final = (".jsonl", ".ndjson", ".json", ".parquet")
"""Endings of data: a text of that name is read, and each broken row of it told."""


class _Kind(NamedTuple):
    """What a file is, and what to do with it."""

    name: Text
    advice: Text


_NAMED: Final = Text("glmlint reads JSON Lines and Parquet", "glmlint 读取 JSON Lines 和 Parquet")
_CONVERT: Final = Text(
    'write its rows as JSON Lines first, such as with pandas: .to_json(…, orient="records", lines=True)',
    '请先把各行写成 JSON Lines，例如用 pandas：.to_json(…, orient="records", lines=True)',
)
_UNPACK: Final = Text(
    "unpack it and name the .jsonl or .parquet files in it",
    "请先解压，再写出其中的 .jsonl 或 .parquet 文件",
)
_ARROW: Final = Text(
    'load it with `datasets` and write it with .to_json("train.jsonl")',
    '请用 `datasets` 加载，再用 .to_json("train.jsonl") 写出',
)


def _kind(en: str, zh: str, advice: Text = _NAMED) -> _Kind:
    return _Kind(Text(en, zh), advice)


_PICTURE: Final = _kind("a picture", "图片")
_MEDIA: Final = _kind("audio or video", "音频或视频")
_ARCHIVE: Final = _kind("an archive", "压缩包", _UNPACK)
_PROGRAM: Final = _kind("a program", "可执行程序")
_WEIGHTS: Final = _kind("weights of a model", "模型权重")
_ARROW_FILE: Final = _kind("an Arrow file", "Arrow 文件", _ARROW)

_MAGIC: Final = (
    (Pattern(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP", re.S), _PICTURE),
    (Pattern(rb"RIFF.{4}(WAVE|AVI )|OggS|ID3[\2-\4]|fLaC|\xff\xfb|.{4}ftyp|\x1aE\xdf\xa3", re.S), _MEDIA),
    (Pattern(rb"%PDF-"), _kind("a PDF document", "PDF 文档")),
    (Pattern(rb"BZh[1-9]1AY|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x04\"M\x18|.{257}ustar", re.S), _ARCHIVE),
    (Pattern(rb"ARROW1\0\0|\xff\xff\xff\xff.{3}\0", re.S), _ARROW_FILE),
    (Pattern(rb"\x80[\2-\5](\x95|[\x8a}\]q(cX])"), _kind("a pickle", "pickle 文件", _CONVERT)),
    (Pattern(rb"SQLite format 3\0"), _kind("an SQLite database", "SQLite 数据库", _CONVERT)),
    (Pattern(rb".{5}\0{3}\{\"", re.S), _WEIGHTS),
    (Pattern(rb"GGUF.\0\0\0", re.S), _WEIGHTS),
    (Pattern(rb"\x93NUMPY"), _kind("a NumPy array", "NumPy 数组", _CONVERT)),
    (Pattern(rb"\x89HDF\r\n"), _kind("an HDF5 file", "HDF5 文件", _CONVERT)),
    (Pattern(rb"Obj\x01|ORC\n?[\0-\x1f]"), _kind("an Avro or ORC file", "Avro 或 ORC 文件", _CONVERT)),
    (Pattern(rb"\x7fELF|MZ.\0|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe", re.S), _PROGRAM),
)  # fmt: skip
"""First bytes of formats that are no text."""

_ZIP: Final = b"PK\x03\x04"
_IN_ZIP: Final = {
    ".xlsx": _kind("an Excel workbook", "Excel 工作簿", _CONVERT),
    ".docx": _kind("a Word document", "Word 文档"),
    ".pptx": _kind("a presentation", "演示文稿"),
    ".npz": _kind("NumPy arrays", "NumPy 数组", _CONVERT),
    ".pt": _WEIGHTS,
    ".pth": _WEIGHTS,
    ".bin": _WEIGHTS,
}
_BY_NAME: Final = {
    ".csv": _kind("CSV", "CSV", _CONVERT),
    ".tsv": _kind("TSV", "TSV", _CONVERT),
    ".xls": _kind("an Excel workbook", "Excel 工作簿", _CONVERT),
    ".yaml": _kind("YAML", "YAML"),
    ".yml": _kind("YAML", "YAML"),
    ".toml": _kind("TOML", "TOML"),
    ".ini": _kind("settings", "配置文件"),
    ".cfg": _kind("settings", "配置文件"),
    ".py": _kind("Python", "Python 代码"),
    ".sh": _kind("a shell script", "shell 脚本"),
    ".js": _kind("JavaScript", "JavaScript 代码"),
    ".ipynb": _kind("a notebook", "notebook"),
    ".md": _kind("Markdown", "Markdown"),
    ".rst": _kind("reStructuredText", "reStructuredText"),
    ".html": _kind("HTML", "HTML"),
    ".htm": _kind("HTML", "HTML"),
    ".xml": _kind("XML", "XML"),
    ".svg": _PICTURE,
    ".tex": _kind("TeX", "TeX"),
    ".lock": _kind("a lock file", "lock 文件"),
}
"""Endings of texts that are no rows, whatever stands in them."""

_TEXT: Final = _kind("plain text", "纯文本")
_BINARY: Final = _kind("a binary file", "二进制文件")

_ROW: Final = Pattern(rb"\{\s*([\"'}]|$)|\[\s*([\[{\"\]]|$)")
"""How a line begins that may be a row."""


def refuse_binary(head: bytes, path: str) -> None:
    """See that a file is none of a format that is no text.

    Args:
        head: its start, as it stands in the file or in its compression.
        path: its name, for formats that begin alike.

    Raises:
        SourceError: one sentence that says what the file looks like and what to do.
    """
    head = head[:HEAD]
    if not _is_text(head):
        if head.startswith(_ZIP):
            _refuse(_IN_ZIP.get(_suffix(path), _ARCHIVE))
        for magic, kind in _MAGIC:
            if magic.match(head):
                _refuse(kind)


def refuse_text(head: bytes, path: str) -> None:
    """See that a text may hold rows.

    Args:
        head: its start, in UTF-8 if it has an encoding.
        path: a text that is named as data is read in any case, and what is broken in it reported
            row by row.

    Raises:
        SourceError: as `refuse_binary`.
    """
    head, suffix = head[:HEAD], _suffix(path)
    is_pipe = path == "-" or path.startswith(("/dev/", "/proc/"))  # `<(…)` has no name of its own
    if is_pipe or suffix in _ROWS or not head.strip(BLANK):
        return
    lines = [line for line in map(bytes.strip, head.split(b"\n")) if line][:FIRST_LINES]
    rows = sum(_ROW.match(line) is not None for line in lines)
    known = _BY_NAME.get(suffix)
    if known is not None:  # a README may show a row or two
        if 2 * rows < len(lines) or suffix == ".ipynb":
            _refuse(known)
    elif not rows:
        _refuse(_BINARY if b"\0" in head else _TEXT)


def _suffix(path: str) -> str:
    name = os.path.basename(path).lower()  # noqa: PTH119  # any text at all
    return os.path.splitext(name.removesuffix(".gz").removesuffix(".zst"))[1]  # noqa: PTH122


def _refuse(kind: _Kind) -> None:
    raise SourceError(
        Text(
            "looks like {kind}, not JSON Lines: {advice}",
            "看起来是{kind}，不是 JSON Lines：{advice}",
        ),
        kind=kind.name,
        advice=kind.advice,
    )


def _is_text(head: bytes) -> bool:
    """Whether these bytes are UTF-8 without NUL, but for a character that the end cuts."""
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and len(head) == HEAD
    return True
