"""Rules across rows: the same findings for any cut, any order, any number of parts; bounded memory."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import Result, finish
from glmlint.evidence import duplicates
from glmlint.evidence.duplicates import conversation
from glmlint.evidence.near_duplicates import installed, signatures, similar_pairs
from glmlint.evidence.report import Report
from glmlint.plan import FileRules, Plan
from glmlint.read.sample import decode_sample, encode_sample
from glmlint.read.source import Chunk
from glmlint.rules.base import all_rules
from glmlint.trainer.base import Context, open_context

DATASET = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family == "dataset"
}
PLAN = Plan(rules={**DATASET, "null-content": "warning"}, eval_files=("dev.jsonl",))


@cache
def base(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe))


def context_of(plan: Plan) -> Context:
    known = base(plan.recipe)
    return Context(plan, known.tokenizer, known.template)


def line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def asked(question: Any, answer: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {**more, "messages": messages}


def run(files: dict[str, list[bytes]], plan: Plan = PLAN) -> Result:
    context = context_of(plan)
    chunks = [Chunk(path, lines, range(1, len(lines) + 1)) for path, lines in files.items()]
    return finish(check_lines(chunks, plan, context), plan, context)


def told(result: Result) -> list[tuple[Any, ...]]:
    return sorted(
        (f.rule, f.severity, f.path, f.line or 0, f.message, f.fingerprint) for f in result.findings
    )


LONG = [
    "Which of these two is the right one, and why is it so?",
    "这两个里面哪一个是对的，为什么？请说明理由。",
]
ROWS = st.sampled_from(
    [
        *(asked(question, answer) for question in (*LONG, "Hi") for answer in ("A", "B", None)),
        asked(LONG[0], "A", id=3),
        {"messages": []},
        {"text": "x"},
        [1],
    ]
)
FILES = st.fixed_dictionaries(
    {name: st.lists(ROWS.map(line), max_size=7) for name in ("a.jsonl", "b.jsonl", "dev.jsonl")}
)


@settings(max_examples=120, deadline=None)
@given(files=FILES, seed=st.randoms(use_true_random=False))
def test_findings_are_the_same_for_any_cut_and_order(
    files: dict[str, list[bytes]], seed: random.Random
) -> None:
    whole = run(files)
    context = context_of(PLAN)
    parts = [
        Chunk(path, [row], range(number, number + 1))
        for path, rows in files.items()
        for number, row in enumerate(rows, 1)
    ]
    seed.shuffle(parts)
    cut = merged([check_lines([part], PLAN, context) for part in parts], seed)
    result = finish(cut, PLAN, context)
    assert told(result) == [item for item in told(whole) if item[0] != "empty-dataset"]
    assert result.totals == whole.totals
    totals = whole.totals
    assert totals.samples == totals.clean + totals.with_findings + totals.unreadable


def merged(reports: Sequence[Report], seed: random.Random) -> Report:
    """Merged two by two, in any tree."""
    left = list(reports)
    while len(left) > 1:
        report = left.pop(seed.randrange(len(left)))
        left[seed.randrange(len(left))].merge(report, PLAN.max_findings)
    return left[0] if left else Report()


def test_each_repeat_is_told_with_its_first_place() -> None:
    rows = [asked("q", "a"), asked("q", "b"), asked("q", "a", id=1), asked("q", "a")]
    found = run({"t.jsonl": list(map(line, rows))}).findings
    assert [(f.rule, f.line) for f in found] == [("exact-duplicate", 3), ("exact-duplicate", 4)]
    assert all("line 1:" in f.message for f in found)


def test_a_row_counts_once_however_much_is_found_in_it() -> None:
    row = line(asked(LONG[0], "A"))
    result = run({"a.jsonl": [row, row], "dev.jsonl": [row]})
    rules = [(f.rule, f.path, f.line) for f in result.findings]
    assert ("train-val-overlap", "a.jsonl", 1) in rules
    assert ("exact-duplicate", "a.jsonl", 2) in rules
    assert (result.totals.clean, result.totals.with_findings) == (1, 2)
    assert result.exit_code == 1


def test_the_same_prompt_in_the_validation_file_is_a_warning() -> None:
    files = {"a.jsonl": [line(asked(LONG[0], "A"))], "dev.jsonl": [line(asked(LONG[0], "B"))]}
    found = run(files).findings
    assert [(f.rule, f.severity) for f in found] == [("train-val-overlap", "warning")]


def test_tool_lists_and_function_names_tell_rows_apart() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}
    system = {"role": "system", "content": ""}
    rest = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows = [
        {"messages": [system, *rest]},
        {"messages": [{**system, "tools": [tool]}, *rest]},
        {"messages": [system, rest[0], {**rest[1], "metadata": "f"}]},
    ]
    assert "exact-duplicate" not in run({"t.jsonl": list(map(line, rows))}).rule_counts


def test_the_order_of_keys_and_bookkeeping_do_not() -> None:
    first = {"messages": [{"role": "user", "content": "你好", "metadata": ""}], "id": 1}
    again = {"id": 2, "messages": [{"metadata": "", "content": "你好", "role": "user"}]}
    odd = {"messages": [{"content": "x", "role": "stranger"}]}
    also = {"messages": [{"role": "stranger", "content": "x"}], "source": "y"}
    rows = [first, again, odd, also]
    found = run({"t.jsonl": list(map(line, rows))}).findings
    assert [(f.rule, f.line) for f in found] == [("exact-duplicate", 2), ("exact-duplicate", 4)]


@settings(max_examples=100, deadline=None)
@given(row=ROWS)
def test_typed_and_untyped_rows_have_the_same_conversation(row: Any) -> None:
    try:
        sample = decode_sample(line(row))
    except Exception:
        return
    assert conversation(json.loads(line(row))) == encode_sample(sample)


@given(value=st.recursive(
    st.none() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
))  # fmt: skip
def test_any_value_has_a_conversation_or_none(value: Any) -> None:
    for whole in (value, {"messages": value}, {"messages": [value], "tools": value}):
        found = conversation(whole)
        assert found is None or found.startswith(b'{"messages":[')


@pytest.mark.parametrize("prompts", [False, True])
def test_past_the_bound_it_is_exact_for_a_share_and_says_so(
    prompts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLAN, eval_files=()) if not prompts else PLAN
    plan = replace(plan, rules={"exact-duplicate": "warning", "train-val-overlap": "error"})
    rows = [line(asked(f"question {n % 400} of a long list", str(n % 3))) for n in range(1200)]
    rows += rows
    full = told(run({"t.jsonl": rows}, plan))
    monkeypatch.setattr(duplicates, "LIMIT", 12 * 700)
    context = context_of(plan)
    results = []
    for seed in range(3):
        parts = [
            Chunk("t.jsonl", rows[i : i + 100], range(i + 1, i + 101)) for i in range(0, 2400, 100)
        ]
        random.Random(seed).shuffle(parts)
        reports = [check_lines([part], plan, context) for part in parts]
        report = merged(reports, random.Random(seed))
        assert report.remembered <= duplicates.LIMIT
        results.append(told(finish(report, plan, context)))
    assert results[0] == results[1] == results[2]
    # The sentence about the bound comes with them.
    notes = [item for item in results[0] if item[3] == 0]
    assert [(rule, severity) for rule, severity, *_ in notes] == [("exact-duplicate", "info")]
    some = set(results[0]) - set(notes)
    assert some < set(full)
    assert 0.1 < len(some) / len(full) < 0.6


def test_many_equal_rows_end_the_thinning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "LIMIT", 12 * 100)
    result = run({"t.jsonl": [line(asked("q", "a"))] * 1000}, replace(PLAN, eval_files=()))
    assert result.rule_counts["exact-duplicate"] == 1  # only the sentence about the bound
    assert result.totals.samples == 1000


def test_counts_are_whole_where_findings_are_not_kept() -> None:
    rows = [line(asked("q", "a"))] * 50
    result = run({"t.jsonl": rows}, replace(PLAN, max_findings=5))
    assert result.rule_counts["exact-duplicate"] == 49
    assert [f.line for f in result.findings] == [2, 3, 4, 5, 6]
    assert result.totals.with_findings == 49


def test_a_file_may_be_left_out() -> None:
    row = line(asked("q", "a"))
    plan = replace(PLAN, per_file=(FileRules("b*", {}),))
    found = run({"a.jsonl": [row], "b.jsonl": [row, row]}, plan).findings
    assert found == []


def test_evaluation_with_combine_is_told_once_a_file() -> None:
    rows = [line(asked("q", "a")), line(asked("q", "b"))]
    long = line(asked("long " * 600, "answer"))
    plan = replace(PLAN, recipe="glm4-combine")
    found = run({"a.jsonl": rows, "dev.jsonl": [*rows, long]}, plan).findings
    found = [f for f in found if f.rule == "eval-prompt-contains-answer"]
    assert [(f.path, f.line, f.rows) for f in found] == [("dev.jsonl", 1, 2)]


needs_rensa = pytest.mark.skipif(not installed(), reason="needs rensa (extra dedup)")


@needs_rensa
def test_likeness_is_measured() -> None:
    words = [f"w{n}" for n in range(300)]
    whole, half = " ".join(words), " ".join(words[:150])
    rows = [
        encode_sample(asked(question, answer))
        for question, answer in (
            (whole, "x"), (whole + " more", "x"), (whole, half), (whole + " more", half + " more"),
            ("short", "one"), ("short", "two"),
        )
    ]  # fmt: skip
    found = list(similar_pairs(signatures(rows), 0.9))
    assert [(row, other) for row, other, _ in found] == [(1, 0), (3, 2)]
    assert all(share > 0.95 for *_, share in found)


PROMPT = " ".join(
    f"rule {n} says that word {n * 7} stands before word {n * 11}." for n in range(80)
)
ASKED = (
    ("how many trams run in Paris on a winter morning", "forty-one, most of them empty"),
    ("which bird sings at night near the old harbour", "the nightingale, from May on"),
    ("what does a baker earn who works for himself", "less than one who is employed"),
    ("whether the bridge at Lima was closed last week", "only for lorries, and only on Monday"),
    ("why cats dislike water although tigers swim", "their coat dries slowly"),
    ("who painted the ceiling of the northern chapel", "nobody knows his name"),
)


@needs_rensa
@pytest.mark.parametrize(
    "row",
    [
        lambda question, answer: asked(f"{PROMPT}\n\nSay {question}.", answer),
        lambda question, answer: asked(f"Say {question}.\n\n{PROMPT}", answer),
        lambda question, answer: asked(f"{PROMPT}\n\nText: {question} {answer}. Mood:", "good"),
        lambda question, answer: {
            "messages": [
                {"role": "system", "content": PROMPT}, *asked(f"Say {question}.", answer)["messages"]
            ]
        },
    ],
    ids=["prompt first", "prompt last", "label", "system"],
)  # fmt: skip
def test_rows_that_share_a_long_prompt_are_no_repeats(row: Any) -> None:
    lines = [line(row(question, answer)) for question, answer in ASKED]
    plan = Plan(rules={"near-duplicate": "info"}, limits={"near-duplicates": 0.9})
    assert run({"t.jsonl": lines}, plan).findings == []


@needs_rensa
def test_a_repeat_among_rows_with_a_long_prompt_is_found() -> None:
    rows = [asked(f"{PROMPT}\n\nSay {question}.", answer) for question, answer in ASKED]
    again = asked(
        f"{PROMPT}\n\nSay: why cats dislike water, although tigers swim!", ASKED[4][1] + "."
    )
    plan = Plan(rules={"near-duplicate": "info"}, limits={"near-duplicates": 0.9})
    [found] = run({"t.jsonl": [line(row) for row in (*rows, again)]}, plan).findings
    assert (found.line, "similar to line 5" in found.message) == (7, True)


@needs_rensa
def test_near_duplicates_are_the_same_for_any_cut() -> None:
    plan = Plan(rules={"near-duplicate": "info"}, limits={"near-duplicates": 0.8})
    context = context_of(plan)
    chance = random.Random(5)
    rows = []
    for n in range(120):
        words = [f"{n % 30}-{k}" for k in range(60)]
        words[chance.randrange(60)] = "changed"
        rows.append(line(asked(" ".join(words), "ok")))
    whole = told(run({"t.jsonl": rows}, plan))
    assert len(whole) > 60
    parts = [Chunk("t.jsonl", [row], range(n, n + 1)) for n, row in enumerate(rows, 1)]
    chance.shuffle(parts)
    report = merged([check_lines([part], plan, context) for part in parts], chance)
    assert told(finish(report, plan, context)) == whole
