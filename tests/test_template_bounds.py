"""Templates from outside: what takes too much is stopped with one sentence, whoever supplied it."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from bounded import refused, run

from glmlint.text import RunStopped
from glmlint.trainer.template import ChatTemplate, TemplateFault, load_template

ROW = {
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello.", "reasoning": "They greet."},
    ]
}
NEWEST = "5.24.0"

DOUBLED = "{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
NESTED = "{% for i in range(64) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"

TOO_MUCH = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a number of a hundred million digits": "{{ 1 | round(10 ** 8, 'ceil') }}",
    "a list that holds itself twice": "{% set ns = namespace(x=[1]) %}" + NESTED + "{{ ns.x }}",
    "multiplied text": "{{ 'a' * 10 ** 10 }}",
    "text of a hundred megabytes": "{{ 'a' * 10 ** 8 }}",
    "doubled text": "{% set ns = namespace(x='a') %}" + DOUBLED + "{{ ns.x }}",
    "center": "{{ 'a' | center(2 * 10 ** 9) }}",
    "ljust": "{{ 'a'.ljust(2 * 10 ** 9) }}",
    "percent": "{{ '%01999999999d' % 1 }}",
    "the filter format": "{{ '%01999999999d' | format(1) }}",
    "the method format": "{{ '{:>1999999999}'.format(1) }}",
    "replace": "{{ ('a' * 10 ** 6) | replace('', 'b' * 10 ** 4) }}",
    "join": "{{ ([1] * 10 ** 5) | join('b' * 10 ** 5) }}",
    "batch": "{{ [1] | batch(10 ** 9, 1) | list }}",
    "indent": "{{ 'x' | indent(10 ** 9, true) }}",
    "tojson": "{{ messages | tojson(indent=10 ** 9) }}",
    "multiplied list": "{{ ([0] * 10 ** 10) | length }}",
}

NESTS = {
    "3,000 brackets": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "3,000 lists": "{{ " + "[" * 3000 + "1" + "]" * 3000 + " }}",
    "2,000 ifs": "{% if 1 %}" * 2000 + "x" + "{% endif %}" * 2000,
    "120 ifs": "{% if 1 %}" * 120 + "x" + "{% endif %}" * 120,
    "30 loops": "{% for i in [1] %}" * 30 + "x" + "{% endfor %}" * 30,
    "5,000 sums": "{{ " + "1 + " * 5000 + "1 }}",
    "9,000 filters": "{{ 'x'" + " | upper" * 9000 + " }}",
    "50,000 signs": "{{ " + "-" * 50000 + "1 }}",
}


def template(text: str, transformers: str = NEWEST) -> ChatTemplate:
    return ChatTemplate("own.jinja", text, transformers)


@pytest.mark.parametrize("name", [name for name in TOO_MUCH if "loops" not in name])
def test_what_takes_too_much_is_stopped(name: str) -> None:
    with pytest.raises(RunStopped) as stopped:
        template(TOO_MUCH[name]).render(ROW["messages"])
    told = stopped.value.say()
    assert told.startswith("the template own.jinja ")
    assert ("takes more than" in told) or ("prints more than" in told)


def test_a_stopped_template_does_not_hurt_the_next_one() -> None:
    good = template("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert good.render(ROW["messages"]) == "HiHello."
    for name in ("multiplied text", "doubled text"):
        with pytest.raises(RunStopped):
            template(TOO_MUCH[name]).render(ROW["messages"])
        assert good.render(ROW["messages"]) == "HiHello."


def test_it_works_in_any_thread() -> None:
    told: list[str] = []

    def work() -> None:
        try:
            template(TOO_MUCH["loops in loops"]).render(ROW["messages"])
        except RunStopped as stopped:
            told.append(stopped.say())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(200)
    assert len(told) == 1 and "takes more than 3 s of processor time" in told[0]
    assert template("{{ messages | length }}").render(ROW["messages"]) == "2"


def test_what_is_printed_may_grow_with_the_row() -> None:
    long = [{"role": "user", "content": "a" * 3_000_000}]
    text = "{{ messages[0].content }}{{ messages[0].content }}"
    assert len(template(text).render(long)) == 6_000_000


def test_an_error_of_the_template_is_the_rows_and_not_the_runs() -> None:
    """transformers refuses such a range too; an endless macro ends in its RecursionError."""
    for text, name in (
        ("{% for i in range(10 ** 9) %}{% endfor %}", "OverflowError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ raise_exception('no system message') }}", "TemplateError"),
        ("{{ messages[7].content.x }}", "UndefinedError"),
        ("{{ messages[0]['role'] + 1 }}", "TypeError"),
        ("{{ messages.__class__.__mro__ }}", "SecurityError"),
    ):
        with pytest.raises(Exception, match=r".") as raised:
            template(text).render(ROW["messages"])
        assert type(raised.value).__name__ == name


@pytest.mark.parametrize("name", NESTS)
def test_deep_nesting_is_one_sentence(name: str) -> None:
    with pytest.raises(TemplateFault, match="nests too deeply: jinja2 can't compile it"):
        template(NESTS[name]).compile()


def test_a_fault_of_syntax_has_its_line() -> None:
    with pytest.raises(TemplateFault, match=r"does not parse: .*\(line 3\)"):
        template("{% if 1 %}\n{% endif %}\n{% for m in %}").compile()


@pytest.mark.parametrize("transformers", ["4.42.0", "4.43.0", "4.45.0", "5.3.0", "5.4.0", NEWEST])
def test_each_version_has_its_own_features(transformers: str) -> None:
    have = tuple(int(part) for part in transformers.split("."))
    for text, since in (
        ("{% generation %}x{% endgeneration %}", (4, 43)),
        ("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{% break %}{% endfor %}",
         (4, 45)),
    ):  # fmt: skip
        if have >= since:
            template(text, transformers).compile()
        else:
            with pytest.raises(TemplateFault, match="does not parse: Encountered unknown tag"):
                template(text, transformers).compile()
    now = template("{{ strftime_now('%Y') | length }}", transformers)
    if have >= (4, 45):
        assert now.render([]) == "4"
    else:
        with pytest.raises(Exception, match="'strftime_now' is undefined"):
            now.render([])


def test_the_first_block_is_marked_since_5_4() -> None:
    text = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}!{% endfor %}"
    assert template(text, "5.4.0").render_marked(ROW["messages"])[1] == [(0, 2), (3, 9)]
    assert template(text, "5.3.0").render_marked(ROW["messages"])[1] == [(3, 9)]


MARKED = (
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}<end>{% endgeneration %}{% else %}{{ m.content }}{% endif %}"
    "{% endfor %}",
    "{%- generation -%}  all of it  {%- endgeneration -%}",
    "{% macro say(m) %}{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}"
    "start {% for m in messages %}{{ say(m) }},{% endfor %}",
    "{% set text %}{% generation %}{{ messages[0].content }}{% endgeneration %}{% endset %}"
    "<{{ text }}|{{ text }}>",
    "a{% generation %}b{% generation %}c{% endgeneration %}d{% endgeneration %}e",
    "{{ messages | tojson(indent=2, ensure_ascii=False, sort_keys=True, separators=(',', ':')) }}",
    "{% for m in messages %}{{ m.thinking }}{{ m.reasoning_content }}{% break %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% if loop.index > 1 %}{% continue %}"
    "{% endif %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}{{ dict(a=1) }}",
    "{% for m in messages[::-1] %}{{ m.reasoning_content or '' }}{{ m.thinking }}|{% endfor %}",
)  # fmt: skip


@pytest.mark.parametrize("text", MARKED)
def test_text_and_marks_are_those_of_transformers(text: str) -> None:
    library = pytest.importorskip("transformers.utils.chat_template_utils")
    version = pytest.importorskip("transformers").__version__
    for messages in (ROW["messages"], [{"role": "assistant", "content": "嗯😀"}]):
        told, places = library.render_jinja_template(
            [messages], chat_template=text, return_assistant_tokens_mask=True
        )
        ours = template(text, version).render_marked(messages)
        assert ours == (told[0], [tuple(place) for place in places[0]])
        assert template(text, version).render(messages) == told[0]


def test_whether_a_template_marks() -> None:
    assert template(MARKED[0]).marks and template(MARKED[1]).marks
    assert not template("{{ 'generation' }}").marks
    assert not load_template("GLM-4", None, NEWEST).marks
    assert load_template("GLM-4", None, NEWEST).render_marked(ROW["messages"])[1] == []


def test_several_at_once_give_texts_and_errors_in_order() -> None:
    own = template("{% for m in messages %}{{ m.content.upper() }}{% endfor %}")
    rows: list[list[Any]] = [[{"content": f"a{n}"}] if n % 3 else [5] for n in range(700)]
    found = list(own.render_each(rows))
    assert [x if isinstance(x, str) else type(x).__name__ for x in found] == [
        f"A{n}" if n % 3 else "UndefinedError" for n in range(700)
    ]


# --- the commands --------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "train.jsonl"
    file.write_text((json.dumps(ROW) + "\n") * 3)
    return file


@pytest.mark.parametrize(
    "command", [("check",), ("check", "--fix"), ("check", "--diff"), ("encode",), ("show",)]
)
@pytest.mark.parametrize("recipe", ["glm4", "glm4-combine"])
def test_commands_stop_with_one_sentence(
    data: Path, tmp_path: Path, command: tuple[str, ...], recipe: str
) -> None:
    before = data.read_bytes()
    own = tmp_path / "own.jinja"
    own.write_text(TOO_MUCH["center"])
    done = run(*command, data, "--recipe", recipe, "--template", own, "--lang", "en")
    told = refused(done)
    place = "train.jsonl" if len(command) > 1 else "train.jsonl:1"
    assert f"{place}: the template {own} takes more than" in told
    assert done.stdout == b"" and data.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.jinja", "train.jsonl"]


@pytest.mark.parametrize("name", ["3,000 brackets", "2,000 ifs"])
def test_a_deep_template_is_refused_before_a_row_is_read(
    data: Path, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "own.jinja"
    own.write_text(NESTS[name])
    told = refused(run("check", data, "--template", own, "--lang", "zh"))
    assert "嵌套太深" in told


def test_a_template_that_marks_is_accepted(data: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("[gMASK]<sop>" + MARKED[0].replace("[{{ m.role }}]", "<|{{ m.role }}|>"))
    done = run("encode", data, "--template", own)
    assert done.returncode == 0
    assert len(json.loads(done.stdout.splitlines()[0])["input_ids"]) > 8


@pytest.mark.parametrize("place", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_model_folders_template_is_bounded_too(
    data: Path, tmp_path: Path, shared: Path, place: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(shared / "glm4" / "tokenizer.json", folder)
    config: dict[str, Any] = {}
    bad = (
        (TOO_MUCH["doubled text"], "takes more than"),
        (NESTS["2,000 ifs"], "nests too deeply"),
        ("x" * (1 << 20) + "y", "is longer than 1,048,576 bytes"),
    )
    for text, told in bad if place == "chat_template.jinja" else bad[:1]:
        if place == "chat_template.jinja":
            (folder / place).write_text(text)
        else:
            config["chat_template"] = [7, {"name": "default", "template": text}]
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        assert told in refused(run("check", data, "--tokenizer", folder, "--lang", "en"))


def test_no_template_is_read_without_end(data: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.jinja"
    with long.open("wb") as file:
        file.truncate(1 << 33)
    told = refused(run("check", data, "--template", long, "--lang", "en", megabytes=2048))
    assert "is longer than 1,048,576 bytes, too long for a chat template" in told
    for odd in ("/dev/zero", tmp_path, tmp_path / "none"):
        assert "no template" in refused(run("check", data, "--template", odd, "--lang", "en"))
    (tmp_path / "latin.jinja").write_bytes(b"caf\xe9")
    told = refused(run("check", data, "--template", tmp_path / "latin.jinja", "--lang", "en"))
    assert "can't be read" in told
