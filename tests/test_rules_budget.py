"""What the rules of the budget say of a row is what its labels say."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.mask import sequence
from glmlint.trainer.prepared import prepare

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
VERDICTS = ("answer-fully-truncated", "over-truncated", "truncated")
BUDGET = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family == "budget"
}


@cache
def opened(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe, transformers="5.23.0"))


def golden_rows(recipe: str) -> list[dict[str, Any]]:
    """The golden file's rows, all of them where they are; lines end at LF alone."""
    full = SHARED / "glm4" / "golden"
    folder = full if full.is_dir() else Path(__file__).parent / "golden"
    text = (folder / f"{recipe}.jsonl").read_bytes()
    return [json.loads(line) for line in text.split(b"\n") if line]


def findings(rows: list[Any], **settings: Any) -> list[Finding]:
    """What the rules of the family say of rows in one file."""
    plan = Plan(**{"transformers": "5.23.0", "rules": BUDGET, **settings})
    base = opened(plan.recipe)
    context = Context(plan, base.tokenizer, base.template)
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)
    return finish(check_lines([chunk], plan, context), plan, context).findings


def names(found: list[Finding]) -> set[str]:
    return {finding.rule for finding in found}


def row_of(*texts: str) -> dict[str, Any]:
    """Texts of a user and an assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_verdict_of_each_golden_row_is_what_its_labels_say(recipe: str) -> None:
    seen = set()
    for row in golden_rows(recipe):
        if "error" in row:
            continue
        own = row["max_input_length"] + row["max_output_length"] + 1
        prepared = prepare(json.dumps({"messages": row["messages"]}).encode(), 1, opened(recipe))
        assert prepared.layout is not None
        labels = sequence(prepared.layout, opened(recipe)).labels
        assert labels[:own].tolist() == row["labels"]
        for budget in {own, 12, len(labels) // 2, len(labels) - 1, len(labels)}:
            supervised = int((labels[1:] != -100).sum())
            kept = int((labels[1:budget] != -100).sum())
            expected: str | None = "truncated"
            if len(labels) <= budget:
                expected = None
            elif supervised and not kept:
                expected = "answer-fully-truncated"
            elif supervised and 10 * (supervised - kept) > supervised:
                expected = "over-truncated"
            found = findings([{"messages": row["messages"]}], recipe=recipe, max_length=budget)
            told = [finding for finding in found if finding.rule in VERDICTS]
            assert [finding.rule for finding in told] == ([expected] if expected else [])
            if expected == "truncated":
                assert told[0].severity == ("warning" if supervised > kept else "info")
            seen.add(expected)
    assert seen == {*VERDICTS, None}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_stop_is_lost_where_the_cut_falls_inside_an_answer(recipe: str) -> None:
    context = opened(recipe)
    row = row_of("Hi", "Hello, how are you today?", "Fine, and you?", "Fine too, thanks.")
    prepared = prepare(json.dumps(row).encode(), 1, context)
    assert prepared.layout is not None
    tokens = sequence(prepared.layout, context)
    expected, told = [], []
    for budget in range(2, len(tokens.labels) + 1):
        for index in (1, 3):
            # An answer teaches the labels one place behind its own tokens, its stop the last.
            places = np.flatnonzero(tokens.owners == index) + 1
            places = places[tokens.labels[places] != -100]
            if len(places) and places[0] < budget <= places[-1]:
                expected.append((budget, f"/messages/{index}"))
        told += [
            (budget, finding.pointer)
            for finding in findings([row], recipe=recipe, max_length=budget)
            if finding.rule == "stop-token-truncated"
        ]
    assert told == expected
    assert {pointer for _, pointer in told} == (
        {"/messages/3"} if recipe == "glm4-combine" else {"/messages/1", "/messages/3"}
    )


def test_the_cut_names_its_message_and_its_counts() -> None:
    row = row_of("Hi", "Hello", "Count to five.", "one two three four five")
    (found,) = [f for f in findings([row], max_length=17) if f.rule == "over-truncated"]
    # 2 prefix + 3 + 3 + 6 + 7 + 1 end; each answer teaches all but its role token, and a stop.
    assert found.message == (
        "22 tokens, the budget keeps 17: 5 of 10 supervised tokens (50.0%) are lost, "
        "over the limit of 10.0%; the cut is in messages[3]"
    )
    assert found.pointer == "/messages/3"
    assert found.fixable


def test_limits_are_broken_when_exceeded_not_when_met() -> None:
    row = row_of("Hi", "one two three four")  # 6 supervised tokens
    assert "over-truncated" in names(findings([row], max_length=9, limits={"max-lost-share": 0.49}))
    assert "over-truncated" not in names(
        findings([row], max_length=9, limits={"max-lost-share": 0.5})
    )
    rows = [row, row_of("Hi", "Hello")]
    assert "too-many-truncated" not in names(
        findings(rows, max_length=9, limits={"max-truncated-samples": 0.5})
    )
    assert "too-many-truncated" in names(
        findings(rows, max_length=9, limits={"max-truncated-samples": 0.49})
    )


def test_shares_are_of_readable_rows() -> None:
    rows = [row_of("Hi", "one two three four"), row_of("Hi", "Hello"), {"messages": 5}, 7]
    found = findings(rows, max_length=9, limits={"max-truncated-samples": 0.4})
    (limit,) = [finding for finding in found if finding.rule == "too-many-truncated"]
    assert limit.message.startswith("the budget of 9 cuts 1 of 2 rows (50.0%)")
    assert limit.line is None


def test_a_file_that_loses_more_than_one_percent_needs_a_larger_budget() -> None:
    fitting = [row_of("Hi", "Hello")] * 99  # 3 supervised tokens each
    losing = row_of("Hi", "one two three four")  # 6, of which 3 are cut at 9
    assert "budget-too-small" not in names(findings([*fitting, losing], max_length=9))
    few = findings([*fitting[:90], losing], max_length=9)
    assert "budget-too-small" in names(few)
    (found,) = [finding for finding in few if finding.rule == "budget-too-small"]
    assert "; 10 keeps 99% of them, 12 keeps all" in found.message


def test_a_budget_is_too_large_when_no_row_needs_half_of_it() -> None:
    assert "budget-too-large" in names(findings([row_of("Hi", "Hello")], max_length=19))
    assert "budget-too-large" not in names(findings([row_of("Hi", "Hello")], max_length=18))


def test_the_report_gives_exact_numbers() -> None:
    rows = [row_of("Hi", "Hello")] * 3 + [row_of("Hi", "one two three four")]
    (found,) = [f for f in findings(rows) if f.rule == "budget-report"]
    assert found.message == (
        "lengths in tokens: median 9, 90% 12, 95% 12, 99% 12, longest 12; "
        "a budget of 12 keeps 95% of the supervised tokens, 12 99%, 12 all of them"
    )


def test_a_dropped_row_is_cut_no_more() -> None:
    for name in VERDICTS[:2]:
        rule = all_rules()[name].rule
        assert rule.fix == "unsafe"
    found = findings([row_of("Hi " * 30, "Hello")], max_length=12)
    assert [f.fixable for f in found if f.rule in VERDICTS] == [True]


def eval_findings(rows: list[Any], **settings: Any) -> list[Finding]:
    """What `eval-prompt-over-budget` says of rows of the validation split."""
    found = findings(rows, eval_files=("train.jsonl",), **settings)
    return [finding for finding in found if finding.rule == "eval-prompt-over-budget"]


LONG_CHAT = row_of(
    "长城有多长？", "两万多千米。", "Since when? " * 9, "221 BC.", "And who?", "Many."
)


def prompt_tokens(row: dict[str, Any], index: int, recipe: str) -> int:
    """Tokens before one message, from the ids of the messages before it."""
    before = {"messages": row["messages"][:index]}
    prepared = prepare(json.dumps(before).encode(), 1, opened(recipe))
    assert prepared.layout is not None
    return len(sequence(prepared.layout, opened(recipe)).input_ids) - 1  # the appended end


@pytest.mark.parametrize("recipe", ["glm4", "glm4-2024-06"])
@pytest.mark.parametrize("index", [3, 5])
def test_an_answer_is_evaluated_if_its_prompt_is_below_the_limit(recipe: str, index: int) -> None:
    size = prompt_tokens(LONG_CHAT, index, recipe)
    (found,) = eval_findings([LONG_CHAT], recipe=recipe, max_input_length=size)
    assert (found.severity, found.pointer) == ("warning", f"/messages/{index}")
    assert f"has {size} tokens" in found.message
    assert f"leaves out {2 if index == 3 else 1} of" in found.message
    above = eval_findings([LONG_CHAT], recipe=recipe, max_input_length=size + 1)
    assert [finding.pointer for finding in above] == (["/messages/5"] if index == 3 else [])
    no_eval = findings([LONG_CHAT], recipe=recipe, max_input_length=size)
    assert "eval-prompt-over-budget" not in names(no_eval)


def test_with_combine_the_question_may_end_at_the_limit() -> None:
    size = prompt_tokens(LONG_CHAT, 5, "glm4-combine")
    (found,) = eval_findings([LONG_CHAT], recipe="glm4-combine", max_input_length=size - 1)
    assert (found.severity, found.pointer) == ("warning", "/messages")
    assert f"last answer's prompt has {size} tokens" in found.message
    assert eval_findings([LONG_CHAT], recipe="glm4-combine", max_input_length=size) == []


@pytest.mark.parametrize("recipe", ["glm4", "glm4-2024-06"])
def test_a_file_without_any_prompt_ends_the_script(recipe: str) -> None:
    size = prompt_tokens(LONG_CHAT, 1, recipe)
    rows = [LONG_CHAT, LONG_CHAT]
    found = eval_findings(rows, recipe=recipe, max_input_length=size)
    assert [(f.severity, f.pointer) for f in found if f.severity == "error"] == [("error", None)]
    assert len(found) == 3
    left = eval_findings([*rows, row_of("Hi", "Yes")], recipe=recipe, max_input_length=size)
    assert [f.severity for f in left] == ["warning", "warning"]


ODD = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "a b c d e f", "<|assistant|>", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "tools"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ODD_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "observation", "tool"]) | ODD},
    optional={"content": st.sampled_from(["", "hi " * 9, "<|assistant|>"]) | ODD, "tools": ODD},
)


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"messages": st.lists(ODD_MESSAGE | ODD, max_size=4) | ODD}),
        max_size=3,
    )
)
def test_no_validation_row_raises(recipe: str, rows: list[Any]) -> None:
    found = eval_findings(rows, recipe=recipe, max_input_length=7)
    assert {finding.severity for finding in found} <= {"warning", "error"}


def test_the_place_of_a_cut_is_where_the_trainer_cuts() -> None:
    answer = "第一步：清洁表面。\n" * 30 + "Then let it dry, 等一天。"
    row = {
        "messages": [
            {"role": "user", "content": "怎么做？"},
            {"role": "assistant", "content": answer},
        ]
    }
    for ascii_only in (False, True):
        line = json.dumps(row, ensure_ascii=ascii_only)
        for budget in (20, 21, 22, 23, 150):
            plan = Plan(rules={"over-truncated": "error"}, max_length=budget, lang="en")
            report = check_lines([Chunk("a.jsonl", [line.encode()], [1])], plan)
            [finding] = finish(report, plan, open_context(plan)).findings
            assert finding.column is not None and finding.span is not None
            piece = line[finding.column - 1 : finding.span.columns[1] - 1]
            lost = json.loads(f'"{piece}"')
            assert answer.endswith(lost)
            ids, _ = open_context(plan).tokenizer.encode([lost])
            # The answer's last token is its stop, which is lost as well.
            assert finding.message.startswith(
                f"{budget + len(ids) + 1} tokens, the budget keeps {budget}"
            )


@pytest.mark.parametrize("recipe", ["axolotl", "verl", "trl", "swift"])
def test_limits_hold_where_the_trainer_drops_every_long_row(recipe: str) -> None:
    answer = {"role": "assistant", "content": "A long answer. " * 20}
    row = {"messages": [{"role": "user", "content": "Hi"}, answer]}
    rules = {"too-many-truncated": "error", "budget-too-small": "warning"}
    plan = Plan(recipe=recipe, rules=rules, max_length=20, limits={"max-truncated-samples": 0.1})
    chunk = Chunk("a.jsonl", [json.dumps(row).encode()] * 3, [1, 2, 3])
    found = finish(check_lines([chunk], plan), plan, open_context(plan)).findings
    for finding in found:
        assert re.search(r"[123] of 3 rows", finding.message), finding.message
