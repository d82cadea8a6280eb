"""Every command with every form of a vocabulary: a `tokenizer.json`, a rank file, a folder, moved ids.

What HF's `tokenizers` makes of the same file says which ids are right.
"""

from __future__ import annotations

import base64
import functools
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from conftest import SHARED

from glmlint.app.cli import cli
from glmlint.engine.show import look
from glmlint.plan import Plan
from glmlint.trainer.base import all_trainers, open_context
from glmlint.trainer.tokenizer import (
    GLM4_BASE,
    GLM4_CONTROL,
    GLM4_PATTERN,
    Glm4Backend,
    PieceBackend,
    load_tokenizer,
)

SMALL: Final = 4000
"""Pieces of the small vocabulary: the first of GLM-4's, all single bytes among them."""

MOVED: Final = 3491
"""How much further the control ids of GLM-4.7 stand than those of GLM-4: 154820 upwards."""

ROWS: Final[list[Any]] = [
    [("user", "法国的首都是哪里？"), ("assistant", "法国的首都是巴黎。 naïve 🙂")],
    [("system", "Be brief."), ("user", "2 + 2?\n\n```py\n2+2\n```"), ("assistant", "4")],
    [("user", "hi"), ("assistant", "Hello!"), ("user", "bye"), ("assistant", "Bye, come back.")],
]
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "add", "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}  # fmt: skip
CALL: Final[list[Any]] = [
    {"role": "system", "content": "", "tools": [TOOL]},
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "metadata": "add", "content": '{"a": 1}'},
    {"role": "observation", "content": "2"},
    {"role": "assistant", "content": "2."},
]


def messages_of(row: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in row]


@functools.cache
def alphabet() -> dict[int, str]:
    """The character that byte-level BPE writes for each byte (GPT-2, encoder.py: bytes_to_unicode)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in shown]
    return {
        **{byte: chr(byte) for byte in shown},
        **{byte: chr(256 + place) for place, byte in enumerate(rest)},
    }


def byte_level(piece: bytes) -> str:
    return "".join(alphabet()[byte] for byte in piece)


@functools.cache
def pieces() -> list[bytes]:
    """GLM-4's pieces in the order of their ids, out of the bundled ranks."""
    decode = Glm4Backend().bundled.decode_token_bytes
    return [decode(token) for token in range(GLM4_BASE)]


def control(shift: int = 0) -> dict[str, int]:
    return {text: GLM4_BASE + shift + place for place, text in enumerate(GLM4_CONTROL)}


def tokenizer_json(control_ids: dict[str, int], size: int = SMALL) -> dict[str, Any]:
    """The ranks as a `tokenizer.json`, by every pair of pieces that makes a piece."""
    ranks = {piece: rank for rank, piece in enumerate(pieces()[:size])}
    merges: list[tuple[str, str]] = []
    for piece in ranks:
        cuts = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        known = [(ranks[a], ranks[b], a, b) for a, b in cuts if a in ranks and b in ranks]
        merges += [(byte_level(a), byte_level(b)) for _, _, a, b in sorted(known)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    split = {
        "type": "Split",
        "pattern": {"Regex": GLM4_PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None,
        "added_tokens": [
            {"id": token, "content": text, **flags, "special": True}
            for text, token in control_ids.items()
        ],
        "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [split, {**level, "use_regex": False}],
        },
        "post_processor": None,
        "decoder": {**level, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {byte_level(piece): rank for piece, rank in ranks.items()},
            "merges": merges,
        },
    }  # fmt: skip


kept: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def vocabulary(form: str) -> str:
    """What to write behind `--tokenizer`; made once a session."""
    if form == "shared":
        if not SHARED.is_dir():
            pytest.skip("needs ../shared, with GLM-4's own tokenizer.json")
        return str(SHARED / "glm4" / "tokenizer.json")
    kept.append(tempfile.TemporaryDirectory(prefix="glmlint-vocabulary-"))
    folder = Path(kept[-1].name)
    ids = control(MOVED if "moved" in form else 0)
    if "ranks" in form:
        file = folder / "tokenizer.model"
        lines = (
            base64.b64encode(piece) + b" %d\n" % rank for rank, piece in enumerate(pieces())
        )  # fmt: skip
        file.write_bytes(b"".join(lines))
    else:
        file = folder / "tokenizer.json"
        file.write_text(json.dumps(tokenizer_json(ids)), encoding="utf-8")
    if "folder" not in form:
        return str(file)
    decoder = {str(token): {"content": text, "special": True} for text, token in ids.items()}
    config = json.dumps({"added_tokens_decoder": decoder})
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
    return str(folder)


FORMS: Final = ("json", "json folder", "ranks", "ranks folder", "shared")
MOVED_FORMS: Final = ("moved json", "moved json folder", "moved ranks folder")
each_form = pytest.mark.parametrize("form", FORMS)
each_moved_form = pytest.mark.parametrize("form", MOVED_FORMS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "train.jsonl"
    rows = [*map(messages_of, ROWS), CALL]
    lines = [json.dumps({"messages": row}, ensure_ascii=False) + "\n" for row in rows]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def run(*arguments: str) -> Result:
    """A command in this process; an exception that it lets out is a bug of glmlint."""
    done = CliRunner().invoke(cli, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def encoded(file: Path, form: str, *flags: str) -> list[dict[str, Any]]:
    done = run("encode", str(file), "--tokenizer", vocabulary(form), *flags)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def wanted(row: list[tuple[str, str]], form: str) -> list[int]:
    """The ids by the name of each role, the texts by `tokenizers` (or splintr, for ranks)."""
    tokenizers = pytest.importorskip("tokenizers")
    ids = control(MOVED if "moved" in form else 0)
    if "ranks" in form:
        bundled = load_tokenizer("glm4")

        def encode(text: str) -> list[int]:
            return bundled.encode([text])[0].tolist()
    else:
        path = Path(vocabulary(form))
        hf = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))

        def encode(text: str) -> list[int]:
            return list(hf.encode(text, add_special_tokens=False).ids)

    found = [ids["[gMASK]"], ids["<sop>"]]
    for role, content in row:
        found += [ids[f"<|{role}|>"], *encode(f"\n{content}")]
    return [*found, ids["<|user|>"]]


@each_form
def test_encode_gives_the_ids_that_tokenizers_gives(form: str, data: Path) -> None:
    for recipe in ("glm4", "glm4-combine"):
        rows = encoded(data, form, "--recipe", recipe)
        assert [row["input_ids"] for row in rows[:3]] == [wanted(row, form) for row in ROWS]
        assert "error" not in rows[3] and len(rows[3]["input_ids"]) > 20


@each_form
def test_show_has_every_text_as_it_stands_in_the_row(form: str, data: Path) -> None:
    plan = Plan(tokenizer=vocabulary(form))
    context = open_context(plan)
    for line, row in enumerate(ROWS, 1):
        (sample,) = look(str(data), line, plan, context)
        text = "".join(f"<|{role}|>\n{content}" for role, content in row)
        assert b"".join(t.bytes for t in sample.tokens).decode() == f"[gMASK]<sop>{text}<|user|>"
    for flags in ((), ("--ids",)):
        for line in (1, 4):
            done = run("show", f"{data}:{line}", "--tokenizer", vocabulary(form), *flags)
            assert done.exit_code == 0 and "<|assistant|>" in done.stdout, done.output


@each_form
def test_check_counts_what_encode_prints(form: str, data: Path) -> None:
    done = run("check", str(data), "--tokenizer", vocabulary(form), "--format", "json")
    report = json.loads(done.stdout)
    rows = encoded(data, form)
    assert report["tokenizer"]["exact"] is True
    assert report["totals"]["tokens"] == sum(len(row["input_ids"]) for row in rows)
    assert report["totals"]["supervised_tokens"] == sum(
        label != -100 for row in rows for label in row["labels"][1:]
    )


@each_form
def test_fix_and_convert_do_their_work(form: str, data: Path) -> None:
    data.write_text(data.read_text("utf-8").replace('"user"', '"human"', 1), "utf-8")
    done = run("check", str(data), "--fix", "--tokenizer", vocabulary(form))
    assert done.exit_code in (0, 1) and '"human"' not in data.read_text("utf-8"), done.output
    done = run("convert", str(data), "--to", "openai")
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 4, done.output


@each_form
def test_other_commands_take_it(form: str, data: Path) -> None:
    place = ("--tokenizer", vocabulary(form))
    assert run("rules", *place).exit_code == 0
    assert run("check", "--diff", str(data), *place).exit_code in (0, 1)
    if "compare" in cli.commands:
        two = ("--recipe", "glm4", "--recipe", "glm4-combine")
        assert run("compare", str(data), *two, *place).exit_code in (0, 1)


@functools.cache
def model(vocabulary_size: int) -> str:
    """A tiny random model with room for that many ids."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(20240605)
    config = transformers.AutoConfig.for_model(
        "glm", vocab_size=vocabulary_size, hidden_size=16, intermediate_size=16,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        max_position_embeddings=512, pad_token_id=0, eos_token_id=0,
    )  # fmt: skip
    kept.append(tempfile.TemporaryDirectory(prefix="glmlint-model-"))
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(kept[-1].name)
    return kept[-1].name


def scored(form: str, data: Path, size: int, *flags: str) -> Result:
    return run(
        "score", str(data), "--model", model(size), "--device", "cpu", "--fail-on", "never",
        "--store", str(data.with_name("scores.sqlite")), "--tokenizer", vocabulary(form), *flags,
    )  # fmt: skip


@each_form
def test_score_scores_the_tokens_that_check_counts(form: str, data: Path) -> None:
    done = scored(form, data, 151552, "--format", "json")
    assert done.exit_code == 0, done.output
    totals = json.loads(done.stdout)["totals"]
    report = json.loads(
        run("check", str(data), "--tokenizer", vocabulary(form), "--format", "json").stdout
    )
    assert totals["rows_scored"] == 4
    assert totals["tokens"] == report["totals"]["kept_supervised_tokens"]
    assert scored(form, data, 151552, "--dry-run").exit_code == 0


# --- a vocabulary whose control ids are others ---------------------------------------------------


def refused(done: Result, *names: str) -> bool:
    """The command said in one line why this recipe can't go with this vocabulary."""
    said = done.stderr.strip()
    return done.exit_code == 2 and "\n" not in said and any(name in said for name in names)


@pytest.mark.parametrize("recipe", sorted(all_trainers()))
@each_moved_form
def test_no_id_of_glm_4_is_printed_for_a_vocabulary_without_it(
    form: str, recipe: str, tmp_path: Path
) -> None:
    """Either the ids that the vocabulary has, the same on the fast and the slow way, or a refusal."""
    file = tmp_path / "train.jsonl"
    fast = {"messages": messages_of(ROWS[2])}
    slow = {"messages": [{**message, "note": 1} for message in fast["messages"]]}
    file.write_text(json.dumps(fast) + "\n" + json.dumps(slow) + "\n")
    # verl refuses rows of GLM-4's template as long as it compares.
    more = ("--set", "ignore_input_ids_mismatch=true") if recipe == "verl" else ()
    done = run("encode", str(file), "--tokenizer", vocabulary(form), "--recipe", recipe, *more)
    if refused(done, "can't train this model: its script writes the number"):
        assert all_trainers()[recipe].numbers
        return
    assert done.exit_code == 0, done.output
    one, other = (json.loads(line)["input_ids"] for line in done.stdout.splitlines())
    assert one == other
    names = {token: text for text, token in control(MOVED).items()}
    high = [token for token in one if token >= SMALL]
    if "ranks" in form:
        high = [token for token in one if token >= GLM4_BASE]
    assert set(high) <= set(names), "an id that the vocabulary does not have"
    spoken = [names[token] for token in high if names[token] in ("<|user|>", "<|assistant|>")]
    assert spoken[:4] == ["<|user|>", "<|assistant|>"] * 2
    assert 154827 in one


@each_moved_form
def test_no_command_breaks_on_a_moved_vocabulary(form: str, data: Path) -> None:
    place = ("--tokenizer", vocabulary(form))
    for arguments in (
        ("check", str(data)), ("check", str(data), "--format", "json"), ("check", "--diff", str(data)),
        ("encode", str(data)), ("show", f"{data}:2"), ("show", f"{data}:4", "--ids"), ("rules",),
    ):  # fmt: skip
        assert run(*arguments, *place).exit_code in (0, 1, 2)
        done = run("encode", str(data), "--recipe", "llamafactory", *place)
    assert done.exit_code == 0 and "154827" in done.stdout
    assert scored(form, data, 154880).exit_code in (0, 2)
    assert scored(form, data, 154880, "--recipe", "llamafactory").exit_code == 0


# --- what an id stands for -----------------------------------------------------------------------


def test_each_piece_of_a_tokenizer_json_is_that_of_the_ranks() -> None:
    small = load_tokenizer(vocabulary("json"))
    assert [small.token_bytes(token) for token in range(SMALL)] == pieces()[:SMALL]
    for text, token in control().items():
        assert small.token_bytes(token) == text.encode()


def test_an_id_that_the_vocabulary_does_not_have_is_shown_as_a_number() -> None:
    for form in ("json", "ranks"):
        assert load_tokenizer(vocabulary(form)).token_bytes(200_000) == b"<200000>"


def other_tokenizers() -> dict[str, tuple[Any, str, list[bytes]]]:
    """Vocabularies of other kinds, a text, and what its ids stand for."""
    hf = pytest.importorskip("tokenizers")
    models, decoders = hf.models, hf.decoders
    normalizers, splitters = hf.normalizers, hf.pre_tokenizers
    names = ("<unk>", "<0xE4>", "<0xB8>", "<0xAD>", "▁", "▁he", "l", "lo", "o", "h", "e", "he")
    spm = hf.Tokenizer(
        models.BPE(
            vocab={name: token for token, name in enumerate(names)},
            merges=[("l", "o"), ("h", "e"), ("▁", "he")],
            unk_token="<unk>", byte_fallback=True, fuse_unk=True,
        )
    )  # fmt: skip
    spm.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    spm.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    scores = [(name, -float(place)) for place, name in enumerate(("<unk>", "▁he", "llo", "▁", "l"))]
    unigram = hf.Tokenizer(models.Unigram(scores, 0, False))
    unigram.pre_tokenizer, unigram.decoder = splitters.Metaspace(), decoders.Metaspace()
    word = hf.Tokenizer(models.WordPiece({"[UNK]": 0, "he": 1, "##llo": 2}, unk_token="[UNK]"))
    word.pre_tokenizer, word.decoder = splitters.Whitespace(), decoders.WordPiece()
    ends = hf.Tokenizer(
        models.BPE(
            vocab={"h": 0, "e": 1, "he</w>": 2, "e</w>": 3}, merges=[("h", "e</w>")],
            end_of_word_suffix="</w>",
        )
    )  # fmt: skip
    ends.pre_tokenizer, ends.decoder = splitters.Whitespace(), decoders.BPEDecoder()
    return {
        "BPE with byte fallback": (
            spm, "hello 中", [b" he", b"l", b"lo", b" ", b"\xe4", b"\xb8", b"\xad"]
        ),
        "Unigram": (unigram, "hello l", [b" he", b"llo", b" ", b"l"]),
        "WordPiece": (word, "hello", [b"he", b"llo"]),
        "BPE with ends of words": (ends, "he he", [b"he ", b"he "]),
    }  # fmt: skip


def test_ids_of_vocabularies_of_other_kinds_stand_for_their_text(tmp_path: Path) -> None:
    for kind, (hf, text, parts) in other_tokenizers().items():
        file = tmp_path / "tokenizer.json"
        hf.save(str(file))
        tokenizer = load_tokenizer(str(file))
        ids = tokenizer.encode([text])[0].tolist()
        assert ids == hf.encode(text, add_special_tokens=False).ids, kind
        assert [tokenizer.token_bytes(token) for token in ids] == parts, kind
        assert isinstance(tokenizer.backend, PieceBackend) == (kind == "BPE with ends of words")


@pytest.mark.parametrize(
    "change",
    [
        {"added_tokens": [1]},
        {"added_tokens": [{"id": 5, "content": 5}]},
        {"added_tokens": [{"id": -2, "content": "<z>"}]},
        {"added_tokens": [{"id": 1 << 40, "content": "<z>"}]},
        {"added_tokens": [{"id": "x", "content": "<z>"}]},
        {"added_tokens": {"a": 1}},
        {"model": None},
        {"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}},
    ],
)
def test_a_broken_tokenizer_json_is_refused_in_one_line(
    change: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**tokenizer_json(control(), 300), **change}))
    for command in ("check", "encode", "show"):
        done = run(command, str(data), "--tokenizer", str(file))
        assert refused(done, "can't be read as a tokenizer.json"), done.output


@pytest.mark.parametrize(
    "config",
    [
        {"added_tokens_decoder": {"x": {"content": "<z>"}}},
        {"added_tokens_decoder": {"-1": {"content": "<z>"}}},
        {"added_tokens_decoder": {"5": {"content": ""}}},
    ],
)
def test_a_broken_tokenizer_config_is_refused_in_one_line(
    config: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(control(), 300)))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    done = run("check", str(data), "--tokenizer", str(folder))
    assert refused(done, "added_tokens_decoder"), done.output
    odd = {"added_tokens_decoder": [1], "chat_template": [1, {"name": "default"}]}
    (folder / "tokenizer_config.json").write_text(json.dumps(odd))
    assert run("check", str(data), "--tokenizer", str(folder)).exit_code in (0, 1)
    (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    assert refused(run("check", str(data), "--tokenizer", str(folder)), "chat_template.jinja")
