"""What is told under trainers that read other forms than GLM's: true for them, and once a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from glmlint.app.cli import cli
from glmlint.app.settings import resolve
from glmlint.converters.base import Notes, formats
from glmlint.engine.check import check_file, check_lines
from glmlint.engine.finish import Result, finish
from glmlint.evidence.report import Report
from glmlint.finding import Finding
from glmlint.read.source import InputFile, read_bytes
from glmlint.reporters.figures import budgets
from glmlint.rules.base import Example, all_rules
from glmlint.trainer.base import open_context

Json = dict[str, Any]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "City."}},
                "required": ["city"],
            },
        },
    }
]


def talk(*texts: str) -> Json:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)]}


CHATS = (
    talk("Hi", "Hello", "Bye", "See you"),
    talk("你好", "你好！"),
    talk("Name a colour.", "Blue."),
)
GLM_CALLS = tuple(
    {
        "messages": [
            {"role": "system", "content": "", "tools": TOOLS},
            {"role": "user", "content": city},
            {"role": "assistant", "metadata": "weather", "content": json.dumps({"city": city})},
            {"role": "observation", "content": "22 degrees"},
            {"role": "assistant", "content": "22"},
        ]
    }
    for city in ("Rome", "巴黎", "Oslo")
)


def openai(arguments: Any, city: str = "Rome") -> Json:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": city},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "22 degrees"},
            {"role": "assistant", "content": "22"},
        ],
        "tools": TOOLS,
    }


def check(*rows: Any, lang: str = "en", **flags: Any) -> Result:
    lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    plan = resolve({"lang": lang, **flags})
    context = open_context(plan)
    return finish(check_lines(read_bytes(lines, "train.jsonl"), plan, context), plan, context)


def told(result: Result, rule: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.rule == rule]


# --- what the trainer does with every row ---------------------------------------------------------


def test_trl_trains_prompts_and_no_last_stop() -> None:
    for chats in ((CHATS[0], CHATS[1]), CHATS, (CHATS[2], *CHATS)):
        result = check(*chats, recipe="trl")
        (prompts,) = told(result, "non-assistant-supervised")
        (stop,) = told(result, "stop-token-untrained")
        assert (prompts.rows, prompts.severity) == (len(chats), "warning")
        assert (stop.rows, stop.severity) == (len(chats), "warning")
        assert "TRL raises ValueError" in prompts.help
        assert "print <|endoftext|>" in stop.help
        assert result.totals.clean == len(set(map(str, chats))), "no fault of the rows"
        assert result.exit_code == 0


def test_trl_with_its_own_template() -> None:
    result = check(*CHATS, recipe="trl", model="glm-4.5")
    (prompts,) = told(result, "non-assistant-supervised")
    assert prompts.help == "Set assistant_only_loss: true to train only answers."
    result = check(*CHATS, recipe="trl", model="glm-4.5", set=["assistant_only_loss=true"])
    assert result.findings == []


def test_axolotl_trains_no_stop() -> None:
    result = check(*CHATS, recipe="axolotl")
    assert {finding.rows for finding in told(result, "stop-token-untrained")} == {1, 3}
    assert all("chat template print" in f.help for f in told(result, "stop-token-untrained"))
    result = check(*CHATS, recipe="axolotl", model="glm-4.5")
    between, last = told(result, "stop-token-untrained")
    assert 'eot_tokens: ["<|user|>"]' in between.help
    assert "<|user|> follows and" in between.message
    named = check(*CHATS, recipe="axolotl", model="glm-4.5", set=['eot_tokens=["<|user|>"]'])
    assert [f.message for f in told(named, "stop-token-untrained")] == [last.message]
    inputs = check(*CHATS, recipe="axolotl", set=["train_on_inputs=true"])
    assert "train_on_inputs" in told(inputs, "non-assistant-supervised")[0].help


def test_unsloth_trains_results_or_no_calls() -> None:
    result = check(*GLM_CALLS, recipe="unsloth")
    (calls,) = told(result, "untrained-call")
    assert (calls.rows, calls.severity, calls.pointer) == (3, "warning", "/messages/2")
    assert told(result, "non-assistant-supervised") == []
    marks = ["instruction_part=<|user|>", "response_part=<|assistant|>"]
    result = check(*GLM_CALLS, recipe="unsloth", set=marks)
    assert told(result, "untrained-call") == []
    (results,) = told(result, "non-assistant-supervised")
    assert (results.rows, results.pointer) == (3, "/messages/3")
    assert "learns to write results" in results.message
    result = check(openai({"city": "Rome"}), recipe="unsloth", model="glm-4.5")
    (results,) = told(result, "non-assistant-supervised")
    assert results.pointer == "/messages/2"
    assert (
        "工具结果"
        in told(
            check(openai({"city": "Rome"}), recipe="unsloth", model="glm-4.5", lang="zh"),
            "non-assistant-supervised",
        )[0].message
    )


def test_template_says_how_to_name_the_trainers_way() -> None:
    result = check(*CHATS, recipe="template")
    between, last = told(result, "stop-token-untrained")
    assert ("train_stop=true" in between.help, "append=" in last.help) == (True, True)
    stops = ["train_stop=true", "append=<|user|>"]
    assert check(*CHATS, recipe="template", set=stops).findings == []
    (prompts,) = told(
        check(*CHATS, recipe="template", set=["labels=all"]), "non-assistant-supervised"
    )
    assert "labels=assistant" in prompts.help


@pytest.mark.parametrize("recipe", ["glm4", "glm4-combine", "llamafactory", "swift"])
def test_trainers_that_train_answers_with_their_stops_are_silent(recipe: str) -> None:
    result = check(*CHATS, recipe=recipe)
    assert not {"non-assistant-supervised", "stop-token-untrained", "untrained-call"} & {
        finding.rule for finding in result.findings
    }


def test_swift_with_all_tokens() -> None:
    (prompts,) = told(
        check(*CHATS, recipe="swift", set=["loss_scale=all"]), "non-assistant-supervised"
    )
    assert (prompts.rows, prompts.help) == (3, "Set loss_scale: default to train only answers.")


def test_answers_in_a_row_are_one_answer_to_swift() -> None:
    """Nothing is printed between them, and no role is printed as text."""
    two = {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Let me see."},
            {"role": "assistant", "content": "Hello."},
        ]
    }
    call = {
        "messages": [
            {"role": "user", "content": "广州今天的天气？"},
            {"role": "assistant", "content": "我来查一下："},
            {"role": "tool_call", "content": '{"name": "weather", "arguments": {"city": "广州"}}'},
            {"role": "tool", "content": "25"},
            {"role": "assistant", "content": "25 度。"},
        ]
    }
    chinese = {"messages": [{**turn, "content": "你好"} for turn in two["messages"]]}
    for row in (two, call, chinese):
        assert told(check(row, recipe="swift"), "stop-token-untrained") == []


# --- rows in a form that the trainer does not read ------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "rows", "to"),
    [
        ({"recipe": "glm4"}, [openai('{"city": "Rome"}')], "glm4"),
        ({"recipe": "trl"}, [openai('{"city": "Rome"}')], "glm4"),
        ({"recipe": "trl", "model": "glm-4.5"}, GLM_CALLS, "glm4.5"),
        ({"recipe": "unsloth", "model": "glm-4.5"}, GLM_CALLS, "glm4.5"),
        ({"recipe": "template", "model": "glm-4.5"}, GLM_CALLS, "glm4.5"),
        ({"recipe": "template"}, [openai({"city": "罗马"})], "glm4"),
        ({"recipe": "swift"}, GLM_CALLS, "swift"),
        ({"recipe": "llamafactory"}, GLM_CALLS, "sharegpt"),
        ({"recipe": "llamafactory"}, [{"prompt": "a", "response": "b"}], "sharegpt"),
        ({"recipe": "axolotl"}, [{"instruction": "翻译", "output": "yes"}], "openai"),
        ({"recipe": "trl"}, [{"instruction": "翻译", "output": "yes"}], "glm4"),
        ({"recipe": "trl", "model": "glm-4.5"}, [{"prompt": "a", "response": "b"}], "glm4.5"),
        ({"recipe": "unsloth"}, [[{"role": "user", "content": "a"}]], "glm4"),
        ({"recipe": "llamafactory"}, [{"prompt": "a", "chosen": "b", "rejected": "c"}], "sharegpt"),
    ],
)
def test_the_form_that_is_advised_is_read(flags: Json, rows: list[Any], to: str) -> None:
    found = told(check(*rows, **flags), "other-format")
    assert [finding.rows for finding in found] == [len(rows)]
    assert f" --to {to} -o train.{to}.jsonl" in found[0].help, found[0].help
    assert ("--take chosen" in found[0].help) == ("chosen" in rows[0])
    if flags["recipe"] != "glm4":
        assert "GLM messages but" not in found[0].message


def test_what_never_arrives_is_named() -> None:
    (found,) = told(check(openai('{"city": "Rome"}'), recipe="trl"), "other-format")
    assert "tool calls and tools never reach the model" in found.message
    (found,) = told(check(*GLM_CALLS, recipe="template", model="glm-4.5"), "other-format")
    assert "tool calls, tool results and tools never reach the model" in found.message
    (found,) = told(check(*GLM_CALLS, recipe="axolotl", lang="zh"), "other-format")
    assert "工具调用和工具列表不会进入训练" in found.message


@pytest.mark.parametrize(
    ("row", "flags", "words"),
    [
        (
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]},
            {"recipe": "trl", "model": "glm-4.5"},
            "questions and answers never reach",
        ),
        (
            {
                "conversations": [
                    {"from": "human", "value": "罗马"},
                    {
                        "from": "function_call",
                        "value": '{"name": "weather", "arguments": {"city": "x"}}',
                    },
                    {"from": "observation", "value": "22 度"},
                    {"from": "gpt", "value": "二十二度"},
                ],
                "tools": TOOLS,
            },
            {"recipe": "trl", "model": "glm-4.5", "lang": "zh"},
            "问题、回答、工具调用和工具结果不会进入训练",
        ),
        *(
            (
                {
                    "messages": [
                        {"role": "user", "content": "Rome"},
                        {
                            "role": "tool_call",
                            "content": '{"name": "weather", "arguments": {"city": "Rome"}}',
                        },
                        {"role": "tool_response", "content": "22 degrees"},
                        {"role": "assistant", "content": "Warm."},
                    ],
                    "tools": TOOLS,
                },
                {"recipe": recipe, "model": "glm-4.5"},
                "tool calls and tool results never reach",
            )
            for recipe in ("trl", "axolotl", "slime")
        ),
    ],
)
def test_turns_that_never_arrive_are_named(row: Json, flags: Json, words: str) -> None:
    (found,) = told(check(row, **flags), "other-format")
    assert (words in found.message, found.severity) == (True, "error"), found.message


def test_a_trainer_that_cuts_nothing_has_no_smallest_budget() -> None:
    for length in (None, 4, 4096):
        result = check(*CHATS, recipe="slime", model="glm-4.5", max_length=length)
        assert [(b.target, b.keeps, b.truncated_samples) for b in budgets(result)] == [
            (None, 1.0, 0)
        ]


def test_no_form_brings_calls_through_axolotl() -> None:
    (found,) = told(check(openai('{"city": "Rome"}'), recipe="axolotl"), "other-format")
    assert "prints tool calls in no form" in found.help
    assert "glmlint convert" not in found.help, "it is in the form that axolotl reads"


def test_bare_lists_are_no_exception_of_the_trainers() -> None:
    """One list is loaded as a row for each of its elements; of several the load fails."""
    row = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    for rows in ([row], [row, row], [talk("a", "b"), row]):
        for recipe in ("glm4", "llamafactory", "trl"):
            (found,) = told(check(*rows, recipe=recipe), "other-format")
            assert "DatasetGenerationError" not in found.message
            assert "the load or the trainer fails" in found.message


def test_rows_that_are_left_out_for_their_form_are_told_once() -> None:
    rows = [
        {
            "conversations": [
                {"role": "user", "content": str(n)},
                {"role": "assistant", "content": "b"},
            ]
        }
        for n in range(3)
    ]
    result = check(*rows, recipe="llamafactory")
    dropped = result.totals.dropped + result.totals.unreadable
    assert (dropped, len(told(result, "other-format"))) == (3, 1)
    assert told(result, "would-be-dropped") == told(result, "trainer-raises") == []


# --- sentences of rules that all trainers share ---------------------------------------------------


def _elsewhere(row: Any, to: str) -> Any:
    """A rule's example in another form; as it is where that can't be."""
    try:
        return formats()[to].write(formats()["glm4"].read(row, Notes()), Notes())
    except Exception:
        return row


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("recipe", "model", "to"),
    [
        ("llamafactory", None, "sharegpt"),
        ("swift", None, "swift"),
        ("trl", "glm-4.5", "glm4.5"),
        ("axolotl", None, "openai"),
    ],
)
def test_no_sentence_speaks_of_another_trainer(
    recipe: str, model: str | None, to: str, lang: str
) -> None:
    """Every rule's examples, in a form that the trainer reads."""
    plan = resolve({"recipe": recipe, "model": model, "lang": lang, "max_length": 4096})
    context = open_context(plan)
    wrong = []
    for loaded in all_rules().values():
        for example in loaded.rule.bad:
            rows = example.rows if isinstance(example, Example) else (example,)
            lines = b"".join(
                (row if isinstance(row, bytes) else json.dumps(_elsewhere(row, to)).encode())
                + b"\n"
                for row in rows
            )
            report = check_lines(read_bytes(lines, "train.jsonl"), plan, context)
            for found in finish(report, plan, context).findings:
                said = f"{found.message} {found.help}"
                if found.rule in ("arrow-null-padding", "other-format", "null-padding"):
                    continue  # these name the repair of another rule, and forms
                if "-fix" in said and not found.fixable:
                    wrong.append((found.rule, "no such repair", said))
                if any(word in said for word in _OF_GLM):
                    wrong.append((found.rule, "another trainer", said))
    assert wrong == []


_OF_GLM = (
    "official script",
    "官方脚本",
    "observation message",
    "role observation",
    "`metadata`",
    "system message",
    "system 消息",
    "GLM messages but",
)


def test_a_loss_switch_that_axolotl_is_told_of_is_read() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello", "train": False},
            {"role": "user", "content": "Bye"},
            {"role": "assistant", "content": "See you"},
        ]
    }
    named = {"recipe": "axolotl", "set": ["message_field_training=train"]}
    assert told(check(row, **named), "ignored-loss-field") == []


# --- arguments of calls in a form that the trainer spoils -----------------------------------------


def _calls(*arguments: Any) -> list[Json]:
    names = ("weather", "search", "say")
    rows = []
    for name, given in zip(names, arguments, strict=False):
        row = openai(given)
        row["messages"][1]["tool_calls"][0]["function"]["name"] = name
        row["tools"] = json.dumps(TOOLS)
        rows.append(row)
    return rows


def _checked(tmp_path: Path, rows: list[Json], **flags: Any) -> list[Finding]:
    """As a command does it: the file is read again where the loader changes its rows."""
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    plan = resolve({"lang": "en", **flags})
    context, report = open_context(plan), Report()
    check_file(InputFile(str(file)), plan, context, report)
    return told(finish(report, plan, context), "arguments-changed")


def test_keys_of_other_calls_come_as_null(tmp_path: Path) -> None:
    rows = _calls({"city": "Rome"}, {"q": "a"}, {"text": "嗨"})
    (found,) = _checked(tmp_path, rows, recipe="llamafactory")
    assert (found.rows, found.pointer) == (3, "/messages/1/tool_calls/0")
    assert '{"city": "Rome", "q": null, "text": null}' in found.message
    assert "datasets 4.0.0" in found.message
    assert "--to sharegpt" in found.help
    (found,) = _checked(tmp_path, rows, recipe="llamafactory", model="glm-4.5")
    assert "<arg_key>q</arg_key>" in found.message
    assert _checked(tmp_path, rows, recipe="llamafactory", pin=["datasets=5.2.0"]) == []
    assert _checked(tmp_path, rows, recipe="swift") == []
    same = _calls({"city": "Rome"}, {"city": "巴黎"})
    assert _checked(tmp_path, same, recipe="llamafactory") == []


def test_texts_are_dumped_twice_or_end_the_run(tmp_path: Path) -> None:
    rows = _calls('{"city": "Rome"}', '{"q": "a"}', "no object")
    (found,) = _checked(tmp_path, rows, recipe="llamafactory")
    assert (found.rows, "{\\" in found.message) == (2, True)
    (found,) = _checked(tmp_path, rows[:2], recipe="llamafactory", model="glm-4.5")
    assert (found.rows, "raises AttributeError" in found.message) == (2, True)
    for row in rows:
        row["tools"] = TOOLS
    (found,) = _checked(tmp_path, rows[:1], recipe="template", model="glm-4.5")
    assert "raises UndefinedError" in found.message
    assert "--to glm4.5" in found.help
    assert _checked(tmp_path, rows[:2], recipe="swift") == []


def test_the_cure_brings_arguments_as_they_are_written(tmp_path: Path) -> None:
    for rows in (
        _calls({"city": "Rome"}, {"q": "a"}, {"text": "嗨"}),
        _calls('{"city": "Rome"}', '{"q": "a"}'),
        _calls({"city": "罗马", "days": 2}, {"q": None}),
    ):
        written = [
            formats()["sharegpt"].write(formats()["openai"].read(row, Notes()), Notes())
            for row in rows
        ]
        assert _checked(tmp_path, written, recipe="llamafactory") == []


def test_the_verdict_says_whose_versions_and_budget_these_are(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(CHATS[0]) + "\n")
    for lang, words in (
        ("en", ("(newest that the trainer allows)", "budget none (default)", "budget none\n")),
        ("zh", ("（训练框架允许的最新版本）", "预算 无（默认）", "预算 无\n")),
    ):
        flags = ["--recipe", "swift", "--lang", lang]
        done = CliRunner().invoke(cli, ["check", str(file), *flags]).output
        assert all(word in done for word in words), done
        assert "2,147" not in done
        assert "newest known" not in done


# --- an answer under the wrong role, in other forms than GLM's ------------------------------------


def _sharegpt(*turns: tuple[str, str]) -> Json:
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


@pytest.mark.parametrize(
    ("flags", "severity"),
    [
        ({"recipe": "llamafactory"}, "error"),
        ({"recipe": "swift"}, "error"),
        ({"recipe": "unsloth"}, "error"),
    ],
)
def test_answers_under_the_users_role_are_told_once(flags: Json, severity: str) -> None:
    for answer in ("Soup.", "<think>\nEasy.\n</think>\nSoup.", "番茄汤。"):
        rows = [
            _sharegpt(("human", str(n)), ("gpt", "Yes?"), ("human", "Dinner?"), ("human", answer))
            for n in range(4)
        ]
        (found,) = told(check(*rows, **flags), "answer-under-user")
        assert (found.rows, found.severity, found.fixable) == (4, severity, False)
        assert "never learned" in found.message
        assert "-fix" not in found.help


def test_a_trainer_of_all_tokens_learns_them_as_the_users() -> None:
    rows = [
        {"messages": [*talk("a", "b", "c")["messages"], {"role": "user", "content": str(n)}]}
        for n in range(4)
    ]
    (found,) = told(check(*rows, recipe="trl"), "answer-under-user")
    assert "never learned" not in found.message
    (found, *_) = told(check(talk("a", "b", "c"), recipe="trl"), "last-not-assistant")
    assert "trains it like an answer" in found.message
    (found,) = told(check(talk("a", "b", "再见"), recipe="swift"), "last-not-assistant")
    assert "teaches nothing" in found.message
    assert told(check(talk("a", "b", "c"), recipe="llamafactory"), "last-not-assistant") == []


def test_turns_under_another_key_are_not_the_form_that_is_read() -> None:
    """OpenAI's turns under `conversations`: LLaMA-Factory asks them for `from`."""
    for city in ("Rome", "巴黎", "Oslo"):
        row = openai('{"city": "Rome"}', city)
        row["conversations"] = row.pop("messages")
        for recipe, error in (
            ("llamafactory", "KeyError"), ("trl", "KeyError"), ("unsloth", "RuntimeError")
        ):  # fmt: skip
            result = check(row, recipe=recipe)
            (found,) = told(result, "other-format")
            assert (f"raises {error}" in found.message, told(result, "trainer-raises")) == (
                True,
                [],
            )


def test_another_form_that_comes_through_whole_is_no_fault() -> None:
    for texts in (("Hi", "Hello"), ("你好", "你好！"), ("a", "b", "c", "d")):
        row = {"conversations": talk(*texts)["messages"]}
        for recipe in ("swift", "unsloth"):
            assert told(check(row, recipe=recipe), "other-format") == []


def test_a_role_that_is_printed_as_text_is_named() -> None:
    for role in ("human", "Customer", "prompter"):
        row = _sharegpt((role, "Hi"), ("gpt", "Hello"))
        (found,) = told(check(row, recipe="trl"), "other-format")
        assert f"the role {role} is printed as plain text" in found.message


def test_a_result_behind_an_answer_is_told_by_what_is_taught() -> None:
    turns = (
        ("user", "Rome?"),
        ("assistant", "Let me look."),
        ("observation", "22"),
        ("assistant", "22"),
    )
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (found,) = told(check(row, recipe="glm4"), "observation-without-call")
    assert "as if it had called a tool" in found.message
    other = _sharegpt(("human", "Rome?"), ("gpt", "看看"), ("observation", "22"), ("gpt", "22"))
    for recipe in ("llamafactory", "swift"):
        (found,) = told(check(other, recipe=recipe), "observation-without-call")
        assert "as if it had called a tool" not in found.message


def test_a_call_under_the_role_function_is_dropped_with_its_cure() -> None:
    for city in ("Rome", "巴黎", "Oslo"):
        call = json.dumps({"name": "weather", "arguments": {"city": city}})
        row = _sharegpt(("human", city), ("function", call), ("observation", "22"), ("gpt", "22"))
        for recipe, to in (("llamafactory", "sharegpt"), ("swift", "swift")):
            (found,) = told(check(row, recipe=recipe), "would-be-dropped")
            assert "is a tool call, for which" in found.help
            assert f"--to {to}" in found.help
    plain = _sharegpt(("human", "a"), ("human", "b"), ("gpt", "c"))
    (found,) = told(check(plain, recipe="llamafactory"), "would-be-dropped")
    assert "is a tool call" not in found.help


def test_what_the_trainer_stops_at_is_the_form_or_something_else() -> None:
    said = _sharegpt(("user", "Hi"), ("assistant", "Hello"))
    for tools in (" ", "[", "no list"):  # these are no fault of the form
        result = check({**said, "tools": tools}, recipe="trl")
        assert told(result, "other-format") == []
    for recipe in ("axolotl", "template"):  # these ask for `messages`
        assert len(told(check({**said, "tools": "[]"}, recipe=recipe), "other-format")) == 1


def test_a_role_is_found_whatever_tokens_it_is_cut_into() -> None:
    for question in ("Weather?", "天气？", "Say <b>"):
        row = _calls('{"city": "Rome"}')[0]
        row["messages"][0]["content"] = question
        row["messages"][1] = {"role": "function", "content": '{"name": "weather", "arguments": {}}'}
        (found,) = told(check(row, recipe="trl"), "other-format")
        assert (
            "the role function is printed as plain text" in found.message
            or "never" in found.message
        )


def test_reasoning_under_a_key_that_is_not_printed() -> None:
    for thought in ("Two and two.", "先想一想。", "Hm\nwell"):
        row = talk("2 + 2?", "4")
        row["messages"][1]["reasoning_content"] = thought
        for recipe in ("llamafactory", "swift", "trl", "axolotl", "unsloth", "template"):
            (found,) = told(check(row, recipe=recipe), "reasoning-dropped")
            assert "does not print `reasoning_content`" in found.message
        for recipe in ("trl", "axolotl", "unsloth", "template"):
            assert told(check(row, recipe=recipe, model="glm-4.5"), "reasoning-dropped") == []
    history = talk("a", "b", "c", "d")
    for index in (1, 3):  # the template leaves out those of earlier answers by design
        history["messages"][index]["reasoning_content"] = f"thought {index}"
    (found,) = told(check(history, recipe="trl", model="glm-4.5"), "reasoning-dropped")
    assert (found.severity, found.pointer) == ("info", "/messages/1/reasoning_content")


def test_images_that_nobody_reads_are_told() -> None:
    for key, value in (("images", ["a.jpg"]), ("videos", ["a.mp4"]), ("image", "a.png")):
        row = {**talk("<image>这是谁？", "A cat."), key: value}
        for recipe in ("llamafactory", "axolotl", "unsloth", "template"):
            (found,) = told(check(row, recipe=recipe), "ignored-key")
            assert f'nothing reads the key "{key}"' in found.message
        columns = {"messages": "messages", "images": key}
        named = check(row, recipe="llamafactory", set={"columns": columns, "formatting": "openai"})
        assert told(named, "ignored-key") == []
    assert told(check({**talk("a", "b"), "images": []}, recipe="axolotl"), "ignored-key") == []


def test_plain_text_has_no_speakers() -> None:
    rows = [{"text": text} for text in ("The sea is deep.", "从前有座山。", "def f(): pass")]
    for recipe in ("trl", "unsloth", "swift"):
        assert told(check(*rows, recipe=recipe), "no-user") == []


def test_rows_of_which_nothing_is_trained_are_told_once() -> None:
    rows = [
        {**_sharegpt(("human", str(n))), "chosen": {"from": "gpt", "value": "a"}, "rejected": {"from": "gpt", "value": "b"}}
        for n in range(3)
    ]  # fmt: skip
    for recipe in ("swift", "unsloth"):
        result = check(*rows, recipe=recipe)
        (found,) = told(result, "other-format")
        assert (found.rows, told(result, "no-trainable-tokens")) == (3, [])
        assert "nothing in them is trained" in found.message


def test_the_advice_serves_rows_with_calls_behind_the_first() -> None:
    plain = _sharegpt(("human", "a"), ("gpt", "b"))
    call = _sharegpt(
        ("human", "Rome?"),
        ("function_call", json.dumps({"name": "weather", "arguments": {"city": "Rome"}})),
        ("observation", "22"),
        ("gpt", "22"),
    )
    call["tools"] = json.dumps(TOOLS)
    for flags in (
        {"recipe": "trl"},
        {"recipe": "template"},
        {"recipe": "template", "model": "glm-4.5"},
    ):
        found = told(check(plain, call, **flags), "other-format")[0]
        to = found.help.partition("--to ")[2].split(" ")[0]
        rows = [
            formats()[to].write(formats()["sharegpt"].read(row, Notes()), Notes())
            for row in (plain, call)
        ]
        assert told(check(*rows, **flags), "other-format") == []


def test_a_prompt_whose_completion_is_trained_carries_no_loss() -> None:
    for prompt, completion in (
        ("Hi", "Hello"), ("你好", "你好！"), ("2 + 2 =", " 4"), ("The analysis:", "Hole 10"),
    ):  # fmt: skip
        row = {"prompt": prompt, "completion": completion}
        assert told(check(row, recipe="trl"), "non-assistant-supervised") == []
        whole = ["completion_only_loss=false"]
        assert len(told(check(row, recipe="trl", set=whole), "non-assistant-supervised")) == 1
        turns = talk(prompt, completion)["messages"]
        chat = {"prompt": turns[:1], "completion": turns[1:]}
        assert told(check(chat, recipe="trl"), "non-assistant-supervised") == []


# --- what the trainer leaves out or writes otherwise ----------------------------------------------


def _said_before(text: str) -> Json:
    row = openai({"city": "Rome"})
    row["messages"][1]["content"] = text
    return row


def _with_system(row: Json) -> Json:
    return {**row, "messages": [{"role": "system", "content": "Be brief."}, *row["messages"]]}


@pytest.mark.parametrize(
    ("flags", "row", "words"),
    [
        ({"recipe": "llamafactory"}, _said_before("Let me look."), "the text beside it"),
        ({"recipe": "llamafactory"}, _said_before("我来查一下。"), "the text beside it"),
        ({"recipe": "llamafactory", "model": "glm-4.5"}, _said_before("I see."), "beside it"),
        ({"recipe": "swift"}, _said_before("Let me look."), None),
        ({"recipe": "swift", "model": "glm-4.5"}, _with_system(_said_before("Look.")), None),
        ({"recipe": "llamafactory"}, _with_system(openai({"city": "Rome"})), None),
        ({"recipe": "trl", "model": "glm-4.5"}, _with_system(_said_before("Look.")), None),
        ({"recipe": "verl", "model": "glm-4.5"}, _with_system(_said_before("Look.")), None),
        ({"recipe": "swift"}, _with_system(CHATS[0]), None),
    ],
)
def test_a_text_that_is_left_out_is_told(flags: Json, row: Json, words: str | None) -> None:
    found = told(check(row, row, **flags), "text-left-out")
    assert [words in finding.message for finding in found if words] == ([True] if words else [])
    assert [finding.rows for finding in found] == ([2] if words else [])


@pytest.mark.parametrize(
    ("flags", "row", "words"),
    [
        ({"recipe": "swift"}, openai('{"city": "Rome"}'), ["{'city': 'Rome'}"]),
        ({"recipe": "swift"}, openai({"city": "罗马"}), ["{'city': '罗马'}"]),
        ({"recipe": "swift"}, openai({}), []),
        ({"recipe": "swift"}, _said_before("Wait:"), ["{'city': 'Rome'}", "Wait:weather"]),
        ({"recipe": "llamafactory"}, openai({"city": "Rome"}), []),
        ({"recipe": "swift", "model": "glm-4.5"}, _said_before("Wait:"), []),
        ({"recipe": "trl", "model": "glm-4.5"}, openai({"city": "Rome"}), []),
    ],
)
def test_a_call_that_is_written_otherwise_is_told(flags: Json, row: Json, words: list[str]) -> None:
    result = check(row, **flags)
    found = told(result, "call-miswritten")
    assert [word in finding.message for word, finding in zip(words, found, strict=True)] == [
        True
    ] * len(words)
    if found:
        assert result.exit_code == 0


@pytest.mark.parametrize("recipe", ["unsloth", "verl", "slime", "template"])
def test_the_end_of_a_call_is_no_stop(recipe: str) -> None:
    """`</tool_call>` and `</think>` are taught, and end a part of the message, not the turn."""
    row = openai({"city": "Rome"})
    row["messages"] = row["messages"][:2]
    thought = talk("Hi", "<think>Hm.</think>")
    empty = talk("Hi", "")
    for one in (row, thought, empty):
        found = told(check(one, recipe=recipe, model="glm-4.5"), "stop-token-untrained")
        assert len(found) == 1, one


@pytest.mark.parametrize("recipe", ["llamafactory", "swift", "trl", "axolotl", "unsloth"])
def test_empty_answers_are_told_under_every_trainer(recipe: str) -> None:
    for row, place in (
        (talk("Hi", ""), "messages[1].content"),
        (talk("Hi", "Hello", "", "Yes?"), "messages[2].content"),
        (talk("你好", "  "), "messages[1].content"),
    ):
        found = told(check(row, recipe=recipe), "empty-content")
        assert [place in finding.message for finding in found] == [True]
    assert told(check(openai({"city": "Rome"}), recipe=recipe), "empty-content") == []


def test_rows_of_several_forms_in_a_file_that_is_read_by_one() -> None:
    alpaca = {"instruction": "Say bye", "input": "", "output": "Bye"}
    sharegpt = {
        "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]
    }
    for rows, forms in (
        ((CHATS[0], alpaca), "alpaca, openai"),
        ((sharegpt, *CHATS), "openai, sharegpt"),
        ((alpaca, sharegpt, CHATS[1]), "alpaca, openai, sharegpt"),
    ):
        (found,) = told(check(*rows, recipe="llamafactory"), "mixed-forms")
        assert (f"({forms})" in found.message, found.severity) == (True, "error")
        assert "--to sharegpt -o train.sharegpt.jsonl" in found.help
        named = check(*rows, recipe="llamafactory", set=["formatting=alpaca"])
        assert told(named, "mixed-forms") == told(check(*rows, recipe="trl"), "mixed-forms") == []
    for row in (alpaca, sharegpt, CHATS[0]):
        assert told(check(row, row, recipe="llamafactory"), "mixed-forms") == []


def test_loss_switches_that_no_trainer_reads_are_told() -> None:
    for key, off in (("weight", 0), ("loss", False), ("train", False)):
        row = talk("Hi", "Yes?", "Who?", "Me.")
        row["messages"][1][key] = off
        for recipe in ("trl", "unsloth", "slime", "template"):
            (found,) = told(check(row, recipe=recipe), "ignored-loss-field")
            assert (found.pointer, "and trains it" in found.message) == (
                f"/messages/1/{key}",
                True,
            )
    row = talk("Hi", "Yes?", "Who?", "Me.")
    row["messages"][1]["loss"] = False
    assert told(check(row, recipe="swift"), "ignored-loss-field") == []


def test_a_system_prompt_in_a_column_that_is_not_read_is_told() -> None:
    for recipe in ("trl", "unsloth", "slime", "template"):
        for key, text in (("system", "Be kind."), ("system_prompt", "请简短回答。")):
            (found,) = told(check({key: text, **CHATS[2]}, recipe=recipe), "ignored-key")
            assert "the system prompt in it is not used" in found.message
        assert told(check({"system": " ", **CHATS[2]}, recipe=recipe), "ignored-key") == []
    for recipe in ("swift", "axolotl"):
        assert told(check({"system": "Be kind.", **CHATS[2]}, recipe=recipe), "ignored-key") == []


def test_lists_of_parts_that_python_prints_are_told() -> None:
    row = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        ]
    }
    for recipe in ("trl", "unsloth", "slime", "template"):
        asked, answered = told(check(row, recipe=recipe), "content-not-string")
        assert "trained to write it as Python prints it" in answered.message
        assert (asked.pointer, answered.pointer) == ("/messages/0/content", "/messages/1/content")
        assert told(check(row, recipe=recipe, model="glm-4.5"), "content-not-string") == []
    assert told(check(row, recipe="swift"), "content-not-string") == []
