"""The page in a real browser, from file://: nothing in the data runs, and a keyboard is enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.page import write_report
from pipeline.sinks import edits, reviews
from tests.report.outputs import dead, edit, write_output

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

SCRIPT = "<script>window.ran=1</script>"
IMAGE = "\"><img src=x onerror='window.ran=1'>"
EVIL = {
    "caption": SCRIPT,
    "source_prompt": SCRIPT,
    "target_prompt": IMAGE,
    "key": "</li></script>" + IMAGE,
    "edit": "' onmouseover='window.ran=1",
    "shard": "javascript:window.ran=1//" + IMAGE,
}

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: apt-get install chromium"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The opened page of an output with harmless and evil rows; `page.told` is what it said."""
    from playwright.sync_api import sync_playwright

    other = {**EVIL, "key": EVIL["key"] + "2"}
    rows = [edit(n) for n in range(4)] + [edit(4, **EVIL), dead(5, error_message=SCRIPT, **other)]
    path = write_report(write_output(tmp_path_factory.mktemp("out"), [rows]))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page()
        page.told = []
        page.on("console", lambda message: page.told.append(message.text))
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("request", lambda request: page.told.append(request.url))
        page.on("dialog", lambda dialog: page.told.append(dialog.message))
        page.goto(f"file://{path}")
        yield page
        browser.close()


@pytest.fixture(autouse=True)
def _fresh(page: Any) -> None:
    page.evaluate("localStorage.clear()")
    page.reload()
    page.told.clear()


def keys(page: Any) -> list[str]:
    found = page.locator(".card:visible").evaluate_all("all => all.map(c => c.ariaLabel)")
    return [text.split(" of ")[1][:6] for text in found]


def test_strangers_texts_are_shown_and_inert(page: Any) -> None:
    page.reload()
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    page.locator(".card").last.hover()
    assert page.evaluate("window.ran") is None
    assert SCRIPT in page.locator(".head").last.inner_text()
    assert "onerror" in page.locator(".card .prompt.to").last.inner_text()
    assert SCRIPT in page.locator("table").first.inner_text()
    assert page.locator("img:not([src^='data:image/webp'])").count() == 0
    assert page.locator("script").count() == 1
    assert [told for told in page.told if not told.startswith(("file://", "data:"))] == []
    page.locator("img").evaluate_all(
        "all => Promise.all(all.map(each => { each.loading = 'eager'; return each.decode(); }))"
    )


def test_the_policy_would_stop_a_script_that_got_in(page: Any) -> None:
    page.evaluate("document.body.append(Object.assign(document.createElement('img'),"
                  " {src: 'http://127.0.0.1:9/x'}))")  # fmt: skip
    page.locator("body").evaluate("b => b.setAttribute('onclick', 'window.ran=1')")
    page.locator("h1").click()
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in told for told in page.told)


def test_sorting_and_filtering(page: Any) -> None:
    page.select_option("#sort", "edit_change")
    assert keys(page)[-4:] == ["000003", "000002", "000001", "000000"]
    page.check("#down")
    assert keys(page)[:4] == ["000000", "000001", "000002", "000003"]
    page.fill("#find", "BLUE 000002")
    assert keys(page) == ["000002"]
    assert page.inner_text("#shown") == "1 of 5 shown"
    page.fill("#find", "nowhere")
    assert keys(page) == []
    page.click("#reset")
    page.select_option("#edit", EVIL["edit"])
    assert len(keys(page)) == 1


def test_the_keyboard_is_enough(page: Any) -> None:
    from playwright.sync_api import expect

    first, second = page.locator(".card").nth(0), page.locator(".pair").nth(1)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if first.evaluate("one => one === document.activeElement"):
            break
    assert {"find", "edit", "decision", "sort", "down", "masks"} <= set(reached)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    stage = page.locator("#stage")
    assert "a blue mug 0" in stage.inner_text()
    page.keyboard.press("ArrowRight")
    assert "a blue mug 1" in stage.inner_text()
    page.keyboard.press("Escape")
    # The browser tells of the closed dialog in a task of its own, a moment later.
    expect(second).to_be_focused()


def saved(page: Any) -> dict[str, Any]:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "decisions.json"
    said: dict[str, Any] = json.loads(Path(download.value.path()).read_text())
    return said


def test_deciding_by_keys(page: Any) -> None:
    assert page.is_disabled("#save")
    page.locator(".card").first.focus()
    for key in ("a", "ArrowRight", "R", "n", "a"):
        page.keyboard.press(key)
    assert page.inner_text("#told") == "3 of 5 decided (60 %): 2 approved, 1 rejected"
    page.keyboard.press("u")
    page.keyboard.press("U")
    assert page.inner_text("#told") == "1 of 5 decided (20 %): 1 approved, 0 rejected"
    page.keyboard.press("r")  # undo goes to what it undid
    page.keyboard.press("Control+a")  # the browser's own
    page.reload()
    assert page.inner_text("#told") == "2 of 5 decided (40 %): 1 approved, 1 rejected"
    ids = page.locator(".card").evaluate_all("all => all.map(card => card.dataset.id)")
    said = saved(page)
    assert said["decisions"] == {ids[0]: "approved", ids[1]: "rejected", ids[2]: "undecided"}
    page.select_option("#decision", "rejected")
    assert keys(page) == ["000001"]
    page.select_option("#decision", "undecided")
    assert len(keys(page)) == 3


def test_what_is_typed_decides_nothing(page: Any) -> None:
    page.fill("#find", "")
    page.locator("#find").press_sequentially("arun")
    page.locator("#sort").press("a")
    assert page.inner_text("#told").startswith("0 of 5 decided")


def test_buttons_and_the_large_view_decide(page: Any) -> None:
    page.locator(".approve").nth(2).click()
    assert {"approved", "current"} <= set(
        page.locator(".card").nth(2).get_attribute("class").split()
    )
    page.locator(".pair").nth(0).click()
    page.locator("#stage .reject").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    assert page.locator("#stage .approve").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert page.inner_text("#told") == "3 of 5 decided (60 %): 2 approved, 1 rejected"


def test_the_slider_lays_before_over_after(page: Any) -> None:
    slider, before = page.locator(".slider").first, page.locator(".before").first
    clip = "one => getComputedStyle(one).clipPath"
    assert before.evaluate(clip) == "inset(0px 100% 0px 0px)"
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert before.evaluate(clip) == "inset(0px 70% 0px 0px)"
    assert "current" in page.locator(".card").first.get_attribute("class")
    page.keyboard.press("a")
    assert page.inner_text("#told").startswith("1 of 5 decided")


def test_worst_first(page: Any) -> None:
    page.select_option("#sort", "worst")
    assert keys(page)[:2] == ["000000", "000004"] or keys(page)[0] in ("000000", "</li><")
    page.keyboard.press("m")
    assert page.locator("#masks").is_checked()
    assert page.locator(".cards .pair .picture + .picture").first.is_visible()


def test_stored_reviews_are_on_the_page(page: Any, tmp_path: Path) -> None:
    output = write_output(tmp_path / "out", [[edit(n) for n in range(3)]])
    first, second, _ = sorted(edits.ids(output))
    review = {"format": "diffedit-review-1", "run": output.run,
              "decisions": {first: "approved", second: "rejected"}}  # fmt: skip
    reviews.store(output, reviews.Review.model_validate(review), {first, second})
    here = page.url
    page.goto(f"file://{write_report(output)}")
    assert page.inner_text("#told") == "2 of 3 decided (67 %): 1 approved, 1 rejected"
    assert page.is_disabled("#save")
    page.locator(".card").first.focus()
    page.keyboard.press("r")
    assert list(saved(page)["decisions"].values()) == ["rejected"]
    page.goto(here)


def test_no_sideways_scrolling_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 720})
    assert width <= 360
