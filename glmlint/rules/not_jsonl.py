"""A file that is not one JSON object a line.

Some of these hold no data at all: a Git LFS pointer that was never resolved, the text of a
symbolic link, an empty file. Others load in `datasets`, but a script that reads line by line
fails on them or sees other rows: one array, pretty-printed objects, several objects on a line,
line ends of the old Mac. The official script loads files by their suffix, and knows `.jsonl` only.

Evidence: every form here is one of a published data set (the files under `broken` in the test
data); GLM-4's finetune.py raises NotImplementedError on another suffix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.report import FileStats
from glmlint.plan import Plan
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.base import get_trainer

_ROW = '{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]}'

_NOTHING_TO_READ: Final = frozenset({"lfs-pointer", "symlink-text", "empty"})

rule = Rule(
    name="not-jsonl",
    family="structure",
    title_zh="文件不是每行一个 JSON 对象",
    severity="warning",
    when=Fact.DEFECT,
    needs_value=False,
    fix="safe",
    text=Text(
        "the file is not one JSON object a line ({kind})",
        "文件不是每行一个 JSON 对象（{kind}）",
    ),
    variants={
        "lfs-pointer": Text(
            "the file is a Git LFS pointer, not the data: there is nothing to train on",
            "文件只是 Git LFS 指针，不是数据本身：没有可训练的内容",
        ),
        "symlink-text": Text(
            "the file is the text of a symbolic link, not the data: there is nothing to train on",
            "文件只是符号链接的文本，不是数据本身：没有可训练的内容",
        ),
        "empty": Text(
            "the file has no rows: there is nothing to train on, and the loader raises",
            "文件里没有任何数据行：没有可训练的内容，加载时会报错",
        ),
        "array": Text(
            "the file is one JSON array: it loads in datasets, "
            "but what reads line by line sees no rows",
            "文件是一整个 JSON 数组：datasets 能加载，但按行读取的程序读不到数据",
        ),
        "pretty-printed": Text(
            "the objects stand over several lines each: they load in datasets, "
            "but what reads line by line sees no rows",
            "每个对象占多行：datasets 能加载，但按行读取的程序读不到数据",
        ),
        "carriage-return": Text(
            "the lines end in a bare carriage return: what reads line by line sees one long line",
            "行尾是单独的回车符（CR）：按行读取的程序只会看到一整行",
        ),
        "several-on-a-line": Text(
            "several objects on one line ({rows:row} beyond the first): what reads line by line fails here",
            "一行里有多个对象（多出 {rows} 条）：按行读取的程序在此处出错",
        ),
        "json-suffix": Text(
            "the name ends in .json: {trainer} loads .jsonl files only "
            "and raises NotImplementedError",
            "文件名以 .json 结尾：{trainer}只加载 .jsonl 文件，否则抛出 NotImplementedError",
        ),
    },
    help=Text(
        "Write one row a line: json.dumps(row, ensure_ascii=False) and a newline.",
        "每行写一条数据：json.dumps(row, ensure_ascii=False) 加一个换行。",
    ),
    bad=(
        Example(file=f"[\n{_ROW},\n{_ROW}\n]\n".encode()),
        Example(file=b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        Example(file=b"../data/train.jsonl"),
        Example(file=b""),
        (_ROW + _ROW).encode(),
        Example(file=b'{"messages": [{"role": "user", "content": "Hi"}]}\n', name="train.json"),
    ),
    good=(
        Example(file=f"{_ROW}\n{_ROW}\n".encode()),
        Example(file=f"{_ROW}\r\n{_ROW}".encode()),
        Example(
            file=b'{"messages": [{"role": "user", "content": "Hi"},'
            b' {"role": "assistant", "content": "Hello"}]}'
        ),
    ),
)

_OTHER_HELP: Final = {
    "lfs-pointer": Text("Fetch the data with git lfs pull.", "用 git lfs pull 取回数据。"),
    "symlink-text": Text(
        "Check the data out where links are kept, or copy the file that it names.",
        "在支持符号链接的环境里检出，或复制它所指的文件。",
    ),
    "empty": Text(
        "Check the step that writes the file.",
        "请检查写出这个文件的步骤。",
    ),
    "json-suffix": Text(
        "Rename it to .jsonl, with one row a line.",
        "改名为 .jsonl，每行写一条数据。",
    ),
}


_UNREADABLE: Final = "not-jsonl unreadable"
"""Under this name `notes` counts the rows that no repair can put on a line."""


def note(row: Row) -> Iterator[str]:
    if row.value is None and row.defect is not None and row.defect.rule != "not-utf8":
        yield _UNREADABLE


def check(row: Row) -> Iterator[Problem]:
    if row.defect is not None and row.defect.rule == "not-jsonl":
        yield rule.problem(
            text="several-on-a-line", once="several-on-a-line", edits=(Edit("rewrite", ()),)
        )


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    for defect in file.defects:
        if defect.rule != "not-jsonl":
            continue
        kind = defect.values.get("kind", "")
        opened = get_trainer(plan.recipe).suffixes
        if kind == "json-suffix" and (opened is None or ".json" in opened):
            continue
        yield rule.problem(
            None,
            text=rule.variants.get(kind, rule.text),
            help=_OTHER_HELP.get(kind),
            severity="error" if kind in _NOTHING_TO_READ else None,
            edits=() if kind in _OTHER_HELP or file.notes[_UNREADABLE] else (Edit("rewrite", ()),),
            kind=kind,
        )
