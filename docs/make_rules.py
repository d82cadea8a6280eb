"""Writes docs/rules/, a page for each rule, from the rules' own files: python docs/make_rules.py."""

from __future__ import annotations

import re
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
from glmlint.text import NOUN
from glmlint.trainer.base import Context, Text, open_context
from glmlint.visible import visible

FOLDER = Path(__file__).resolve().parent / "rules"
SEVERITY_WORDS = {"error": "E", "warning": "W", "info": "I"}
FIXES = {"safe": "safe (`--fix`)", "unsafe": "unsafe (`--unsafe-fixes`)", None: "none"}
SECRET = re.compile(r"\b(AKIA|ghp_)(?=\w*[2-9])(?!\w*EXAMPLE)(\w{4})\w+")
"""Keys of the examples look real on purpose: a page that spells one out would be flagged itself."""
NUMBER = re.compile(r"(4539|1101021|DE28)[ 0-9]{9,}[0-9X]")
"""So do their numbers of persons."""


def pages() -> dict[str, str]:
    """File name -> text of every page; the same rules always give the same text."""
    rules = all_rules().values()
    found = {f"{loaded.rule.name}.md": page(loaded) for loaded in rules}
    return {"README.md": index(), **found}


def index() -> str:
    """The table of all rules, by family."""
    parts = [
        "# Rules",
        "Written by `python docs/make_rules.py` from the files in `glmlint/rules/`; `glmlint explain "
        "RULE` shows a page in the terminal. E: training would crash, drop the row, learn nothing or learn the "
        "wrong thing. W: likely harm. I: worth knowing, off unless selected. A recipe may make a "
        "rule harsher or milder.",
    ]
    for family in FAMILIES:
        members = [entry for entry in all_rules().values() if entry.rule.family == family]
        if not members:
            continue
        rows = ["| rule | | fix | what it means | 中文 |", "|---|---|---|---|---|"]
        for loaded in members:
            rule = loaded.rule
            level = SEVERITY_WORDS[rule.severity] + (", opt-in" if rule.opt_in else "")
            rows.append(
                f"| [{rule.name}]({rule.name}.md) | {level} | {rule.fix or '–'} "
                f"| {first_line(loaded).replace('|', chr(92) + '|')} "
                f"| {rule.title_zh.replace('|', chr(92) + '|')} |"
            )
        parts += [f"## {family}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def page(loaded: Loaded) -> str:
    """One rule: what it means, what it says in both languages, and its examples."""
    rule = loaded.rule
    on = "when selected" if rule.opt_in or rule.severity == "info" else "by default"
    if rule.family == "score":
        on = "in `glmlint score`" + (" when selected" if rule.opt_in else "")
    parts = [
        f"# {rule.name}",
        f"{rule.severity} · family `{rule.family}` · on {on} · fix: {FIXES[rule.fix]}",
        loaded.doc.strip(),
        f"中文：{documentation_zh(rule)}",
        "## What it says",
        "\n".join(sentences(loaded)),
    ]
    for title, examples in (("Reported", rule.bad), ("Not reported", rule.good)):
        if examples:
            parts.append(f"## {title}")
        for entry in examples:
            example = entry if isinstance(entry, Example) else Example(rows=(entry,))
            parts += shown(loaded, example, reported=title == "Reported")
    return "\n\n".join(parts) + "\n"


def sentences(loaded: Loaded) -> list[str]:
    """The rule's sentences and its advice, English and Chinese."""
    rule = loaded.rule
    told: list[tuple[str, Text]] = [("", rule.text)]
    told += [(f" ({name})", text) for name, text in rule.variants.items()]
    lines = ["| | English | 中文 |", "|---|---|---|"]
    for name, text in [*((f"Says{name}", text) for name, text in told), ("Advises", rule.help)]:
        told_so = general(text, rule)
        lines.append(f"| {name} | {cell(told_so.en)} | {cell(told_so.zh)} |")
    return lines


def cell(text: str) -> str:
    """A sentence in a table: its fields stay in braces, its angle brackets stay text."""
    text = NOUN.sub(r"\1} \2s", visible(text)).replace("{{", "{").replace("}}", "}")
    # Code spans are literal in Markdown, the rest is not.
    pieces = text.split("`")
    for place in range(0, len(pieces), 2):
        pieces[place] = re.sub(r"([<*_\[\]])", r"\\\1", pieces[place])
    return "`".join(pieces).replace("|", "\\|")


def shown(loaded: Loaded, example: Example, *, reported: bool) -> list[str]:
    """An example: its settings, its rows, and what glmlint prints of it."""
    parts = []
    if example.plan:
        told = ", ".join(f"`{key} = {value}`" for key, value in example.plan.items())
        parts.append(f"With {told}:")
    if example.loader_bytes != CHUNK:
        parts.append(f"Here `datasets` reads {example.loader_bytes} bytes at a time, not 10 MiB:")
    for name, lines in example_files(example):
        if name is not None:
            parts.append(f"`{name}`:")
        parts.append(fenced([hidden(line) for line in lines]))
    if reported and (printed := said(loaded, example)):
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


def said(loaded: Loaded, example: Example) -> list[str]:
    """What the rule alone reports on an example, as a pipe gets it."""
    lines = []
    for lang in ("en", "zh"):
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
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
