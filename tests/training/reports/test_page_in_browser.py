"""A page as a browser shows it, on a desk and on a phone, light and dark."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tfp_lcma.training.reports.document import Code, Picture, Report, Section, Table
from tfp_lcma.training.reports.page import write_page

selenium = pytest.importorskip("selenium", reason='selenium is not installed: pip install ".[dev]"')
from selenium import webdriver  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="chromium or chromedriver is not installed: apt-get install chromium "
        "chromium-driver",
    ),
]
LONG = "a_name_without_a_place_to_break_it" * 9


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    for flag in (*flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What is widest of everything that a report may hold."""
    folder = tmp_path_factory.mktemp("report")
    Image.fromarray(np.zeros((300, 1800), np.uint8)).save(folder / "wide.png")
    table = Table([LONG] * 16, [[LONG] * 16])
    kinds = ("chart", "map", "images")
    pictures = [Picture("wide.png", LONG, kind) for kind in kinds]
    blocks = [LONG, Code([LONG]), table, *pictures]
    report = Report(LONG, blocks, [Section(LONG, blocks)] * 3, [(LONG, LONG)] * 5)
    write_page(folder / "report.html", report)
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window_and_the_scheme_is_the_readers(
    browser, page, scheme, width
):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())
    wide, shown, background = browser.execute_script(
        "return [document.documentElement.scrollWidth,"
        "[...document.images].map(image => image.naturalWidth),"
        "getComputedStyle(document.body).backgroundColor]"
    )
    assert wide == width
    assert shown == [1800] * 12
    brightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert brightness < 60 if scheme == "dark" else brightness > 200
