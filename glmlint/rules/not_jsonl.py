"""A file that is not one JSON object per line.

Some of these files hold no data at all: a Git LFS pointer that was never resolved, the text of a
symbolic link, an empty file. Others have no rows for a script that reads line by line: one array,
objects over several lines, several objects on a line, the line ends of the old Mac. `datasets`
loads most of them, but not all. It hands the file to Arrow in blocks, and Arrow takes the last line
end of a block for the end of an object: where that line end falls inside an object, the load fails,
so a pretty-printed file of 320,000 bytes trains and one of 330,000 does not. An array of lists
becomes rows with columns named 0, 1, 2, …. The official script loads files by their suffix, and
knows only `.jsonl`.

Evidence: each of these forms occurs in a published data set (the files under `broken` in the test
data); GLM-4's finetune.py raises NotImplementedError on another suffix; GLM-4 #574, #591, #184 and
datasets #7233 for objects over several lines; datasets 4.0.0, 4.4.1, 4.7.0 and 5.2.0 by running
them (docs/loader.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from glmlint.evidence.report import FileStats
from glmlint.loader import OF_FORM, Shapes
from glmlint.plan import Plan
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text
from glmlint.trainer.base import get_trainer
from glmlint.trainer.loaded import NEWEST_PADDING, OLDEST_JSON

_ROW = '{"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]}'

_FORGIVES: Final = "4.8.5"
_LAST_STRICT: Final = "4.8.4"
"""From `OLDEST_JSON` up to the latter, every line of the first 10 MiB has to be one JSON value."""

_NOTHING_TO_READ: Final = frozenset({"lfs-pointer", "symlink-text", "empty"})

rule = Rule(
    name="not-jsonl",
    family="structure",
    title_zh="文件不是每行一个 JSON 对象",
    doc_zh="""
    有些文件根本没有数据：没有拉取的 Git LFS 指针、符号链接的文本、空文件。有些文件对按行读取的脚本
    来说没有数据行：一整个数组、占多行的对象、一行里的多个对象、旧 Mac 的行尾。`datasets` 能加载其中
    大部分，但不是全部。它把文件分块交给 Arrow，而 Arrow 把每块的最后一个行尾当作对象的结尾：如果这
    个行尾落在某个对象内部，加载就会失败，因此一个 320,000 字节的带缩进文件可以训练，330,000 字节的
    就不行。由列表组成的数组会变成列名为 0、1、2…… 的行。官方脚本按后缀加载文件，只认识 `.jsonl`。

    依据：这里的每种形式都出现在已发布的数据集中（测试数据 `broken` 下的文件）；GLM-4 的 finetune.py
    遇到其他后缀时抛出 NotImplementedError；对象占多行见 GLM-4 #574、#591、#184 和 datasets #7233；
    datasets 4.0.0、4.4.1、4.7.0 和 5.2.0 为实际运行结果（docs/loader.md）。
    """,
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
            "文件里没有任何数据行：没有可训练的内容，加载器会报错",
        ),
        "array": Text(
            "the file is one JSON array: programs that read line by line see no rows",
            "文件是一整个 JSON 数组：按行读取的程序读不到数据",
        ),
        "array-loads": Text(
            "the file is one JSON array: datasets {datasets} loads it, but programs that read line "
            "by line see no rows",
            "文件是一整个 JSON 数组：datasets {datasets} 能加载，但按行读取的程序读不到数据",
        ),
        "pretty-printed": Text(
            "objects span several lines each: programs that read line by line cannot read them",
            "有对象占多行：按行读取的程序读不到这些数据",
        ),
        "over-lines-loads": Text(
            "objects span several lines each: datasets {datasets} loads the file, programs that "
            "read line by line do not",
            "有对象占多行：datasets {datasets} 能加载该文件，但按行读取的程序读不到这些数据",
        ),
        "over-lines-other": Text(
            "objects span several lines each: datasets {datasets} loads the file, {others} fail "
            "({error}), and so do programs that read line by line",
            "有对象占多行：datasets {datasets} 能加载该文件，但 {others_zh} 会报错（{error}），按"
            "行读取的程序也读不到这些数据",
        ),
        "over-lines": Text(
            "the object in line {line} spans several lines: datasets {datasets} fails to load the "
            "file ({error})",
            "第 {line} 行的对象占多行：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "cut": Text(
            "objects span several lines each, and datasets {datasets} cuts the file inside the "
            "one that starts in line {line}: the load fails ({error}, from {cause})",
            "有对象占多行，而 datasets {datasets} 的分块正好切开了第 {line} 行开始的对象：加载失败"
            "（{error}，由 {cause} 引起）",
        ),
        "one-object": Text(
            "the file is one object over several lines, too long for one block: datasets "
            "{datasets} does not load it as a row",
            "整个文件是一个占多行的对象，长度超过一个数据块：datasets {datasets} 不会把它加载为一"
            "行数据",
        ),
        "several-fail": Text(
            "line {line} has several objects: datasets {datasets} fails to load the file ({error})",
            "第 {line} 行有多个对象：datasets {datasets} 无法加载该文件（{error}）",
        ),
        "one-list": Text(
            "the file is one list: datasets {datasets} makes a row of each element, not one row "
            "of the list",
            "整个文件是一个列表：datasets {datasets} 把其中每个元素各变成一行，而不是把列表当成一"
            "行",
        ),
        "list-rows": Text(
            "the array holds lists, not objects: datasets {datasets} makes one row of each list, "
            "with columns named 0, 1, 2, … that the trainer does not read",
            "数组的元素是列表而不是对象：datasets {datasets} 把每个列表变成一行，列名为 0、1、"
            "2……，训练框架不会读取",
        ),
        "text-rows": Text(
            "datasets {datasets} takes the elements of the array for texts: its rows have only the "
            "column `text`",
            "datasets {datasets} 把数组的元素当成文本：得到的行只有 `text` 一列",
        ),
        "not-followed": Text(
            "how datasets {datasets} cuts the file was not checked: one line is too long",
            "未检查 datasets {datasets} 如何切分该文件：有一行过长",
        ),
        "carriage-return": Text(
            "the lines end in a bare carriage return: programs that read line by line see one long "
            "line",
            "行尾是单独的回车符（CR）：按行读取的程序只会看到一整行",
        ),
        "several-on-a-line": Text(
            "several objects on one line ({rows:row} beyond the first): programs that read line by "
            "line fail here",
            "一行里有多个对象（多出 {rows} 行数据）：按行读取的程序在此处出错",
        ),
        "json-suffix": Text(
            "the name ends in .json: {trainer} loads only .jsonl files and raises "
            "NotImplementedError",
            "文件名以 .json 结尾：{trainer}只加载 .jsonl 文件，此处会抛出 NotImplementedError",
        ),
    },
    help=Text(
        "Write one row per line: json.dumps(row, ensure_ascii=False) and a newline.",
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

_CURE: Final = Text(
    "`glmlint check --fix` writes one row per line.",
    "`glmlint check --fix` 会改写成每行一条数据。",
)

_OTHER_HELP: Final = {
    "lfs-pointer": Text("Fetch the data with git lfs pull.", "用 git lfs pull 取回数据。"),
    "symlink-text": Text(
        "Check the repository out with symbolic links enabled, or copy the file that it points to.",
        "在支持符号链接的环境里检出，或复制它指向的文件。",
    ),
    "empty": Text(
        "Check the step that writes the file.",
        "请检查写出这个文件的步骤。",
    ),
    "json-suffix": Text(
        "Rename it to .jsonl, with one row per line.",
        "改名为 .jsonl，每行写一条数据。",
    ),
}


_UNREADABLE: Final = "not-jsonl unreadable"
"""Under this name `notes` counts the rows that cannot be written on a line of their own."""


def note(row: Row) -> Iterator[str]:
    if row.value is None and row.defect is not None and row.defect.rule != "not-utf8":
        yield _UNREADABLE


def check(row: Row) -> Iterator[Problem]:
    if row.defect is not None and row.defect.rule == "not-jsonl":
        yield rule.problem(
            text="several-on-a-line", once="several-on-a-line", edits=(Edit("rewrite", ()),)
        )


def check_file(file: FileStats, plan: Plan) -> Iterator[Problem]:
    trainer = get_trainer(plan.recipe)
    known = trainer.through_datasets and not file.shapes.broken
    shapes = file.shapes.whole if known else None
    found = [] if shapes is None else shapes.conflicts(plan.datasets)
    rewrite = () if file.notes[_UNREADABLE] else (Edit("rewrite", ()),)
    packed = file.path == "-" or file.path.lower().endswith((".gz", ".zst"))
    cure = _CURE if rewrite and not packed else None
    values: dict[str, Any] = {"datasets": plan.datasets}
    for conflict in found:
        if conflict.reason not in OF_FORM:
            continue
        text = {"several-on-a-line": "several-fail"}.get(conflict.reason, conflict.reason)
        other = conflict.reason in ("one-list", "list-rows", "text-rows")
        yield rule.problem(
            None,
            text=text,
            severity="error",
            help=None if other else cure,
            edits=() if other else rewrite,
            line=conflict.line,
            error=conflict.error,
            cause=conflict.cause,
            **values,
        )
    told = {conflict.reason for conflict in found}
    loads = shapes is not None and not any(conflict.fails for conflict in found)
    if shapes is not None and shapes.lost:
        yield rule.problem(None, text="not-followed", severity="info", **values)
        loads = False
    for defect in file.defects:
        if defect.rule != "not-jsonl":
            continue
        kind = text = defect.values.get("kind", "")
        if kind == "json-suffix" and (trainer.suffixes is None or ".json" in trainer.suffixes):
            continue
        if kind == "pretty-printed" and told.intersection(OF_FORM):
            continue
        if kind == "pretty-printed" and shapes is not None and loads:
            others = _failing_versions(shapes, plan)
            text = "over-lines-other" if others else "over-lines-loads"
            if others:
                values |= {"others": others.en, "others_zh": others.zh, "error": _error(shapes)}
        if kind == "array" and loads and not told.intersection(OF_FORM):
            text = "array-loads"
        yield rule.problem(
            None,
            text=text if text in rule.variants else None,
            help=_OTHER_HELP.get(kind, cure),
            severity="error" if kind in _NOTHING_TO_READ else None,
            edits=() if kind in _OTHER_HELP else rewrite,
            kind=kind,
            **values,
        )


def _failing_versions(shapes: Shapes, plan: Plan) -> Text | None:
    """The versions of `datasets` that fail on objects over several lines, where none is pinned."""
    if "datasets" in plan.pinned:
        return None
    cuts = ("cut", "one-object")
    old = any(conflict.reason in cuts for conflict in shapes.conflicts(NEWEST_PADDING))
    scan = any(conflict.reason == "over-lines" for conflict in shapes.conflicts(OLDEST_JSON))
    if old and scan:
        return Text(f"versions below {_FORGIVES}", f"{_FORGIVES} 之前的版本")
    if old:
        return Text(f"versions below {OLDEST_JSON}", f"{OLDEST_JSON} 之前的版本")
    if scan:
        return Text(
            f"versions {OLDEST_JSON} to {_LAST_STRICT}", f"{OLDEST_JSON} 至 {_LAST_STRICT} 版"
        )
    return None


def _error(shapes: Shapes) -> str:
    """The exceptions of the versions that fail."""
    found = [
        conflict.error
        for datasets in (NEWEST_PADDING, OLDEST_JSON)
        for conflict in shapes.conflicts(datasets)
        if conflict.reason in OF_FORM and conflict.error
    ]
    return ", ".join(dict.fromkeys(found))
