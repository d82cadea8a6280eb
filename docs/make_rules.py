"""Writes docs/rules/ and docs/zh/rules/, a page for each rule, from the rules' own files: python docs/make_rules.py."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.finding import Finding
from glmlint.loader import CHUNK
from glmlint.plan import Plan
from glmlint.read.source import read_bytes
from glmlint.reporters.catalogue import documentation_zh, example_files, first_line
from glmlint.reporters.verdict import message
from glmlint.rules.base import FAMILIES, Example, Loaded, all_rules, general
from glmlint.text import NOUN, listed
from glmlint.trainer.base import Context, Text, open_context
from glmlint.visible import visible

DOCS = Path(__file__).resolve().parent
FOLDERS = {"en": DOCS / "rules", "zh": DOCS / "zh" / "rules"}
LEVELS = {"error": "E", "warning": "W", "info": "I"}
FIXES = {
    "safe": Text("safe (`--fix`)", "安全（`--fix`）"),
    "unsafe": Text("unsafe (`--unsafe-fixes`)", "不安全（`--unsafe-fixes`）"),
    None: Text("none", "无"),
}
RULES = Text("Rules", "规则")
INTRO = Text(
    "Written by `python docs/make_rules.py` from the files in `glmlint/rules/`; `glmlint explain "
    "RULE` shows a page in the terminal. E: training would crash, drop the row, learn nothing or learn the "
    "wrong thing. W: likely harm. I: worth knowing; such rules are off unless selected. A recipe, or "
    "what a row holds, may make a finding harsher or milder.",
    "由 `python docs/make_rules.py` 根据 `glmlint/rules/` 中的文件生成；`glmlint explain RULE` 在终端中显示同样的"
    "内容。E：训练会报错、丢掉这一行、什么也学不到，或学到错误的内容。W：很可能有害。I：值得了解，这一级别的规则选中后才检查。"
    "配方或数据行的内容可能使某个问题的级别更高或更低。",
)
HEAD = Text("| rule | | fix | what it means |", "| 规则 | | 修复 | 含义 |")
OPT_IN = Text(", opt-in", "，选中才检查")
ABOUT = Text(
    "{severity} · family `{family}` · on {on} · fix: {fix} · [中文](../zh/rules/{name}.md)",
    "{severity} · 规则族 `{family}` · {on} · 修复：{fix} · [English](../../rules/{name}.md)",
)
SEVERITIES = {
    "error": Text("error", "错误"),
    "warning": Text("warning", "警告"),
    "info": Text("info", "提示"),
}
SELECTED = Text("when selected", "选中后检查")
DEFAULT = Text("by default", "默认检查")
SCORED = Text("in `glmlint score`", "在 `glmlint score` 中检查")
SCORED_SELECTED = Text("in `glmlint score` when selected", "在 `glmlint score` 中选中后检查")
SAYS_TITLE = Text("What it says", "提示文字")
SAYS = Text("Says", "说明")
ADVISES = Text("Advises", "建议")
REPORTED = Text("Reported", "会报告")
NOT_REPORTED = Text("Not reported", "不会报告")
WITH = Text("With {settings}:", "设置 {settings} 时：")
CHUNK_OF = Text(
    "Here `datasets` reads {bytes} bytes at a time, not 10 MiB:",
    "这里 `datasets` 每次读取 {bytes} 字节，而不是 10 MiB：",
)
CHINESE = re.compile(r"[\u3400-\u9fff]")
SECRET = re.compile(r"\b(AKIA|ghp_)(?=\w*[2-9])(?!\w*EXAMPLE)(\w{4})\w+")
"""Keys of the examples look real on purpose: a page that spells one out would be flagged itself."""
NUMBER = re.compile(r"(4539|1101021|DE28)[ 0-9]{9,}[0-9X]")
"""So do their numbers of persons."""


def pages(lang: str = "en") -> dict[str, str]:
    """File name -> text of every page in that language; the same rules always give the same text."""
    rules = all_rules().values()
    found = {f"{loaded.rule.name}.md": page(loaded, lang) for loaded in rules}
    return {"README.md": index(lang), **found}


def index(lang: str) -> str:
    """The table of all rules, by family."""
    parts = [f"# {RULES.plain(lang)}", INTRO.plain(lang)]
    for family in FAMILIES:
        members = [entry for entry in all_rules().values() if entry.rule.family == family]
        if not members:
            continue
        rows = [HEAD.plain(lang), "|---|---|---|---|"]
        for loaded in members:
            rule = loaded.rule
            level = LEVELS[rule.severity] + (OPT_IN.plain(lang) if rule.opt_in else "")
            title = rule.title_zh if lang == "zh" else first_line(loaded)
            rows.append(
                f"| [{rule.name}]({rule.name}.md) | {level} | {rule.fix or '–'} "
                f"| {title.replace('|', chr(92) + '|')} |"
            )
        parts += [f"## {family}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def page(loaded: Loaded, lang: str) -> str:
    """One rule: what it means, what it says, and its examples."""
    rule = loaded.rule
    on = SELECTED if rule.opt_in or rule.severity == "info" else DEFAULT
    if rule.family == "score":
        on = SCORED_SELECTED if rule.opt_in else SCORED
    about = ABOUT.say(
        lang,
        severity=SEVERITIES[rule.severity],
        family=rule.family,
        on=on,
        fix=FIXES[rule.fix],
        name=rule.name,
    )
    documentation = documentation_zh(rule) if lang == "zh" else loaded.doc.strip()
    parts = [f"# {rule.name}", about, documentation, f"## {SAYS_TITLE.plain(lang)}"]
    parts.append("\n".join(sentences(loaded, lang)))
    for title, examples in ((REPORTED, rule.bad), (NOT_REPORTED, rule.good)):
        if examples:
            parts.append(f"## {title.plain(lang)}")
        for example in in_language(examples, lang):
            parts += shown(loaded, example, lang, reported=title is REPORTED)
    return "\n\n".join(parts) + "\n"


def in_language(examples: Iterable[Any], lang: str) -> list[Example]:
    """The examples of a page: on a Chinese one those in Chinese, where there are any."""
    found = [entry if isinstance(entry, Example) else Example(rows=(entry,)) for entry in examples]
    if lang == "en":
        return found
    chinese = [
        one
        for one in found
        if CHINESE.search("".join(line for _, lines in example_files(one) for line in lines))
    ]
    return chinese or found


def sentences(loaded: Loaded, lang: str) -> list[str]:
    """The rule's sentences and its advice."""
    rule = loaded.rule
    told: list[tuple[str, Text]] = [("", rule.text)]
    told += [(f" ({name})", text) for name, text in rule.variants.items()]
    rows = [*((f"{SAYS.plain(lang)}{name}", text) for name, text in told)]
    lines = ["| | |", "|---|---|"]
    for name, text in [*rows, (ADVISES.plain(lang), rule.help)]:
        lines.append(f"| {name} | {cell(general(text, rule).plain(lang))} |")
    return lines


def cell(text: str) -> str:
    """A sentence in a table: its fields stay in braces, its angle brackets stay text."""
    text = NOUN.sub(r"\1} \2s", visible(text)).replace("{{", "{").replace("}}", "}")
    # Code spans are literal in Markdown, the rest is not.
    pieces = text.split("`")
    for place in range(0, len(pieces), 2):
        pieces[place] = re.sub(r"([<*_\[\]])", r"\\\1", pieces[place])
    return "`".join(pieces).replace("|", "\\|")


def shown(loaded: Loaded, example: Example, lang: str, *, reported: bool) -> list[str]:
    """An example: its settings, its rows, and what glmlint prints of it."""
    parts = []
    if example.plan:
        told = listed(f"`{key} = {value}`" for key, value in example.plan.items())
        parts.append(WITH.say(lang, settings=told))
    if example.loader_bytes != CHUNK:
        parts.append(CHUNK_OF.say(lang, bytes=str(example.loader_bytes)))
    for name, lines in example_files(example):
        if name is not None:
            parts.append(f"`{name}`:")
        parts.append(fenced([hidden(line) for line in lines]))
    if reported and (printed := said(loaded, example, lang)):
        parts.append(fenced(printed))
    return parts


def hidden(line: str) -> str:
    """A line without its secret."""
    return NUMBER.sub(r"\1…", SECRET.sub(r"\1\2…", line))


def fenced(lines: list[str]) -> str:
    """A block of code, its fence longer than any in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


@cache
def _opened(recipe: str, transformers: str, template: str | None, tokenizer: str | None) -> Context:
    given = {} if tokenizer is None else {"tokenizer": tokenizer}
    plan = Plan(recipe=recipe, transformers=transformers, template=template, **given)
    return open_context(plan)


def said(loaded: Loaded, example: Example, lang: str) -> list[str]:
    """What the rule alone reports on an example, as a pipe gets it."""
    lines = []
    for found in findings(loaded, example, lang)[:3]:
        place = ":".join(str(part) for part in (found.line, found.column) if part is not None)
        where = f"{found.path}:{place}" if place else found.path
        lines.append(f"{where}: {found.severity} {found.rule} {message(found, lang)}")
    return lines


def findings(loaded: Loaded, example: Example, lang: str) -> list[Finding]:
    """The findings of one rule on an example; none of a rule that needs a model."""
    rule = loaded.rule
    if rule.family == "score":
        return []
    settings: dict[str, Any] = {"max_length": 1025, **example.plan}
    plan = Plan(**settings, rules={rule.name: rule.severity}, lang=lang)
    if example.eval_rows:
        plan = replace(plan, eval_files=("dev.jsonl",))
    base = _opened(plan.recipe, plan.transformers, plan.template, example.plan.get("tokenizer"))
    context = Context(plan, base.tokenizer, base.template)
    chunks = (
        chunk
        for name, data in example.files().items()
        for chunk in read_bytes(data, name, example.max_line, example.loader_bytes)
    )
    return finish(check_lines(chunks, plan, context), plan, context).findings


def main() -> None:
    """Write every page, and take away those of rules that are gone."""
    for lang, folder in FOLDERS.items():
        folder.mkdir(exist_ok=True, parents=True)
        written = pages(lang)
        for old in folder.glob("*.md"):
            if old.name not in written:
                old.unlink()
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
