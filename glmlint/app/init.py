"""`glmlint init`: a commented settings file, and what calls glmlint in a hook and in CI."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from glmlint.app.flags import LENGTH, Choice, argument, lang_option, option
from glmlint.app.help import Command
from glmlint.app.options import Failure, complete_files, complete_recipes
from glmlint.output import put, tell
from glmlint.text import Text, is_folder, nearest, system_fault

NAME: Final = "glmlint.toml"
SCHEMA: Final = "glmlint.schema.json"
HOOKS: Final = ".pre-commit-config.yaml"

MOST_CONFIGS: Final = 200
"""Files that are looked at for settings of a trainer."""

_CONFIG_FOLDERS: Final = ("", "config", "configs", "conf", "train", "training", "scripts")
"""Where projects keep the settings of their trainers."""

_WORDS: Final = {
    "there": Text(
        "{file} is already there; --force replaces it", "{file} 已经存在；--force 会覆盖它"
    ),
    "table": Text(
        "{file} already has [tool.glmlint], and {name} beside it would hide that; --force writes it",
        "{file} 中已有 [tool.glmlint]，旁边的 {name} 会使它失效；--force 仍会写入",
    ),
    "no-folder": Text("{path}: no such folder", "{path}: 文件夹不存在"),
    "unwritable": Text("{file} can't be written: {why}", "无法写入 {file}：{why}"),
    "written": Text("wrote {file}", "已写入 {file}"),
    "unknown": Text("unknown recipe {name}{near}", "未知的配方 {name}{near}"),
    "ask-config": Text(
        "Take recipe and budget from {file} ({recipe})?", "从 {file}（{recipe}）读取配方和长度预算吗？"
    ),
    "ask-recipe": Text(
        "Which recipe trains the data? `glmlint recipes` lists them",
        "用哪个配方训练？`glmlint recipes` 会列出所有配方",
    ),
    "ask-budget": Text(
        "The budget of the trainer in tokens (empty: its own default)",
        "训练时的长度预算，单位为 token（留空：训练框架的默认值）",
    ),
    "ask-data": Text("Where is the data?", "数据在哪里？"),
    "ask-hook": Text("Check data before each commit (pre-commit)?", "每次提交前检查数据（pre-commit）？"),
    "ask-ci": Text("Check data in CI: github, gitlab or none", "在 CI 中检查数据：github、gitlab 或 none"),
    "ask-again": Text("{value} can't be used here", "{value} 在这里不可用"),
    "paste-hook": Text(
        "{file} is already there; add this to its `repos`:", "{file} 已经存在，请把下面的内容加入其中的 `repos`："
    ),
    "paste-ci": Text(
        "put this into {file}, with the URL of glmlint:", "请把下面的内容写入 {file}，并填上 glmlint 的地址："
    ),
    "next": Text("next: glmlint check {data}", "下一步：glmlint check {data}"),
}  # fmt: skip


@click.command(
    "init",
    cls=Command,
    summary=Text(
        "Write a commented glmlint.toml, and show what calls glmlint in a hook and in CI.",
        "生成带注释的 glmlint.toml，并给出 pre-commit 和 CI 的写法。",
    ),
    more=Text(
        "On a terminal it asks; --yes, and every run elsewhere, takes the flags and what is found in "
        "the folder. A file that is there is never replaced without --force.",
        "在终端上会逐项询问；加上 --yes 或不在终端上时，按命令行参数和文件夹中找到的内容生成。"
        "不加 --force 不会覆盖已有的文件。",
    ),
)
@argument(
    "folder",
    required=False,
    default=".",
    metavar="[FOLDER]",
    shell_complete=complete_files,
    help=Text(
        "Where to write it; the current folder if none is named.",
        "写到哪个文件夹；不给则为当前文件夹。",
    ),
)
@option(
    "--recipe",
    metavar="NAME",
    shell_complete=complete_recipes,
    group="trainer",
    default_shown="glm4",
    help=Text(
        "Which trainer: see `glmlint recipes`.", "使用哪个训练框架的配方，见 `glmlint recipes`。"
    ),
)
@option(
    "--trainer-config",
    metavar="FILE",
    shell_complete=complete_files,
    group="trainer",
    help=Text(
        "The trainer's own YAML or JSON, from which recipe and budget are read.",
        "训练框架自己的 YAML 或 JSON 配置，从中读取配方和长度预算。",
    ),
)
@option(
    "--max-length",
    type=LENGTH,
    metavar="L",
    group="budget",
    help=Text("The budget in tokens.", "长度预算，单位为 token。"),
)
@option(
    "--data",
    metavar="PATH",
    shell_complete=complete_files,
    group="files",
    help=Text("The data that hook and CI check.", "供 hook 和 CI 检查的数据。"),
)
@option(
    "--schema",
    is_flag=True,
    group="files",
    help=Text(
        f"Also write {SCHEMA}, by which editors complete the keys.",
        f"同时写入 {SCHEMA}，供编辑器补全各个键。",
    ),
)
@option(
    "--hook/--no-hook",
    default=None,
    group="files",
    help=Text(
        f"Write {HOOKS}, or print the block where it is there.",
        f"写入 {HOOKS}；文件已存在时只显示要加入的内容。",
    ),
)
@option(
    "--ci",
    type=Choice(["github", "gitlab", "none"]),
    group="files",
    default_shown="none",
    help=Text("Print a job for this CI.", "显示该 CI 的任务配置。"),
)
@option(
    "--force",
    is_flag=True,
    group="general",
    help=Text(f"Replace a {NAME} that is there.", f"覆盖已有的 {NAME}。"),
)
@option("--yes", "-y", is_flag=True, group="general", help=Text("Ask nothing.", "不询问。"))
@lang_option()  # fmt: skip
def init(folder: str, force: bool, yes: bool, lang: str | None, **flags: Any) -> None:
    """Write the settings of a project."""
    from glmlint.output import language

    lang = language(lang or "auto")
    if not is_folder(folder):
        raise Failure(_WORDS["no-folder"].say(lang, path=folder))
    target = Path(folder) / NAME
    if not force:
        _refuse(target, lang)
    answers = Answers(folder, flags, lang, asks=not yes and _on_terminal())
    _check_recipe(answers.recipe, lang)
    _check_config(answers, lang)
    text = settings_text(answers.settings(), answers.evals, lang, schema=flags["schema"])
    if flags["schema"]:
        _write(target.with_name(SCHEMA), _schema(), lang)
    _write(target, text, lang)
    if answers.hook:
        _hook(Path(folder) / HOOKS, answers.data, lang)
    if answers.ci != "none":
        file, block = _job(answers.ci, answers.data)
        tell(_WORDS["paste-ci"].say(lang, file=file))
        _print(block)
    tell(_WORDS["next"].say(lang, data=answers.data))


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _refuse(target: Path, lang: str) -> None:
    """See that no settings are replaced or hidden. Raises Failure."""
    if os.path.lexists(target):
        raise Failure(_WORDS["there"].say(lang, file=target))
    project = target.with_name("pyproject.toml")
    try:
        has_table = b"[tool.glmlint" in project.read_bytes()
    except OSError:
        return
    if has_table:
        raise Failure(_WORDS["table"].say(lang, file=project, name=NAME))


def _check_recipe(recipe: str | None, lang: str) -> None:
    from glmlint.trainer.base import all_trainers

    if recipe is not None and recipe not in all_trainers():
        near = nearest(recipe, all_trainers())
        told = Text(f": did you mean {near}?", f"（是否应为 {near}？）") if near else Text("", "")
        raise Failure(_WORDS["unknown"].say(lang, name=recipe, near=told))


def _check_config(answers: Answers, lang: str) -> None:
    """See that the trainer's settings can be used. Raises Failure."""
    from glmlint.app.settings import SettingsError, trainer_config

    if answers.config is None:
        return
    try:
        given = {"trainer-config": answers.config, "recipe": answers.recipe}
        trainer_config(given, {}, Path(), ())
    except SettingsError as error:
        raise Failure(error.say(lang)) from None


class Answers:
    """What was asked for, by flags, by answers, or by what is in the folder."""

    def __init__(self, folder: str, flags: Mapping[str, Any], lang: str, *, asks: bool) -> None:
        self.folder = folder
        self.lang = lang
        self.asks = asks
        files = _data_files(folder)
        self.evals = [file for file in files if _is_eval(file)]
        self.config: str | None = flags["trainer_config"]
        """From the current folder; in the file it is relative to that."""
        self.recipe: str | None = flags["recipe"]
        self.budget: int | None = flags["max_length"]
        if self.config is None and self.recipe is None:
            self.config = self._found_config()
        if self.config is None:
            self.recipe = self.recipe or self._ask("ask-recipe", "glm4", _recipe)
            if self.budget is None and asks:
                told = self._ask("ask-budget", "", _length)
                self.budget = int(told) if told else None
        self.data: str = flags["data"] or self._ask("ask-data", _folder_of(files), _any)
        hook = flags["hook"]
        if hook is None and asks:
            hook = self._ask("ask-hook", "y", _yes_no).lower() in _YES
        self.hook = bool(hook)
        ci = flags["ci"]
        self.ci: str = ci or (self._ask("ask-ci", "none", _ci) if asks else "none")

    def _found_config(self) -> str | None:
        """Settings of a trainer in the folder, if there is one file of it, or the user takes one."""
        found = [*_trainer_configs(self.folder)]
        if not self.asks:
            return found[0][0] if len(found) == 1 else None
        for file, recipe in found:
            told = _WORDS["ask-config"].say(self.lang, file=file, recipe=recipe)
            if self._answer(told, "y", _yes_no).lower() in _YES:
                return file
        return None

    def _ask(self, key: str, default: str, usable: Callable[[str], bool]) -> str:
        return self._answer(_WORDS[key].say(self.lang), default, usable) if self.asks else default

    def _answer(self, question: str, default: str, usable: Callable[[str], bool]) -> str:
        """A usable answer; an empty one, or the end of the input, is the default."""
        while True:
            put(sys.stdout, f"{question} [{default}]" if default else question)
            sys.stdout.flush()
            line = sys.stdin.readline()
            value = line.strip() or default
            if not line or usable(value):
                return value if line else default
            put(sys.stdout, _WORDS["ask-again"].say(self.lang, value=value))

    def settings(self) -> dict[str, Any]:
        """The keys that are set in the file."""
        if self.config is not None:
            relative = os.path.relpath(self.config, self.folder).replace(os.sep, "/")
            found: dict[str, Any] = {"trainer-config": relative}
        else:
            found = {"recipe": self.recipe}
        if self.budget is not None:
            found["max-length"] = self.budget
        return found


_YES: Final = ("y", "yes", "是")


def _yes_no(value: str) -> bool:
    return value.lower() in (*_YES, "n", "no", "否")


def _recipe(value: str) -> bool:
    from glmlint.trainer.base import all_trainers

    return value in all_trainers()


def _length(value: str) -> bool:
    return not value or (value.isascii() and value.isdigit() and 0 < int(value) < 2**31)


def _ci(value: str) -> bool:
    return value in ("github", "gitlab", "none")


def _any(value: str) -> bool:
    return bool(value)


# --- what is there -------------------------------------------------------------------------------


def _data_files(folder: str) -> list[str]:
    from glmlint.read.paths import find_inputs

    return [os.path.relpath(file.path, folder) for file in find_inputs([folder])[0]]


_EVAL: Final = ("dev", "val", "valid", "validation", "eval")


def _is_eval(file: str) -> bool:
    stem = os.path.basename(file).partition(".")[0].lower()  # noqa: PTH119
    return any(part in _EVAL for part in re.split("[^a-z]+", stem))


def _folder_of(files: list[str]) -> str:
    """The folder that holds all data files; "." where they stand apart or there are none."""
    parents = {file.replace(os.sep, "/").rpartition("/")[0].partition("/")[0] for file in files}
    return parents.pop() or "." if len(parents) == 1 else "."


def _trainer_configs(folder: str) -> Iterator[tuple[str, str]]:
    """Settings files of trainers that glmlint knows, and the recipe of each."""
    from glmlint.trainer.base import all_trainers
    from glmlint.trainer.config import ConfigError, read_config

    looked = 0
    for name in _CONFIG_FOLDERS:
        place = Path(folder) / name
        try:
            files = sorted(file for file in place.iterdir() if file.suffix in (".yaml", ".yml"))
        except OSError:
            continue
        for file in files:
            looked += 1
            if looked > MOST_CONFIGS:
                return
            try:
                values = read_config(str(file))
                for trainer in all_trainers().values():
                    found = trainer.from_config(values, str(file), None)
                    if found is not None:
                        yield str(file), found.recipe
                        break
            except ConfigError:
                continue


# --- what is written -----------------------------------------------------------------------------


def settings_text(settings: Mapping[str, Any], evals: list[str], lang: str, *, schema: bool) -> str:
    """The settings file: what is set, and what may be, with its default, behind a `#`.

    Args:
        settings: recipe or trainer-config, and max-length where it is set.
        evals: files that look like validation splits.
        lang: of the comments.
        schema: whether the schema stands beside the file.
    """
    from glmlint.app.show_settings import toml
    from glmlint.plan import DEFAULT_EXCLUDE

    def line(key: str, value: Any, comment: Text) -> str:
        given = settings.get(key)
        told = f"{key} = {toml(value if given is None else given)}"
        return f"{'' if key in settings else '# '}{told}  # {comment.plain(lang)}"

    def title(text: Text) -> str:
        return f"\n# {text.plain(lang)}"

    lines = [f"#:schema ./{SCHEMA}"] if schema else []
    lines += [
        f"# {_ABOUT.plain(lang)}",
        title(Text("Which trainer, and how much of a row it keeps", "训练框架，以及每行保留多长")),
        line("recipe", "glm4", Text("`glmlint recipes` lists them", "`glmlint recipes` 列出所有配方")),
        line("trainer-config", "lora.yaml",
             Text("or recipe and budget from the trainer's own file",
                  "或从训练框架自己的配置文件读取配方和长度预算")),
        line("model", "glm-4-9b", Text("the model that is tuned, or its folder",
                                       "要微调的模型，或其文件夹")),
        line("max-length", 2048, Text("the budget, in tokens", "长度预算，单位为 token")),
        title(Text("Which rules run; `glmlint rules` lists them", "启用哪些规则；`glmlint rules` 会列出")),
        line("extend-select", ["missing-description"], Text("more rules or families",
                                                            "增加规则或规则族")),
        line("ignore", ["edge-whitespace"], Text("fewer", "不用的规则")),
        line("severity", {"null-content": "error"}, Text("error, warning, info or off",
                                                         "error、warning、info 或 off")),
        title(Text("What fails", "什么算不通过")),
        line("fail-on", "error", Text("error, warning, info or never",
                                      "error、warning、info 或 never")),
        line("max-lost-share", 0.1, Text("of a row's supervised tokens",
                                         "一行中允许丢失的受监督 token 比例")),
        line("max-truncated-samples", 0.01, Text("of all rows", "允许被截断的样本比例")),
        line("baseline", "glmlint-baseline.json", Text("findings that are known and do not count",
                                                       "已知的、不计入的问题")),
        title(Text("Which files", "哪些文件")),
        line("eval", evals or ["data/dev.jsonl"], Text("the validation split", "验证集")),
        line("extend-exclude", ["data/raw"],
             Text(f"left out beside {', '.join(DEFAULT_EXCLUDE[-3:])} and the like",
                  f"在 {'、'.join(DEFAULT_EXCLUDE[-3:])} 等之外另行排除")),
        line("respect-gitignore", True, Text("leave out what git ignores", "跳过 git 忽略的文件")),
        title(Text("Other rules for some files", "对部分文件使用其他规则")),
        "# [[per-file]]",
        '# files = "data/old/*.jsonl"',
        '# ignore = ["content"]',
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


_ABOUT: Final = Text(
    "Settings of glmlint: keys are the names of its flags, and a flag wins over a key. "
    "`glmlint check --show-settings` prints what holds.",
    "glmlint 的配置：键与命令行参数同名，命令行参数优先。`glmlint check --show-settings` 显示实际生效的值。",
)


def _schema() -> str:
    """The shape of the settings, with the limits that rules declare."""
    from glmlint.app.limits import declared
    from glmlint.read.schema import load_schema
    from glmlint.visible import json_text

    schema = load_schema("config")
    properties = {**schema["properties"], **{one.name: one.schema for one in declared()}}
    return json_text({**schema, "properties": properties}, indent=2) + "\n"


def _hook(file: Path, data: str, lang: str) -> None:
    block = _hook_lines(data)
    if os.path.lexists(file):
        tell(_WORDS["paste-hook"].say(lang, file=file))
        _print("\n".join(block) + "\n")
        return
    _write(file, "\n".join(["repos:", *block]) + "\n", lang)


def _hook_lines(data: str) -> list[str]:
    place = os.path.normpath(data).replace(os.sep, "/")
    files = r"\.(jsonl|ndjson)$"
    if place != "." and not place.startswith(("/", "..")):
        files = (
            f"^{re.escape(place)}$"
            if "." in place.rpartition("/")[2]
            else f"^{re.escape(place)}/.*{files}"
        )
    quoted = files.replace("'", "''")
    return [
        "  - repo: local",
        "    hooks:",
        "      - id: glmlint",
        "        name: glmlint",
        "        entry: glmlint check --force-exclude --output-format concise",
        "        language: system",
        "        types: [text]",
        f"        files: '{quoted}'",
        "        require_serial: true",
    ]


_INSTALL: Final = "pip install 'glmlint @ git+<its URL>@<tag or commit>'"


def _job(ci: str, data: str) -> tuple[str, str]:
    """Where a CI job goes, and its text."""
    import shlex

    checked = shlex.quote(data)
    if ci == "github":
        return ".github/workflows/glmlint.yml", (
            "name: data\n"
            "on: [pull_request]\n"
            "jobs:\n"
            "  glmlint:\n"
            "    runs-on: ubuntu-latest\n"
            "    steps:\n"
            "      - uses: actions/checkout@v4\n"
            "      - uses: actions/setup-python@v5\n"
            "        with:\n"
            '          python-version: "3.11"\n'
            f"      - run: {_INSTALL}\n"
            f"      - run: glmlint check {checked} --format markdown --output summary.md --format github\n"
            "      - if: always()\n"
            '        run: cat summary.md >> "$GITHUB_STEP_SUMMARY"\n'
        )
    return ".gitlab-ci.yml", (
        "glmlint:\n"
        "  image: python:3.11\n"
        "  script:\n"
        f"    - {_INSTALL}\n"
        f"    - glmlint check {checked} --format text --format gitlab --output code-quality.json "
        "--format junit --output junit.xml\n"
        "  artifacts:\n"
        "    when: always\n"
        "    reports:\n"
        "      codequality: code-quality.json\n"
        "      junit: junit.xml\n"
    )


def _print(block: str) -> None:
    for line in block.splitlines():
        put(sys.stdout, line)


def _write(file: Path, text: str, lang: str) -> None:
    from glmlint.output import opened

    try:
        with opened(str(file)) as out:
            out.write(text)
    except OSError as error:
        why = system_fault(error)
        raise Failure(_WORDS["unwritable"].say(lang, file=file, why=why)) from None
    tell(_WORDS["written"].say(lang, file=file))
