"""Flags, then the settings file, then the defaults -> one Plan."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from glmlint.app.limits import declared
from glmlint.engine.baseline import BaselineError, read_baseline
from glmlint.output import language
from glmlint.plan import (
    DEFAULT_MAX_INPUT,
    DEFAULT_MAX_OUTPUT,
    NO_BUDGET,
    FileChoice,
    FileRules,
    Plan,
    version,
)
from glmlint.read.schema import surely_valid, validator
from glmlint.rules.base import FAMILIES, all_rules, default_rules
from glmlint.text import Text, Told, is_file, is_folder, listed, nearest, system_fault
from glmlint.trainer.base import Trainer, all_trainers, get_trainer
from glmlint.trainer.config import ConfigError, TrainerConfig, read_config
from glmlint.trainer.models import MODELS, model_of
from glmlint.trainer.tokenizer import BUNDLED

MOST_LISTED: Final = 16
"""Names that are listed where none of them is near an unknown one."""

LEVELS: Final = ("error", "warning", "info", "off")
PINS: Final = ("transformers", "datasets")


class SettingsError(Told):
    """A flag or a settings file that can't be used; the message is one sentence for the user."""


def asked_language(flags: Mapping[str, Any], paths: Sequence[str] = ()) -> str:
    """ "en" or "zh", also where no plan can be made: the flag, the settings file, the environment."""
    asked = flags.get("lang")
    if not asked:
        try:
            places = _places(flags, paths)
            asked = _settings_file(flags.get("config"), places)[2].get("lang")
        except SettingsError:
            asked = None  # the file's fault is what is to be told
    return language(asked or "auto")


def resolve(flags: Mapping[str, Any], paths: Sequence[str] = (), family: str | None = None) -> Plan:
    """The plan of a run.

    Args:
        flags: by the flags' names without dashes in front; None or empty where not given.
        paths: what is checked: the settings file is looked for upwards from the first.
        family: the only rules that are run, and on where none of them is chosen; None: `check`.

    Raises:
        SettingsError: an unknown name, a value out of range, a settings file that is broken.
    """
    gathered = gather(flags, paths)
    given, config, own = gathered.given, gathered.config, gathered.own
    settings, origins, folder = gathered.settings, gathered.origins, gathered.folder
    recipe = settings.get("recipe", Plan.recipe)
    try:
        get_trainer(recipe)
    except KeyError:
        _known(recipe, all_trainers(), Text("unknown recipe {name}", "未知的配方 {name}"))
    options: dict[str, Any] = {}
    for values in (config, own.settings, given):
        options |= trainer_options(recipe, values.get("set", {}))
    recipe, options = _variant(recipe, options)
    model = _model(settings, own)
    if model is not None:
        options = {**get_trainer(recipe).model_options(model), **options}
    refusal = get_trainer(recipe).refusal(msgspec.convert(options, get_trainer(recipe).Options))
    if refusal is not None:
        raise SettingsError(refusal.text, **refusal.values)
    trainer = get_trainer(recipe)
    max_length, max_input, max_output = _budget(settings, origins, trainer, options)
    pinned = _pins(settings.get("pin", {}))
    pins = {**trainer.pins, **pinned}
    if family is not None and "select" in given and not _expand(given["select"]) & _of(family):
        raise SettingsError(
            Text(
                "--select selects no rule of the family {family}",
                "--select 中没有规则族 {family} 的规则",
            ),
            family=family,
        )
    rules, fixed = _select(settings, family)
    baseline_file, write_baseline, baseline = _baseline(settings, flags, folder)
    tokenizer = _tokenizer(settings, own, model, trainer, options, origins)
    return Plan(
        recipe=recipe,
        options=options,
        file_options=own.file_options(options, get_trainer(recipe)),
        data=tuple(one.path for one in own.data),
        notes=tuple(own.warnings),
        model=model,
        tokenizer=tokenizer,
        template=_template(settings, model, trainer, tokenizer),
        transformers=pins.get("transformers", Plan.transformers),
        datasets=pins.get("datasets", Plan.datasets),
        pinned=frozenset(pinned),
        max_length=max_length,
        max_input_length=max_input,
        max_output_length=max_output,
        rules=rules,
        fixed_severity=frozenset(fixed),
        per_file=tuple(
            _file_rules(block["files"], {**settings, **block, **given}, family)
            for block in settings.get("per-file", ())
        ),
        per_file_root=str(folder),
        baseline=baseline,
        baseline_file=baseline_file,
        write_baseline=write_baseline,
        add_ignores=bool(settings.get("add-ignores")),
        profile_rules=bool(settings.get("profile-rules")),
        fail_on=settings.get("fail-on", Plan.fail_on),
        limits=_limits(settings),
        eval_files=(*settings.get("eval", ()), *(one.path for one in own.eval)),
        lang=language(settings.get("lang", "auto")),
        max_findings=settings.get("max-findings", Plan.max_findings),
        choice=_choice(settings, given, folder),
        output_format=settings.get("output-format", Plan.output_format),
        column_unit=settings.get("column-unit", Plan.column_unit),
        jobs=settings.get("jobs"),
        engine=settings.get("engine", Plan.engine),
        cache=settings.get("cache", Plan.cache),
        cache_dir=_cache_dir(settings, flags, folder),
        origins=origins,
    )


class Gathered(NamedTuple):
    """Settings before they become a plan: who set what."""

    settings: dict[str, Any]
    """Key -> the value that counts."""
    origins: dict[str, str]
    """Key -> "flag", or a file's name."""
    given: dict[str, Any]
    """The flags that were given."""
    config: dict[str, Any]
    """The settings file."""
    file: str
    """Its name; "default" without one."""
    folder: Path
    """Its folder."""
    own: Own
    """The trainer's own settings."""


def gather(flags: Mapping[str, Any], paths: Sequence[str] = ()) -> Gathered:
    """Read the settings of all sources; arguments and errors as of `resolve`."""
    given = {name: value for name, value in flags.items() if value not in (None, (), [])}
    file, folder, config = _settings_file(given.pop("config", None), _places(given, paths))
    own = trainer_config(given, config, folder, paths)
    settings: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, values in ((file, config), (own.name, own.settings), ("flag", given)):
        for name, value in values.items():
            settings[name] = value
            origins[name] = source
        # A later pair beats an earlier budget, and back; both in one place are an error below.
        if "max-length" in values and not _HALVES & values.keys():
            settings = {name: settings[name] for name in settings if name not in _HALVES}
        elif _HALVES & values.keys() and "max-length" not in values:
            settings.pop("max-length", None)
    return Gathered(settings, origins, given, config, file, folder, own)


def _places(given: Mapping[str, Any], paths: Sequence[str]) -> Sequence[str]:
    """Where the settings file is looked for: standard input may have a name."""
    name = given.get("stdin-filename")
    return (name, *paths[1:]) if name and tuple(paths[:1]) == ("-",) else paths


def _choice(settings: Mapping[str, Any], given: Mapping[str, Any], folder: Path) -> FileChoice:
    """Which files a folder means. A pattern of a flag is relative to the current folder."""
    exclude = FileChoice.exclude
    if "exclude" in settings:
        root = "." if "exclude" in given else str(folder)
        exclude = tuple((root, pattern) for pattern in _split(settings["exclude"]))
    more = settings.get("extend-exclude", ())
    root = "." if "extend-exclude" in given else str(folder)
    return FileChoice(
        exclude=(*exclude, *((root, pattern) for pattern in _split(more))),
        gitignore=settings.get("respect-gitignore", True),
        force=bool(settings.get("force-exclude")),
        stdin_name=settings.get("stdin-filename"),
    )


def _split(patterns: Iterable[str]) -> list[str]:
    """Patterns of a repeated flag, each of which may hold several, as rules may."""
    return [one for entry in patterns for one in map(str.strip, entry.split(",")) if one]


def _limits(settings: Mapping[str, Any]) -> dict[str, float]:
    """What rules are held to, where somebody set it."""
    found = {one.name: one.value(settings[one.name]) for one in declared() if one.name in settings}
    for name, value in found.items():
        if value != value:  # NaN: no number is beyond it, so that the rule would never speak
            raise SettingsError(
                Text("{name}: nan is not a number", "{name}：nan 不是数字"), name=name
            )
    return found


_HALVES: Final = frozenset(("max-input-length", "max-output-length"))


class Own:
    """What the trainer's own settings file says, as settings of glmlint."""

    def __init__(self, name: str = "", config: TrainerConfig | None = None) -> None:
        self.name = name
        self.config = config
        self.settings: dict[str, Any] = {}
        self.data = [] if config is None else config.data
        self.eval = [] if config is None else config.eval
        self.warnings = [] if config is None else config.warnings
        if config is None:
            return
        self.settings = {"recipe": config.recipe}
        if config.options:
            self.settings["set"] = config.options
        for key, value in (
            ("max-length", config.max_length),
            ("max-input-length", config.max_input_length),
            ("max-output-length", config.max_output_length),
            ("template", config.template),
        ):
            if value is not None:
                self.settings[key] = value

    @property
    def folder(self) -> str | None:
        """The folder of the model that the settings name, where it is one."""
        model = self.config.model if self.config is not None else None
        if model is None:
            return None
        for start in (Path(), Path(self.name).parent):
            if is_folder(start / model):
                return str(start / model)
        return None

    def file_options(self, options: dict[str, Any], trainer: Trainer) -> dict[str, dict[str, Any]]:
        """Real path -> options of that file alone."""
        found = {}
        for one in (*self.data, *self.eval):
            if one.options:
                checked = trainer_options(trainer.name, one.options)
                found[os.path.realpath(one.path)] = {**options, **checked}
        return found


def trainer_config(
    given: Mapping[str, Any], config: Mapping[str, Any], folder: Path, paths: Sequence[str]
) -> Own:
    """Read the file that `--trainer-config` names, or that the settings file names.

    Raises:
        SettingsError: it can't be used, or is of no trainer that is known.
    """
    path = given.get("trainer-config")
    if path is None:
        named = config.get("trainer-config")
        if named is None:
            return Own()
        path = os.path.normpath(folder / named)
    folders = [one for one in paths if one != "-" and is_folder(one)]
    try:
        values = read_config(path)
        for trainer in all_trainers().values():
            found = trainer.from_config(values, path, folders[0] if folders else None)
            if found is not None:
                break
        else:
            raise ConfigError(
                Text(
                    "--trainer-config {path}: not the settings of a trainer that glmlint knows",
                    "--trainer-config {path}：不是 glmlint 已知训练框架的配置",
                ),
                path=path,
            )
    except ConfigError as error:
        raise SettingsError(error.text, **error.values) from None
    recipe = given.get("recipe")
    if recipe is not None and recipe != found.recipe:
        raise SettingsError(
            Text(
                "--recipe {recipe}: {path} is for {found}",
                "--recipe {recipe}：{path} 是 {found} 的配置",
            ),
            recipe=recipe,
            path=path,
            found=found.recipe,
        )
    return Own(path, found)


def _model(settings: Mapping[str, Any], own: Own) -> str | None:
    """The known model that `--model` or the trainer's settings name."""
    named = settings.get("model")
    if named is None:
        model = own.config.model if own.config is not None else None
        return None if model is None else model_of(model)
    if is_folder(named):
        return model_of(str(Path(named).resolve()))
    found = model_of(named)
    if found is None:
        _known(named, MODELS, Text("unknown model {name}", "未知的模型 {name}"))
    return found


def _tokenizer(
    settings: Mapping[str, Any],
    own: Own,
    model: str | None,
    trainer: Trainer,
    options: dict[str, Any],
    origins: dict[str, str],
) -> str:
    """The vocabulary: named, of the model's folder, of the model, or of the trainer's options."""
    if "tokenizer" in settings:
        return str(settings["tokenizer"])
    named = settings.get("model")
    if named is not None and is_folder(named):
        origins["tokenizer"] = origins["model"]
        return str(named)
    if named is None and own.folder is not None:
        origins["tokenizer"] = own.name
        return own.folder
    if model is not None:
        origins["tokenizer"] = origins.get("model", own.name)
        found = MODELS[model].tokenizer
    else:
        found = trainer.default_tokenizer(msgspec.convert(options, trainer.Options))
    if found is None:
        raise SettingsError(
            Text(
                "the vocabulary of this model is in no package: name its folder with --tokenizer FOLDER",
                "该模型的词表不在任何软件包中：请用 --tokenizer FOLDER 指定其文件夹",
            )
        )
    return found


def _template(
    settings: Mapping[str, Any], model: str | None, trainer: Trainer, tokenizer: str
) -> str | None:
    """The chat template that was named, or the model's; None for that of the folder or vocabulary.

    Another model's stands in for none: what it lays out would be false to the token.
    """
    if "template" in settings:
        return str(settings["template"])
    named = settings.get("model")
    if model is None or (named is not None and is_folder(named)):
        return None
    found = MODELS[model].template
    if found is None and trainer.template_name is None and tokenizer in BUNDLED:
        raise SettingsError(
            Text(
                "the chat template of {model} does not come with glmlint: name the model's folder with "
                "--model FOLDER, or its template with --template FILE",
                "glmlint 没有自带 {model} 的对话模板：请用 --model FOLDER 指定模型文件夹，"
                "或用 --template FILE 指定模板",
            ),
            model=model,
        )
    return found


def _baseline(
    settings: Mapping[str, Any], flags: Mapping[str, Any], folder: Path
) -> tuple[str | None, bool, dict[str, int] | None]:
    """The baseline's path, whether it is to be written, and what it holds.

    A command without the flag has no use for it: `show` tells old findings of a row, too.
    """
    path = settings.get("baseline")
    if path is not None and not flags.get("baseline"):
        path = os.path.normpath(folder / path)  # a path in the settings file is relative to it
    write = bool(settings.get("write-baseline"))
    if write and path is None:
        raise SettingsError(
            Text(
                "--write-baseline needs --baseline FILE, or baseline in the settings",
                "--write-baseline 需要同时给出 --baseline FILE，或在配置文件中设置 baseline",
            )
        )
    if path is None or write or "baseline" not in flags:
        return path, write, None
    try:
        return path, write, read_baseline(path)
    except BaselineError as error:
        raise SettingsError(error.text, **error.values) from None


def _cache_dir(settings: Mapping[str, Any], flags: Mapping[str, Any], folder: Path) -> str | None:
    """The cache's folder; in the settings file it is relative to that."""
    path: str | None = settings.get("cache-dir")
    if path is None or flags.get("cache-dir"):
        return path
    return os.path.normpath(folder / path)


def _settings_file(
    named: str | Literal[False] | None, paths: Sequence[str]
) -> tuple[str, Path, dict[str, Any]]:
    """The settings file's name, folder and content; "default" and nothing without one.

    None looks for one; with False there is none.
    """
    if named is False:
        return "default", Path(), {}
    if named:
        file = Path(named)
        if not is_file(file):
            raise SettingsError(
                Text("{file}: no such settings file", "{file}: 配置文件不存在"), file=named
            )
        return named, file.parent, _read(file)
    first = Path(paths[0]) if paths and paths[0] != "-" else Path()
    try:
        start = first.resolve()
        for folder in (start, *start.parents):
            for name in ("glmlint.toml", "pyproject.toml"):
                file = folder / name
                if file.is_file() and (name == "glmlint.toml" or _has_table(file)):
                    return name, folder, _read(file)
    except (OSError, RuntimeError):  # RuntimeError: a link to itself, below Python 3.13
        pass  # a path that can't be resolved is reported when it is read
    return "default", Path(), {}


def _has_table(file: Path) -> bool:
    try:
        return b"tool.glmlint" in file.read_bytes()
    except OSError:
        return False


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(_UNREADABLE, file=file, why=_why(error)) from None
    if file.name == "pyproject.toml":
        content = content.get("tool", {}).get("glmlint", {})
    require_valid(content, file)
    return content


def require_valid(content: dict[str, Any], file: object) -> None:
    """Raise SettingsError where settings break `config.schema.json`.

    Args:
        content: by the keys of the settings file.
        file: where they come from, as the sentence names it.
    """
    limits = {one.name: one.schema for one in declared()}
    if surely_valid("config", content, limits):
        return
    for fault in validator("config", limits).iter_errors(content):
        place = ".".join(map(str, fault.absolute_path))
        if fault.validator == "additionalProperties":
            allowed = fault.schema["properties"]
            unknown = next(key for key in fault.instance if key not in allowed)
            raise SettingsError(
                Text("{file}: unknown key {key}{nearest}", "{file}: 未知的键 {key}{nearest}"),
                file=file,
                key=unknown,
                nearest=_nearest(unknown, allowed),
            )
        raise SettingsError(
            Text("{file}: {place}: {fault}", "{file}: {place} 的值不合要求：{fault}"),
            file=file,
            place=place or Text("the settings", "整个文件"),
            fault=_fault(fault),
        )


_TYPES: Final = {
    "string": Text("a string", "字符串"),
    "integer": Text("an integer", "整数"),
    "number": Text("a number", "数字"),
    "boolean": Text("true or false", "true 或 false"),
    "array": Text("a list", "列表"),
    "object": Text("a table", "表"),
}


def _fault(fault: Any) -> Text:
    """What the schema says of a value, by the keyword that it breaks."""
    value, wanted = fault.instance, fault.validator_value
    if fault.validator == "type" and wanted in _TYPES:
        kind = _TYPES[wanted]
        return Text(f"{value!r:.80} is not {kind.en}", f"{value!r:.80} 不是{kind.zh}")
    if fault.validator == "enum":
        known = listed(map(str, wanted))
        return Text(
            f"{value!r:.80} is not one of {known.en}", f"{value!r:.80} 不在可选值之中：{known.zh}"
        )
    if fault.validator in ("minimum", "maximum"):
        least = fault.validator == "minimum"
        return Text(
            f"{value} is {'less' if least else 'more'} than {wanted}",
            f"{value} {'小于' if least else '大于'} {wanted}",
        )
    if fault.validator == "required":
        missing = listed(name for name in wanted if name not in value)
        return Text(f"{missing.en} is missing", f"缺少 {missing.zh}")
    return Text(fault.message, fault.message)


def trainer_options(recipe: str, given: Any) -> dict[str, Any]:
    """The options of `--set` or of the settings file, by name.

    Args:
        recipe: a trainer's name.
        given: an object, or texts KEY=VALUE, of which VALUE is JSON where it parses as JSON.

    Raises:
        SettingsError: no such option of this trainer, or a value of another type.
    """
    options: dict[str, Any] = {}
    entries = given.items() if isinstance(given, dict) else (e.partition("=")[::2] for e in given)
    for key, value in entries:
        options[key.replace("-", "_")] = value if isinstance(given, dict) else _parsed(value)
    kind = get_trainer(recipe).Options
    names = kind.__struct_fields__
    for key in options:
        if key not in names:
            raise SettingsError(
                Text(
                    "--set {key}: {recipe} has no such option{nearest}{all}",
                    "--set {key}：{recipe} 没有这个选项{nearest}{all}",
                ),
                key=key,
                recipe=recipe,
                nearest=_nearest(key, names),
                all=Text(f" (it has {', '.join(names)})", f"（可用选项：{'、'.join(names)}）")
                if names
                else Text("", ""),
            )
        try:
            msgspec.convert({key: options[key]}, kind)
        except msgspec.ValidationError as error:
            if "missing required field" in str(error):
                continue
            raise SettingsError(
                Text("--set {key}={value}: {why}", "--set {key}={value}：{why}"),
                key=key,
                value=options[key],
                why=_option_fault(str(error).partition(" - at")[0]),
            ) from None
    return options


def _option_fault(told: str) -> Text:
    """What msgspec says of a value of another type."""
    found = re.fullmatch(r"Expected (.+), got (.+)", told)
    return Text(told, f"应为 {found[1]}，得到的是 {found[2]}" if found else told)


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _variant(recipe: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The trainer that runs with these options: one option may make it another."""
    trainer = get_trainer(recipe)
    name = trainer.variant(msgspec.convert(options, trainer.Options))
    return (recipe, options) if name == recipe else (name, {})


def _budget(
    settings: Mapping[str, Any],
    origins: dict[str, str],
    trainer: Trainer,
    options: dict[str, Any],
) -> tuple[int, int | None, int | None]:
    halves = [name for name in ("max-input-length", "max-output-length") if name in settings]
    if "max-length" in settings:
        if halves:
            raise SettingsError(
                Text(
                    "--max-length is the whole budget and can't be combined with --{half}",
                    "--max-length 就是预算本身，不能与 --{half} 同时使用",
                ),
                half=halves[0],
            )
        origins["budget"] = origins["max-length"]
        return settings["max-length"], None, None
    length = trainer.default_budget(msgspec.convert(options, trainer.Options))
    beyond = trainer.budget_beyond
    if not halves and length != DEFAULT_MAX_INPUT + DEFAULT_MAX_OUTPUT + beyond:
        # An option of the trainer's own may be the budget (`cutoff_len`).
        origins["budget"] = origins["set"] if trainer.budget_option in options else "default"
        return NO_BUDGET if length is None else length, None, None
    origins["budget"] = origins[halves[0]] if halves else "default"
    first = settings.get("max-input-length", DEFAULT_MAX_INPUT)
    second = settings.get("max-output-length", DEFAULT_MAX_OUTPUT)
    return first + second + beyond, first, second


def _pins(value: Any) -> dict[str, str]:
    pins: dict[str, str] = {}
    entries = [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else value
    for entry in entries:
        if entry == "auto":
            import importlib.metadata  # half a start-up's time, and seldom asked for

            for name in PINS:
                try:
                    pins[name] = importlib.metadata.version(name)
                except importlib.metadata.PackageNotFoundError:
                    raise SettingsError(
                        Text(
                            "--pin auto: {name} is not installed here; "
                            "name its version: --pin {name}=…",
                            "--pin auto: 当前环境没有安装 {name}；请写明版本：--pin {name}=…",
                        ),
                        name=name,
                    ) from None
        elif "=" not in entry:
            pins.update(_requirements(entry))
        else:
            name, _, number = entry.partition("=")
            _known(name, PINS, Text("unknown pin {name}", "--pin 不支持 {name}"))
            if not version(number):
                raise SettingsError(
                    Text(
                        "--pin {entry}: {number!r} is not a version",
                        "--pin {entry}: {number!r} 不是版本号",
                    ),
                    entry=entry,
                    number=number,
                )
            pins[name] = number
    return pins


def _requirements(name: str) -> dict[str, str]:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            Text(
                "--pin {name}: neither NAME=VERSION nor a file: {why}",
                "--pin {name}: 既不是 NAME=VERSION，也不是可读取的文件：{why}",
            ),
            name=name,
            why=_why(error),
        ) from None
    found = dict(re.findall(r"(?m)^\s*(transformers|datasets)\s*==\s*([\w.]+)", text))
    if not found:
        raise SettingsError(
            Text(
                "--pin {name}: no line pins transformers or datasets with ==",
                "--pin {name}: 没有一行用 == 固定 transformers 或 datasets 的版本",
            ),
            name=name,
        )
    return found


def _select(settings: Mapping[str, Any], family: str | None) -> tuple[dict[str, str], set[str]]:
    """The selected rules with their severities, and those whose severity the user set."""
    severity = _severities(settings.get("severity", {}))
    named = settings.get("select")
    chosen = set(default_rules()) if named is None else _expand(named)
    if family is not None and not chosen & _of(family):  # a selection for `check`
        chosen = _expand((family,))
    chosen |= _expand(settings.get("extend-select", ()))
    if settings.get("ifd"):
        chosen.add("ifd-above-one")
    chosen |= {name for name, level in severity.items() if level != "off"}
    chosen -= _expand(settings.get("ignore", ()))
    rules = {
        name: severity.get(name, loaded.rule.severity)
        for name, loaded in all_rules().items()
        if name in chosen
    }
    # A limit that was set is meant to be held.
    for name, loaded in all_rules().items():
        limit = loaded.rule.limit
        if limit is not None and settings.get(limit.name) is not None:
            rules.setdefault(name, loaded.rule.severity)
    # Score rules run in `score` alone: on in `check` they would make a row's ignore look unused.
    ours = set(rules) - _of("score") if family is None else _of(family)
    return {name: level for name, level in rules.items() if level != "off" and name in ours}, set(
        severity
    )


def _file_rules(files: str, settings: Mapping[str, Any], family: str | None) -> FileRules:
    rules, fixed = _select(settings, family)
    return FileRules(files, rules, frozenset(fixed))


def _of(family: str) -> set[str]:
    return {name for name, loaded in all_rules().items() if loaded.rule.family == family}


def _severities(value: Any) -> dict[str, str]:
    entries = value.items() if isinstance(value, dict) else (e.partition("=")[::2] for e in value)
    found = {}
    for name, level in entries:
        _known(name, all_rules(), Text("unknown rule {name}", "未知的规则 {name}"))
        _known(
            level,
            LEVELS,
            Text(f"unknown severity of {name}: {{name}}", f"{name} 的级别无效：{{name}}"),
        )
        found[name] = level
    return found


def _expand(names: Iterable[str]) -> set[str]:
    """Rule names of rules, families and ALL; a family leaves its opt-in rules out."""
    found: set[str] = set()
    for entry in names:
        for name in filter(None, map(str.strip, entry.split(","))):
            if name == "ALL":
                found |= set(all_rules())
            elif name in FAMILIES:
                found |= {
                    rule
                    for rule, loaded in all_rules().items()
                    if loaded.rule.family == name and not loaded.rule.opt_in
                }
            else:
                _known(
                    name,
                    (*all_rules(), *FAMILIES, "ALL"),
                    Text("unknown rule or family {name}", "未知的规则或规则族 {name}"),
                )
                found.add(name)
    return found


def _known(name: str, names: Iterable[str], text: Text) -> None:
    if name not in names:
        told = Text(f"{text.en}{{nearest}}", f"{text.zh}{{nearest}}")
        raise SettingsError(told, name=name, nearest=_nearest(name, names))


def _nearest(name: str, names: Iterable[str]) -> Text:
    """How a sentence about an unknown name goes on: the one that is meant, or all that there are."""
    names = list(names)
    near = nearest(name, names)
    if near is not None:
        return Text(f": did you mean {near}?", f"（是否应为 {near}？）")
    if len(names) <= MOST_LISTED:
        known = listed(names)
        return Text(f": one of {known.en}", f"：可用的有 {known.zh}")
    if set(all_rules()) <= set(names):
        return Text("; `glmlint rules` lists them", "；`glmlint rules` 会列出所有规则")
    return Text("", "")


_UNREADABLE: Final = Text("{file} can't be read: {why}", "无法读取 {file}：{why}")


def _why(error: Exception) -> Text:
    """What a library says of a file; what the system says, in both languages."""
    return system_fault(error) if isinstance(error, OSError) else Text(str(error), str(error))
