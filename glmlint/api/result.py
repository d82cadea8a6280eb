"""What `check` finds: the JSON report as a typed object, which prints itself and goes into a frame."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Struct, structs

from glmlint.api.errors import GlmlintError, told_in
from glmlint.api.printed import Markup, Printed, paragraph, table, text_of
from glmlint.api.settings import Path_
from glmlint.api.words import word
from glmlint.engine.finish import Result
from glmlint.evidence.duplicates import Rows
from glmlint.evidence.ignored import IgnoredRows
from glmlint.evidence.report import Totals
from glmlint.finding import RANK, SEVERITIES, Excerpt
from glmlint.output import language, opened, put
from glmlint.reporters.base import ReporterOptions, get
from glmlint.reporters.figures import Budget, Packing
from glmlint.reporters.json import SCHEMA_VERSION, pretty, report_object
from glmlint.reporters.words import SEVERITY, budget_told, percent, say
from glmlint.text import Text, Told, system_fault
from glmlint.trainer.loaded import Parts
from glmlint.visible import printable_path, visible

if TYPE_CHECKING:
    import pandas

SHOWN: Final = 20
"""Findings that `print` and a notebook show; `findings` has all that the report keeps."""


class ReportError(Told):
    """A file that is not a report; the message is one sentence for the user."""


class TokenizerUsed(Struct, frozen=True):
    """The vocabulary that counted."""

    name: str
    exact: bool
    """False where control tokens or the split pattern had to be guessed."""
    vocab_size: int


class BudgetUsed(Struct, frozen=True):
    """The longest sequence that the trainer keeps, in tokens."""

    max_length: int
    max_input_length: int | None = None
    """None where the budget itself was given."""
    max_output_length: int | None = None


class CheckedFile(Struct, frozen=True):
    """One file, or one data set in memory."""

    path: str
    totals: Totals


class LengthSummary(Struct, frozen=True):
    """Lengths of the readable rows in tokens, before truncation; None without such rows."""

    p50: int | None
    p90: int | None
    p95: int | None
    p99: int | None
    max: int | None
    histogram: list[tuple[int, int]]
    """(upper edge, rows longer than the edge before and at most this one)."""


class Unread(Struct, frozen=True):
    """What could not be read, wholly or in part."""

    path: str
    reason: str


class ReportFinding(Struct, frozen=True, kw_only=True):
    """One finding, as the JSON report has it."""

    rule: str
    severity: str
    path: str
    line: int | None
    """1-based number of the row, in a file the line where it starts; None for the whole file."""
    start_line: int | None = None
    column: int | None
    """1-based, in code points of the row as JSON has it."""
    end_line: int | None = None
    end_column: int | None = None
    pointer: str | None
    """JSON pointer into the row."""
    message: str
    help: str
    fixable: bool
    fingerprint: str
    rows: int = 1
    """How many rows it stands for: more than one where it is reported once a file."""
    url: str = ""
    excerpt: Excerpt | None = None
    """The piece of the row that it is about; None in a report that was read back."""


class CheckReport(Struct, frozen=True):
    """The JSON report (`docs/json.md`); keys of later versions are left aside."""

    schema_version: int
    glmlint: str
    recipe: str
    tokenizer: TokenizerUsed
    template: str
    pins: dict[str, str]
    budget: BudgetUsed
    origins: dict[str, str]
    totals: Totals
    files: list[CheckedFile]
    lengths: LengthSummary
    budgets: list[Budget]
    findings: list[ReportFinding]
    finding_counts: dict[str, int]
    severity_counts: dict[str, int]
    problems: list[Unread]
    exit_code: int
    options: dict[str, Any] = {}
    warnings: list[str] = []
    packing: Packing | None = None
    suppressed: dict[str, int] = {}


class CheckResult(Printed):
    """What `check` found. Its attributes are the keys of the JSON report, typed.

    `print(result)` gives the tables of the terminal, a notebook shows it as HTML.
    """

    __slots__ = ("_data", "_object", "_run")

    def __init__(self, report: dict[str, Any], run: Result | None = None) -> None:
        self._object = report
        self._data = msgspec.convert(report, CheckReport, dec_hook=_counted)
        self._run = run
        if run is not None:
            for number, (found, told) in enumerate(
                zip(run.findings, self._data.findings, strict=False)
            ):
                if found.excerpt is not None:
                    self._data.findings[number] = structs.replace(told, excerpt=found.excerpt)

    @property
    def ok(self) -> bool:
        """Whether nothing at or over `fail_on` was found, and everything could be read."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """What the command would exit with: 0, 1 (findings) or 2 (something could not be read)."""
        return self._data.exit_code

    @property
    def totals(self) -> Totals:
        """Counts of rows and tokens, and the ratios `trainable_ratio` and `lost_share`."""
        return self._data.totals

    @property
    def files(self) -> list[CheckedFile]:
        """The same for each file, or each data set in memory."""
        return self._data.files

    @property
    def findings(self) -> list[ReportFinding]:
        """The findings by path and row; the first `max_findings` of them, 20,000 by default."""
        return self._data.findings

    @property
    def finding_counts(self) -> dict[str, int]:
        """Every finding by rule, also those that are not kept."""
        return self._data.finding_counts

    @property
    def severity_counts(self) -> dict[str, int]:
        """Every finding by severity: "error", "warning", "info"."""
        return self._data.severity_counts

    @property
    def lengths(self) -> LengthSummary:
        """Quantiles and histogram of the rows' lengths in tokens."""
        return self._data.lengths

    @property
    def budgets(self) -> list[Budget]:
        """The run's budget, then the smallest that keep 95, 99 and 100% of the supervised tokens."""
        return self._data.budgets

    @property
    def packing(self) -> Packing | None:
        """The sequences that the trainer packs the rows into; None where it packs none."""
        return self._data.packing

    @property
    def recipe(self) -> str:
        """The trainer whose ids and labels were counted."""
        return self._data.recipe

    @property
    def options(self) -> dict[str, Any]:
        """Its options that were set."""
        return self._data.options

    @property
    def budget(self) -> BudgetUsed:
        """The longest sequence that the trainer keeps."""
        return self._data.budget

    @property
    def tokenizer(self) -> TokenizerUsed:
        """The vocabulary that counted."""
        return self._data.tokenizer

    @property
    def template(self) -> str:
        """The chat template that rows were rendered with."""
        return self._data.template

    @property
    def pins(self) -> dict[str, str]:
        """Versions of packages on the trainer's machine under which the ids hold."""
        return self._data.pins

    @property
    def origins(self) -> dict[str, str]:
        """Where each assumption came from: "default", "flag" (an argument), a file's name."""
        return self._data.origins

    @property
    def problems(self) -> list[Unread]:
        """What could not be read, wholly or in part."""
        return self._data.problems

    @property
    def suppressed(self) -> dict[str, int]:
        """Findings that count for nothing: silenced by their "row", or in the "baseline"."""
        return self._data.suppressed

    def to_dict(self) -> dict[str, Any]:
        """The JSON report as plain values, as `glmlint check --format json` has it."""
        found: dict[str, Any] = json.loads(json.dumps(self._object))
        return found

    def to_json(self, path: Path_ | None = None) -> str:
        """The JSON report as text, written to a file where one is named, as a whole or not at all.

        Raises:
            OSError: the file can't be written.
        """
        text = pretty(self._object)
        if path is not None:
            with opened(str(path)) as out:
                out.write(text)
        return text

    def to_pandas(self) -> pandas.DataFrame:
        """The findings, one a row; needs pandas.

        Raises:
            GlmlintError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            told = Text("to_pandas needs pandas: {how}", "to_pandas 需要 pandas：{how}")
            raise GlmlintError(told.say(self._lang, how="pip install pandas")) from None
        columns = [name for name in ReportFinding.__struct_fields__ if name != "excerpt"]
        frame = pandas.DataFrame(
            [structs.asdict(finding) for finding in self.findings], columns=columns
        )
        numbers = ("line", "start_line", "column", "end_line", "end_column")
        return frame.astype(dict.fromkeys(numbers, "Int64"))

    def raise_for_findings(
        self, fail_on: Literal["error", "warning", "info", "never"] = "error"
    ) -> None:
        """Raise where something at or over a severity was found, or could not be read.

        Raises:
            FindingsFound: with the counts and the first findings in its message.
        """
        if fail_on not in (*SEVERITIES, "never"):
            raise GlmlintError(f"fail_on: {fail_on!r} is not one of error, warning, info, never")
        lang = self._lang
        counts = {
            name: number
            for name, number in self.severity_counts.items()
            if number and RANK[name] >= RANK[fail_on]
        }
        lines = [f"{printable_path(one.path)}: {visible(one.reason)}" for one in self.problems]
        failing = [one for one in self.findings if one.severity in counts]
        lines += [_line(one, lang) for one in failing[:SHOWN]]
        more = sum(counts.values()) - min(len(failing), SHOWN)
        if more > 0 and counts:
            lines.append(word("more", lang, n=f"{more:,}"))
        if lines:
            told = ", ".join(f"{SEVERITY[name].say(lang)} {n:,}" for name, n in counts.items())
            raise FindingsFound("\n".join([told, *lines] if told else lines), self)

    @property
    def _lang(self) -> str:
        return language("auto") if self._run is None else self._run.plan.lang

    def write_text(self, out: IO[str], options: ReporterOptions) -> None:
        """Print the tables of the terminal; of a report that was read back, findings and totals."""
        options = replace(options, max_findings=SHOWN)
        if self._run is not None:
            get("text").write(self._run, out, options)
            return
        lang = self._lang
        for finding in self.findings[: options.max_findings]:
            put(out, _line(finding, lang))
        for row in self._numbers():
            put(
                out,
                "  ".join(
                    f"{name} {value}" for name, value in zip(_columns(lang), row, strict=True)
                ),
            )

    def _numbers(self) -> list[list[str]]:
        """A line of numbers for each file, and their sum."""
        files = [(one.path, one.totals) for one in self.files]
        if len(files) != 1:
            files.append((say("total", self._lang), self.totals))
        return [
            [
                printable_path(path),
                f"{totals.samples:,}",
                f"{totals.clean:,}",
                f"{totals.tokens:,}",
                percent(totals.trainable_ratio),
                f"{totals.truncated_samples:,}",
                percent(totals.lost_share),
            ]
            for path, totals in files
        ]

    def to_html(self) -> str:
        """Findings, totals and budgets as plain tables; data is escaped."""
        lang = self._lang
        parts = []
        if self.findings:
            words = (
                say("severity", lang),
                say("rule", lang),
                say("says", lang),
                say("advises", lang),
            )
            rows = [
                (
                    _place(one),
                    SEVERITY[one.severity].say(lang),
                    one.rule,
                    Markup(text_of(one.message) + _quoted(one.excerpt)),
                    one.help,
                )
                for one in self.findings[:SHOWN]
            ]
            parts.append(table(("", *words), rows))
        more = sum(self.finding_counts.values()) - min(len(self.findings), SHOWN)
        if more > 0:
            parts.append(paragraph(word("more", lang, n=f"{more:,}")))
        parts += [paragraph(f"{one.path}: {one.reason}", "color:#c00") for one in self.problems]
        parts.append(table(_columns(lang), self._numbers(), right=range(1, 7)))
        if self.totals.supervised_tokens:
            rows_ = [
                (
                    budget_told(one.max_length, lang),
                    percent(one.keeps),
                    f"{one.lost_supervised_tokens:,}",
                    f"{one.truncated_samples:,}",
                    say("this-run", lang)
                    if one.target is None
                    else say("smallest", lang, share=f"{one.target:.0%}"),
                )
                for one in self.budgets
            ]
            names = [say(key, lang) for key in ("budget", "keeps", "lost-tokens", "cut-samples")]
            parts.append(table((*names, ""), rows_, right=range(4)))
        shown = say(
            "shown", lang, recipe=self.recipe, template=self.template,
            budget=budget_told(self.budget.max_length, lang),
        )  # fmt: skip
        return f"<div>{''.join(parts)}{paragraph(shown, 'opacity:.7')}</div>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CheckResult) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __reduce__(self) -> tuple[type[CheckResult], tuple[dict[str, Any]]]:
        return CheckResult, (self._object,)


class FindingsFound(Exception):
    """What `CheckResult.raise_for_findings` raises: the data should not be trained on as it is."""

    def __init__(self, message: str, result: CheckResult) -> None:
        super().__init__(message)
        self.result = result
        """The result with all findings."""


def _counted(_: type, value: Any) -> Any:
    """The one value of a report that is neither a struct nor plain: counts by reason."""
    return Counter(value)


def result_of(run: Result) -> CheckResult:
    """The result of a run. What was kept to compare rows with each other is let go."""
    report = report_object(run, run.plan.max_findings)
    for file in run.files:
        stats = file.stats
        stats.rows, stats.shapes = Rows(), Parts()
        stats.ignores = IgnoredRows()
        stats.held, stats.held_once, stats.wanted = [], {}, {}
        stats.findings, stats.once = [], {}
    return CheckResult(report, run)


def load_report(path: Path_) -> CheckResult:
    """Read a report that `CheckResult.to_json` or `glmlint check --format json` wrote.

    Args:
        path: the file.

    Returns:
        The result with all that the report holds. It prints shorter than a fresh one.

    Raises:
        GlmlintError: no such file, not a report, or one of a version that is not known.
    """
    with told_in(language("auto")):
        return _read_report(Path(path))


def _read_report(path: Path) -> CheckResult:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ReportError(_UNREADABLE, path=path, why=system_fault(error)) from None
    except (ValueError, RecursionError) as error:
        why = str(error)
        raise ReportError(_UNREADABLE, path=path, why=Text(why, why)) from None
    found = value.get("schema_version") if isinstance(value, dict) else None
    if isinstance(found, int) and found != SCHEMA_VERSION:
        raise ReportError(
            Text(
                "{path}: a report of version {found}; this glmlint reads version {known}",
                "{path}：报告版本为 {found}，当前 glmlint 只能读取版本 {known}",
            ),
            path=path,
            found=str(found),
            known=str(SCHEMA_VERSION),
        )
    try:
        return CheckResult(value)
    except msgspec.ValidationError as error:
        raise ReportError(
            Text(
                "{path}: not a JSON report of `glmlint check` ({why})",
                "{path}：不是 `glmlint check` 的 JSON 报告（{why}）",
            ),
            path=path,
            why=str(error),
        ) from None


_UNREADABLE: Final = Text("{path} can't be read: {why}", "无法读取 {path}：{why}")


def _line(finding: ReportFinding, lang: str) -> str:
    level = SEVERITY[finding.severity].say(lang)
    return f"{_place(finding)}: {level} {finding.rule} {visible(finding.message)}"


def _quoted(excerpt: Excerpt | None) -> str:
    """The piece of the row in HTML, with what the finding is about marked."""
    if excerpt is None:
        return ""
    before, inside, after = ("…" if cut else "" for cut in excerpt.cut)
    return (
        f'<br><code style="opacity:.8">{before}{text_of(excerpt.before)}'
        f"<mark>{text_of(excerpt.text)}{inside}</mark>{text_of(excerpt.after)}{after}</code>"
    )


def _place(finding: ReportFinding) -> str:
    numbers = (str(one) for one in (finding.line, finding.column) if one is not None)
    return ":".join([printable_path(finding.path), *numbers])


def _columns(lang: str) -> list[str]:
    keys = ("file", "samples", "clean", "tokens", "trainable", "truncated", "lost")
    return [word(key, lang) if key == "clean" else say(key, lang) for key in keys]
