"""Reports of people whose data said something that nobody saw: each report, and others of its kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glmlint.engine.check import check_lines
from glmlint.engine.finish import Result, finish
from glmlint.plan import Plan
from glmlint.read.source import InputFile, read_bytes, read_chunks
from glmlint.rules.base import default_rules
from glmlint.trainer.base import open_context

CASES = Path(__file__).parent / "cases"
HERMES = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'


def run(chunks: Any, lang: str = "en", **settings: Any) -> Result:
    plan = Plan(lang=lang, **{"rules": default_rules(), "max_length": 4096, **settings})
    context = open_context(plan)
    return finish(check_lines(chunks, plan, context), plan, context)


def case(name: str, lang: str = "en") -> Result:
    return run(read_chunks(InputFile(str(CASES / name))), lang)


def check(*rows: Any, **settings: Any) -> Result:
    lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    return run(read_bytes(lines, "train.jsonl"), **settings)


def talk(*texts: str, system: str | None = None) -> dict[str, Any]:
    """A row of question and answer in turn."""
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}


def told(result: Result, rule: str) -> list[tuple[int | None, int]]:
    """Line and number of rows of what a rule found."""
    return [(found.line, found.rows) for found in result.findings if found.rule == rule]


def says(result: Result, rule: str) -> str:
    return " | ".join(found.message for found in result.findings if found.rule == rule)


# --- 11: calls and results of other models as text -------------------------------------------------


def test_calls_in_another_models_form_are_told() -> None:
    result = case("11-xml-calls-as-text/train.jsonl")
    assert told(result, "call-as-text") == [(1, 3)]
    assert "“<function=”" in says(result, "call-as-text")
    assert result.totals.with_findings == 3
    assert "用的是其他模型的格式" in says(
        case("11-xml-calls-as-text/train.jsonl", "zh"), "call-as-text"
    )


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        (HERMES, "<tool_call>"),
        ("[TOOL_CALLS] [{\"name\": \"weather\"}]", "[TOOL_CALLS]"),
        ('<|tool_call|>[{"name": "weather"}]', "<|tool_call|>"),
        ('<|python_tag|>{"name": "weather", "parameters": {}}', "<|python_tag|>"),
        ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather", "<｜tool▁calls▁begin｜>"),
        ('<function_calls>\n<invoke name="weather">\n</invoke>', "<function_calls>"),
        ('<invoke name="weather">\n<parameter name="city">Rome</parameter>\n</invoke>', "<invoke name="),
        ("Thought: look.\nAction: weather\nAction Input: Rome", "Action:"),
        ("Thought 1: look.\nAction 1: Search[Rome]", "Action:"),
        ("思考：要查天气。\n行动：查天气\n行动输入：罗马", "行动："),
        ("<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>", "<tool_call>"),
        ('<functioncall> {"name": "weather"}', "<functioncall>"),
        ("✿FUNCTION✿: weather\n✿ARGS✿: {}", "✿FUNCTION✿"),
    ],
)  # fmt: skip
def test_each_form_of_a_call_is_told(answer: str, mark: str) -> None:
    result = check(talk("Weather in Rome?", answer))
    assert [found.rule for found in result.findings] == ["call-as-text"]
    assert f"“{mark}”" in says(result, "call-as-text")


@pytest.mark.parametrize(
    "answer",
    [
        "<tool_response>\n22 degrees\n</tool_response>\nIt is 22 degrees.",
        "Action: weather\nAction Input: Rome\nObservation: 22 degrees\nFinal Answer: 22",
        'tool_call: weather\narguments: {"city": "Rome"}\n\nResult: {"degrees": 22}\n\nIt is 22.',
        "[TOOL_RESULTS] 22 [/TOOL_RESULTS] It is 22 degrees.",
    ],
)
def test_a_result_inside_an_answer_is_told(answer: str) -> None:
    assert "make results up" in says(check(talk("Weather in Rome?", answer)), "call-as-text")


@pytest.mark.parametrize(
    "end", ["</tool_call>", "</function>", "<｜tool▁calls▁end｜>", "</invoke>\n"]
)
def test_the_end_of_a_call_at_the_end_of_an_answer_is_told(end: str) -> None:
    assert "ends with" in says(
        check(talk("Weather in Rome?", f"It is 22 degrees.{end}")), "call-as-text"
    )


@pytest.mark.parametrize(
    "answer",
    [
        f"Qwen writes:\n```\n{HERMES}\n```\nand waits.",
        "It stands between `<tool_call>` and `</tool_call>`, as `<tool_call>{}</tool_call>`.",
        "Action: sign the form.\n\nThe action input of the board follows.\nObservation: it is late.",
        "The function f maps <x> to [TOOL].",
    ],
)
def test_what_is_said_about_calls_is_left_alone(answer: str) -> None:
    assert check(talk("How do models call tools?", answer)).findings == []


def test_a_form_that_the_runs_own_template_prints_is_no_other_models(tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text(
        "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}"
        "{% if m.tool_calls %}<tool_call>{{ m.tool_calls }}</tool_call>{% endif %}{% endfor %}"
    )
    row = talk("Weather in Rome?", HERMES)
    assert told(check(row), "call-as-text")
    assert not told(check(row, template=str(template)), "call-as-text")
    assert not told(check(row, tokenizer="glm4.5"), "call-as-text")
    react = talk("Weather in Rome?", "Action: weather\nAction Input: Rome")
    assert told(check(react, template=str(template)), "call-as-text")


# --- 24: loops -------------------------------------------------------------------------------------


def test_a_loop_of_symbols_is_a_loop_and_a_matrix_is_none() -> None:
    result = case("24-latex-answers/train.jsonl")
    assert told(result, "repetition-loop") == [(2, 1), (3, 1)]
    assert result.totals.clean == 5


@pytest.mark.parametrize(
    ("answer", "unit"),
    [
        ("x = 1 " + r"\quad " * 50, r"\quad"),
        (r"\begin{array}{cc}" + "& " * 150 + r"\end{array}", "&"),
        ("The third is 0." + "3" * 300, "3"),
        ("The list is " + "0, " * 90 + "and so on.", "0,"),
        ("It is vast. " + "The sea is deep. " * 20 + "So it is.", "The sea is deep."),
        ("好的。" + "我们一起努力，" * 40 + "最后成功。", "我们一起努力，"),
        ("One.\n" + "\n" * 70 + "Two.", "⏎"),
        ("价格" + "\u3000" * 450 + "元", "␣"),
        ("Great" + "!" * 300, "!"),
        ("😂" * 150, "😂"),
    ],
)
def test_loops_of_any_kind_and_place_are_told(answer: str, unit: str) -> None:
    result = check(talk("Tell me.", answer))
    assert f"“{unit}”" in says(result, "repetition-loop")


@pytest.mark.parametrize(
    "answer",
    [
        "a\n" + "=" * 200 + "\nb",
        "Chapter 1 " + "." * 90 + " 5\nChapter 2 " + "." * 90 + " 9",
        "| a | b |\n|---|---|\n" + "|   |   |\n" * 40,
        "```python\nzeros = [\n" + "    0, 0, 0, 0,\n" * 30 + "]\n```\nDone.",
        "La la la, la la la, la la la! What a song.",
        "\n\n".join(
            f"Verse {n}: no two of them are alike, {n * 7}.\nWe sing all day" for n in range(9)
        ),
        "哈" * 30,
    ],
)
def test_what_may_repeat_is_left_alone(answer: str) -> None:
    assert told(check(talk("Tell me.", answer)), "repetition-loop") == []


# --- 33: dialogues inside one message --------------------------------------------------------------


def test_dialogues_inside_one_message_are_told() -> None:
    result = case("33-flattened-dialogue/train.jsonl")
    assert told(result, "dialogue-in-message") == [(1, 3), (4, 2)]
    assert (result.totals.clean, result.totals.with_findings) == (0, 5)


@pytest.mark.parametrize(
    "question",
    [
        "USER: hi ASSISTANT: hello</s>USER: bye ASSISTANT:",
        "User: Hi\nAssistant: Hello\nUser: Bye",
        "**用户**：你好\n**助手**：你好\n**用户**：再见",
        "[INST] Hi [/INST] Hello [INST] Bye [/INST]",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye",
        "[Round 0]\n问：你好\n答：你好\n[Round 1]\n问：再见\n答：",
        "### Human: Hi\n### Assistant: Hello\n### Human: Bye\n### Assistant:",
    ],
)
def test_a_question_that_is_a_whole_dialogue_is_told(question: str) -> None:
    assert "has a dialogue" in says(check(talk(question, "Well.")), "dialogue-in-message")


@pytest.mark.parametrize(
    "question",
    [
        "Below is an instruction that describes a task.\n\n### Instruction:\nName a fruit.\n\n### Response:",
        "<|im_start|>user\nName a fruit.<|im_end|>\n<|im_start|>assistant\n",
        "Human: Name a fruit.\n\nAssistant:",
    ],
)
def test_a_question_in_another_models_prompt_format_is_told(question: str) -> None:
    assert "prompt format" in says(check(talk(question, "A pear.")), "dialogue-in-message")


@pytest.mark.parametrize(
    "answer",
    [
        "Sure.\n\nUser: And then?\n\nAssistant: Nothing.",
        "It is five.\nHuman: Thanks",
        "助手：你好\n用户：再见\n助手：再见",
        "Done.\n### Instruction:\nGo on.\n### Response:\nYes.",
    ],
)
def test_an_answer_that_goes_on_as_the_user_is_told(answer: str) -> None:
    assert "goes on with a user turn" in says(
        check(talk("What time?", answer)), "dialogue-in-message"
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Sum up this chat.\nUser: Hi\nAssistant: Hello\nUser: Bye", "They greet."),
        ("医生：多久了？\n患者：三天。\n\n请总结以上对话。", "三天。"),
        ("Q: 1 + 1?\nA: 2\nQ: 1 + 2?\nA:", "3"),
        ("Write a dialogue.", "User: Hi\nAssistant: Hello\nUser: Bye\nAssistant: Bye"),
        ("How do I log in?", "Fill in the form:\nUser: your name\nPassword: your word"),
        ("What is AI?", "问：什么是 AI？\n答：人工智能。"),
    ],
)
def test_what_is_about_a_dialogue_is_left_alone(question: str, answer: str) -> None:
    assert told(check(talk(question, answer)), "dialogue-in-message") == []


# --- control tokens of other models ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        ("It is Paris.</s>", "</s>"),
        ("It is Paris.<|im_end|>", "<|im_end|>"),
        ("It is Paris. <eos>", "<eos>"),
        ("<s> It is Paris.", "<s>"),
        ("It is <unk> in <UNK> .", "<unk>"),
        ("[UNK] 是首都。", "[UNK]"),
        ("<pad><pad><pad>", "<pad>"),
        ("It is Paris.<end_of_turn>\n<start_of_turn>user\nThanks", "<end_of_turn>"),
        ("It is Paris.<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        ("It is Paris.<|endofturn|>", "<|endofturn|>"),
    ],
)
def test_control_tokens_of_other_models_in_an_answer_are_told(answer: str, token: str) -> None:
    result = check(talk("What is the capital of France?", answer))
    assert f"`{token}`" in says(result, "special-token-in-content")
    assert result.totals.with_findings == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is `</s>`?", "The end-of-text token of Llama."),
        ("Which tokens does BERT have?", "[CLS], [SEP] and [UNK]"),
        ("How do I strike words?", "I like <s>old</s> new shoes."),
        ("Explain.", "Models such as Qwen end a turn with <|im_end|> and go on."),
        ("Write it in F#.", "x <| f and g |> h"),
        ("Explain.", "A text is closed by </s> in Llama and by <|im_end|> in Qwen."),
        ("说明一下。", "文本以 </s> 结尾，这是 Llama 的做法。"),
    ],
)
def test_what_is_said_about_tokens_is_left_alone(question: str, answer: str) -> None:
    assert told(check(talk(question, answer)), "special-token-in-content") == []


# --- code blocks that stay open, languages ---------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            "Here:\n```python\nprint('hello')\n\nThis prints a word. You can change it as you like.",
            "goes on",
        ),
        ("这样：\n```\nls -la\n\n这条命令会列出当前目录下的所有文件，包括隐藏文件。", "goes on"),
        (
            "Run:\n```bash\nls\n\n### Step 2\nThen look at what it printed and go to that folder.",
            "goes on",
        ),
        ("Here:\n```python\nprint('hello')", "inside a code block"),
        (
            "Here:\n```c\nvoid sort(int *a) {\n  // sorts the numbers. It is fast, and it is stable.",
            "inside",
        ),
        ("Here:\n```python\nfor word in words:\n    print(word, end=' ')", "inside a code block"),
        ("Done.\n```", "closes nothing"),
    ],
)
def test_an_open_code_block_is_told_by_what_follows_it(answer: str, sentence: str) -> None:
    assert sentence in says(check(talk("How?", answer)), "unclosed-code-fence")


ASKED = "请介绍一下太阳系里最大的行星是哪一颗，有什么特点？"


@pytest.mark.parametrize(
    "answer",
    [
        r"E = mc^2, F = ma, a^2 + b^2 = c^2, \int_0^1 x dx = \frac{1}{2}, \sum_{i=1}^n i = n(n+1)/2",
        r"\frac{a}{b} \cdot \left( \alpha + \beta \right) = \gamma \quad \text{for all real numbers}",
        "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result",
        "SELECT name, age FROM users WHERE age > 30 ORDER BY name DESC LIMIT 10;",
        "https://example.com/path/to/some/very/long/page.html?query=abc&other=def",
        "<html><body><h1>Hello world title</h1><p>Paragraph text here</p></body></html>",
        "ATGCGTACGTTAGCATCGATCGATCGATCGTAGCTAGCATCGATCGAT",
    ],
)
def test_formulas_and_code_are_of_no_language(answer: str) -> None:
    rules = {"language-mismatch": "info"}
    assert not told(check(talk(ASKED, answer), rules=rules), "language-mismatch")
    assert not told(
        check(talk(answer, "木星是太阳系里最大的行星。"), rules=rules), "language-mismatch"
    )
    english = "Jupiter is the largest planet, with a mass more than twice that of all others."
    assert told(check(talk(ASKED, english), rules=rules), "language-mismatch")


# --- 08: tool lists without a tool -----------------------------------------------------------------


def test_the_heading_of_an_empty_tool_list_is_told() -> None:
    result = case("08-tools-blank-string/el.jsonl")
    assert told(result, "empty-tool-list") == [(1, 2)]
    assert "heading of a tool list (45 tokens)" in says(result, "empty-tool-list")
    assert result.totals.with_findings == 2
    without = check(*(talk(*texts, system="你是助手。") for texts in (("今年几岁？", "我没有年龄。"), ("今年几月？", "我不知道月份。"))))  # fmt: skip
    assert result.totals.tokens - without.totals.tokens == 2 * 45


def test_an_empty_or_blank_string_is_no_tools() -> None:
    result = case("08-tools-blank-string/glm.jsonl")
    assert told(result, "empty-tool-list") == [(1, 1), (2, 1), (3, 1)]
    assert told(result, "tools-as-string") == []
    assert "a blank string, not a list of tools: the official script raises TypeError" in says(
        result, "empty-tool-list"
    )
    assert result.totals.unreadable == 1


@pytest.mark.parametrize(
    ("recipe", "tools", "sentence"),
    [
        ("glm4", [], "an empty list: the prompt gets the heading of a tool list (45 tokens)"),
        ("glm4", "", "an empty string: the prompt gets the heading of a tool list (45 tokens)"),
        (
            "glm4",
            "[]",
            "text without a tool, not a list of tools: the official script raises",
        ),
        ("glm4-combine", " ", "a blank string: the prompt gets the heading"),
        ("glm4-2024-06", [], ""),
    ],
)
def test_what_the_trainer_makes_of_an_empty_list_is_said(
    recipe: str, tools: Any, sentence: str
) -> None:
    row = talk("Hi", "Hello", system="Be kind.")
    row["messages"][0]["tools"] = tools
    found = says(check(row, recipe=recipe), "empty-tool-list")
    assert sentence in found if sentence else not found


@pytest.mark.parametrize(
    ("tools", "is_told"), [("[]", True), ("", False), (" ", True), (None, False)]
)
def test_empty_lists_of_a_column_are_told_where_the_trainer_prints_something(
    tools: Any, is_told: bool
) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    result = check({"conversations": turns, "tools": tools}, recipe="llamafactory")
    assert bool(told(result, "empty-tool-list")) == is_told


def test_a_call_beside_an_empty_tool_list_is_a_call_without_tools() -> None:
    row = talk("Weather in Rome?", '{"city": "Rome"}', system="Be kind.")
    row["messages"][2]["metadata"] = "weather"
    for tools in ([], "", None):
        row["messages"][0]["tools"] = tools
        if tools is None:
            del row["messages"][0]["tools"]
        assert "declares no tools at all" in says(check(row), "unknown-tool")


# --- 16: several calls before their results --------------------------------------------------------


def test_calls_in_a_row_before_their_results_are_told() -> None:
    result = case("16-parallel-results/glm_parallel.jsonl")
    assert told(result, "call-without-observation") == [(1, 1)]
    sentence = says(result, "call-without-observation")
    assert "messages[3] is the next one: after it the model is taught <|assistant|>" in sentence
    assert "又是一次调用" in says(
        case("16-parallel-results/glm_parallel.jsonl", "zh"), "call-without-observation"
    )


def calling(*turns: str) -> dict[str, Any]:
    """A row of calls and results: `c` and `r`, `R` for a list of two results."""
    made = {
        "c": {"role": "assistant", "metadata": "weather", "content": '{"city": "Rome"}'},
        "r": {"role": "observation", "content": "22 degrees"},
        "R": {"role": "observation", "content": '[{"t": 22}, {"t": 18}]'},
        "a": {"role": "assistant", "content": "It is warm."},
        "u": {"role": "user", "content": "And now?"},
    }
    return {"messages": [{"role": "user", "content": "Weather?"}, *(made[turn] for turn in turns)]}


@pytest.mark.parametrize(
    ("turns", "sentence"),
    [
        ("cccccra", "5 calls in a row from messages[1] on, but only 1 result:"),
        ("cccrra", "3 calls in a row from messages[1] on, but only 2 results:"),
        ("ccRa", "is taught <|assistant|>"),
        ("crauccrra", "messages[6] is the next one: after it the model is taught <|assistant|>"),
        ("crcra", ""),
        ("crra", ""),
        ("cc", "is taught <|assistant|>"),
        ("c", ""),
    ],
)
def test_calls_and_results_are_counted(turns: str, sentence: str) -> None:
    found = says(check(calling(*turns)), "call-without-observation")
    assert sentence in found if sentence else not found


# --- what only looks like one of these ------------------------------------------------------------

LOOK_ALIKES = {
    "xml explained": "A call looks so:\n```xml\n<tool_call>\n  <name>add</name>\n</tool_call>\n```\nThat is all.",
    "xml plain": "Use `<invoice>` and `</invoice>` tags, then `<total>` inside.",
    "html": "<div>\n<p>Hello</p>\n<br>\n</div>",
    "log": "The log shows:\n```\nUser: root logged in\nUser: root logged out\nAssistant: started\n```\nNothing odd.",
    "log lines": "2024-01-01 INFO User: alice\n2024-01-01 INFO User: bob\n2024-01-01 INFO User: carol",
    "latex table": "\\begin{tabular}{c c c c}\n1 & 2 & 3 & 4 \\\\\n\\hline\n1 & 2 & 3 & 4 \\\\\n\\hline\n\\end{tabular}",
    "markdown table": "| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 2 |\n| 1 | 2 |\n| 1 | 2 |",
    "rules": f"Part one.\n\n{'-' * 60}\n\nPart two.\n\n{'=' * 60}\n\nEnd.",
    "ascii art": f"  /\\_/\\\n ( o.o )\n  > ^ <\n\n{'*' * 24}\n*{' ' * 22}*\n{'*' * 24}",
    "base64": "".join(map(chr, ((65 + n * n * 7 % 26) for n in range(1, 23))))
    + "Zm9vYmFyIGJheiBxdXV4IHBsdWdoIHh5enp5",
    "numbers": ", ".join(map(str, range(1, 120))),
    "items": "\n".join(f"{n}. Item {n}" for n in range(1, 60)),
    "matrix": "0 0 0 0 0 0 0 0\n0 1 0 0 0 0 1 0\n" * 4,
    "poem": "Row, row, row your boat\nGently down the stream\nMerrily, merrily, merrily, merrily",
    "laughing": "哈哈哈哈哈哈，太好笑了！",
    "words of a model": "In BERT the token [UNK] stands for unknown words, and <unk> in T5 does so too.",
    "react": "In the ReAct pattern a model writes Thought, Action and Observation lines in turn.",
    "code": "```python\nprint('User: hi')\nprint('Assistant: hello')\n```",
    "json": '{"action": "search", "query": "x"}',
    "rounds": "Round 1 was won by the red team, Round 2 by the blue one.",
    "轮次": "第一轮：红队胜。第二轮：蓝队胜。",
    "标签": "标签 <tool_call> 用来表示一次工具调用，</tool_call> 表示结束，例如 Qwen 就这样写。",
    "contents": f"Chapter 1 {'.' * 40} 5\nChapter 2 {'.' * 40} 9",
    "a form": f"Name: {'_' * 24}\nDate: {'_' * 24}",
    "a character": "U+FFFD (the replacement character) is shown as a black diamond.",
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_good_answers_that_look_alike_are_left_alone(name: str) -> None:
    assert check(talk("Tell me about it.", LOOK_ALIKES[name])).findings == []
