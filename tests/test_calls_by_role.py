"""Who speaks is told by role and content: calls under roles of their own, answers under the wrong one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from glmlint.converters.command import convert
from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.fix.files import commit, drafted
from glmlint.plan import Plan
from glmlint.read.formats import recognise, role_in
from glmlint.read.source import InputFile
from glmlint.read.spoken import spoken
from glmlint.rules.base import all_rules, default_rules
from glmlint.trainer.base import open_context

CASES = Path(__file__).parent / "cases"
ALL = {n: r.rule.severity for n, r in all_rules().items() if r.rule.family != "score"}
CALL = '{"name": "get_weather", "arguments": {"city": "Beijing"}}'


def findings(file: Path) -> list[Finding]:
    plan = Plan(rules=default_rules("warning"))
    context = open_context(plan)
    report = Report()
    check_file(InputFile(str(file)), plan, context, report)
    return finish(report, plan, context).findings


def fixed(file: Path, *, unsafe: bool = False) -> list[Any]:
    plan = Plan(rules=ALL)
    with drafted([str(file)], plan, open_context(plan), unsafe=unsafe) as fixes:
        commit(fixes, plan)
    return [json.loads(line) for line in file.read_text().splitlines()]


def copied(tmp_path: Path, case: str) -> Path:
    file = tmp_path / "train.jsonl"
    file.write_bytes((CASES / case).read_bytes())
    return file


def written(tmp_path: Path, *rows: Any) -> Path:
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return file


def run(file: Path, *flags: str) -> Result:
    return CliRunner().invoke(convert, [str(file), "--to", "glm4", *flags])


def converted(file: Path) -> list[Any]:
    result = run(file)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def chat(*turns: tuple[str, Any] | dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [
        turn if isinstance(turn, dict) else {"role": turn[0], "content": turn[1]} for turn in turns
    ]
    return {"messages": messages, **more}


def said(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(m["role"], m.get("metadata", ""), m["content"]) for m in row["messages"]]


# --- a call is a call, whatever its role is called ------------------------------------------------


@pytest.mark.parametrize(
    ("role", "content", "means"),
    [
        ("function", CALL, "call"),
        ("function", f"[{CALL}]", "call"),
        ("function", f"<tool_call>\n{CALL}\n</tool_call>", "call"),
        ("function", f"<think>\nwhere?\n</think>\n{CALL}", "call"),
        ("function", '{"name": "f", "parameters": {}}', "call"),
        ("function", '{"name": "f", "args": {"a": 1}}', "call"),
        ("Function", {"name": "f", "arguments": {}}, "call"),
        ("function", '{"temperature": 25}', "observation"),
        ("function", "25 degrees", "observation"),
        ("function", '{"name": "Ann", "age": 7}', "observation"),
        ("function", '{"name": "f", "arguments": {}, "status": "done"}', "observation"),
        ("tool_call", "25 degrees", "call"),
        ("function_call", CALL, "call"),
        ("tool", CALL, "observation"),
        ("tool_response", CALL, "observation"),
        ("gpt", CALL, "assistant"),
        ("critic", CALL, None),
    ],
)
def test_what_a_turn_is(role: str, content: Any, means: str | None) -> None:
    assert role_in({"role": role, "content": content}) == means
    assert role_in({"from": role, "value": content}) == means


@pytest.mark.parametrize(
    ("text", "before", "calls"),
    [
        (CALL, "", [("get_weather", '{"city": "Beijing"}')]),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', "", [("f", '{"a": 1}')]),
        ('{"name": "f", "arguments": {"a": 1.50}}', "", [("f", '{"a": 1.50}')]),
        ('{"name": "f", "arguments": null}', "", [("f", None)]),
        ('{"name": "f", "arguments": "null"}', "", [("f", None)]),
        ('{"name": "f"}', "", [("f", None)]),
        ('{"type": "function", "function": {"name": "f", "arguments": {}}}', "", [("f", "{}")]),
        ("I look.</think>" + CALL, "I look.</think>", [("get_weather", '{"city": "Beijing"}')]),
        (f"So:\n<tool_call>{CALL}</tool_call>", "So:", [("get_weather", '{"city": "Beijing"}')]),
        ('<tool_call>{"name": "f"}</tool_call><tool_call>{"name": "g"}', "", [("f", None), ("g", None)]),
        ('[TOOL_CALLS] [{"name": "f", "arguments": {}}]', "", [("f", "{}")]),
    ],
)  # fmt: skip
def test_calls_are_read_with_their_arguments_as_written(
    text: str, before: str, calls: list[tuple[str, str | None]]
) -> None:
    found = spoken(text)
    assert found is not None
    assert (found.before, [(call.name, call.arguments) for call in found.calls]) == (before, calls)


@pytest.mark.parametrize(
    "text",
    ["", "22", "[]", "{}", '["f"]', '{"name": 1, "arguments": {}}', '{"name": ""}', "{" * 2000,
     '{"name": "f", "arguments": NaN}', f"<tool_call>{CALL}</tool_call> done", "<tool_call>f</tool_call>",
     '{"name": "\\ud800", "arguments": {}}', '[{"name": "f"}, 3]', None, 7, True],
)  # fmt: skip
def test_other_texts_are_no_calls(text: Any) -> None:
    found = spoken(text)
    assert found is None or not found.calls[0].whole


@pytest.mark.parametrize("name", ["messages", "sharegpt"])
def test_case_29_a_function_that_is_called_stays_a_call(tmp_path: Path, name: str) -> None:
    file = copied(tmp_path, f"29-lf-role-function-is-a-call/{name}.jsonl")
    [row] = converted(file)
    assert said(row)[1:3] == [
        ("user", "", "What is the weather in Beijing?"),
        ("assistant", "get_weather", '{"city": "Beijing"}'),
    ]
    assert row["messages"][3]["role"] == "observation"
    [after] = fixed(file)
    if name == "messages":
        assert said(after) == said(row)
        assert not [f for f in findings(file) if f.severity == "error"]
    else:
        assert after == json.loads(
            (CASES / f"29-lf-role-function-is-a-call/{name}.jsonl").read_text()
        )


@pytest.mark.parametrize("role", ["function", "tool_call", "function_call", "Function"])
@pytest.mark.parametrize("content", [CALL, f"<tool_call>{CALL}</tool_call>", f"[{CALL}]"])
def test_a_call_among_glm_messages_is_repaired_as_a_call(
    tmp_path: Path, role: str, content: str
) -> None:
    turns = (("user", "q"), (role, content), ("observation", "22"), ("assistant", "22."))
    [after] = fixed(written(tmp_path, chat(*turns)))
    assert said(after)[1] == ("assistant", "get_weather", '{"city": "Beijing"}')
    assert [m["role"] for m in after["messages"]] == [
        "user",
        "assistant",
        "observation",
        "assistant",
    ]


def test_a_thought_before_a_call_stays_before_it(tmp_path: Path) -> None:
    content = f"<think>\nwhere?\n</think>\n{CALL}"
    turns = (("user", "q"), ("tool_call", content), ("observation", "22"), ("assistant", "22."))
    [after] = fixed(written(tmp_path, chat(*turns)))
    assert said(after)[1:3] == [
        ("assistant", "", "<think>\nwhere?\n</think>"),
        ("assistant", "get_weather", '{"city": "Beijing"}'),
    ]


@pytest.mark.parametrize(
    "turns",
    [
        [("tool_call", CALL), ("tool_call", CALL), ("observation", "1"), ("observation", "2")],
        [("tool_call", f"[{CALL}, {CALL}]"), ("observation", "1"), ("observation", "2")],
        [("function", CALL[:-1] + ', "id": "c1"}'), ("observation", "1")],
    ],
)
def test_what_only_convert_can_do_no_repair_begins(
    tmp_path: Path, turns: list[tuple[str, str]]
) -> None:
    row = chat(("user", "q"), *turns, ("assistant", "a"))
    file = written(tmp_path, row)
    told = [f for f in findings(file) if f.rule == "unknown-role"]
    assert told and all("glmlint convert" in f.help for f in told)
    assert fixed(file) == [row]
    calls = [m for m in converted(file)[0]["messages"] if m.get("metadata")]
    assert {m["content"] for m in calls} == {'{"city": "Beijing"}'}


def test_the_older_result_of_openai_is_no_call(tmp_path: Path) -> None:
    row = chat(
        ("user", "q"),
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": '{"temperature": 25}'},
        ("assistant", "25."),
    )
    assert recognise(row) == "openai"
    [after] = converted(written(tmp_path, row))
    assert said(after)[1:3] == [
        ("assistant", "f", "{}"),
        ("observation", "", '{"temperature": 25}'),
    ]


# --- ms-swift -------------------------------------------------------------------------------------


def test_case_20_ms_swift_is_a_form_of_its_own(tmp_path: Path) -> None:
    file = copied(tmp_path, "20-swift-tool-call-roles/train.jsonl")
    before = file.read_bytes()
    [found] = findings(file)
    assert (found.rule, found.severity, found.rows) == ("other-format", "error", 2)
    assert "ms-swift" in found.message and "glmlint convert" in found.help
    fixed(file)
    assert file.read_bytes() == before
    first, second = converted(file)
    assert said(first)[2:6] == [
        ("assistant", "get_weather", '{"city": "北京"}'),
        ("observation", "", '{"temp": 9}'),
        ("assistant", "get_weather", '{"city": "上海"}'),
        ("observation", "", '{"temp": 15}'),
    ]
    assert first["messages"][0]["tools"][0]["function"]["name"] == "get_weather"
    assert said(second)[2:4] == [
        ("assistant", "", "我来查一下："),
        ("assistant", "get_weather", '{"city": "广州"}'),
    ]
    result = run(file)
    assert "2 of 2 rows converted to glm4 (swift 2)" in result.stderr


def test_what_convert_makes_of_ms_swift_s_form_has_nothing_to_repair(tmp_path: Path) -> None:
    rows = converted(copied(tmp_path, "20-swift-tool-call-roles/train.jsonl"))
    assert not [f for f in findings(written(tmp_path, *rows)) if f.severity == "error"]


@pytest.mark.parametrize(
    "row",
    [
        chat(("user", "q"), ("tool_call", CALL), ("tool_response", "1"), ("assistant", "a")),
        chat(("user", "q"), ("function_call", CALL), ("function_response", "1"), ("assistant", "a")),
        chat(("user", "q"), ("tool_call", CALL), ("tool", "1"), ("assistant", "a"), tools="[]"),
        chat(("user", "q"), ("function", CALL), ("tool", "1"), ("assistant", "a")),
        {"conversations": chat(("user", "q"), ("tool_call", CALL), ("tool_response", "1"))["messages"]},
    ],
)  # fmt: skip
def test_rows_of_ms_swift_s_form(row: Any) -> None:
    assert recognise(row) == "swift"


def test_calls_and_results_of_other_numbers_are_told(tmp_path: Path) -> None:
    turns = [("tool_call", CALL)] * 3 + [("tool_response", "1")]
    result = run(written(tmp_path, chat(("user", "q"), *turns, ("assistant", "a"))))
    assert result.exit_code == 0 and "results-unmatched" in result.stderr
    roles = [m["role"] for m in json.loads(result.stdout)["messages"]]
    assert roles == ["user", "assistant", "assistant", "assistant", "observation", "assistant"]


# --- calls made at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openai", "glm_parallel"])
def test_case_16_each_result_stands_behind_its_call(tmp_path: Path, name: str) -> None:
    [row] = converted(copied(tmp_path, f"16-parallel-results/{name}.jsonl"))
    assert said(row)[2:6] == [
        ("assistant", "read", '{"path": "a.py"}'),
        ("observation", "", "contents of a"),
        ("assistant", "read", '{"path": "b.py"}'),
        ("observation", "", "contents of b"),
    ]


def test_case_25_what_has_no_place_is_told_and_the_call_kept(tmp_path: Path) -> None:
    result = run(copied(tmp_path, "25-think-answer-tags/reasoning_content.jsonl"))
    assert "reasoning" in result.stderr
    assert said(json.loads(result.stdout))[2] == ("assistant", "get_weather", '{"city": "北京"}')
    for name in ("conv", "inline", "multi"):
        file = copied(tmp_path, f"25-think-answer-tags/{name}.jsonl")
        assert run(file).stdout_bytes == file.read_bytes()


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [
            {"from": "human", "value": "q"}, {"from": "function_call", "value": CALL},
            {"from": "function_call", "value": CALL}, {"from": "observation", "value": "1"},
            {"from": "observation", "value": "2"}, {"from": "gpt", "value": "a"}]},
        {"messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "A", "function": {"name": "f", "arguments": {}}}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "B", "function": {"name": "g", "arguments": {}}}]},
            {"role": "tool", "tool_call_id": "B", "content": "2"},
            {"role": "tool", "tool_call_id": "A", "content": "1"},
            {"role": "assistant", "content": "a"}]},
        {"messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "A", "name": "f", "input": {}},
                {"type": "tool_use", "id": "B", "name": "g", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "B", "content": "2"},
                {"type": "tool_result", "tool_use_id": "A", "content": [{"type": "text", "text": "1"}]}]},
            {"role": "assistant", "content": "a"}]},
    ],
)  # fmt: skip
def test_calls_in_a_row_were_made_at_once(tmp_path: Path, row: Any) -> None:
    [after] = converted(written(tmp_path, row))
    assert [m["role"] for m in after["messages"]] == [
        "user", "assistant", "observation", "assistant", "observation", "assistant"
    ]  # fmt: skip
    assert [m["content"] for m in after["messages"] if m["role"] == "observation"] == ["1", "2"]


# --- an answer under the wrong role ---------------------------------------------------------------


def test_case_13_the_cause_is_named_once_and_nothing_is_thrown_away(tmp_path: Path) -> None:
    file = copied(tmp_path, "13-last-answer-is-user/train.jsonl")
    before = [json.loads(line) for line in file.read_text().splitlines()]
    [found] = findings(file)
    assert (found.rule, found.severity, found.rows) == ("answer-under-user", "error", 4)
    assert "has the role user" in found.message
    assert fixed(file) == before
    after = fixed(file, unsafe=True)
    for row in before:
        row["messages"][-1]["role"] = "assistant"
    assert after == before
    assert findings(file) == []


QUESTIONS = [f"Question {number}?" for number in range(4)]
ANSWERS = [f"The answer is {number}." for number in range(4)]


@pytest.mark.parametrize("role", ["user", "human", "system", "observation"])
@pytest.mark.parametrize("turns", [[], [("user", "Hi"), ("assistant", "Hello")]])
def test_a_habit_of_the_file_is_one_finding_with_its_repair(
    tmp_path: Path, role: str, turns: list[tuple[str, str]]
) -> None:
    rows = [
        chat(*turns, ("user", question), (role, answer))
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    file = written(tmp_path, *rows)
    [found] = [f for f in findings(file) if f.rule == "answer-under-user"]
    assert (found.severity, found.rows, found.fixable) == ("error", 4, True)
    assert not {"role-order", "last-not-assistant", "no-assistant"} & {
        f.rule for f in findings(file)
    }
    after = fixed(file, unsafe=True)
    assert [row["messages"][-1] for row in after] == [
        {"role": "assistant", "content": answer} for answer in ANSWERS
    ]


def test_a_slip_is_no_habit(tmp_path: Path) -> None:
    good = [chat(("user", question), ("assistant", "a")) for question in QUESTIONS]
    slip = chat(("user", "Hi"), ("assistant", "Hello"), ("user", "Are you"), ("user", "there?"))
    file = written(tmp_path, *good, slip)
    [found] = [f for f in findings(file) if f.rule == "answer-under-user"]
    assert (found.severity, found.rows, found.fixable) == ("warning", 1, False)
    assert fixed(file, unsafe=True)[-1] == slip


def test_a_thought_says_it_of_a_single_row(tmp_path: Path) -> None:
    answer = "<think>\nSoup.\n</think>\nA soup."
    good = [chat(("user", question), ("assistant", "a")) for question in QUESTIONS]
    file = written(tmp_path, *good, chat(("user", "Dinner?"), ("user", answer)))
    [found] = [f for f in findings(file) if f.rule == "answer-under-user"]
    assert found.fixable and "begins with a thought" in found.message
    assert fixed(file, unsafe=True)[-1] == chat(("user", "Dinner?"), ("assistant", answer))


def test_three_questions_in_a_row_are_no_answer(tmp_path: Path) -> None:
    rows = [chat(("user", "a"), ("user", "b"), ("user", question)) for question in QUESTIONS]
    assert "answer-under-user" not in {f.rule for f in findings(written(tmp_path, *rows))}


# --- names of other forms -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "form"),
    [("human", "ShareGPT"), ("gpt", "ShareGPT"), ("tool_response", "ms-swift"), ("ipython", "Llama 3"),
     ("model", "Gemma"), ("prompter", "OpenAssistant")],
)  # fmt: skip
def test_a_role_of_a_known_form_names_it_and_the_command(
    tmp_path: Path, role: str, form: str
) -> None:
    row = chat(
        ("user", "q"), {"role": "assistant", "metadata": "f", "content": "{}"},
        ("observation", "1"), (role, "x"), ("assistant", "a"),
    )  # fmt: skip
    [found] = [f for f in findings(written(tmp_path, row)) if f.rule == "unknown-role"]
    assert form in found.help and "glmlint convert" in found.help
