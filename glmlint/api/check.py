"""`glmlint.check`: what `glmlint check` finds, of files or of rows in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from glmlint.api.data import DataError, HandedOver, given
from glmlint.api.errors import WrongType, told_in
from glmlint.api.result import CheckResult, result_of
from glmlint.api.settings import FILES, RULES, Names, Path_, known_flags, plan_of, spoken
from glmlint.app.limits import declared
from glmlint.app.options import data_paths
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import InputFile, rewritable
from glmlint.runners.local import check_inputs
from glmlint.text import Text, Told


class NothingGiven(Told):
    """There is nothing to work on; the message is one sentence for the user."""


def check(
    data: Any = None,
    *,
    recipe: str | None = None,
    options: Mapping[str, Any] | None = None,
    set: Mapping[str, Any] | Names | None = None,
    trainer_config: Path_ | None = None,
    model: Path_ | None = None,
    max_length: int | None = None,
    max_input_length: int | None = None,
    max_output_length: int | None = None,
    tokenizer: Path_ | None = None,
    allow_download: bool = False,
    template: Path_ | None = None,
    pin: Mapping[str, str] | Names | None = None,
    select: Names | None = None,
    extend_select: Names | None = None,
    ignore: Names | None = None,
    severity: Mapping[str, str] | Names | None = None,
    fail_on: Literal["error", "warning", "info", "never"] | None = None,
    eval: Any = None,
    exclude: Names | None = None,
    extend_exclude: Names | None = None,
    force_exclude: bool | None = None,
    respect_gitignore: bool | None = None,
    baseline: Path_ | None = None,
    max_findings: int | None = None,
    config: Path_ | None = None,
    lang: Literal["en", "zh", "auto"] | None = None,
    name: str = "rows",
    **limits: float,
) -> CheckResult:
    """Check what a trainer makes of data: what is trained, lost, or broken.

    The keywords are the flags of `glmlint check`, with underscores, and mean the same. No settings
    file is read unless `config` names one.

    Args:
        data: a path, a folder or a list of them; rows as a list of dicts or any iterator; a
            `datasets.Dataset`, `IterableDataset` or `DatasetDict`; a frame of pandas or polars, a
            table of pyarrow. Rows in lists and iterators are read as the lines of a JSON Lines file
            would be, those of tables as the rows of a Parquet file: as the trainer gets them. An
            iterator is never held whole. None: the files that `trainer_config` names.
        recipe: which trainer, see `glmlint recipes`. Default: "glm4", the official script.
        options: options of the trainer, such as `{"combine": True}`; `set` is the same under the
            flag's name, and takes "KEY=VALUE" too.
        trainer_config: the trainer's own YAML or JSON.
        model: the model that is tuned, a name or its folder.
        max_length: the budget in tokens; or `max_input_length` and `max_output_length`, as the
            official script has them (512 and 512).
        tokenizer: "glm4", a model folder, a tokenizer.json or a rank file; a hub name with
            `allow_download`.
        template: revision of the model's chat template, or a .jinja file.
        pin: versions on the trainer's machine, such as `{"datasets": "5.2.0"}`.
        select: rules or families in place of the default ones; `extend_select`: beside them;
            `ignore`: all but these.
        severity: of single rules, such as `{"null-content": "error"}`.
        fail_on: the mildest severity for which `ok` is False. Default: "error".
        eval: the validation split, as `data` is given, or the names of splits of `data`: rows that
            are in both are reported.
        exclude: patterns of what folders leave out, in place of the default ones; `extend_exclude`:
            beside them; `force_exclude`: also of files that are named; `respect_gitignore`: whether
            folders leave out what git ignores.
        baseline: a file whose findings are old ones and do not count.
        max_findings: how many findings are kept, 20,000 by default; counts are always whole.
        config: a settings file; "auto" looks for one as the command does.
        lang: language of sentences. Default: that of the environment.
        name: used in findings as the path of rows in memory.
        limits: limits of rules, such as `max_lost_share=0.05`.

    Returns:
        Totals, findings, lengths and budgets. Lines of findings are row numbers, from 1 on.

    Raises:
        GlmlintError: a setting that can't be used, a path that does not exist.
        TypeError: an unknown keyword; a row that can't be written as JSON.
    """
    settings: dict[str, Any] = {
        "recipe": recipe, "options": options, "set": set, "trainer_config": trainer_config,
        "model": model, "max_length": max_length, "max_input_length": max_input_length,
        "max_output_length": max_output_length, "tokenizer": tokenizer,
        "allow_download": allow_download, "template": template, "pin": pin, "select": select,
        "extend_select": extend_select, "ignore": ignore, "severity": severity,
        "fail_on": fail_on, "exclude": exclude, "extend_exclude": extend_exclude, "force_exclude": force_exclude,
        "respect_gitignore": respect_gitignore, "baseline": baseline, "max_findings": max_findings,
        "config": config, "lang": lang,
    }  # fmt: skip
    names = {one.name.replace("-", "_") for one in declared()}
    own = {*RULES, *FILES, "fail_on", "baseline", "max_findings", "eval", "name", *names}
    known_flags(own, "check", limits)
    with told_in(spoken(lang)):
        rows = given(data, name)
        plan, context = plan_of({**settings, **limits}, rows.paths)
        with told_in(plan.lang):
            inputs, plan = _inputs(rows, eval, plan)
            report = Report()
            report.left_alone = {
                file.path
                for file in inputs
                if file.memory is not None
                or file.path in plan.eval_files
                or not rewritable(file.path)
            }
            check_inputs(inputs, plan, context, report)
            held = {file.path for file in inputs if file.memory is not None}
            for path, reason in report.problems:
                if path in held:  # not one broken file of several, but the data that was passed
                    raise DataError(Text("{path}: {why}", "{path}：{why}"), path=path, why=reason)
            return result_of(finish(report, plan, context))


def files_of(rows: HandedOver, plan: Plan) -> list[InputFile]:
    """The inputs, or where nothing was passed the files that the trainer's settings name.

    Raises:
        NothingGiven: neither is there.
    """
    if rows.memory:
        return list(rows.memory)
    paths = data_paths(rows.paths, plan)
    if not paths:
        raise NothingGiven(
            Text(
                "no data: pass paths or rows, or a trainer_config that names its data files",
                "没有数据：请传入路径或数据行，或使用写明数据文件的 trainer_config",
            )
        )
    return rows.files(paths, plan.choice)


def _inputs(rows: HandedOver, eval: Any, plan: Plan) -> tuple[list[InputFile], Plan]:
    """Training data, then the validation split; and the plan, which knows which is which."""
    inputs = files_of(rows, plan)
    later = HandedOver(paths=plan.eval_files).files(choice=plan.choice) if plan.eval_files else []
    named = (eval,) if isinstance(eval, str) else eval
    splits = {file.path: file for file in rows.memory}
    if (
        isinstance(named, list | tuple)
        and named
        and all(isinstance(one, str) and one in splits for one in named)
    ):
        later += [splits[one] for one in named]
        inputs = [file for file in inputs if file.path not in named]
    elif eval is not None:
        found = given(eval, "eval")
        later += [*found.memory, *(found.files(choice=plan.choice) if found.paths else ())]
    known = {os.path.realpath(file.path) for file in later if file.memory is None}
    inputs = [
        file
        for file in inputs
        if file.memory is not None or os.path.realpath(file.path) not in known
    ]
    inputs += later
    twice = [path for path, n in Counter(file.path for file in inputs).items() if n > 1]
    if twice:
        raise WrongType(
            Text(
                "two data sets are both named {name}: rename one of them with name=…",
                "有两个数据集都叫 {name}：请用 name=… 给其中一个换个名字",
            ),
            name=twice[0],
        )
    files = tuple(file.path for file in later)
    return inputs, replace(plan, eval_files=files, excerpts=True)
