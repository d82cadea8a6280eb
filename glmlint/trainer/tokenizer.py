"""Texts -> token ids: which tokenizer, its control tokens, and whether its counts are exact."""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from glmlint.text import Text, Told, is_file, is_folder, listed
from glmlint.trainer.long_texts import PART, encode_long
from glmlint.trainer.template import read_template

Ids = npt.NDArray[np.uint32]
T = TypeVar("T")

GLM4_BASE: Final = 151329
"""Base pieces of GLM-4's vocabulary; the control tokens follow (tokenizer_config.json, 2024-06)."""

GLM4_CONTROL: Final = (
    "<|endoftext|>",
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
)
"""GLM-4's control tokens in the order of their ids, 151329 to 151342."""

GLM45_CONTROL: Final = (
    *GLM4_CONTROL,
    *("<|begin_of_audio|>", "<|end_of_audio|>"),
    *("<|begin_of_transcription|>", "<|end_of_transcription|>"),
    *("<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"),
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "/nothink"),
    *("<|begin_of_box|>", "<|end_of_box|>"),
)
"""Those of GLM-4.5, 4.6 and 4.1V, whose pieces are GLM-4's: ids 151329 to 151362."""

GLM45_PLAIN: Final = frozenset(GLM45_CONTROL[21:32])
"""Those of them that tokenizer_config.json does not call special: `<think>` to `/nothink`."""

BUNDLED: Final = {"glm4": GLM4_CONTROL, "glm4.5": GLM45_CONTROL}
"""Tokenizers that need no file: name -> control tokens in the order of their ids."""

GLM4_PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How GLM-4 splits a text before merging bytes (tokenization_chatglm.py, 2024-06)."""


LONG: Final = 2 * PART
"""Characters of the longest text that is encoded in one call."""


AT_ONCE: Final = 1 << 22
"""Characters of texts whose ids are held together where only their number is asked for."""


class TokenizerError(Told):
    """The tokenizer asked for can't be had; the message is one sentence for the user."""


class _Backend(Protocol):
    def encode_batch_flat(self, texts: Sequence[str]) -> tuple[bytes, bytes]: ...
    def decode_token_bytes(self, token: int) -> bytes: ...
    def clear_cache(self) -> object: ...


class _Sizes(dict[int, int]):
    """Id -> bytes that it stands for, each looked up once: at most so many as the vocabulary has."""

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._bytes = token_bytes

    def __missing__(self, token: int) -> int:
        size = self[token] = len(self._bytes(token))
        return size


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary: ordinary text -> ids, and the control tokens that stand beside it."""

    name: str
    exact: bool
    """False when the control tokens or the split pattern had to be guessed."""
    base_size: int
    control: dict[str, int]
    """Control-token text -> id."""
    backend: _Backend = field(repr=False, compare=False)
    chat_template: str | None = None
    """The template that came with a model folder."""
    parted: bool = False
    """Whether long texts are encoded in parts: the vocabulary splits and merges as GLM-4's does."""

    @property
    def vocab_size(self) -> int:
        """Number of ids, control tokens included."""
        return max(self.base_size, *(token + 1 for token in self.control.values()), 0)

    @cached_property
    def marks(self) -> tuple[bytes, ...]:
        """Control tokens that hold none of the marks of GLM-4's own (`<|`, `MASK]`, `op>`)."""
        return tuple(
            text.encode()
            for text in self.control
            if not ("<|" in text or "MASK]" in text or "op>" in text)
        )

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.control, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def encode(self, texts: Sequence[str]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Ids of all texts in one array, and len(texts) + 1 offsets into it.

        Ordinary text: a control token typed in a text stays text (see `split`). A lone surrogate
        raises UnicodeEncodeError.
        """
        if self.parted and max(map(len, texts), default=0) > LONG:
            return self._encode_long(texts)
        ids, offsets = self.backend.encode_batch_flat(texts)
        return np.frombuffer(ids, "<u4"), np.frombuffer(offsets, "<u8").astype(np.int64)

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """How many ids each text has; the ids themselves are not kept."""
        if self.parted and max(map(len, texts), default=0) > LONG:
            return np.concatenate([sizes for _, sizes in self._parts(texts, len)])
        found = [np.zeros(0, np.int64)]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        begun = before = 0
        while begun < len(texts):
            stop = min(int(np.searchsorted(ends, before + AT_ONCE, "right")) + 1, len(texts))
            found.append(np.diff(self.encode(texts[begun:stop])[1]))
            begun, before = stop, int(ends[stop - 1])
        return np.concatenate(found)

    def expect(self, characters: int) -> None:
        """Make ready for about so many characters: what is quick for a few is not set up for many."""
        if isinstance(self.backend, Glm4Backend):
            self.backend.expect(characters)

    def _encode_long(self, texts: Sequence[str]) -> tuple[Ids, npt.NDArray[np.int64]]:
        parts: list[Ids] = []
        sizes: list[npt.NDArray[np.int64]] = []
        for ids, size in self._parts(texts, np.copy):
            parts += ids
            sizes.append(size)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
        return np.concatenate(parts), offsets

    def _parts(
        self, texts: Sequence[str], keep: Callable[[Ids], T]
    ) -> Iterator[tuple[list[T], npt.NDArray[np.int64]]]:
        """Ids of some of the texts, and how many each of them has: long ones one by one.

        Args:
            texts: of any length.
            keep: what is kept of each array of ids.
        """

        def encode(text: str) -> Ids:
            ids = np.frombuffer(self.backend.encode_batch_flat([text])[0], "<u4")
            if len(text) >= PART:
                self.backend.clear_cache()  # it remembers pieces, and these are large
            return ids

        def sized(ids: Ids) -> tuple[T, int]:
            return keep(ids), len(ids)

        begun = 0  # the first of the texts since the last long one
        for place, text in enumerate((*texts, None)):
            if text is not None and len(text) <= LONG:
                continue
            if place > begun:
                ids, offsets = self.encode(texts[begun:place])
                yield [keep(ids)], np.diff(offsets)
            if text is not None:
                found = encode_long(text, encode, self.backend.decode_token_bytes, sized)
                yield [kept for kept, _ in found], np.array([sum(size for _, size in found)])
            begun = place + 1

    def split(self, text: str) -> list[str | int]:
        """The text cut at its control tokens, which become ids; empty parts are left out."""
        parts: list[str | int] = []
        at = 0
        for match in self._control_pattern.finditer(text):
            if match.start() > at:
                parts.append(text[at : match.start()])
            parts.append(self.control[match.group()])
            at = match.end()
        if at < len(text):
            parts.append(text[at:])
        return parts

    def find_control(self, text: str) -> list[tuple[int, str]]:
        """Where control tokens stand in the text: (offset in code points, token)."""
        return [(match.start(), match.group()) for match in self._control_pattern.finditer(text)]

    def has_entry(self, spelled: str) -> bool:
        """Whether the vocabulary has an entry of that spelling, as transformers' `get_vocab` has it:
        a control token, or a piece with its bytes spelled as characters."""
        if spelled in self.control:
            return True
        if isinstance(self.backend, PieceBackend):
            return spelled in self.backend.pieces.values()
        known = _byte_letters()
        if not spelled or not all(letter in known for letter in spelled):
            return False
        wanted = bytes(known[letter] for letter in spelled)
        return any(self.token_bytes(token) == wanted for token in range(self.base_size))

    @cached_property
    def control_text(self) -> dict[int, str]:
        """Id -> control token."""
        return {token: text for text, token in self.control.items()}

    def token_bytes(self, token: int) -> bytes:
        """What one id stands for; control tokens give their own text, an id without any "<id>"."""
        text = self.control_text.get(token)
        if text is not None:
            return text.encode()
        try:
            return self.backend.decode_token_bytes(token)
        except ValueError:  # no such id in the vocabulary
            return b"<%d>" % token

    def sizes(self, ids: list[int]) -> npt.NDArray[np.int64]:
        """How many bytes each of the ids stands for."""
        return np.fromiter(map(self._sizes.__getitem__, ids), np.int64, len(ids))

    @cached_property
    def _sizes(self) -> _Sizes:
        return _Sizes(self.token_bytes)

    def bytes_of(self, ids: list[int]) -> bytes:
        """What ids stand for, one after the other."""
        if isinstance(self.backend, Glm4Backend):
            parts: list[bytes] = []
            begin = 0
            for place in [at for at, token in enumerate(ids) if token >= self.base_size]:
                parts.append(self.backend.bundled.decode_bytes(ids[begin:place]))
                parts.append(self.token_bytes(ids[place]))
                begin = place + 1
            return b"".join((*parts, self.backend.bundled.decode_bytes(ids[begin:])))
        return b"".join(map(self.token_bytes, ids))


def load_tokenizer(spec: str, *, allow_download: bool = False) -> Tokenizer:
    """The tokenizer that `--tokenizer` names.

    Args:
        spec: one of `BUNDLED`, a model folder, a `tokenizer.json`, a tiktoken rank file, or a hub name.
        allow_download: a hub name may be fetched; nothing else ever touches the network.

    Raises:
        TokenizerError: one sentence that says what is missing or wrong.
    """
    if spec in BUNDLED:
        return _bundled(spec)
    path = Path(spec)
    if is_folder(path):
        return _from_folder(path)
    if is_file(path):
        return _from_json(path) if path.suffix == ".json" else _from_ranks(path)
    if "/" in spec and not spec.startswith((".", "/")) and spec.count("/") == 1:
        return _from_hub(spec, allow_download)
    raise TokenizerError(
        Text(
            "no such tokenizer: {spec} (a folder, a file, or one of the names {names})",
            "找不到 tokenizer：{spec}（应为文件夹、文件，或以下名称之一：{names}）",
        ),
        spec=spec,
        names=listed(BUNDLED),
    )


class Glm4Backend:
    """GLM-4's ranks from the wheel: a few texts one by one, many in one call.

    The wheel's encoder takes texts one by one without control tokens, but its batch call matches
    them, some of splintr's own among them. So texts in which one may stand are taken out of a batch;
    once that costs more, an encoder without any is built from the ranks, which takes 0.2 s. All
    give the same ids (a test compares them).
    """

    FEW: Final = 200_000
    """Characters in one call up to which texts are encoded one by one."""
    MANY: Final = 32_000_000
    """Characters of a process from which an encoder of its own is built."""
    SIGNS: Final = ("|>", "think>", "op>", "tool_call>", "tool_response>", "arg_key>", "arg_value>")
    """One of these, "MASK]" or "/nothink" is in each of splintr's control tokens."""

    def __init__(self) -> None:
        import splintr

        self.bundled = splintr.Tokenizer.from_pretrained("glm4")
        self.decode_token_bytes = self.bundled.decode_token_bytes
        self._seen = 0
        """Characters that were encoded in batches; past MANY where that does not pay."""
        if not all(_may_hold(text) for text in self.bundled.special_tokens()):
            self._seen = self.MANY

    @cached_property
    def batch(self) -> _Backend:
        """The encoder built from the ranks, with GLM's own split pattern and no control tokens."""
        import splintr

        pieces = map(self.bundled.decode_token_bytes, range(GLM4_BASE))
        ranks = b"\n".join(
            [
                b"%b %d" % (b2a_base64(piece, newline=False), rank)
                for rank, piece in enumerate(pieces)
            ]
        )
        return splintr.Tokenizer.from_bytes(ranks, GLM4_PATTERN, {})

    def expect(self, characters: int) -> None:
        """Make ready for about so many characters."""
        if characters > self.MANY:
            _ = self.batch

    def clear_cache(self) -> None:
        """Forget the pieces that were met."""
        self.bundled.clear_cache()
        if "batch" in self.__dict__:
            self.batch.clear_cache()

    def encode_batch_flat(self, texts: Sequence[str]) -> tuple[bytes, bytes]:
        """Ids and offsets, as splintr's call of that name gives them."""
        if "batch" in self.__dict__:
            return self.batch.encode_batch_flat(texts)
        size = sum(map(len, texts))
        if size <= self.FEW:
            return _flat([self.bundled.encode_ordinary(text) for text in texts])
        self._seen += size
        apart = [place for place, text in enumerate(texts) if _may_hold(text)]
        if self._seen > self.MANY or 8 * sum(len(texts[place]) for place in apart) > size:
            return self.batch.encode_batch_flat(texts)
        if not apart:
            return self.bundled.encode_batch_flat(texts)
        rest = list(texts)
        for place in apart:
            rest[place] = ""
        found, ends = self.bundled.encode_batch_flat(rest)
        ids, offsets = np.frombuffer(found, "<u4"), np.frombuffer(ends, "<u8").astype(np.int64)
        lengths = np.diff(offsets)
        parts, done = [], 0
        for place in apart:
            own = np.array(self.bundled.encode_ordinary(texts[place]), "<u4")
            parts += [ids[done : offsets[place]], own]
            done, lengths[place] = offsets[place], len(own)
        whole = np.concatenate([*parts, ids[done:]])
        return whole.tobytes(), _offsets(lengths).tobytes()


def _may_hold(text: str) -> bool:
    """Whether a control token of splintr's may be in a text; hardly any has one of the signs."""
    return (
        (">" in text and any(sign in text for sign in Glm4Backend.SIGNS))
        or "MASK]" in text
        or "/nothink" in text
    )


def _flat(parts: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
    ids = np.array([token for part in parts for token in part], "<u4")
    return ids.tobytes(), _offsets([len(part) for part in parts]).tobytes()


def _offsets(lengths: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    found = np.zeros(np.size(lengths) + 1, "<u8")
    np.cumsum(lengths, out=found[1:])
    return found


@cache
def _byte_letters() -> dict[str, int]:
    """Letter -> byte, as a byte-level vocabulary spells its pieces (tokenizers, `ByteLevel`):
    printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(0x100)) - set(printable))
    return {
        **{chr(byte): byte for byte in printable},
        **{chr(0x100 + place): byte for place, byte in enumerate(others)},
    }


class PieceBackend:
    """A `tokenizer.json` whose `decoder` works on whole sequences: an id is its piece's own bytes."""

    def __init__(self, backend: _Backend, model: Mapping[str, Any]) -> None:
        vocabulary = model["vocab"]
        self.encode_batch_flat = backend.encode_batch_flat
        self.clear_cache = backend.clear_cache
        if isinstance(vocabulary, dict):
            self.pieces = {int(token): str(piece) for piece, token in vocabulary.items()}
        else:  # Unigram: [piece, score], the id is the place
            self.pieces = {token: str(entry[0]) for token, entry in enumerate(vocabulary)}
        self.suffix = str(model.get("end_of_word_suffix") or "")

    def decode_token_bytes(self, token: int) -> bytes:
        """The bytes of one id; the mark of a word's end is a space. Raises ValueError."""
        piece = self.pieces.get(token)
        if piece is None:
            raise ValueError(f"no id {token}")
        if self.suffix and piece.endswith(self.suffix):
            piece = piece.removesuffix(self.suffix) + " "
        return piece.encode("utf-8", "replace")


def _control_of(pairs: Iterable[tuple[Any, Any]]) -> dict[str, int]:
    """Control tokens from a file: text -> id. Raises ValueError for what is neither."""
    found: dict[str, int] = {}
    for text, token in pairs:
        number = int(token)
        if not isinstance(text, str) or not text or not 0 <= number < 1 << 31:
            raise ValueError(f"{text!r}: {token!r} is not a token")
        found[text] = number
    return found


def _decodes_alone(backend: _Backend, token: int) -> bool:
    """Whether the backend can say what one id stands for."""
    try:
        backend.decode_token_bytes(token)
    except ValueError:
        return False
    return True


@cache
def _bundled(name: str) -> Tokenizer:
    control = {text: GLM4_BASE + place for place, text in enumerate(BUNDLED[name])}
    return Tokenizer(name, True, GLM4_BASE, control, _glm4_backend(), parted=True)


@cache
def _glm4_backend() -> Glm4Backend:
    return Glm4Backend()


def _glm4_control(first: int) -> dict[str, int]:
    return {text: first + place for place, text in enumerate(GLM4_CONTROL)}


def _from_ranks(path: Path, control: dict[str, int] | None = None) -> Tokenizer:
    import splintr

    try:
        data = path.read_bytes()
        backend = splintr.Tokenizer.from_bytes(data, GLM4_PATTERN, {})
    except (OSError, ValueError) as error:
        raise TokenizerError(
            Text(
                "{path} is not a tiktoken rank file: {error}",
                "{path} 不是 tiktoken 词表文件：{error}",
            ),
            path=path,
            error=error,
        ) from None
    size = sum(1 for line in data.splitlines() if line.strip())
    known = size == GLM4_BASE or control is not None
    return Tokenizer(
        str(path),
        known,
        size,
        control if control is not None else _glm4_control(size),
        backend,
        parted=True,
    )


def _from_json(path: Path, control: dict[str, int] | None = None) -> Tokenizer:
    import splintr

    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
        added = _control_of(
            (token["content"], token["id"]) for token in content.get("added_tokens") or ()
        )
        vocabulary = content["model"]["vocab"]
        size = len(vocabulary)
        # The boundary template and the control tokens are the recipe's business.
        content["post_processor"] = None
        content["added_tokens"] = []
        backend: _Backend = splintr.from_json_bytes(json.dumps(content).encode())
        some = next(iter(vocabulary.values()), 0) if isinstance(vocabulary, dict) else 0
        if not _decodes_alone(backend, some):
            backend = PieceBackend(backend, content["model"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenizerError(
            Text(
                "{path} can't be read as a tokenizer.json: {error}",
                "{path} 无法作为 tokenizer.json 读取：{error}",
            ),
            path=path,
            error=error,
        ) from None
    parted = _splits_like_glm(content) and not isinstance(backend, PieceBackend)
    return Tokenizer(str(path), True, size, control or added, backend, parted=parted)


def _splits_like_glm(content: dict[str, Any]) -> bool:
    """Whether a `tokenizer.json` splits by GLM-4's pattern and merges bytes, and does nothing else."""
    steps = content.get("pre_tokenizer")
    steps = steps.get("pretokenizers") if isinstance(steps, dict) else None
    split = steps[0] if isinstance(steps, list) and len(steps) == 2 else None
    return (
        content.get("normalizer") is None
        and content["model"].get("type") == "BPE"
        and not content["model"].get("dropout")
        and isinstance(split, dict)
        and split.get("pattern") == {"Regex": GLM4_PATTERN}
        and split.get("behavior") == "Isolated"
        and not split.get("invert")
        and isinstance(steps, list)
        and isinstance(steps[1], dict)
        and steps[1].get("type") == "ByteLevel"
        and not steps[1].get("add_prefix_space")
        and steps[1].get("use_regex") is False
    )


def _from_folder(folder: Path) -> Tokenizer:
    config: dict[str, Any] = {}
    config_file = folder / "tokenizer_config.json"
    if config_file.is_file():
        try:
            config = json.loads(config_file.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise TokenizerError(
                Text("{file} is not valid JSON: {error}", "{file} 不是合法的 JSON：{error}"),
                file=config_file,
                error=error,
            ) from None
        if not isinstance(config, dict):
            raise TokenizerError(
                Text("{file} is not a JSON object", "{file} 不是 JSON 对象"), file=config_file
            )
    decoder = config.get("added_tokens_decoder")
    try:
        control = _control_of(
            (token["content"], number)
            for number, token in (decoder.items() if isinstance(decoder, dict) else ())
            if isinstance(token, dict) and "content" in token
        )
    except ValueError as error:
        raise TokenizerError(
            Text(
                "{file}: added_tokens_decoder can't be read: {error}",
                "{file}：无法读取 added_tokens_decoder：{error}",
            ),
            file=config_file,
            error=error,
        ) from None
    if (folder / "tokenizer.json").is_file():
        found = _from_json(folder / "tokenizer.json", control or None)
    elif (folder / "tokenizer.model").is_file():
        found = _from_ranks(folder / "tokenizer.model", control or None)
    else:
        raise TokenizerError(
            Text(
                "{folder} holds neither tokenizer.json nor tokenizer.model",
                "{folder} 中既没有 tokenizer.json，也没有 tokenizer.model",
            ),
            folder=folder,
        )
    return Tokenizer(
        str(folder),
        found.exact,
        found.base_size,
        found.control,
        found.backend,
        _folder_template(folder, config),
        found.parted,
    )


def _folder_template(folder: Path, config: dict[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return read_template(file)
    template = config.get("chat_template")
    if isinstance(template, list):  # several named ones: transformers takes "default"
        named = [entry for entry in template if isinstance(entry, dict)]
        default = [entry.get("template") for entry in named if entry.get("name") == "default"]
        template = default[-1] if default else None
    return template if isinstance(template, str) else None


def _from_hub(name: str, allow_download: bool) -> Tokenizer:
    if not allow_download:
        raise TokenizerError(
            Text(
                "no file or folder {name}; to fetch it from the hub, add --allow-download",
                "没有名为 {name} 的文件或文件夹；如需从 hub 下载，请加上 --allow-download",
            ),
            name=name,
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise TokenizerError(
            Text(
                "fetching from the hub needs huggingface_hub: pip install huggingface_hub",
                "从 hub 下载需要 huggingface_hub：pip install huggingface_hub",
            )
        ) from None
    try:
        folder = snapshot_download(
            name, allow_patterns=["tokenizer*", "chat_template.jinja", "special_tokens_map.json"]
        )
    except Exception as error:  # the hub client's errors have no common base
        raise TokenizerError(
            Text("{name} could not be fetched: {error}", "无法下载 {name}：{error}"),
            name=name,
            error=error,
        ) from None
    return _from_folder(Path(folder))
