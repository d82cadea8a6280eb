"""The catalogues: all rules, one rule with its documentation and examples, all recipes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from glmlint.plan import Plan
from glmlint.reporters.words import FAMILY, SEVERITY, counted, say
from glmlint.rules.base import FAMILIES, Example, Loaded, Rule, all_rules, general
from glmlint.text import NOUN, Text, Told, nearest, unwrapped_zh
from glmlint.trainer.base import all_trainers
from glmlint.visible import json_text, visible

if TYPE_CHECKING:
    from rich.console import Console

MOST_EXAMPLES: Final = 3
"""Examples of each kind that `explain` prints; the rule's file has them all."""

SHORT_LINE: Final = 68
"""Characters of JSON that stay on one line."""

LONGEST_EXAMPLE: Final = 24
"""Lines of one printed example row."""


class UnknownRule(Told):
    """No rule has that name; the message names the nearest one."""


def write_rules(
    plan: Plan,
    out: IO[str],
    form: str,
    width: int,
    color: bool,
    chosen: Sequence[Loaded] | None = None,
) -> None:
    """Every rule: name, severity, fix, first line of its documentation, and whether it is on.

    Args:
        plan: which rules are on, with which severity, and the language.
        form: "text" or "json".
        width: cells of a line.
        chosen: these rules in this order; None: all of them, by family.
    """
    rules = [*chosen] if chosen is not None else [*all_rules().values()]
    if chosen is None:
        rules.sort(key=lambda loaded: (_family(loaded), loaded.rule.name))
    if form == "json":
        entries = [rule_object(loaded, plan.rules) for loaded in rules]
        out.write(json_text(entries, indent=2) + "\n")
        return
    from itertools import groupby

    from rich.text import Text as Styled

    from glmlint.reporters.tables import console_for, padded, print_wrapped

    lang = plan.lang
    with console_for(out, width, color) as console:
        for number, (_, group) in enumerate(groupby(rules, key=_family)):
            members = list(group)
            if number:
                console.print()
            console.print(Styled(_family_name(members[0], lang), style="bold underline"))
            for loaded in members:
                rule = loaded.rule
                level = plan.rules.get(rule.name, rule.severity)
                on = rule.name in plan.rules
                first = Styled("  ● " if on else "  ○ ", style="green" if on else "dim")
                first.append(padded(rule.name, 30) + " ", style="bold" if on else "")
                first.append(padded(SEVERITY[level].say(lang), 8), style=_style(level))
                first.append(say(f"fix-{rule.fix}", lang) if rule.fix else "", style="dim")
                console.print(first, soft_wrap=True)
                print_wrapped(console, _title(loaded, lang), "dim", indent=4)
        console.print()
        active = sum(loaded.rule.name in plan.rules for loaded in rules)
        legend = say("rules-legend", lang, rules=counted(len(rules), "rule", lang), on=active)
        print_wrapped(console, legend, "dim")


def rule_object(loaded: Loaded, active: dict[str, str]) -> dict[str, Any]:
    """A rule as `glmlint rules --format json` has it."""
    rule = loaded.rule
    return {
        "name": rule.name,
        "family": rule.family,
        "severity": active.get(rule.name, rule.severity),
        "default_severity": rule.severity,
        "fix": rule.fix,
        "opt_in": rule.opt_in,
        "on": rule.name in active,
        "title": first_line(loaded),
        "title_zh": rule.title_zh,
        "text": {"en": rule.text.en, "zh": rule.text.zh},
        "help": {"en": general(rule.help, rule).en, "zh": general(rule.help, rule).zh},
        "documentation": loaded.doc.strip(),
        "documentation_zh": documentation_zh(loaded.rule),
    }


def first_line(loaded: Loaded) -> str:
    """The first sentence of a rule's documentation."""
    return " ".join(loaded.doc.strip().partition("\n\n")[0].split())


def known_rules(names: Iterable[str]) -> list[Loaded]:
    """The rules of those names.

    Raises:
        UnknownRule: one sentence with the nearest name.
    """
    found = []
    for name in names:
        if name in FAMILIES:
            raise UnknownRule(
                Text(
                    "{name} is a family, not a rule: `glmlint rules` lists what is in it",
                    "{name} 是规则族，不是规则：`glmlint rules` 会列出其中的规则",
                ),
                name=name,
            )
        if name not in all_rules():
            near = nearest(name, all_rules())
            hint = (
                Text(f": did you mean {near}?", f"（是否应为 {near}？）")
                if near
                else Text("; `glmlint rules` lists them", "；`glmlint rules` 会列出所有规则")
            )
            raise UnknownRule(
                Text("unknown rule {name}{hint}", "未知的规则 {name}{hint}"),
                name=name,
                hint=hint,
            )
        found.append(all_rules()[name])
    return found


def documentation_zh(rule: Rule) -> str:
    """A rule's documentation in Chinese: the title, then each paragraph on one line."""
    return f"{rule.title_zh}。\n\n{unwrapped_zh(rule.doc_zh)}".strip()


def write_rule(name: str, out: IO[str], lang: str, width: int, color: bool) -> None:
    """One rule: what it means, its evidence, severity and fix, and examples.

    Raises:
        UnknownRule: one sentence with the nearest name.
    """
    (loaded,) = known_rules((name,))
    from rich.markdown import Markdown
    from rich.text import Text as Styled

    from glmlint.reporters.tables import console_for, print_wrapped

    rule = loaded.rule
    with console_for(out, width, color) as console:
        title = Styled(rule.name, style="bold underline")
        title.append(f"  {_family_name(loaded, lang)}  ", style="not bold not underline dim")
        title.append(
            SEVERITY[rule.severity].say(lang), style=f"not underline {_style(rule.severity)}"
        )
        console.print(title, soft_wrap=True)
        console.print()
        if lang == "zh":
            for line in documentation_zh(rule).split("\n"):
                bullet = Styled("- ") if line.startswith("- ") else None
                indent = 2 if bullet else 0
                print_wrapped(console, line[indent:], indent=indent, first=bullet)
        else:
            console.print(Markdown(loaded.doc.strip()))
        console.print()
        repair = {"safe": "safe-where", None: "no-fix"}.get(rule.fix, rule.fix or "no-fix")
        fix = say(repair, lang)
        told = [
            ("says", unfilled(rule.text, lang, rule)),
            ("advises", unfilled(rule.help, lang, rule)),
        ]
        told.append(("fix", fix))
        if rule.family == "score":
            told.append(("on", say("in-score", lang)))
        if rule.opt_in:
            told.append(("on", say("opt-in", lang)))
        for key, text in told:
            print_wrapped(console, f"{say(key, lang)}{_colon(lang)}{text}")
        _examples(console, say("bad-example", lang), rule.bad, lang, "red")
        _examples(console, say("good-example", lang), rule.good, lang, "green")


def _examples(
    console: Console, title: str, examples: tuple[Any, ...], lang: str, style: str
) -> None:
    from rich.text import Text as Styled

    from glmlint.reporters.tables import print_wrapped

    for example in examples[:MOST_EXAMPLES]:
        wrapped = example if isinstance(example, Example) else Example(rows=(example,))
        console.print()
        head = Styled(title, style=f"bold {style}")
        if wrapped.plan:
            comma = "，" if lang == "zh" else ", "
            settings = comma.join(f"{key} = {value}" for key, value in wrapped.plan.items())
            head.append(say("with-settings", lang, settings=settings), style="dim")
        console.print(head)
        for name, lines in example_files(wrapped):
            if name is not None:
                print_wrapped(console, f"{name}{_colon(lang).rstrip()}", "dim", indent=2)
            for line in lines:
                print_wrapped(console, line, indent=2)


def example_files(example: Example) -> list[tuple[str | None, list[str]]]:
    """What an example is made of: (file's name, lines). None where one row says it all."""
    if example.file is not None:
        return [(example.name, file_lines(example.file))]
    rows = [line for row in example.rows for line in example_lines(row)]
    if not example.eval_rows:
        return [(None, rows)]
    held_out = [line for row in example.eval_rows for line in example_lines(row)]
    return [("train.jsonl", rows), ("dev.jsonl", held_out)]


def file_lines(content: bytes) -> list[str]:
    """A file's bytes as lines, with escapes for what is no text and for what can't be seen."""
    text = content.decode("utf-8", "backslashreplace")
    lines = [visible(line) for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    return _cut(lines)


def example_lines(row: Any) -> list[str]:
    """A row of an example, pretty-printed; bytes of a line as they are, unseen ones escaped."""
    if isinstance(row, bytes):
        lines = [visible(row.decode("utf-8", "backslashreplace"))]
    else:
        lines = [visible(line) for line in _pretty(row, "")]
    return _cut(lines)


def _cut(lines: list[str]) -> list[str]:
    if len(lines) > LONGEST_EXAMPLE:
        lines = [*lines[: LONGEST_EXAMPLE - 1], "…"]
    return [line if len(line) <= 400 else line[:399] + "…" for line in lines]


def _pretty(value: Any, head: str) -> list[str]:
    """JSON with a container on one line where that is short, and one entry a line where not."""
    text = json.dumps(value, ensure_ascii=False)
    if len(head) + len(text) <= SHORT_LINE or not value or not isinstance(value, dict | list):
        return [head + text]
    if isinstance(value, dict):
        entries = [
            _pretty(entry, json.dumps(key, ensure_ascii=False) + ": ")
            for key, entry in value.items()
        ]
    else:
        entries = [_pretty(entry, "") for entry in value]
    for entry in entries[:-1]:
        entry[-1] += ","
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inside = [f"  {line}" for entry in entries for line in entry]
    return [head + opening, *inside, closing]


def write_recipes(out: IO[str], form: str, lang: str, width: int, color: bool) -> None:
    """Every recipe: what it is, what it supervises, the file and date that it was read from."""
    if form == "json":
        entries = [
            {
                "name": recipe.name,
                "title": {"en": recipe.title.en, "zh": recipe.title.zh},
                "source": recipe.source,
                "date": recipe.date,
                "supervises": {"en": recipe.supervises.en, "zh": recipe.supervises.zh},
                "trains_history": recipe.trains_history,
                "typed_control_tokens": recipe.typed_control_tokens,
                "default": recipe.name == Plan.recipe,
            }
            for recipe in all_trainers().values()
        ]
        out.write(json_text(entries, indent=2) + "\n")
        return
    from rich.text import Text as Styled

    from glmlint.reporters.tables import console_for, print_wrapped

    with console_for(out, width, color) as console:
        for number, recipe in enumerate(all_trainers().values()):
            if number:
                console.print()
            head = Styled(recipe.name, style="bold")
            if recipe.name == Plan.recipe:
                head.append(say("is-default", lang), style="green")
            console.print(head)
            print_wrapped(console, unfilled(recipe.title, lang), indent=2)
            supervised = (
                f"{say('supervises', lang)}{_colon(lang)}{unfilled(recipe.supervises, lang)}"
            )
            print_wrapped(console, supervised, indent=2)
            print_wrapped(
                console,
                say("source", lang, source=recipe.source, date=recipe.date),
                "dim",
                indent=2,
            )


def _colon(lang: str) -> str:
    return "：" if lang == "zh" else ": "


def unfilled(text: Text, lang: str, rule: Rule | None = None) -> str:
    """A sentence with its fields left as names."""
    told = NOUN.sub(r"\1} \2s", general(text, rule).plain(lang))
    return re.sub(r"(\{\w+)[!:][^{}]+\}", r"\1}", told).replace("{{", "{").replace("}}", "}")


def _family(loaded: Loaded) -> int:
    return FAMILIES.index(loaded.rule.family)


def _family_name(loaded: Loaded, lang: str) -> str:
    """The family as `--select` takes it; in Chinese with what it means."""
    family = loaded.rule.family
    return f"{family}（{FAMILY[family].zh}）" if lang == "zh" else family


def _title(loaded: Loaded, lang: str) -> str:
    return loaded.rule.title_zh if lang == "zh" else first_line(loaded)


def _style(severity: str) -> str:
    from glmlint.reporters.tables import STYLES

    return STYLES.get(severity, "dim")
