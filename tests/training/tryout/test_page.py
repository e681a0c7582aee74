"""A person draws, uploads and samples, in a real browser without a screen."""

import json
import re
import shutil
import urllib.request

import numpy as np
import pytest

from tests.training.tryout.clients import Rest, Session
from tests.training.tryout.conftest import png
from tests.training.tryout.toy_export import BINS, write_export
from tfp_lcma.training.data.pixels import read_pixels
from tfp_lcma.training.tryout.model import ServedModel
from tfp_lcma.training.tryout.server import TryOutServer

selenium = pytest.importorskip("selenium", reason='selenium is not installed: pip install ".[dev]"')
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402

from tests.training.tryout.browser import Browser  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="chromium or chromedriver is not installed: apt-get install chromium chromium-driver",
)
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--window-size=900,1600",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Browser(browser)
    browser.quit()


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """A server of a model of colour images that takes a class and does not always converge."""
    folder = write_export(
        tmp_path_factory.mktemp("models") / "colour", shape=(16, 12, 3), classes=4, iterates=True
    )
    model = ServedModel(folder)
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        yield server, Session(folder / "1")
    model.close()


def intensities(pixels, channels=1):
    """What the model is given for what the board shows."""
    return np.round(pixels[..., :channels] / 255 * (BINS - 1)).astype(np.uint8)[None]


def shown_bits(browser):
    """Bits per dimension as the page has them, once a score is there."""
    browser.until(lambda: re.fullmatch(r"−?\d+\.\d\d", browser.text("bits")))
    browser.until(lambda: "busy" not in browser.find("score").get_attribute("class"))
    return float(browser.text("bits").replace("−", "-"))


def test_the_page_says_what_it_serves_and_asks_nothing_of_other_hosts(browser, server):
    browser.driver.get_log("performance")
    browser.open(server)
    assert browser.text("name") == "digits"
    assert browser.text("facts") == "version 10 · 8×8 pixels, grey · intensities 0 to 16"
    assert "not for production" in browser.driver.page_source
    assert "costs log₂ 17 = 4.09" in browser.text("blind-text")
    assert browser.text("usual-text") == "test images: 3.21"
    assert not browser.find("condition-part").is_displayed()
    assert not browser.find("error").is_displayed()
    events = [json.loads(e["message"])["message"] for e in browser.driver.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) > 5
    # The last: of the browser's own empty page, which may still be loading.
    here = (f"http://{server.rest_address}/", "data:", "chrome")
    assert [url for url in asked if not url.startswith(here)] == []
    assert browser.complaints() == []


def test_a_drawing_is_scored_and_mapped(browser, server, session):
    browser.open(server)
    assert browser.text("bits") == "–"
    browser.draw()
    bits = shown_bits(browser)
    board = browser.pixels("#drawing")
    assert board.shape == (8, 8, 4)
    image = intensities(board)
    # The stroke, and black where it was not.
    assert image[0, 3, 3, 0] == BINS - 1 and image[0, 0, 7, 0] == 0
    expected = session.outputs("log_prob", images=image)
    assert bits == pytest.approx(expected["bits_per_dimension"][0], abs=0.006)
    nats = f"{expected['log_prob'][0]:.1f}".replace("-", "−")
    assert f"log-likelihood {nats} nats" in browser.text("nats")
    event = session.outputs("event_log_prob", images=image)["event_log_prob"][0].sum(-1)
    assert browser.text("lowest") == f"{event.min():.2f}".replace("-", "−")
    assert browser.text("highest") == f"{event.max():.2f}".replace("-", "−")
    # Lighter where it is likelier.
    light = browser.pixels("#map")[..., :3].sum(-1).astype(int)
    order = np.argsort(event.ravel())
    assert (np.diff(light.ravel()[order]) >= -3).all() and np.ptp(light) > 300


def test_the_board_is_cleared_and_the_ink_chosen(browser, server, session):
    browser.open(server)
    browser.slide("ink", 8)
    browser.draw()
    shown_bits(browser)
    assert intensities(browser.pixels("#drawing")).max() == 8
    browser.find("clear").click()
    expected = session.outputs("log_prob", images=np.zeros((1, 8, 8, 1), np.uint8))
    expected = expected["bits_per_dimension"][0]
    browser.until(lambda: shown_bits(browser) == pytest.approx(expected, abs=0.006))
    assert browser.pixels("#drawing")[..., :3].max() == 0


def test_an_uploaded_image_is_read_as_for_training_and_scored(
    browser, server, session, model, tmp_path
):
    picture = np.zeros((160, 240, 3), np.uint8)
    picture[:80] = (255, 255, 255)
    file = tmp_path / "picture.png"
    file.write_bytes(png(picture))
    browser.open(server)
    browser.find("upload").send_keys(str(file))
    bits = shown_bits(browser)
    image = intensities(browser.pixels("#drawing"))
    np.testing.assert_array_equal(image[0], read_pixels(file, model.pixels))
    expected = session.outputs("log_prob", images=image)["bits_per_dimension"][0]
    assert bits == pytest.approx(expected, abs=0.006)
    assert "picture.png was scaled from 160×240 to 8×8 pixels" in browser.text("scaled")
    file.write_bytes(png(picture[76:84, :8]))
    browser.find("upload").send_keys(str(file))
    browser.until(lambda: not browser.find("scaled").is_displayed())


def test_a_file_that_is_no_image_is_refused_in_words(browser, server, tmp_path):
    file = tmp_path / "notes.png"
    file.write_text("not an image")
    browser.open(server)
    browser.find("upload").send_keys(str(file))
    browser.until(lambda: browser.find("error").is_displayed())
    assert "The server refused: cannot read image" in browser.text("error")
    browser.draw()
    shown_bits(browser)
    browser.until(lambda: not browser.find("error").is_displayed())


def test_a_name_with_marks_of_addresses_is_asked_and_linked(browser, export, tmp_path):
    folder = shutil.copytree(export, tmp_path / "a?b:c %23&d")
    model = ServedModel(folder)
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        browser.open(server)
        browser.draw()
        shown_bits(browser)
        for link in browser.driver.find_elements(By.CSS_SELECTOR, "#footer a"):
            assert folder.name in link.text
            with urllib.request.urlopen(link.get_attribute("href")) as response:
                assert json.load(response)
    model.close()


def samples(browser):
    """The tiles as arrays; None where there is no image."""
    tiles = browser.driver.find_elements(By.CSS_SELECTOR, "#samples button")
    return [
        None
        if "failed" in tile.get_attribute("class")
        else browser.pixels(f"#samples button:nth-child({place + 1}) canvas")[..., :3]
        for place, tile in enumerate(tiles)
    ]


def until_other(browser, before):
    def other():
        if not browser.find("again").is_enabled():
            return False
        return any(not np.array_equal(a, b) for a, b in zip(samples(browser), before, strict=True))

    browser.until(other)
    return samples(browser)


def test_samples_are_drawn_again_and_at_another_temperature(browser, server, session):
    browser.open(server)
    assert browser.text("again") == "Draw samples"
    browser.find("again").click()
    browser.until(lambda: len(samples(browser)) == 16)
    first = samples(browser)
    assert all(tile.shape == (8, 8, 3) for tile in first)
    assert not browser.find("converged").is_displayed()
    assert browser.text("again") == "Again"
    browser.find("again").click()
    second = until_other(browser, first)
    browser.slide("temperature", 0)
    assert browser.text("temperature-text") == "0.00"
    cold = until_other(browser, second)
    mode = session.outputs(
        "sample_with_temperature", seed=np.array([[0, 0]], np.int32), temperature=np.float32([0])
    )["images"][0]
    for tile in cold:
        np.testing.assert_allclose(tile[..., :1], np.floor(mode) / (BINS - 1) * 255, atol=1)


def test_a_sample_that_is_pressed_is_put_on_the_board_and_scored(browser, server):
    browser.open(server)
    browser.find("again").click()
    browser.until(lambda: len(samples(browser)) == 16)
    browser.driver.find_element(By.CSS_SELECTOR, "#samples button:nth-child(5)").click()
    shown_bits(browser)
    np.testing.assert_array_equal(browser.pixels("#drawing")[..., :3], samples(browser)[4])


def test_colour_classes_and_samples_that_did_not_converge(browser, colour):
    server, session = colour
    browser.open(server)
    assert "16×12 pixels, colour" in browser.text("facts")
    assert browser.find("condition-part").is_displayed()
    browser.driver.execute_script("document.getElementById('ink').value = '#ff0000'")
    browser.driver.execute_script(
        "document.getElementById('ink').dispatchEvent(new Event('input'))"
    )
    browser.draw()
    first = shown_bits(browser)
    image = intensities(browser.pixels("#drawing"), channels=3)
    assert image.shape == (1, 16, 12, 3)
    assert image[..., 0].max() == BINS - 1 and image[..., 1:].max() == 0
    Select(browser.find("condition")).select_by_value("3")
    third = np.array([3], np.int32)
    expected = session.outputs("log_prob", images=image, condition=third)["bits_per_dimension"][0]
    assert abs(expected - first) > 0.1
    browser.until(lambda: shown_bits(browser) == pytest.approx(expected, abs=0.006))
    browser.find("again").click()
    browser.until(lambda: len(samples(browser)) == 16)
    assert [tile is None for tile in samples(browser)] == [False, True] * 8
    assert "8 of 16 did not converge" in browser.text("converged")


def test_a_refusal_and_a_server_that_is_gone_are_explained(browser, model):
    with TryOutServer(model, rest_port=0, grpc_port=0, max_bytes=10) as server:
        browser.open(server)
        browser.draw()
        browser.until(lambda: browser.find("error").is_displayed())
        assert "The server refused: the body may have up to 10 bytes" in browser.text("error")
    browser.find("again").click()
    browser.until(lambda: "The server does not answer" in browser.text("error"))
    assert browser.find("again").is_enabled()


def test_an_export_without_a_card_is_explained(browser, export, tmp_path):
    folder = shutil.copytree(export, tmp_path / "digits")
    (folder / "10" / "assets.extra" / "model.json").unlink()
    model = ServedModel(folder)
    with TryOutServer(model, rest_port=0, grpc_port=0) as server:
        browser.driver.get(f"http://{server.rest_address}/")
        browser.until(lambda: browser.find("error").is_displayed())
        assert "has no model card" in browser.text("error")
        assert browser.text("name") == "digits" and not browser.find("tools").is_displayed()
        assert Rest(server.rest_address).request("GET", "/v1/models/digits")[0] == 200
    model.close()
