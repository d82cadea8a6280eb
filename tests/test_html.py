"""The HTML pages: what their data say, and what a person sees and does in Chromium."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_gate import HIDDEN, glmlint_here
from test_redact import KINDS, quoting_rows

from glmlint.app.settings import resolve
from glmlint.engine.finish import Result, finish
from glmlint.engine.redact import MASK, hidden_spans
from glmlint.engine.show import Token
from glmlint.evidence.report import Places
from glmlint.finding import RANK
from glmlint.reporters import html
from glmlint.reporters.base import ReporterOptions
from glmlint.reporters.figures import budgets, lengths_of
from glmlint.reporters.page import numbers_text, page_json
from glmlint.reporters.page_tokens import cells_of
from glmlint.reporters.page_words import PAGE
from glmlint.runners.local import check_files
from glmlint.trainer.base import open_context

EXAMPLE = str(Path(__file__).resolve().parents[1] / "examples" / "train.jsonl")
KEY = "AKIA" + "Q3EGRLK7W2ZVX5TN"
HOSTILE = "</script><img src=x onerror=document.title='owned'>\u2028\u202egnp\u0000 <b>bold</b> <!-- ]]> &amp;"


def chat(*texts: Any, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return {"messages": messages, **more}


def written(file: Path, *rows: Any) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def checked(*paths: str, **flags: Any) -> Result:
    """A finished run, as `check --format html` makes it."""
    plan = resolve({name.replace("_", "-"): value for name, value in flags.items()}, paths)
    plan = replace(plan, excerpts=True, kinds=True)
    context = open_context(plan)
    return finish(check_files(paths, plan, context), plan, context)


def page_of(result: Result, **options: Any) -> str:
    out = io.StringIO()
    html.write(result, out, ReporterOptions(**options))
    return out.getvalue()


def data_of(page: str) -> dict[str, Any]:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    found: dict[str, Any] = json.loads(text)
    return found


def unpacked(text: str) -> tuple[list[int], list[int]]:
    """What `numbers_text` wrote of places: the places, and the number at each."""
    numbers, value, shift = [], 0, 0
    for byte in base64.b64decode(text):
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            numbers.append(-(value + 1) // 2 if value & 1 else value // 2)
            value = shift = 0
    half = len(numbers) // 2
    return np.cumsum(numbers[:half]).tolist(), numbers[half:]


def shown_text(data: dict[str, Any]) -> str:
    """All that the token views of a page print."""
    parts = []
    for row in data["rows"]:
        for _, cells, _, _ in row["g"]:
            parts += [data["cells"][int(number, 36)][0] for number in cells.split()]
    return "".join(parts)


# --- the data ------------------------------------------------------------------------------------


def test_the_page_holds_the_exact_curve() -> None:
    result = checked(EXAMPLE)
    budget = data_of(page_of(result))["budget"]
    curve = html._curve(result)
    places = Places(*map(np.array, unpacked(budget["places"])))
    lengths = lengths_of(result)
    assert unpacked(budget["lengths"]) == (lengths.at.tolist(), lengths.number.tolist())
    from glmlint.evidence.report import kept_supervised

    for limit in (1, 2, 17, 100, 1025, 1064, 1127, 1142, 5000):
        assert kept_supervised(places, limit) == curve.kept(limit)


def test_numbers_survive_their_packing() -> None:
    numbers = [0, 1, -1, 63, 64, -64, -65, 127, 128, 2**31, -(2**40)]
    assert unpacked(numbers_text((np.diff(numbers, prepend=0).tolist(), numbers))) == (
        numbers,
        numbers,
    )


def test_a_curve_that_is_too_large_is_counted_at_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "CURVE_BYTES", 10)
    result = checked(EXAMPLE)
    page = page_of(result)
    budget = data_of(page)["budget"]
    curve, lengths = html._curve(result), lengths_of(result)
    assert "places" not in budget and len(budget["points"]) > 100
    for limit, kept, cut in budget["points"]:
        assert kept == curve.kept(limit)
        assert cut == int(lengths.number[lengths.at > limit].sum())
    assert "Counted at these budgets" in page


def test_another_cut_than_a_prefix_is_counted_at_budgets() -> None:
    result = checked(EXAMPLE, recipe="llamafactory", max_length=300)
    page = page_of(result)
    budget = data_of(page)["budget"]
    totals = result.totals
    assert [300, totals.kept_supervised_tokens, totals.truncated_samples] in budget["points"]
    for one in budgets(result):
        kept = totals.supervised_tokens - one.lost_supervised_tokens
        assert [one.max_length, kept, one.truncated_samples] in budget["points"]
    assert "is not simply its first tokens" in page


@pytest.mark.parametrize("recipe", ["glm4", "llamafactory", "swift", "trl", "slime"])
def test_kinds_sum_to_the_totals(recipe: str) -> None:
    result = checked(EXAMPLE, recipe=recipe, max_length=200)
    (stats,) = (file.stats for file in result.files)
    assert stats.supervised_kinds.total() == result.totals.supervised_tokens
    assert stats.kept_kinds.total() == result.totals.kept_supervised_tokens
    if recipe != "slime":
        assert stats.kept_kinds.total() < stats.supervised_kinds.total()


def test_kinds_are_not_counted_where_nobody_asks() -> None:
    plan = resolve({}, (EXAMPLE,))
    context = open_context(plan)
    result = finish(check_files((EXAMPLE,), plan, context), plan, context)
    assert not result.files[0].stats.supervised_kinds
    assert 'id="trained"' not in page_of(result)


def test_the_same_run_gives_the_same_bytes() -> None:
    assert page_of(checked(EXAMPLE)) == page_of(checked(EXAMPLE))


def test_only_the_page_s_own_script_and_style_may_run() -> None:
    page = page_of(checked(EXAMPLE))
    for tag in ("script", "style"):
        (code,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page and "unsafe" not in page.partition("<title>")[0]
    assert re.findall(r"(?:src|href)=\"(?![#\"]|data:,)[^\"]*\"", page) == []


def test_a_hostile_row_ends_no_element(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        {
            "messages": [
                {"role": HOSTILE, "content": HOSTILE},
                {"role": "assistant", "content": "a"},
            ]
        },
        chat(HOSTILE, HOSTILE, **{HOSTILE: 1}),
    )
    page = page_of(checked(file))
    assert page.count("<script") == 2 and page.count("</script") == 2 and "<img" not in page
    assert HIDDEN.search(page) is None
    assert "</script><img src=x" in shown_text(data_of(page))
    assert json.loads(page_json({"<&>\u2028": HOSTILE})) == {"<&>\u2028": HOSTILE}


def test_keys_are_hidden_in_tokens_as_well(tmp_path: Path) -> None:
    call = json.dumps({"text": f"one\n{KEY}"})
    rows = [
        chat("Which key?", KEY),
        chat("And now?", f"It is {KEY}, as before."),
        {"messages": [{"role": "user", "content": "?"},
                      {"role": "assistant", "metadata": "save", "content": call}]},
        {"messages": [{"role": KEY, "content": "a"}, {"role": "assistant", "content": "b"}]},
    ]  # fmt: skip
    file = written(tmp_path / "a.jsonl", *rows)
    page = page_of(checked(file, select=["ALL"]))
    assert KEY not in page and KEY[4:] not in page
    data = data_of(page)
    text = shown_text(data)
    assert text.count(MASK) >= 4 and KEY not in text and KEY[:12] not in text
    assert "as before." in text
    # An id would give the text away.
    assert all(entry[1] is None for entry in data["cells"] if entry[0] == MASK)


@pytest.mark.parametrize("kind", KINDS)
def test_no_place_of_the_page_shows_them(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = quoting_rows(KINDS[kind])
    del rows[7]  # a card's number again and again is a row of groups of digits, and no card
    file.write_text("\n".join(rows) + "\n")
    page = page_of(checked(str(file), select=["ALL"]))
    assert KINDS[kind] not in page and page.count(MASK) >= 8
    compared = glmlint_here(
        "compare", str(file), "--recipe", "glm4", "--recipe", "trl", "--format", "html"
    )
    assert KINDS[kind] not in compared.out and MASK in compared.out


def test_a_key_behind_an_escape_is_seen() -> None:
    for text in (KEY, f"a {KEY} b", f'{{"a": "x\\n{KEY}"}}', '"\\u0041' + KEY[1:] + '"'):
        start = min(start for start, _ in hidden_spans(text))
        end = max(end for _, end in hidden_spans(text))
        assert KEY[-8:] in text[start:end] and end - start <= len(KEY) + 5


def test_1000_findings_stay_under_2_mb(tmp_path: Path) -> None:
    said = "怎样翻新一把旧木椅？请用中文和英文各写一遍，写得详细一些，并说明每一步的原因。"
    rows = [
        {**chat(said * 3, said[number % 30 :] * 4, None, ""), f"extra{number}": number}
        for number in range(400)
    ]
    file = written(tmp_path / "a.jsonl", *rows)
    result = checked(file, lang="zh", max_length=60)
    page = page_of(result, max_findings=1000)
    assert len(data_of(page)["findings"]) == 1000
    assert 300_000 < len(page.encode()) < 2_000_000
    assert len(data_of(page)["rows"]) > 50
    # Of more findings the worst are listed, and the page says how many are not.
    many = page_of(result)
    assert len(many.encode()) < 2_000_000
    left = sum(result.rule_counts.values()) - len(data_of(many)["findings"])
    assert left <= 0 or f"{left:,}" in many


def test_the_worst_findings_are_listed_first_where_not_all_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "a.jsonl", *[chat(None, "b")] * 40, {"messages": 5})
    monkeypatch.setattr(html, "FINDING_BYTES", 3_000)
    result = checked(file)
    data = data_of(page_of(result))
    worst = max(result.findings, key=lambda finding: RANK[finding.severity])
    assert worst.severity == "error" and len(data["findings"]) < len(result.findings)
    assert worst.rule in {columns[0] for columns in data["findings"]}


def test_standard_input_has_findings_and_no_token_view() -> None:
    row = json.dumps(chat(None, "b")).encode()
    done = glmlint_here("check", "-", "--format", "html", "--lang", "en", stdin=row)
    data = data_of(done.out)
    assert data["rows"] == [] and data["once"] == [0]
    assert any(columns[0] == "null-content" for columns in data["findings"])


def test_a_file_that_is_gone_meanwhile_has_no_token_view(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", chat(None, "b"))
    result = checked(file)
    Path(file).unlink()
    assert data_of(page_of(result))["rows"] == []


def test_rows_on_one_line_each_have_their_own_view(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([chat("first", "b"), chat(None, "second"), chat("third", "c")]))
    data = data_of(page_of(checked(str(file), select=["null-content"])))
    (row,) = data["rows"]
    assert "second" in shown_text(data) and "third" not in shown_text(data)
    assert row["n"] > 3


def test_a_long_row_is_shown_around_the_finding(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", chat(*["word " * 400] * 8, None, "the end of it"))
    data = data_of(page_of(checked(file, max_length=100_000)))
    (row,) = data["rows"]
    told = sum(len(cells.split()) for _, cells, _, _ in row["g"])
    assert row["n"] > 3_000 and told < 900 and len(row["g"]) > 1
    assert "the end of it" in shown_text(data)


def test_bytes_of_one_character_are_one_cell() -> None:
    def token(number: int, data: bytes, owner: int = 0) -> Token:
        return Token(number, number, owner, True, True, data)

    split = [
        token(1, b"a"),
        token(2, "é".encode()[:1]),
        token(3, "é".encode()[1:]),
        token(4, b"\xff"),
    ]
    assert [(cell.text, cell.ids) for cell in cells_of(split)] == [
        ("a", (1,)),
        ("é", (2, 3)),
        ("\\xff", (4,)),
    ]
    apart = [token(2, "é".encode()[:1]), token(3, "é".encode()[1:], 1)]
    assert [cell.text for cell in cells_of(apart)] == ["\\xc3", "\\xa9"]


def test_both_languages_are_complete() -> None:
    for key, text in PAGE.items():
        fields = [sorted(re.findall(r"\{\w+\}", said)) for said in text]
        assert all(text) and fields[0] == fields[1], key
    assets = Path(html.__file__).parent / "_page"
    for file in assets.glob("*.js"):
        used = set(re.findall(r'say\("([\w-]+)"[,)]', file.read_text(encoding="utf-8")))
        assert used <= data_of(page_of(checked(EXAMPLE)))["words"].keys()


def test_comparison_shows_what_json_counts() -> None:
    sides = ("--recipe", "glm4", "--recipe", "llamafactory")
    done = glmlint_here("compare", EXAMPLE, *sides, "--format", "html", "--lang", "en")
    told = json.loads(
        glmlint_here("compare", EXAMPLE, *sides, "--format", "json", "--rows", "3").out
    )
    text = unescape(re.sub(r"<[^>]+>", " ", done.out.partition("<script")[0]))
    for number in (told["pairs"][0]["supervised_by_both"], told["sides"][1]["tokens"]):
        assert f"{number:,}" in text
    assert all(said in text for said in told["differences"])
    data = data_of(done.out)
    assert len(data["rows"]) == 10
    for row, one in zip(data["rows"], told["first_rows"], strict=False):
        for at, side in enumerate(one["sides"]):
            cells = [data["cells"][int(number, 36)] for number in row["s"][at]["c"].split()]
            ids = [
                token for _, ids, *_ in cells for token in (ids if isinstance(ids, list) else [ids])
            ]
            assert ids == side["input_ids"]
            runs = re.findall(r"([bomBOM])(\w+)", row["a"][0][1 + at])
            letters = "".join(letter * int(number, 36) for letter, number in runs)
            supervised = sum(label != -100 for label in side["labels"][1:])
            taught = zip(letters, cells, strict=True)
            assert supervised == sum(
                len(ids) if isinstance(ids, list) else 1
                for letter, (_, ids, *_) in taught
                if letter in "boBO"
            )


# --- in Chromium ---------------------------------------------------------------------------------

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Seen:
    """An open page, and what it asked for and complained of."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page = page
        self.trouble: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(file.as_uri())

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def wait_for(self, selector: str, text: str | re.Pattern[str]) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_text(text)

    def number(self, selector: str) -> int:
        return int(self.text(selector).split()[0].replace(",", ""))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this file."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs chromium or chrome")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens pages from disk; at the end none of them has asked for anything or complained."""
    seen: list[tuple[Seen, Path]] = []
    contexts = []

    def open_page(page: str, width: int = 1280, scheme: str = "light", anchor: str = "") -> Seen:
        file = tmp_path / f"page{len(seen)}.html"
        file.write_text(page, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        found = Seen(context.new_page(), file)
        if anchor:
            found.page.goto(file.as_uri() + anchor)
        seen.append((found, file))
        return found

    yield open_page
    for one, file in seen:
        assert one.trouble == []
        assert {url.partition("#")[0] for url in one.asked} == {file.as_uri()}
    for context in contexts:
        context.close()


@cache
def example_page(lang: str = "en") -> str:
    return page_of(checked(EXAMPLE, lang=lang))


def test_findings_filter_search_and_sort(opened: Any) -> None:
    seen = opened(example_page())
    page = seen.page
    result = checked(EXAMPLE)
    total = len(result.findings)
    assert page.locator(".finding").count() == total
    assert seen.text("#count") == f"{total} of {total}"
    page.select_option("#by-severity", "0")
    errors = result.severity_counts["error"]
    assert seen.text("#count") == f"{errors} of {total}"
    page.select_option("#by-rule", "arguments-schema")
    assert page.locator(".finding").count() == 2
    page.click("#reset")
    page.fill("#search", "CONVERT_currency type number")
    seen.wait_for("#count", f"1 of {total}")
    assert "arguments-schema" in seen.text(".finding")
    page.fill("#search", "nothing has this")
    page.wait_for_selector("#none-match:visible")
    page.click("#reset")
    page.select_option("#sort", "rule")
    names = page.locator(".finding .name").all_inner_texts()
    assert names == sorted(names) and len(names) == total
    page.select_option("#by-fix", "1")
    assert page.locator(".finding").count() == sum(one.fixable for one in result.findings)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_dragged_budget_says_what_check_reports(lang: str, opened: Any) -> None:
    seen = opened(example_page(lang))
    page = seen.page
    assert page.get_attribute("html", "lang") == {"en": "en", "zh": "zh-CN"}[lang]
    box = page.locator("#histogram svg").bounding_box()
    found = []
    page.locator("#histogram").scroll_into_view_if_needed()
    box = page.locator("#histogram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 60)
    page.mouse.down()
    for part in (0.8, 0.55):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + 60)
        found.append(int(page.input_value("#budget-number")))
    page.mouse.up()
    assert found[0] > found[1]
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#budget-line", "aria-valuenow") == str(found[1] - 1)
    told = page.get_attribute("#budget-line", "aria-valuetext")
    assert f"{found[1] - 1:,}" in told
    for limit in (found[1] - 1, 1127):
        if limit == 1127:
            page.fill("#budget-number", "1127")
        totals = checked(EXAMPLE, max_length=limit).totals
        assert seen.number("#tokens-lost") == totals.lost_supervised_tokens
        assert seen.number("#samples-cut") == totals.truncated_samples
        assert f"{totals.kept_supervised_tokens:,}" in seen.text("#kept-of")
    assert seen.text("#kept-share") == "99.0%"
    page.click(".jump >> nth=2")
    assert seen.number("#tokens-lost") == 0 and seen.text("#kept-share") == "100%"


def test_the_keyboard_is_enough(opened: Any) -> None:
    seen = opened(example_page())
    page = seen.page
    page.keyboard.press("/")
    page.keyboard.type("null")
    seen.wait_for("#count", re.compile("^[123] of"))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator(".finding").first
    assert page.evaluate("document.activeElement.parentElement.id") == first.get_attribute("id")
    page.keyboard.press("Enter")
    assert page.locator(".finding >> nth=0 >> button").get_attribute("aria-expanded") == "true"
    tokens = page.locator(".tokens")
    tokens.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert re.search(r"Token 36 of 37: .* id \d+ · supervised", seen.text(".token-now"))
    page.keyboard.press("Escape")
    assert page.locator(".panel").count() == 0


def test_a_link_opens_its_finding(opened: Any) -> None:
    number = next(
        at for at, one in enumerate(checked(EXAMPLE).findings, 1) if one.rule == "over-truncated"
    )
    seen = opened(example_page(), anchor=f"#f-{number}")
    page = seen.page
    panel = page.locator(f"#f-{number}-panel")
    assert "over-truncated" in panel.inner_text() and panel.locator("mark").count() == 1
    assert panel.locator(".cutline").count() == 1
    assert panel.locator(".t.s").count() > 100 and panel.locator(".t.l").count() > 10
    page.click("text=About over-truncated")
    assert page.locator("#rule-over-truncated").get_attribute("open") == ""


def test_a_hostile_row_stays_text(opened: Any, tmp_path: Path) -> None:
    row = {
        "messages": [{"role": HOSTILE, "content": HOSTILE}, {"role": "assistant", "content": "a"}]
    }
    file = written(tmp_path / "a.jsonl", row, chat(HOSTILE, HOSTILE, **{HOSTILE: 1}))
    seen = opened(page_of(checked(file, select=["ALL"])))
    page = seen.page
    for button in page.locator(".finding > button").all():
        button.click()
    assert page.locator("img").count() == page.locator("main b:has-text('bold')").count() == 0
    assert "owned" not in page.title()
    tokens = page.locator(".tokens").first.inner_text()
    assert "</script><img src=x" in tokens and "\\u202e" in tokens
    assert not {"\u202e", "\u2028", "\x00"} & set(page.inner_text("body"))
    compared = glmlint_here(
        "compare", file, "--recipe", "glm4", "--recipe", "llamafactory", "--format", "html"
    )
    seen = opened(compared.out)
    assert seen.page.locator("img").count() == 0
    assert "</script><img src=x" in seen.text("#compared")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_400_pixels_and_dark(scheme: str, opened: Any) -> None:
    seen = opened(example_page("zh"), 400, scheme)
    page = seen.page
    for at in (0, 2):
        page.locator(".finding > button").nth(at).click()
    page.locator(".rule > summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert (page.evaluate(ground) < 128) == (scheme == "dark")
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate(ground) < 128  # dark was chosen, whatever the system says
    page.emulate_media(media="print")
    assert page.evaluate(ground) > 128 or page.locator(".top").is_hidden()


def test_two_sides_stand_beside_each_other(opened: Any) -> None:
    arguments = ("--recipe", "glm4", "--recipe", "llamafactory", "--recipe", "trl")
    done = glmlint_here("compare", EXAMPLE, *arguments, "--format", "html", "--lang", "en")
    seen = opened(done.out, 400)
    page = seen.page
    first = page.locator("article").first
    assert first.locator(".head").all_inner_texts() == ["glm4", "llamafactory"]
    assert first.locator(".t.o").count() >= 2  # the stops differ
    page.select_option("#against", "1")
    assert page.locator("article >> nth=0 >> .head").all_inner_texts() == ["glm4", "trl"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
