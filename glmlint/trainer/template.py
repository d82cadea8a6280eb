"""The chat template: messages -> the one string that transformers hands to the tokenizer.

The texts are constants of GLM-4's protocol (glm-4-9b-chat, tokenizer_config.json, June 2024);
the template around them is glmlint's own and renders what the model's own template renders
(a test compares the two).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from glmlint.patterns import Pattern
from glmlint.plan import version
from glmlint.text import RunStopped, Text, Told, is_file, listed
from glmlint.trainer.printed import require_printable

if TYPE_CHECKING:
    from glmlint.trainer.jinja import Compiled, Features, Note, Printed, Span

PREFIX: Final = "[gMASK]<sop>"

INTRO: Final = (
    "你是一个名为 {name} 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，"
    "你的任务是针对用户的问题和要求提供适当的答复和支持。"
)
TOOLS_HEADING: Final = "\n\n# 可用工具"
CALL_NOTE: Final = "\n在调用上述函数时，请使用 Json 格式表示调用的参数。"

BUILT_IN: Final = {
    "python": (
        "当你向 `python` 发送包含 Python 代码的消息时，该代码将会在一个有状态的 Jupyter notebook 环境中执行。\n"
        "`python` 返回代码执行的输出，或在执行 60 秒后返回超时。\n"
        "`/mnt/data` 将会持久化存储你的文件。在此会话中，`python` 无法访问互联网。"
        "不要使用 `python` 进行任何网络请求或者在线 API 调用，这些在线内容的访问将不会成功。"
    ),
    "simple_browser": (
        "你可以使用 `simple_browser` 工具。该工具支持以下函数：\n"
        "`search(query: str, recency_days: int)`：使用搜索引擎进行查询并显示结果，"
        "可以使用 `recency_days` 参数控制搜索内容的时效性。\n"
        "`mclick(ids: list[int])`：获取一系列指定 id 的页面内容。每次调用时，须选择3-10个页面。"
        "选择多个角度的页面，同时尽可能选择可信任的信息来源。"
        "考虑到部分页面是无法加载的，你也可以多打开一些可能有用的页面而不用担心内容过多。\n"
        "`open_url(url: str)`：打开指定的 URL。\n\n"
        "使用 `【{引用 id}†{引用文本}】` 来引用内容。\n\n"
        "操作步骤：1. 使用 `search` 来获得信息列表; 2. 使用 `mclick` 来获取指定 ID 页面的内容; "
        "3. 根据获得的内容进行回复。在回复中应当引用信息来源。\n"
        " 如果用户提供了 URL，也可以用 `open_url` 直接打开页面。\n"
        "如果初次搜索结果没有找到合适的信息，也可以再次使用 `search` 进行搜索。"
    ),
    "cogview": (
        "如果用户的请求中包含了对图像的描述，你可以使用 `cogview` 来生成图像并展示给用户。"
        "你需要向 `cogview` 发送图像描述，规则：\n"
        "- 发送给 `cogview` 的消息必须使用英语。用户的中文描述必须完全翻译为英语。\n"
        "- 应当尽可能详细地描述图像生成的需求，需求描述约 100 英文单词。\n"
        "- 保持用户原始描述的意图。不要虚构内容或者没见过的人物。\n"
        "- 如无特殊说明，所在地为中国，持有中国立场并遵循中国社会主义价值观。"
    ),
}
"""What the template says of GLM-4's built-in tools."""

TOOLS_HEADING_45: Final = (
    "You may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:"
)
CALL_HEADING_45: Final = "For each function call, output the function name and arguments within the following XML format:"
"""What GLM-4.5 and its successors say before the list of tools and after it."""

REVISIONS: Final = {"ChatGLM": "ChatGLM", "GLM-4": "GLM-4"}
"""Template name -> what the assistant calls itself: the first Jinja revision, and the later."""

DEFAULT_REVISION: Final = "ChatGLM"

LATER: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "GLM-4.5": ("glm-4.5.jinja", {"strict": False}),
    "GLM-4.6": ("glm-4.5.jinja", {"strict": True}),
    "GLM-4.7-Flash": ("glm-4.7.jinja", {}),
}
"""Templates of later models: name -> file in `templates/`, and its variables."""

OF_VOCABULARY: Final = {"glm4.5": "GLM-4.5"}
"""Bundled vocabulary -> the template where none is named and that is not `DEFAULT_REVISION`."""

TRL_TRAINING: Final = "glm-4.5-trl.jinja"
"""What TRL renders in place of GLM-4.5's template for `assistant_only_loss`."""

TEMPLATES: Final = (*REVISIONS, *LATER)
"""Names that `--template` knows."""

KNOWN_TEXTS: Final = {
    "71d5275fb03251acefbbc11a9c105ed5": "ChatGLM",
    "2089866d5a6e6e10619cb0da8d9f9ddf": "GLM-4",
    "39f25615d752c244a7e4236394cbb35c": "GLM-4.5",
    "03cb1baf2b533b9c01aadf098f1db392": "GLM-4.6",
    "209b763e145b01dd145a624e3d5130b8": "GLM-4.7-Flash",
}
"""blake2b-128 of the published templates -> the name of glmlint's own that renders the same."""

_LAYOUT: Final = """\
{{- '[gMASK]<sop>' -}}
{%- for item in messages -%}
  {%- if item['tools'] is defined -%}
    {{- '<|system|>\n' ~ intro -}}
    {%- for tool in item['tools'] -%}
      {%- if tool['type'] == 'function' -%}
        {{- '\n## ' }}{{ tool['function']['name'] }}{{ '\n\n' -}}
        {{- tool['function'] | tojson(indent=4) }}{{ call_note -}}
      {%- elif tool['type'] in ('python', 'simple_browser', 'cogview') -%}
        {{- '\n## ' ~ tool['type'] ~ '\n\n' ~ built_in[tool['type']] -}}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {%- if item['content'] -%}
    {{- '<|' }}{{ item['role'] }}{{ '|>' }}{{ item['metadata'] }}{{ '\n' }}{{ item['content'] -}}
  {%- endif -%}
{%- endfor -%}
{{- '<|assistant|>' if add_generation_prompt -}}
"""


class Rendered(NamedTuple):
    """What a template printed for a conversation. Places are in code points of the text."""

    text: str
    generated: list[tuple[int, int]]
    """Where the bodies of its `{% generation %}` stand: (start, stop)."""
    turns: list[Note]
    """From each place on, whose the text is: index of a message, `tools`, or -1 for nobody's."""
    tools: int
    """What stands for the tool list in `turns`: the number of messages."""


class TemplateFault(Told):
    """A template that can't be used; the message is one sentence for the user."""


def stopped(text: Text) -> Text:
    """A phrase that follows a template's name, as a sentence."""
    return Text(f"the template {{name}} {text.en}", f"模板 {{name}} {text.zh}")


_SYNTAX: Final = Text(
    "the template {name} does not parse: {error}", "模板 {name} 有语法错误：{error}"
)
_DEEP: Final = Text(
    "the template {name} nests too deeply: jinja2 can't compile it ({error})",
    "模板 {name} 嵌套太深，jinja2 无法编译（{error}）",
)
_TOO_LONG: Final = Text(
    "the template {name} is longer than {bytes:,} bytes, too long for a chat template",
    "模板 {name} 超过 {bytes:,} 字节，不是对话模板",
)
_TOO_DEEP: Final = ("RecursionError", "IndentationError")
_GENERATION: Final = Pattern(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_THOUGHTS: Final = ("reasoning_content", "thinking", "reasoning")
"""Names of one thing, as transformers has them since 5.21."""


def listed_tools(heading: str, tools: Any) -> str:
    """The text of a tool list as the tokenizer files of GLM-4 write it, each tool under a heading.

    Raises what they raise: KeyError, TypeError, NotImplementedError; and RunStopped for a list that
    is too long once it is printed.
    """
    require_printable(tools)
    text = heading
    for tool in tools:
        kind = tool["type"]
        if kind == "function":
            function = tool["function"]
            text += f"\n\n## {function['name']}\n\n{dumps_tool(function)}{CALL_NOTE}"
        elif kind in BUILT_IN:
            text += f"\n\n## {kind}\n\n{BUILT_IN[kind]}"
        else:
            raise NotImplementedError(f"Unknown tool type {kind}")
    return text


def dumps_tool(value: Any, *, sort: bool = False) -> str:
    """transformers' `tojson(indent=4)` since 4.42.0: nothing sorted, nothing escaped."""
    return json.dumps(value, ensure_ascii=False, indent=4, sort_keys=sort)


def dumps_tool_html(value: Any) -> str:
    """jinja2's own `tojson(indent=4)`, which transformers used up to 4.41.2."""
    text = json.dumps(value, sort_keys=True, indent=4)
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("'", "\\u0027")):
        text = text.replace(char, escape)
    return text


@dataclass(frozen=True)
class ChatTemplate:
    """One template as one version of transformers renders it."""

    name: str
    text: str | None
    """A template of the user's, or one of `templates/`; None for GLM-4's revisions."""
    transformers: str
    own: bool = False
    """Whether the text is glmlint's own: it is to be trusted."""
    names: tuple[tuple[str, Any], ...] = ()
    """Variables that it needs beside those of a conversation."""
    published: bool = True
    """Whether what it stands for is the published text to the last character."""

    @property
    def known(self) -> bool:
        """Whether messages are rendered one after the other, each for itself."""
        return self.text is None

    @property
    def source(self) -> str:
        """The template's text, or one with the same control tokens, loops and keys."""
        return _LAYOUT if self.text is None else self.text

    @cached_property
    def version(self) -> tuple[int, ...]:
        """Of transformers."""
        return version(self.transformers)

    @cached_property
    def escapes_tools(self) -> bool:
        """Tool lists are sorted and escaped (transformers below 4.42)."""
        return self.version < (4, 42)

    @cached_property
    def drops_nulls(self) -> bool:
        """Top-level null keys of a message are dropped before rendering (from 5.24)."""
        return self.version >= (5, 24)

    @cached_property
    def intro(self) -> str:
        """What stands before the list of tools."""
        return INTRO.format(name=REVISIONS.get(self.name, self.name)) + TOOLS_HEADING

    def function_text(self, function: Mapping[str, Any]) -> str:
        """What a known revision prints for one function tool."""
        dumps = dumps_tool_html if self.escapes_tools else dumps_tool
        return f"\n## {function['name']}\n\n{dumps(function)}{CALL_NOTE}"

    def tools_text(self, tools: Sequence[Mapping[str, Any]]) -> str:
        """What a known revision prints for a list of well-formed tools, after `<|system|>`."""
        require_printable(tools)
        parts = ["\n", self.intro]
        for tool in tools:
            kind = tool["type"]
            if kind == "function":
                parts.append(self.function_text(tool["function"]))
            else:
                parts.append(f"\n## {kind}\n\n{BUILT_IN[kind]}")
        return "".join(parts)

    @cached_property
    def _features(self) -> Features:
        """What the environment of this version of transformers has."""
        from glmlint.trainer.jinja import Features

        have = self.version
        return Features(
            tojson=not self.escapes_tools,
            generation=have >= (4, 43),
            controls=have >= (4, 45),
            first_marked=have >= (5, 4),
        )

    @cached_property
    def _own(self) -> Compiled:
        """One of glmlint's own templates."""
        from glmlint.trainer.jinja import Compiled

        return Compiled(self.source, self._features)

    @cached_property
    def _names(self) -> dict[str, Any]:
        if self.text is not None:
            return {
                "eos_token": "<|endoftext|>",
                "pad_token": "<|endoftext|>",
                **dict(self.names),
            }
        return {"intro": self.intro, "call_note": CALL_NOTE, "built_in": BUILT_IN}

    def render(self, messages: Sequence[Any], **names: Any) -> str:
        """The string for any messages at all, odd ones as jinja2 prints them.

        Args:
            names: other variables of the template, such as `tools`.

        Raises:
            Exception: whatever the template raises on these messages, as in the trainer.
            RunStopped: a template of the user's takes too much.
        """
        return self.rendered(messages, **names).text

    def render_marked(self, messages: Sequence[Any]) -> tuple[str, list[Span]]:
        """The string, and where the bodies of its `{% generation %}` stand in it.

        The places are what transformers makes of them: (start, stop) in code points, in the order in
        which the blocks are printed, and wrong where a block stands in a macro or in `{% set %}`.
        Raises as `render`.
        """
        found = self.rendered(messages)
        return found.text, found.generated

    def rendered(self, messages: Sequence[Any], **names: Any) -> Rendered:
        """The string, its marked places, and whose each part of it is. Raises as `render`; such an
        exception has an attribute `turn`: the index of the message that was being printed, or -1.
        """
        (found,) = self.rendered_each((messages,), **names)
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def marks(self) -> bool:
        """Whether the template says by `{% generation %}` what the model is to learn."""
        return self.text is not None and _GENERATION.search(self.text) is not None

    def render_each(
        self, conversations: Iterable[Sequence[Any]], **names: Any
    ) -> Iterator[str | Exception]:
        """As `render` for each of several conversations; what it raises comes in place of the string.

        Raises:
            RunStopped: as `render`.
        """
        for found in self.rendered_each(conversations, **names):
            yield found if isinstance(found, Exception) else found.text

    def rendered_each(
        self, conversations: Iterable[Sequence[Any]], /, **names: Any
    ) -> Iterator[Rendered | Exception]:
        """As `render_each`, with what `rendered` gives."""
        handed = ([self._handed(message) for message in messages] for messages in conversations)
        defaults = {"tools": None, "documents": None, "add_generation_prompt": False}
        variables = {**defaults, **self._names, **names}
        if self.text is not None and not self.own:
            sizes: list[int] = []
            yield from self._strange(_counted(handed, sizes), sizes, variables)
            return
        for messages in handed:
            if self.text is None and not names and (plain := _plain_text(messages)) is not None:
                yield plain
                continue
            try:
                printed = self._own.render({**variables, "messages": messages}, sys.maxsize)
                yield Rendered(*printed, len(messages))
            except Exception as error:  # whatever odd messages make jinja2 raise
                yield error

    def _strange(
        self, handed: Iterable[list[Any]], sizes: list[int], variables: dict[str, Any]
    ) -> Iterator[Rendered | Exception]:
        """What a template that glmlint does not know prints, in a process of its own."""
        from glmlint.trainer.worker import Stopped, worker

        found: Printed | Exception
        try:
            answers = worker().render((str(self.text), self._features), variables, handed)
            for number, found in enumerate(answers):
                yield found if isinstance(found, Exception) else Rendered(*found, sizes[number])
        except Stopped as fault:
            raise RunStopped(stopped(fault.text), name=self.name, **fault.values) from None

    @cached_property
    def _aliases(self) -> bool:
        """Whether a thought has every name that templates read it by (from 5.21)."""
        return self.text is not None and self.version >= (5, 21)

    def _handed(self, message: Any) -> Any:
        """A message as transformers hands it to the template."""
        if not isinstance(message, dict):
            return message
        if self.drops_nulls:
            message = {key: value for key, value in message.items() if value is not None}
        if self._aliases:
            thought = next((message[k] for k in _THOUGHTS if message.get(k) is not None), None)
            if thought is not None:
                message = {"thinking": thought, **message, "reasoning_content": thought}
        return message

    def compile(self) -> None:
        """See whether the template can be used at all.

        Raises:
            TemplateFault: it does not parse, nests too deeply, or takes too much to compile.
        """
        if self.text is None or self.own:
            return
        from glmlint.trainer.worker import Stopped, UnfitValue, worker

        try:
            worker().compile((self.text, self._features))
        except UnfitValue as fault:
            deep = fault.name in _TOO_DEEP or "nested" in str(fault)
            error = f"{fault.name}: {fault}" if deep else str(fault)
            raise TemplateFault(_DEEP if deep else _SYNTAX, name=self.name, error=error) from None
        except Stopped as fault:
            raise TemplateFault(stopped(fault.text), name=self.name, **fault.values) from None


def _counted(conversations: Iterable[list[Any]], sizes: list[int]) -> Iterator[list[Any]]:
    """The same, the number of messages of each noted as it is taken."""
    for messages in conversations:
        sizes.append(len(messages))
        yield messages


def _plain_text(messages: Sequence[Any]) -> Rendered | None:
    """What `_LAYOUT` prints for messages without tools, a hundred times faster; None for others."""
    parts = [PREFIX]
    turns: list[Note] = []
    size = len(PREFIX)
    for index, message in enumerate(messages):
        if type(message) is not dict or "tools" in message:
            return None
        if content := message.get("content"):
            role, metadata = message.get("role", ""), message.get("metadata", "")
            parts.append(f"<|{role}|>{metadata}\n{content}")
            turns.append((size, index))
            size += len(parts[-1])
    turns.append((size, -1))
    return Rendered("".join(parts), [], turns, len(messages))


def load_template(spec: str | None, own: str | None, transformers: str) -> ChatTemplate:
    """The template that `--template` names, else the model folder's own, else the default.

    Raises:
        TemplateFault: no such name or file, or a template that does not parse.
    """
    if spec is None and own is not None:
        return _from_text("the model folder's", own, transformers)
    if spec is None or spec in REVISIONS:
        return ChatTemplate(spec or DEFAULT_REVISION, None, transformers)
    if spec in LATER:
        return own_template(spec, *LATER[spec], transformers)
    path = Path(spec)
    if not is_file(path):
        raise TemplateFault(
            Text(
                "no template {spec}: neither a file nor one of {names}",
                "找不到模板 {spec}：既不是文件，也不是 {names} 之一",
            ),
            spec=spec,
            names=listed(TEMPLATES),
        )
    return _from_text(spec, read_template(path), transformers)


LONGEST: Final = 1 << 20
"""Bytes of the longest template that is read."""


def read_template(path: Path) -> str:
    """The text of a template's file.

    Raises:
        TemplateFault: it can't be read, or is far too long for a template.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
        if len(data) > LONGEST:
            raise TemplateFault(_TOO_LONG, name=path, bytes=LONGEST)
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError) as error:
        raise TemplateFault(
            Text("{path} can't be read: {error}", "无法读取 {path}：{error}"),
            path=path,
            error=error,
        ) from None


def _from_text(name: str, text: str, transformers: str) -> ChatTemplate:
    digest = hashlib.blake2b(text.strip().encode("utf-8", "replace"), digest_size=16).hexdigest()
    if digest in KNOWN_TEXTS:
        found = load_template(KNOWN_TEXTS[digest], None, transformers)
        return replace(found, published=text == text.strip())
    if len(text) > LONGEST:
        raise TemplateFault(_TOO_LONG, name=name, bytes=LONGEST)
    template = ChatTemplate(name, text, transformers)
    template.compile()
    return template


def own_template(name: str, file: str, names: Mapping[str, Any], transformers: str) -> ChatTemplate:
    """One of glmlint's own templates, from the folder `templates`."""
    text = (Path(__file__).parent / "templates" / file).read_text(encoding="utf-8")
    headings = {"tools_heading": TOOLS_HEADING_45, "call_heading": CALL_HEADING_45}
    return ChatTemplate(name, text, transformers, True, tuple({**headings, **names}.items()))
