"""Rules of content: any row, any escape, the longest strings, secrets that stay secret."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glmlint.engine.check import check_lines
from glmlint.engine.finish import finish
from glmlint.evidence import contents
from glmlint.plan import Plan
from glmlint.read.source import Chunk
from glmlint.read.textfacts import _SIEVE, line_facts
from glmlint.rules import personal_data, secret
from glmlint.rules.base import Problem, all_rules
from glmlint.trainer.base import Context, open_context
from glmlint.trainer.prepared import prepare
from glmlint.trainer.row import Fact, Row

CONTENT = {
    name: loaded.rule.severity
    for name, loaded in all_rules().items()
    if loaded.rule.family == "content"
}
RECIPES = ("glm4", "glm4-combine", "glm4-2024-06")


@cache
def context_of(recipe: str) -> Context:
    return open_context(Plan(recipe=recipe, rules=CONTENT))


def findings(lines: list[bytes], recipe: str = "glm4") -> list[Any]:
    context = context_of(recipe)
    chunk = Chunk("train.jsonl", lines, range(1, len(lines) + 1))
    return finish(check_lines([chunk], context.plan, context), context.plan, context).findings


def line(value: Any, ascii_only: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def answered(text: str, question: str = "?") -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": text},
        ]
    }


def row_of(value: Any) -> Row:
    return prepare(line(value), 1, context_of("glm4"), path="train.jsonl")


def problems(name: str, row: Any) -> list[Problem]:
    """What one rule says of a row, with its edits, whatever the sieve says."""
    check = all_rules()[name].check
    assert check is not None
    return list(check(row if isinstance(row, Row) else row_of(row)))


def edited(value: Any, found: list[Problem]) -> Any:
    value = json.loads(json.dumps(value))
    for problem in found:
        for edit in problem.edits:
            assert edit.op == "replace"
            parent = value
            for part in edit.pointer[:-1]:
                parent = parent[part]
            parent[edit.pointer[-1]] = edit.value
    return value


FRAGMENTS = st.sampled_from(
    ["\u200b", "\ufeff", "\ufffd", "Ã©", "â€™", "锟斤拷", "\x0c", "\x08", "\x7f", "\u202e", "👩\u200d🚀",
     "AKIAQ3EGRLK7W2ZVX5TN", "11010219020914208X", "4539 7120 6384 9170", "card 4539712063849170",
     "GB95ZZYX99310174628305", "xoxb-123456789012-abcdefghij", "-----BEGIN PRIVATE KEY-----\n", "eyJhb",
     "<NAME>", "{{name}}", "[answer here]", "```", "```py\n", "\n", " ", "the", "，", "哈", "TODO",
     "as an AI", "I am ChatGPT", "你好", "repeat", "\\frac", "\\u0041", "<|user|>", "think", '"', "\\"]
)  # fmt: skip
TEXT = st.lists(FRAGMENTS | st.text(max_size=4), max_size=12).map("".join)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROLES = st.sampled_from(["system", "user", "assistant", "observation", "tool"])
MESSAGE = st.fixed_dictionaries(
    {}, optional={"role": ROLES | ANY, "content": TEXT | ANY, "metadata": TEXT | ANY, "tools": ANY}
)
ROW = st.fixed_dictionaries({"messages": st.lists(MESSAGE | ANY, max_size=5) | ANY}) | ANY
GOOD_ROW = st.lists(
    st.fixed_dictionaries({"role": ROLES.filter(lambda role: role != "tool"), "content": TEXT}),
    min_size=1,
    max_size=4,
).map(lambda messages: {"messages": messages})


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW | GOOD_ROW, max_size=4))
def test_no_row_raises(recipe: str, rows: list[Any]) -> None:
    found = findings([line(row) for row in rows], recipe)
    assert {finding.rule for finding in found} <= set(CONTENT)


@settings(max_examples=150, deadline=None)
@given(row=GOOD_ROW)
def test_escapes_hide_nothing(row: Any) -> None:
    raw, escaped = findings([line(row)]), findings([line(row, ascii_only=True)])
    assert [(f.rule, f.pointer, f.message) for f in raw] == [
        (f.rule, f.pointer, f.message) for f in escaped
    ]


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(GOOD_ROW.map(line) | st.binary(max_size=30).map(bytes), max_size=6))
def test_the_sieve_says_what_its_patterns_say(rows: list[bytes]) -> None:
    rows = [row.replace(b"\n", b"") for row in rows]
    for row, facts in zip(rows, line_facts(rows), strict=True):
        expected = 0
        for pairs, pattern, fact in _SIEVE:
            texts = [pair.to_bytes(2, "little") for pair in pairs]
            # A pair that begins with DEL is any DEL, the last byte's neighbour is the line's end.
            if any(text in row + b"\n" for text in texts) and (
                pattern is None or re.search(pattern, row)
            ):
                expected |= fact
        others = ~(Fact.NUMBER | Fact.LOOP)
        assert facts & others == expected & others


@settings(max_examples=200, deadline=None)
@given(row=GOOD_ROW)
def test_the_sieve_misses_nothing(row: Any) -> None:
    prepared = prepare(line(row), 1, context_of("glm4"))
    for name in CONTENT:
        when = all_rules()[name].rule.when
        if when != Fact.ANY and not prepared.facts & when:
            assert problems(name, row) == [], name


@settings(max_examples=150, deadline=None)
@given(row=GOOD_ROW)
# Without the first number the text is short enough for the second to be a card's.
@example(
    row={
        "messages": [
            {
                "role": "user",
                "content": "eyJhb, GB95ZZYX99310174628305, [answer here] 4539 7120 6384 9170",
            }
        ]
    }
)
def test_after_the_edits_a_rule_is_silent(row: Any) -> None:
    for name in ("invisible-character", "secret", "personal-data", "edge-whitespace"):
        found = [problem for problem in problems(name, row) if problem.edits]
        if found:
            left = problems(name, edited(row, found))
            assert not [problem for problem in left if problem.edits], name


def test_good_text_of_many_scripts_is_left_alone() -> None:
    texts = [
        "می‌خواهم بروم", "क्‍ष", "👩‍👩‍👧‍👦 🏳️‍🌈", "Ça va ? « Où » – là-bas…", "Ünïcödé ÀÉÎÕÜ ß",
        "Straße № 5 — “quoted” ‘text’", "ÇA ÉTÉ «É» À CÔTÉ", "日本語、テスト。", "한국어 텍스트", "ภาษา\u200bไทย",
        "é è ê ë à â ä ô ö ù û ü ÿ ç œ æ", "25 °C ± 2 µm × 3", "São João não é «MAÇÃ»",
    ]  # fmt: skip
    assert [problems("invisible-character", answered(text)) for text in texts] == [[]] * len(texts)


def test_mojibake_is_proved_by_undoing_it() -> None:
    for text in ("é", "你好", "“x”", "😀", "naïve"):
        wrong = text.encode().decode("latin-1")
        (found,) = problems("invisible-character", answered(f"a {wrong} b"))
        assert found.text is all_rules()["invisible-character"].rule.variants["misread"]
        assert found.edits == ()


KEY = "AKIA" + "Q3EGRLK7W2ZVX5TN"


def test_a_secret_is_shown_nowhere() -> None:
    pytest.importorskip("detect_secrets")
    row = answered(f"Use {KEY}, please.", f"Is it {KEY}?")
    found = findings([line(row)])
    assert [(f.rule, f.severity, f.pointer) for f in found] == [
        ("secret", "warning", "/messages/0/content"),
        ("secret", "error", "/messages/1/content"),
    ]
    assert all(KEY[4:] not in repr(finding) for finding in found)
    assert KEY not in repr(edited(row, problems("secret", row)))


LETTERS = "9fK2mQx7LpR4tVb8NcY3wZ6sHd1jGa5eTu0oIiJrWnEqBvDlXzMkSyUgPhAfCO"
SECRETS = {
    "AWS": "ASIA" + "Q3EGRLK7W2ZVX5TN",
    "GitHub": "gho_" + LETTERS[:36],
    "GitLab": "glpat-" + LETTERS[:20],
    "OpenAI": "sk-proj-" + LETTERS[:20] + "T3BlbkFJ" + LETTERS[20:40],
    "Slack": "xoxb-" + "528417396021-" + LETTERS[:24],
    "Stripe": "sk_live_" + LETTERS[:24],
    "SendGrid": "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + LETTERS + LETTERS[:30],
    "NPM": "//registry.npmjs.org/:_authToken=npm_" + LETTERS[:36],
    "Azure": "AccountKey=" + LETTERS + LETTERS[:24] + "==",
    "JSON Web": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwcm9kdWN0aW9uIn0." + LETTERS[:43],
    "Private": "-----BEGIN RSA PRIVATE KEY-----\n" + f"{LETTERS}\n{LETTERS[::-1]}\n",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_each_form_of_secret_is_found_and_taken_out(kind: str) -> None:
    pytest.importorskip("detect_secrets")
    row = answered(f"密钥：{SECRETS[kind]} 。")
    (found,) = findings([line(row)])
    assert (found.rule, found.pointer) == ("secret", "/messages/1/content")
    assert kind in found.message
    assert LETTERS[:12] not in repr(found)
    after = edited(row, problems("secret", row))
    assert "[REDACTED]" in after["messages"][1]["content"]
    assert findings([line(after)]) == []


def test_without_the_library_it_is_said_once_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detect_secrets.plugins.aws", None)
    secret._detector.cache_clear()
    found = findings([line(answered(KEY)), line(answered(KEY + "."))])
    secret._detector.cache_clear()
    assert [(f.rule, f.severity, f.rows) for f in found] == [("secret", "warning", 2)]


NUMBERS = {
    "resident ID": ("11010219020914208X", "110102190209142081"),
    "payment card": ("4539712063849170", "4539712063849171"),
    "IBAN": ("GB95ZZYX99310174628305", "GB96ZZYX99310174628305"),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_that_proves_itself_is_told_and_shown_nowhere(kind: str) -> None:
    pytest.importorskip("stdnum")
    number, wrong = NUMBERS[kind]
    row = answered(f"银行卡或证件：{number}，对吗", "?")
    (found,) = findings([line(row)])
    assert (found.rule, found.severity, found.pointer) == (
        "personal-data", "warning", "/messages/1/content"
    )  # fmt: skip
    assert kind in found.message
    assert number[6:] not in repr(found)
    after = edited(row, problems("personal-data", row))
    assert after["messages"][1]["content"] == "银行卡或证件：[REDACTED]，对吗"
    assert findings([line(answered(f"银行卡或证件：{wrong}，对吗"))]) == []


def grouped(number: str, blank: str) -> str:
    return blank.join(re.findall(".{1,4}", number))


@pytest.mark.parametrize("blank", [" ", "-"])
def test_a_card_in_groups_needs_no_word_beside_it_in_a_short_message(blank: str) -> None:
    pytest.importorskip("stdnum")
    for number in ("4539712063849170", "6222021604007182", "6217852700019648375"):
        written = grouped(number, blank)
        assert [f.rule for f in findings([line(answered(written))])] == ["personal-data"]
        assert findings([line(answered(number))]) == []
        assert (
            findings([line(answered(f"{written} is one of many numbers of our long table here"))])
            == []
        )


@pytest.mark.parametrize(
    "text",
    [
        "卡号 4242424242424242 或 4111 1111 1111 1111 或 5555-5555-5555-4444",
        "card 3.4539712063849170, 4539712063849170.5, x4539712063849170, 4539712063849170_1",
        "card -1 4539 7120 6384 9170 1234 and 1234 4539 7120 6384 9170",
        "card 9539712063849170 has no issuer, 453971206384917 no length",
        "11010519491231002X, 330106210103073182, 110102190213142086, 990102190209142085",
        "IBAN DE89 3704 0044 0532 0130 00, ZZ28990901170048216390",
        "110000199001010016, 330000199001011012",
        "session_1731000456789_b4n6, 1731000500123, 2024-01-01 12:00:00",
    ],
)
def test_examples_and_other_numbers_are_left_alone(text: str) -> None:
    assert problems("personal-data", answered(text)) == []


LONG = ["11010219020914208X", "378734493671042", "3787 344936 71042", "3787-344936-71042"] + [
    grouped(number, blank)
    for number, blanks in {
        "GB95ZZYX99310174628305": ("", " "), "NO9386011117947": ("", " "),
        "KW81CBKU0000000000001234560101": ("", " "), "MT84MALT011000012345MTLCAST001S": ("", " "),
        "4539712063849170": ("", " ", "-"), "6217852700019648375": ("", " ", "-"),
    }.items()
    for blank in blanks
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(number=st.sampled_from(LONG), before=st.text(max_size=20), rows=st.integers(0, 3))
def test_the_sieve_sees_a_long_number_wherever_it_stands(
    number: str, before: str, rows: int
) -> None:
    lines = [line(answered("y" * n)) for n in range(rows)] + [
        line(answered(f"{before} {number}。"))
    ]
    assert [bool(facts & Fact.NUMBER) for facts in line_facts(lines)] == [False] * rows + [True]


def test_numbers_and_keys_of_one_text_are_redacted_together() -> None:
    pytest.importorskip("stdnum")
    pytest.importorskip("detect_secrets")
    row = answered(f"Key {KEY}, card 4539 7120 6384 9170, IBAN GB95ZZYX99310174628305.")
    for name in ("secret", "personal-data"):
        row = edited(row, problems(name, row))
    said = row["messages"][1]["content"]
    assert said == "Key [REDACTED], card [REDACTED], IBAN [REDACTED]."
    assert findings([line(row)]) == []


def test_a_bare_number_of_json_is_told_and_left_in_place() -> None:
    pytest.importorskip("stdnum")
    (bare,) = problems("personal-data", answered('{"card": 4539712063849170}'))
    (quoted,) = problems("personal-data", answered('{"card": "4539712063849170"}'))
    assert bare.edits == ()
    assert quoted.edits[0].value == '{"card": "[REDACTED]"}'


def tool(name: str, description: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def test_tools_and_metadata_are_read_too() -> None:
    pytest.importorskip("detect_secrets")
    system = {"role": "system", "content": "", "tools": [tool("f", "F."), tool("g", f"Key {KEY}")]}
    call = {"role": "assistant", "metadata": KEY, "content": "{}"}
    row = {"messages": [system, {"role": "user", "content": "?"}, call]}
    said, called = problems("secret", row)
    assert said.pointer == ("messages", 0, "tools", 1, "function", "description")
    assert (said.severity, said.values["where"]) == (
        "warning", "messages[0].tools[1].function.description"
    )  # fmt: skip
    assert (called.pointer, called.severity, called.edits) == (
        ("messages", 2, "metadata"),
        None,
        (),
    )
    after = edited(row, [said])
    assert after["messages"][0]["tools"][1]["function"]["description"] == "Key [REDACTED]"
    assert [f.pointer for f in findings([line(after)]) if f.rule == "secret"] == [
        "/messages/2/metadata"
    ]


def test_misplaced_tools_and_calls_are_read_too() -> None:
    pytest.importorskip("detect_secrets")
    row = {
        "tools": [tool("f", f"Key {KEY}")],
        "messages": [
            {"role": "system", "content": "s", "tools": json.dumps([tool(KEY, "")])},
            {"role": "user", "content": [KEY]},
            {"role": "assistant", "content": "c", "function_call": {"name": KEY, "arguments": KEY}},
        ],
    }
    found = problems("secret", row)
    assert [(problem.pointer, bool(problem.edits)) for problem in found] == [
        (("messages", 0, "tools"), True),
        (("messages", 1, "content", 0), True),
        (("messages", 2, "function_call", "name"), False),
        (("messages", 2, "function_call", "arguments"), True),
        (("tools", 0, "function", "description"), True),
    ]


def test_a_tool_list_is_searched_once() -> None:
    pytest.importorskip("detect_secrets")
    system = {"role": "system", "content": "", "tools": [tool("once", f"Key {KEY}")]}
    rows = [line({"messages": [system, *answered(str(n))["messages"]]}) for n in range(20)]
    before = contents._in_tools.cache_info()
    assert sum(f.rule == "secret" for f in findings(rows)) == 20
    after = contents._in_tools.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (19, 1)


def test_without_the_library_numbers_are_told_once_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cn.ric", "luhn", "iban"):
        monkeypatch.setitem(sys.modules, f"stdnum.{name}", None)
    personal_data._validator.cache_clear()
    rows = [line(answered(f"卡号 {number} 。")) for number, _ in NUMBERS.values()]
    found = findings(rows)
    personal_data._validator.cache_clear()
    assert [(f.rule, f.severity, f.rows) for f in found] == [("personal-data", "warning", 3)]


def test_the_template_of_a_model_is_told_once_a_file() -> None:
    rows = [line(answered(f"I am {{{{name}}}}, number {n}.")) for n in range(5)]
    (found,) = [f for f in findings(rows) if f.rule == "placeholder"]
    assert (found.line, found.rows) == (1, 5)


MEGABYTE = 1 << 20
WORST = {
    "one letter": "a",
    "blanks": " ",
    "backslashes": "\\",
    "backticks": "`",
    "fences": "```\n",
    "quoted fences": ">> ",
    "list fences": "- ",
    "braces": "{{a",
    "fields": "{{a}} ",
    "angle": "<A_",
    "names": "<NAME>",
    "openai": "sk-",
    "openai long": "sk-" + "a" * 30,
    "jwt": "eyJ",
    "jwt dots": "eyJaaaaaaaaaaaa.",
    "jwt pairs": "eyJaaaaaaaaaaaa.eyJaaaaaaaaaa.",
    "slack": "xoxb-1",
    "key": KEY + " ",
    "digits": "4539712063849170",
    "groups": "4539 ",
    "cards": "4539 7120 6384 9170, ",
    "card": "card 4539712063849170 ",
    "residents": "11010219020914208X ",
    "accounts": "DE28 9909 0117 0048 2163 90 ",
    "account groups": "DE28 ",
    "capitals": "A1",
    "pem": "-----BEGIN PRIVATE KEY-----\n",
    "pem bodies": "-----BEGIN PRIVATE KEY-----\n" + "Ab1+/cD2eF3gH4iJ5kL6\n",
    "npm": "//registry.npmjs.org/",
    "mojibake": "Ã©",
    "mojibake 3": "ä½\xa0",
    "letters with marks": "é",
    "zero width": "\u200b",
    "escape": "\x1b[",
    "tags": "\U000e0041",
    "breaks": "\x0b\n",
    "loop": "to be or not to be, ",
    "not quite a loop": "abcdefghijklmnop" * 20 + "q",
    "as an": "As an ",
    "apology": "抱歉，我",
}


@pytest.mark.parametrize("unit", WORST.values(), ids=WORST)
def test_a_megabyte_of_the_worst_is_worked_off(unit: str) -> None:
    text = (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]
    long = row_of(answered(text))
    many = row_of({"messages": [{"role": "assistant", "content": unit}] * 2_000})
    for name in CONTENT:
        if all_rules()[name].check is None:
            continue  # it judges the file
        assert len(problems(name, long)) < 16, name
        assert len(problems(name, many)) <= 4_000, name


def conversation(*turns: str) -> dict[str, Any]:
    """User and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]}


def test_an_answer_that_goes_on_with_code_may_close_it() -> None:
    begun = ("write it", "```python\ndef f():\n```", "continue", "    return 1\n```\nDone.")
    assert not problems("unclosed-code-fence", row_of(conversation(*begun)))
    own = ("write it", "Sure.", "continue", "```\nf()\n```\nDone.")
    assert not problems("unclosed-code-fence", row_of(conversation(*own)))
    # Nothing says that this one goes on: the fence opens a block.
    again = ("write it", "```python\ndef f():\n```", "run it", "Here:\n```\nf()")
    assert len(problems("unclosed-code-fence", row_of(conversation(*again)))) == 1
    cut = ("write it", "Sure.", "继续", "```python\nf()")
    assert len(problems("unclosed-code-fence", row_of(conversation(*cut)))) == 1


def test_the_letters_of_an_answer_are_named_not_its_language() -> None:
    german = "Der Jupiter ist der größte Planet in unserem ganzen Sonnensystem."
    [found] = findings(
        [line(answered("木星是太阳系里最大的行星，质量是其他行星总和的两倍多。", german))]
    )
    assert "its question in Latin letters" in found.message


def test_an_answer_that_begins_with_a_field_is_no_json() -> None:
    [found] = findings([line(answered("{{name}} 很高兴为您服务。"))])
    assert found.rule == "placeholder"
    assert not problems("placeholder", row_of(answered('{"a": "{{name}}"}')))
