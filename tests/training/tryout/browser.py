"""What a person does on the page, by selenium."""

import numpy as np
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

# RGBA of what a canvas shows.
READ = """
    const canvas = document.querySelector(arguments[0]);
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return {size: [canvas.height, canvas.width], data: Array.from(data)};
"""


class Browser:
    """What a person does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, server):
        self.driver.get(f"http://{server.rest_address}/")
        self.until(lambda: self.find("tools").is_displayed())

    def find(self, name):
        return self.driver.find_element(By.ID, name)

    def text(self, name):
        return self.find(name).text

    def until(self, condition):
        return WebDriverWait(self.driver, 60).until(lambda _: condition())

    def draw(self):
        """A stroke from the upper left to the lower right."""
        board = self.find("drawing")
        side = board.size["width"]
        start = ActionChains(self.driver).move_to_element_with_offset(board, -side / 4, -side / 4)
        start.click_and_hold().move_by_offset(side // 2, side // 2).release().perform()

    def pixels(self, selector):
        """RGBA of a canvas, uint8 [height, width, 4]."""
        shown = self.driver.execute_script(READ, selector)
        return np.array(shown["data"], np.uint8).reshape(*shown["size"], 4)

    def slide(self, name, value):
        self.driver.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            self.find(name),
            value,
        )

    def complaints(self):
        """What the browser's console says."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
