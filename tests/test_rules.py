"""Every rule reports its bad examples and none of its good ones; every rule is documented."""

from __future__ import annotations

import re
from dataclasses import replace as replace_plan
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.plan import Plan
from glmlint.read.source import read_bytes
from glmlint.rules.base import FAMILIES, Example, all_rules
from glmlint.text import unwrapped_zh
from glmlint.trainer.base import Context, open_context

RULES = [loaded for loaded in all_rules().values() if loaded.rule.family != "score"]


@cache
def _context(
    recipe: str, transformers: str, template: str | None, tokenizer: str | None
) -> Context:
    given = {} if tokenizer is None else {"tokenizer": tokenizer}
    plan = Plan(recipe=recipe, transformers=transformers, template=template, **given)
    return open_context(plan)


def found_by(rule: str, example: Any) -> list[Any]:
    """The findings of one rule alone on an example."""
    if not isinstance(example, Example):
        example = Example(rows=(example,))
    severity = all_rules()[rule].rule.severity
    plan = Plan(**{"max_length": 1025, **example.plan, "rules": {rule: severity}})
    if example.eval_rows:
        plan = replace_plan(plan, eval_files=("dev.jsonl",))
    base = _context(plan.recipe, plan.transformers, plan.template, example.plan.get("tokenizer"))
    context = Context(plan, base.tokenizer, base.template)
    chunks = (
        chunk
        for name, data in example.files().items()
        for chunk in read_bytes(data, name, example.max_line, example.loader_bytes)
    )
    return finish(check_lines(chunks, plan, context), plan, context).findings


_CHINESE = re.compile("[\u4e00-\u9fff]").search


def written(example: Any) -> str:
    """All that an example holds, as a reader sees it: escapes resolved, old encodings read."""
    if not isinstance(example, Example):
        example = Example(rows=(example,))
    return " ".join(name + decoded(data) for name, data in example.files().items())


def decoded(data: bytes) -> str:
    for encoding in ("utf-8", "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    return ""


@pytest.mark.parametrize("loaded", RULES, ids=lambda loaded: loaded.rule.name)
class TestRule:
    def test_reports_each_bad_example(self, loaded: Any) -> None:
        for example in loaded.rule.bad:
            findings = found_by(loaded.rule.name, example)
            assert {finding.rule for finding in findings} == {loaded.rule.name}, example

    def test_is_silent_on_each_good_example(self, loaded: Any) -> None:
        for example in loaded.rule.good:
            assert found_by(loaded.rule.name, example) == [], example

    def test_speaks_both_languages(self, loaded: Any) -> None:
        for example in loaded.rule.bad:
            if not isinstance(example, Example):
                example = Example(rows=(example,))
            chinese = replace(example, plan={**example.plan, "lang": "zh"})
            for finding in found_by(loaded.rule.name, chinese):
                assert any("\u4e00" <= char <= "\u9fff" for char in finding.message), finding
                assert any("\u4e00" <= char <= "\u9fff" for char in finding.help), finding

    def test_is_documented(self, loaded: Any) -> None:
        rule = loaded.rule
        assert rule.family in FAMILIES
        assert len(loaded.doc.strip().splitlines()) >= 3, "say what, why and the evidence"
        assert rule.bad and rule.good

    def test_has_two_examples_of_each_kind_and_a_chinese_one(self, loaded: Any) -> None:
        for examples in (loaded.rule.bad, loaded.rule.good):
            assert len(examples) >= 2
            assert any(_CHINESE(written(example)) for example in examples)


@pytest.mark.parametrize("name", all_rules())
def test_a_rule_has_a_chinese_title(name: str) -> None:
    title = all_rules()[name].rule.title_zh
    assert _CHINESE(title)
    assert not re.search(r"[\n.]|。$", title)
    spelt = re.sub(r"`[^`]*`", "", title)
    assert not re.search(r"[,;:?!()]", spelt), "Chinese punctuation"


@pytest.mark.parametrize("name", all_rules())
def test_a_rule_is_explained_in_chinese(name: str) -> None:
    """Paragraph by paragraph, with a space between Chinese and a word, number or code."""
    loaded = all_rules()[name]
    _, *english = loaded.doc.strip().split("\n\n")
    chinese = unwrapped_zh(loaded.rule.doc_zh).split("\n\n")
    assert len(chinese) == len(english)
    assert chinese[-1].startswith("依据：") == english[-1].startswith("Evidence")
    for paragraph in chinese:
        assert _CHINESE(paragraph) and paragraph.endswith(("。", "：", "。）"))
        spelt = re.sub(r"`[^`]*`", "``", paragraph)
        assert re.findall(r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]", spelt) == []
        assert re.findall(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", spelt) == []


def test_no_two_rules_have_the_same_chinese_title() -> None:
    titles = [loaded.rule.title_zh for loaded in all_rules().values()]
    assert len(set(titles)) == len(titles)


def test_a_rule_is_named_as_its_file() -> None:
    import importlib
    import pkgutil

    package = importlib.import_module("glmlint.rules")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name != "base":
            module = importlib.import_module(f"glmlint.rules.{info.name}")
            assert module.rule.name == info.name.replace("_", "-")
