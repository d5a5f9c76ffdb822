"""The page in a real browser, from file://: nothing in the data runs, and a keyboard is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.page import write_report
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
    page.reload()
    page.told.clear()


def keys(page: Any) -> list[str]:
    found = page.locator(".card:visible .where").all_inner_texts()
    return [text.split("· ")[1].strip()[:6] for text in found]


def test_strangers_texts_are_shown_and_inert(page: Any) -> None:
    page.reload()
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    page.locator(".card").last.hover()
    assert page.evaluate("window.ran") is None
    assert SCRIPT in page.locator(".card").last.inner_text()
    assert "onerror" in page.locator(".card .prompt.to").last.inner_text()
    assert SCRIPT in page.locator("table").first.inner_text()
    assert page.locator("img:not([src^='data:image/webp'])").count() == 0
    assert page.locator("script").count() == 1
    assert [told for told in page.told if not told.startswith(("file://", "data:"))] == []
    assert page.locator("img").evaluate_all("all => all.every(i => i.naturalWidth > 0)")


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

    first, second = page.locator(".triple").nth(0), page.locator(".triple").nth(1)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if first.evaluate("one => one === document.activeElement"):
            break
    assert {"find", "edit", "sort", "down"} <= set(reached)
    page.keyboard.press("Enter")
    stage = page.locator("#stage")
    assert "a blue mug 0" in stage.inner_text()
    page.keyboard.press("ArrowRight")
    assert "a blue mug 1" in stage.inner_text()
    page.keyboard.press("Escape")
    # The browser tells of the closed dialog in a task of its own, a moment later.
    expect(second).to_be_focused()


def test_no_sideways_scrolling_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 1280, "height": 720})
    assert width <= 360
