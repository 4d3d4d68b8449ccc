"""The page in a real browser: Chromium over the DevTools protocol. Skipped, with the reason, where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra web")

import browser
from service import Service, service, tone, write_toy

if browser.program() is None:
    pytest.skip("no Chromium is installed (SPOOFPROOF_BROWSER names one)", allow_module_level=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    run = folder / "runs" / "a run"
    run.mkdir(parents=True)
    (run / "run.json").write_text(
        '{"plan": "smoke", "detectors": {"known": {}}, "conditions": ["clean"], "corpus": {"trials": 3}}'
    )
    (run / "report.html").write_text(
        "<!doctype html><title>The report</title><p id=r>as written<script>document.getElementById('r').textContent = 'as scripted ' + (window.origin)</script>"
    )
    name, table = write_toy(folder)
    with service(folder / "state", detector=name, table=table, runs=folder / "runs") as found:
        yield found


@pytest.fixture(scope="module")
def tab(served: Service) -> Iterator[browser.Tab]:
    with browser.page(served.url) as found:
        yield found


CONTRAST = """
(() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { for (; node; node = node.parentElement) { const c = numbers(getComputedStyle(node).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll('body *')) {
    if (!node.checkVisibility() || ![...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (node.closest('svg, option, select') || node.closest('.sr, .skip')) continue;
    const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push([node.tagName, node.className, node.textContent.slice(0, 30), ratio]);
  }
  return JSON.stringify(bad);
})()
"""
UNNAMED = """
JSON.stringify([...document.querySelectorAll('button, input, select, a[href], audio, canvas, svg[role=img]')].filter((n) => n.checkVisibility())
  .filter((n) => !(n.labels?.length || n.innerText?.trim() || n.getAttribute('aria-label') || n.tagName === 'AUDIO')).map((n) => n.outerHTML.slice(0, 80)))
"""


def judged(tab: browser.Tab, file: Path) -> str:
    """The verdict on the page for a file that is chosen."""
    tab.run("document.querySelector('#status').textContent = ''")
    tab.choose_file("#file", file)
    tab.until(
        "document.querySelector('#status').innerText.startsWith('Done') || document.querySelector('#wrong').innerText"
    )
    return tab.text("#verdict")


def test_a_real_and_a_synthetic_clip_are_judged_seen_and_put_through_a_corruption(
    tab: browser.Tab, tmp_path: Path
) -> None:
    for hz, verdict in ((500, "Likely real"), (3000, "Likely synthetic")):
        file = tmp_path / f"{hz}.wav"
        file.write_bytes(tone(hz, 6.0))
        assert judged(tab, file) == verdict, tab.text("#wrong")
        assert "95 % interval" in tab.text("#meaning") and "made to decide" in tab.text("#reliability")
        assert tab.run("document.querySelectorAll('#timeline path.curve').length") == 1
        assert tab.run("document.querySelectorAll('#timeline rect.span').length") == (hz == 3000)
        assert ("Marked as synthetic" in tab.run("document.querySelector('#wave').ariaLabel")) == (hz == 3000)
        painted = "new Set(document.querySelector('#spectrogram').getContext('2d').getImageData(0, 0, 300, 100).data).size"
        assert tab.run(painted) > 20
        assert tab.run("document.activeElement.id") == "answer"
    tab.run(
        "document.querySelector('#corruption').value = 'pitch_shift'; document.querySelector('#corruption').dispatchEvent(new Event('change'))"
    )
    tab.run(
        "document.querySelector('#level').value = 'pitch_shift@2'; document.querySelector('#apply').click()"
    )
    tab.until(
        "document.querySelector('#tries tbody').rows.length === 2 || document.querySelector('#whatif-wrong').innerText"
    )
    # Two semitones up the whistle is elsewhere: the toy detector is deceived, and the page says so.
    assert "from “likely synthetic” to “likely real”" in tab.text("#whatif-status")
    assert tab.run(
        "new Promise((done) => { const a = document.querySelector('#tries audio'); a.onloadedmetadata = () => done(a.duration); a.load(); })"
    ) == pytest.approx(6.0, abs=0.05)


def test_what_the_microphone_hears_is_judged(served: Service, tmp_path: Path) -> None:
    """Chromium's stand-in for a microphone plays a file; the page records it, sends it once it is stopped, and shows the verdict."""
    file = tmp_path / "voice.wav"
    file.write_bytes(tone(3000, 6.0))
    fake = ("device-for-media-stream", "ui-for-media-stream")
    options = [*(f"--use-fake-{what}" for what in fake), f"--use-file-for-fake-audio-capture={file}"]
    with browser.page(served.url, *options) as page:
        page.run("document.querySelector('#record').click()")
        page.until("parseFloat(document.querySelector('#record-time').innerText) >= 3")
        assert page.text("#record") == "Stop" and page.text("#status") == ""
        page.run("document.querySelector('#record').click()")
        page.until("document.querySelector('#status').innerText.startsWith('Done')")
        assert page.text("#verdict").lower() == "likely synthetic" and page.text("#record") == "Record"


def test_what_is_no_recording_is_a_sentence_on_the_page(tab: browser.Tab, tmp_path: Path) -> None:
    file = tmp_path / 'a <b>bold "name".wav'
    file.write_text("no audio at all")
    judged(tab, file)
    assert "cannot read" in tab.text("#wrong").lower() and tab.text("#status") == ""


def test_a_report_opens_in_a_sandbox_of_its_own(tab: browser.Tab, served: Service) -> None:
    assert tab.text("#runs a") == "a run"
    address = tab.run("document.querySelector('#runs a').href")
    tab.go(address)
    tab.until("document.title === 'The report'")
    assert tab.text("#r") == "as scripted null"  # its scripts run, in an origin that is nobody's
    tab.go(served.url)
    tab.until("!document.querySelector('#runs').hidden")


def test_everything_has_a_name_a_contrast_and_fits_a_phone(tab: browser.Tab, tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(tone(3000, 2.0))
    judged(tab, file)
    for width in (1280, 390):
        for dark in (False, True):
            tab.size(width, 844, dark=dark)
            assert json.loads(tab.run(CONTRAST)) == [], (width, dark)
            assert json.loads(tab.run(UNNAMED)) == []
            assert tab.run("document.documentElement.scrollWidth") <= width
    tab.size(1280, 900)


def test_the_keyboard_reaches_the_file_and_the_record_button(tab: browser.Tab, served: Service) -> None:
    tab.go(served.url)
    tab.until("!document.querySelector('#runs').hidden")
    reached = []
    for _ in range(8):
        tab.press("Tab")
        reached.append(
            tab.run(
                "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
            )
        )
    assert reached[0] == "skip" and {"file", "record"} <= set(reached), reached


def test_the_page_asked_nobody_else_and_broke_no_rule_of_its_own(tab: browser.Tab, served: Service) -> None:
    loaded = json.loads(
        tab.run("JSON.stringify(performance.getEntriesByType('resource').map((e) => e.name))")
    )
    assert loaded and all(name.startswith((served.url, "blob:")) for name in loaded)
    mine = ("422", "decodeAudio", "getImageData")  # refused on purpose; pixels are read by these tests alone
    trouble = [line for line in tab.said if not any(word in line for word in mine)]
    assert trouble == []
