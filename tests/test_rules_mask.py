"""What the rules of the mask say of who is trained, by recipe; and that no row breaks them."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.evidence.teaching import foreign_messages, unstopped_answers
from glmlint.finding import Finding
from glmlint.plan import Plan
from glmlint.read.source import Chunk, read_bytes
from glmlint.rules.base import Edit, all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.prepared import prepare, prepared_rows
from glmlint.trainer.row import Row

RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")
FAMILY = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family in ("mask", "budget")
}
LIMITS = {
    "limits": {"min-row-ratio": 0.5, "min-trainable-ratio": 0.5, "max-truncated-samples": 0.1}
}


@cache
def opened(recipe: str, transformers: str, template: str | None) -> Context:
    return open_context(Plan(recipe=recipe, transformers=transformers, template=template))


def context_of(plan: Plan) -> Context:
    base = opened(plan.recipe, plan.transformers, plan.template)
    return Context(plan, base.tokenizer, base.template)


def findings(*rows: Any, **settings: Any) -> list[Finding]:
    """What the rules of mask and budget say of rows in one file."""
    plan = Plan(**{"rules": FAMILY, **settings})
    context = context_of(plan)
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)
    return finish(check_lines([chunk], plan, context), plan, context).findings


def by_rule(rule: str, *rows: Any, **settings: Any) -> list[Finding]:
    return [finding for finding in findings(*rows, **settings) if finding.rule == rule]


def talk(*turns: tuple[str, str] | dict[str, Any]) -> dict[str, Any]:
    """A row of (role, content) pairs, or whole messages."""
    return {
        "messages": [
            {"role": turn[0], "content": turn[1]} if isinstance(turn, tuple) else turn
            for turn in turns
        ]
    }


def edited(row: Any, edits: tuple[Edit, ...]) -> Any:
    """The row after the edits, applied in order."""
    row = copy.deepcopy(row)
    for edit in edits:
        *way, last = edit.pointer
        parent = row
        for part in way:
            parent = parent[part]
        if edit.op == "remove":
            del parent[last]
        else:
            assert edit.op == "replace"
            parent[last] = edit.value
    return row


def edits_of(rule: str, row: Any, **settings: Any) -> tuple[Edit, ...]:
    """All edits that a rule offers for one row."""
    plan = Plan(**settings)
    context = context_of(plan)
    loaded = all_rules()[rule]
    assert loaded.check is not None
    return tuple(edit for p in loaded.check(opened_row(row, context)) for edit in p.edits)


def opened_row(row: Any, context: Context) -> Row:
    line = json.dumps(row, ensure_ascii=False).encode()
    return prepare(line, 1, context, path="train.jsonl")


class TestWhoIsTrained:
    def test_an_unknown_role_is_trained_by_the_official_script(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("critic", "Well said"))
        (found,) = by_rule("non-assistant-supervised", row)
        assert (found.pointer, found.severity) == ("/messages/2", "error")
        # "<|critic|>\nWell said" is 8 tokens, and so are the labels behind them.
        assert "8 supervised tokens" in found.message

    def test_it_spills_where_all_behind_the_last_answer_is_trained(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("critic", "Well said"))
        assert by_rule("non-assistant-supervised", row, recipe="glm4-combine") == []
        (found,) = by_rule("combine-spill", row, recipe="glm4-combine")
        assert found.pointer == "/messages/2"
        assert "8 supervised tokens" in found.message

    def test_every_message_behind_the_last_answer_is_named(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"), ("observation", "22"))
        found = by_rule("combine-spill", row, recipe="glm4-combine")
        assert [finding.pointer for finding in found] == ["/messages/2", "/messages/3"]
        assert by_rule("combine-spill", row) == []

    def test_without_an_assistant_the_exception_is_named_once(self) -> None:
        found = findings(talk(("user", "Hi")), recipe="glm4-combine")
        assert [finding.rule for finding in found] == ["combine-spill"]
        assert "ValueError" in found[0].message

    def test_a_quoted_assistant_token_moves_the_mask_into_the_users_text(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("user", "What is <|assistant|> for?"))
        (found,) = by_rule("combine-spill", row, recipe="glm4-combine")
        assert "in its text" in found.message
        assert not found.fixable

    def test_a_template_may_close_the_turn_itself(self, tmp_path: Path) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Bye"))
        row["messages"][2]["role"] = "guest"
        for name, end, stopped in (("open", "", False), ("closed", "<|endoftext|>\n", True)):
            template = tmp_path / f"{name}.jinja"
            template.write_text(
                "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}"
                f"{end}{{% endfor %}}"
            )
            found = by_rule("stop-token-untrained", row, template=str(template))
            assert [finding.pointer for finding in found] == ([] if stopped else ["/messages/1"])

    def test_a_foreign_file_gives_one_finding_a_role(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"), ("tool", "22"), ("assistant", "Yes"))
        (found,) = by_rule("non-assistant-supervised", row, row, row)
        assert found.rows == 3
        (found,) = by_rule("stop-token-untrained", row, row, row)
        assert found.rows == 3

    @pytest.mark.parametrize("recipe", RECIPES)
    @settings(max_examples=40, deadline=None)
    @given(
        system=st.booleans(),
        turns=st.lists(
            st.tuples(
                st.text(min_size=1), st.lists(st.text(min_size=1), max_size=2), st.text(min_size=1)
            ),
            min_size=1,
            max_size=3,
        ),
    )
    def test_plain_turns_train_answers_and_their_stops_alone(
        self, recipe: str, system: bool, turns: list[tuple[str, list[str], str]]
    ) -> None:
        messages = [("system", "Be kind.")] if system else []
        row: Any = talk(*messages)
        for question, calls, answer in turns:
            row["messages"].append({"role": "user", "content": question})
            for call in calls:
                row["messages"].append({"role": "assistant", "metadata": "f", "content": call})
                row["messages"].append({"role": "observation", "content": call})
            row["messages"].append({"role": "assistant", "content": answer})
        opened = opened_row(row, context_of(Plan(recipe=recipe)))
        if opened.layout is not None:
            assert foreign_messages(opened) == []
            assert list(unstopped_answers(opened)) == []


class TestControlTokens:
    ROW = talk(("user", "What is <|user|>, and [MASK]?"), ("assistant", "A role token."))

    def test_severity_is_by_recipe_and_token(self) -> None:
        mask = talk(("user", "A [MASK] day."), ("assistant", "sunny"))
        for recipe, severities in (
            ("glm4", ("error", "warning")),
            ("glm4-combine", ("error", "warning")),
            ("glm4-2024-06", ("info", "info")),
        ):
            for row, severity in zip((self.ROW, mask), severities, strict=True):
                (found,) = by_rule("special-token-in-content", row, recipe=recipe)
                assert found.severity == severity

    def test_the_column_is_that_of_the_token(self) -> None:
        (found,) = by_rule("special-token-in-content", self.ROW)
        line = json.dumps(self.ROW, ensure_ascii=False)
        assert found.column == line.index("<|user|>") + 1
        assert "`<|user|>`, `[MASK]`" in found.message

    def test_breaking_it_up_leaves_nothing_to_find(self) -> None:
        row = talk(
            {"role": "system", "content": "", "tools": [{"type": "function", "function": {
                "name": "f", "description": "<|endoftext|>", "parameters": {"properties": {}}}}]},
            ("user", "<<|user|>> [gMASK]<sop>"),
            {"role": "assistant", "metadata": "f<sop>", "content": "<|observation|>"},
        )  # fmt: skip
        found = by_rule("special-token-in-content", row)
        assert [finding.pointer for finding in found] == [
            "/messages/0/tools/0/function/description",
            "/messages/1/content",
            "/messages/2/metadata",
            "/messages/2/content",
        ]
        fixed = edited(row, edits_of("special-token-in-content", row))
        assert by_rule("special-token-in-content", fixed) == []
        assert fixed["messages"][1]["content"] == "<< |user|>> [ gMASK]< sop>"

    def test_what_is_not_printed_is_not_reported(self) -> None:
        tools = [
            {"type": "function", "function": {"name": "<sop>", "parameters": {"properties": {}}}}
        ]
        row = talk({"role": "user", "content": "Hi", "tools": tools}, ("assistant", "Hello"))
        assert by_rule("special-token-in-content", row) == []
        assert len(by_rule("special-token-in-content", row, recipe="glm4-combine")) == 1


class TestReasoning:
    def test_a_template_that_cuts_thoughts_is_found_by_what_it_prints(self, tmp_path: Path) -> None:
        template = tmp_path / "cut.jinja"
        template.write_text(
            "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n"
            "{{ m.content.split('</think>')[-1] }}{% endfor %}"
        )
        row = talk(("user", "2 + 2?"), ("assistant", "<think>Two and two.</think>4"))
        assert by_rule("reasoning-dropped", row) == []
        (found,) = by_rule("reasoning-dropped", row, row, template=str(template))
        assert found.rows == 2

    def test_a_template_that_prints_the_key_drops_nothing(self, tmp_path: Path) -> None:
        template = tmp_path / "prints.jinja"
        template.write_text(
            "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n"
            "<think>{{ m.reasoning_content }}</think>{{ m.content }}{% endfor %}"
        )
        row = talk(
            ("user", "2 + 2?"), {"role": "assistant", "content": "4", "reasoning_content": "Easy."}
        )
        assert by_rule("reasoning-dropped", row, template=str(template)) == []
        assert len(by_rule("reasoning-dropped", row)) == 1

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("<think>a</think>b", None),
            ("<think></think><think>c</think>", None),
            ("<think>a", "opens"),
            ("a</think>", "without a <think>"),
            ("</think><think>", "without a <think>"),
            ("`<think>` is a tag", None),
            ("```\n<think>\n```", None),
            ("```\n<think>", None),
            ("I think> so", None),
        ],
    )
    def test_orphans(self, text: str, expected: str | None) -> None:
        found = by_rule("orphan-think-tag", talk(("user", "Hi"), ("assistant", text)))
        assert [expected in finding.message for finding in found] == ([True] if expected else [])


class TestLossFields:
    def test_what_agrees_with_the_mask_is_an_info_and_what_does_not_a_warning(self) -> None:
        agrees = talk(
            {"role": "user", "content": "Hi", "loss": False},
            {"role": "assistant", "content": "Hello", "loss": True},
        )
        differs = talk(("user", "Hi"), {"role": "assistant", "content": "Hello", "loss": 0})
        found = by_rule("ignored-loss-field", agrees, differs, agrees, differs)
        assert [(f.line, f.severity, f.rows) for f in found] == [(1, "info", 2), (2, "warning", 2)]

    def test_earlier_answers_are_asked_for_in_vain_where_the_last_alone_is_trained(self) -> None:
        row = talk(
            ("user", "Hi"), {"role": "assistant", "content": "Hello", "train": True},
            ("user", "Bye"), {"role": "assistant", "content": "Bye", "train": True},
        )  # fmt: skip
        (found,) = by_rule("ignored-loss-field", row, recipe="glm4-combine")
        assert (found.severity, found.pointer) == ("warning", "/messages/1/train")


class TestVersions:
    def test_null_keys_are_removed_by_the_fix(self) -> None:
        row = talk(
            {"role": "user", "content": "Hi", "metadata": None, "tools": None},
            {"role": "assistant", "content": "Hello", "metadata": None, "name": None},
        )
        for recipe, keys in (("glm4", {"metadata"}), ("glm4-combine", {"metadata", "tools"})):
            found = by_rule("version-dependent", row, recipe=recipe)
            assert {str(f.pointer).rsplit("/", 1)[1] for f in found} == keys
            assert {f.severity for f in found} == {"warning"}
            fixed = edited(row, edits_of("version-dependent", row, recipe=recipe))
            assert by_rule("version-dependent", fixed, recipe=recipe) == []

    @pytest.mark.parametrize(("pin", "severity"), [("5.24.0", "info"), ("4.41.2", "warning")])
    def test_tool_lists_are_an_alarm_only_for_an_old_trainer(self, pin: str, severity: str) -> None:
        tools = [
            {
                "type": "function",
                "function": {"name": "f", "description": "天气", "parameters": {"properties": {}}},
            }
        ]
        row = talk(
            {"role": "system", "content": "", "tools": tools},
            ("user", "Hi"),
            ("assistant", "Hello"),
        )
        (found,) = by_rule("version-dependent", row, row, transformers=pin)
        assert (found.severity, found.rows) == (severity, 2)
        assert by_rule("version-dependent", row, recipe="glm4-2024-06") == []

    def test_a_named_version_of_transformers_is_not_compared_with_older_ones(self) -> None:
        tools = [
            {
                "type": "function",
                "function": {"name": "f", "description": "天气", "parameters": {"properties": {}}},
            }
        ]
        row = talk(
            {"role": "system", "content": "", "tools": tools}, ("user", "Hi"), ("assistant", "a")
        )
        pinned = frozenset(("transformers",))
        assert by_rule("version-dependent", row, transformers="4.51.0", pinned=pinned) == []
        (old,) = by_rule("version-dependent", row, transformers="4.40.0", pinned=pinned)
        assert (old.severity, old.help.split(",")[0]) == (
            "warning",
            "Train with transformers 4.42 or newer",
        )

    @pytest.mark.parametrize(
        ("settings", "severities"),
        [
            ({}, ["info"]),
            ({"transformers": "4.51.0", "pinned": frozenset(("transformers",))}, ["warning"]),
            ({"transformers": "5.24.0", "pinned": frozenset(("transformers",))}, []),
            ({"recipe": "glm4-2024-06"}, ["warning"]),
            ({"datasets": "4.4.1", "pinned": frozenset(("datasets",))}, []),
            ({"datasets": "5.2.0", "pinned": frozenset(("datasets",))}, []),
        ],
    )
    def test_metadata_of_one_message_may_put_none_into_the_others(
        self, settings: dict[str, Any], severities: list[str]
    ) -> None:
        row = talk(
            ("user", "天气？"), {"role": "assistant", "content": "{}", "metadata": "get_weather"}
        )
        plan = Plan(rules=FAMILY, **settings)
        chunks = read_bytes(json.dumps(row).encode(), "train.jsonl")
        context = context_of(plan)
        found = finish(check_lines(chunks, plan, context), plan, context).findings
        found = [finding for finding in found if finding.rule == "version-dependent"]
        assert [finding.severity for finding in found] == severities
        assert all(" None" in finding.message for finding in found)

    def test_null_keys_are_reported_where_the_golden_ids_differ(self, shared: Path) -> None:
        by_row: dict[tuple[str, str], list[Any]] = {}
        for line in (shared / "glm4" / "golden" / "nulls.jsonl").read_bytes().split(b"\n"):
            row = json.loads(line or b"null")
            if row is not None and row["transformers"] != "4.41.2":
                pair = by_row.setdefault((row["recipe"], json.dumps(row["messages"])), [])
                pair.append((row.get("error"), row.get("input_ids")))
        differing = 0
        for (recipe, messages), (old, new) in by_row.items():
            found = by_rule("version-dependent", {"messages": json.loads(messages)}, recipe=recipe)
            assert any("null" in finding.message for finding in found) == (old != new)
            differing += old != new
        assert (len(by_row), differing) == (120, 60)

    def test_tools_that_print_alike_are_not_reported(self) -> None:
        tools = [{"type": "python"}]
        row = talk(
            {"role": "system", "content": "", "tools": tools}, ("user", "Hi"), ("assistant", "a")
        )
        assert by_rule("version-dependent", row, recipe="glm4-combine") == []


class TestRatios:
    def test_a_ratio_is_broken_below_the_limit_not_at_it(self) -> None:
        row = talk(("user", "Hi"), ("assistant", "Hello"))  # 3 of 9 tokens
        for rule, setting in (
            ("low-trainable-ratio", "min-row-ratio"),
            ("file-trainable-ratio", "min-trainable-ratio"),
        ):
            assert by_rule(rule, row, limits={setting: 1 / 3}) == []
            (found,) = by_rule(rule, row, limits={setting: 0.34})
            assert "3 of 9 kept tokens" in found.message

    def test_a_file_without_tokens_has_no_ratio(self) -> None:
        assert (
            by_rule("file-trainable-ratio", {"messages": 5}, limits={"min-trainable-ratio": 0.5})
            == []
        )


def test_history_is_told_once_a_file() -> None:
    one = talk(("user", "Hi"), ("assistant", "Hello"))
    two = talk(("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"), ("assistant", "Bye"))
    (found,) = by_rule("history-not-trained", one, two, two, recipe="glm4-combine")
    assert (found.line, found.rows) == (2, 2)
    assert by_rule("history-not-trained", one, two) == []


def test_removing_what_spills_leaves_nothing_to_spill() -> None:
    row = talk(
        ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"), ("assistant", ""),
        ("observation", "22"),
    )  # fmt: skip
    fixed = edited(row, edits_of("combine-spill", row, recipe="glm4-combine"))
    assert by_rule("combine-spill", fixed, recipe="glm4-combine") == []
    assert [message["content"] for message in fixed["messages"]] == ["Hi", "Hello", ""]


SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "你好", "<|user|>", "<|assistant|>x", "<think>", "</think> [MASK]", "a\nb"])
    | st.text(max_size=5)
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["function", "python", "other"]) | JSON,
            "function": st.fixed_dictionaries(
                {"name": SCALARS},
                optional={
                    "parameters": st.fixed_dictionaries({"properties": JSON}) | JSON,
                    "description": SCALARS,
                },
            )
            | JSON,
        },
    )
    | JSON,
    max_size=2,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "assistant", "observation", "tool"])
        | JSON,
        "content": st.text(max_size=8) | SCALARS | JSON,
        "metadata": SCALARS | JSON,
        "tools": TOOLS | JSON,
        "loss": JSON,
        "weight": SCALARS,
        "reasoning_content": SCALARS | JSON,
    },
)
ROWS = (
    st.fixed_dictionaries({"messages": st.lists(MESSAGES | JSON, max_size=5) | JSON}, optional={"tools": JSON})
    | JSON
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3), st.sampled_from([1, 2, 7, 12, 1025]))
def test_no_row_breaks_a_rule(rows: list[Any], budget: int) -> None:
    for recipe in RECIPES:
        for pin in ("5.24.0", "5.23.0", "4.41.2"):
            plan = Plan(recipe=recipe, transformers=pin, max_length=budget, rules=FAMILY, **LIMITS)
            context = context_of(plan)
            lines = [json.dumps(row).encode() for row in rows]
            chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1), {}, [], 0, None)
            result = finish(check_lines([chunk], plan, context), plan, context)
            readable = [p for p in prepared_rows(chunk, context) if p.layout is not None]
            assert result.totals.unreadable == len(rows) - len(readable)
            said = [finding.rule for finding in result.findings]
            cut = ("truncated", "over-truncated", "answer-fully-truncated")
            assert sum(map(said.count, cut)) == result.totals.truncated_samples
            assert said.count("answer-fully-truncated") == result.totals.fully_truncated_samples


def test_one_finding_tells_that_a_message_is_trained_which_no_assistant_wrote() -> None:
    call = {"role": "assistant", "content": "{}", "metadata": "get_weather"}
    tool = talk(("user", "天气？"), call, ("tool", "22"), ("assistant", "22 度。"))
    human = talk(("human", "Hi"), ("assistant", "Hello"))
    foreign = talk(
        ("user", "Hi"), {"role": "tool", "content": "x", "tool_call_id": "1"}, ("assistant", "Yes"),
    )  # fmt: skip
    every = {n: r.rule.severity for n, r in all_rules().items() if r.rule.family != "score"}
    named = {"openai-tool-calls", "unknown-role", "other-format"}
    told = findings(tool, human, foreign, rules=every)
    assert "non-assistant-supervised" not in {f.rule for f in told}
    assert named <= {f.rule for f in told if f.severity == "error"}
    quiet = {name: level for name, level in every.items() if name not in named}
    alone = by_rule("non-assistant-supervised", tool, human, foreign, rules=quiet)
    assert [(f.line, f.severity) for f in alone] == [(n, "error") for n in (1, 2, 3)]
    # Whoever softens the narrower rule still has the error.
    soft = every | dict.fromkeys(named, "warning")
    more = {"rules": soft, "fixed_severity": frozenset(named)}
    assert len(by_rule("non-assistant-supervised", tool, human, foreign, **more)) == 3
