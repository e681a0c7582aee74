"""Pictures: the file shows what the array holds, or there is no file."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tfp_lcma.training.reports.pictures import (
    Point,
    differences,
    draw_event_log_prob,
    draw_exit_map,
    save_differences,
    save_event_log_prob,
    save_exit_map,
    save_image_grid,
    save_image_pairs,
    save_interpolations,
    save_log_det_map,
    save_reconstructions,
    save_training_curves,
    tile,
)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def shows(picture, color, least=50):
    """Whether at least so many pixels have this color."""
    return count(picture, color) >= least


def count(picture, color):
    """Number of pixels of this color, up to rounding."""
    return (np.abs(picture - np.array(color)) <= 1.5).all(axis=-1).sum()


def random_images(*shape, bins=256):
    return np.random.default_rng(0).integers(0, bins, shape, dtype=np.uint8)


# --- tile ---


def test_tile_puts_every_image_into_its_place():
    images = random_images(5, 3, 4, 3)
    grid = tile(images, columns=2, padding=1)
    assert grid.shape == (3 * 3 + 2, 2 * 4 + 1, 3) and grid.dtype == np.uint8
    for i, image in enumerate(images):
        row, column = divmod(i, 2)
        np.testing.assert_array_equal(grid[row * 4 :, column * 5 :][:3, :4], image)
    assert (grid[3] == 255).all() and (grid[:, 4] == 255).all(), "padding is white"
    assert (grid[8:, 5:] == 255).all(), "the empty place is white"


def test_tile_without_padding_and_columns_is_a_square():
    assert tile(random_images(9, 2, 2, 1), padding=0).shape == (6, 6, 1)


@pytest.mark.parametrize(
    "images, arguments, message",
    [
        (np.zeros((2, 4, 4), np.uint8), {}, "images must have shape"),
        (np.zeros((2, 4, 4, 2), np.uint8), {}, r"images must have shape .* C 1 \(gray\)"),
        (np.zeros((0, 4, 4, 1), np.uint8), {}, "images must have shape"),
        (np.zeros((2, 4, 4, 1)), {}, "images must be uint8"),
        (np.zeros((2, 4, 4, 1), np.uint8), {"columns": 0}, "columns"),
        (np.zeros((2, 4, 4, 1), np.uint8), {"padding": -1}, "padding"),
    ],
)
def test_tile_names_the_wrong_argument(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        tile(images, **arguments)


# --- grids, pixel by pixel ---


def test_grid_shows_every_pixel_of_color_images(tmp_path):
    images = random_images(4, 64, 64, 3)
    save_image_grid(tmp_path / "grid.png", images)
    np.testing.assert_array_equal(read(tmp_path / "grid.png"), tile(images, padding=2))


@pytest.mark.parametrize("n, columns", [(7, 7), (3, 2), (45, 9)])
def test_grid_of_any_size_keeps_its_size_in_pixels(n, columns, tmp_path):
    images = random_images(n, 67, 73, 1)
    save_image_grid(tmp_path / "grid.png", images, columns=columns)
    expected = np.repeat(tile(images, columns, padding=2), 3, axis=-1)
    np.testing.assert_array_equal(read(tmp_path / "grid.png"), expected)


def test_grid_enlarges_digits_and_shows_their_last_intensity_white(tmp_path):
    image = np.zeros((1, 8, 8, 1), np.uint8)
    image[0, 2, 3] = 16
    image[0, 5, 5] = 8
    save_image_grid(tmp_path / "digit.png", image, bins=17)
    picture = read(tmp_path / "digit.png")
    assert picture.shape == (64, 64, 3)
    np.testing.assert_array_equal(np.unique(picture), [0, 128, 255])
    assert (picture[16:24, 24:32] == 255).all() and (picture[40:48, 40:48] == 128).all()


def test_pairs_stand_one_below_the_other_and_apart_from_their_neighbours(tmp_path):
    images, others = random_images(3, 64, 64, 3), 255 - random_images(3, 64, 64, 3)
    save_image_pairs(tmp_path / "pairs.png", images, others, columns=2)
    picture = read(tmp_path / "pairs.png")
    assert picture.shape == (2 * 130 + 10, 2 * 64 + 10, 3)
    np.testing.assert_array_equal(picture[:64, 74:], images[1])
    np.testing.assert_array_equal(picture[66:130, 74:], others[1])
    np.testing.assert_array_equal(picture[140:204, :64], images[2])
    for between in (picture[64:66], picture[130:140], picture[:, 64:74]):
        assert (between == 255).all()
    with pytest.raises(ValueError, match=r"others must have the shape of images, \[3, "):
        save_image_pairs(tmp_path / "pairs.png", images, others[:2])


def test_title_leaves_the_pixels_alone(tmp_path):
    images = random_images(4, 64, 64, 3)
    title = "a title that is a good deal wider than the grid of images below it"
    save_image_grid(tmp_path / "grid.png", images, title=title)
    picture, grid = read(tmp_path / "grid.png"), tile(images, padding=2)
    left = (picture.shape[1] - grid.shape[1]) // 2
    below = picture[-grid.shape[0] :, left : left + grid.shape[1]]
    np.testing.assert_array_equal(below, grid)
    strip = picture[: -grid.shape[0]]
    assert strip.min() < 100, "the title is there"
    assert strip[:, :4].min() == 255 and strip[:, -4:].min() == 255, "the title is not cut off"


def test_interpolation_is_one_row_of_the_picture(tmp_path):
    images = random_images(2, 5, 64, 64, 1)
    save_interpolations(tmp_path / "path.png", images)
    rows = [tile(row, columns=5, padding=2) for row in images]
    picture = read(tmp_path / "path.png")[..., :1]
    np.testing.assert_array_equal(picture[:64], rows[0])
    np.testing.assert_array_equal(picture[-64:], rows[1])


def test_reconstructions_show_the_largest_difference_at_full_brightness(tmp_path):
    originals = np.full((3, 8, 8, 3), 100, np.uint8)
    reconstructions = originals.astype(float)
    save_reconstructions(tmp_path / "exact.png", originals, reconstructions)
    reconstructions[1, 2, 2, 0] += 2
    reconstructions[1, 5, 5, 1] -= 1
    save_reconstructions(tmp_path / "off.png", originals, reconstructions)
    exact, off = read(tmp_path / "exact.png"), read(tmp_path / "off.png")
    assert shows(exact, (100, 100, 100), 1000) and shows(exact, (0, 0, 0), 1000)
    assert shows(off, (255, 0, 0)) and shows(off, (0, 128, 0))
    assert not shows(exact, (255, 0, 0), 1)


@pytest.mark.parametrize(
    "images, bins, message",
    [
        (np.full((1, 8, 8, 1), 17, np.uint8), 17, r"images must lie in 0..16; got 17"),
        (np.full((1, 8, 8, 1), -1), 256, "images must lie in 0..255; got -1"),
        (np.zeros((1, 8, 8, 1)), 256, "images must hold integers"),
        (np.zeros((1, 8, 8, 1), np.uint8), 1, "bins"),
    ],
)
def test_grid_refuses_other_intensities(images, bins, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_image_grid(tmp_path / "grid.png", images, bins=bins)


@pytest.mark.parametrize("reconstructions", [np.zeros((1, 4, 4, 1)), np.full((2, 4, 4, 1), np.nan)])
def test_reconstructions_of_another_shape_or_nan_are_refused(reconstructions, tmp_path):
    with pytest.raises(ValueError, match="reconstructions must"):
        save_reconstructions(tmp_path / "a.png", np.zeros((2, 4, 4, 1), np.uint8), reconstructions)


# --- maps ---

VIRIDIS_FIRST, VIRIDIS_LAST = (68, 1, 84), (253, 231, 37)


@pytest.mark.parametrize("channels", [1, 3])
def test_exit_map_gives_every_level_its_color(channels):
    exit_map = np.zeros((8, 8, channels), int)
    one = draw_exit_map(exit_map, levels=3).astype(int)
    exit_map[::2, ::2] = 2
    two = draw_exit_map(exit_map, levels=3).astype(int)
    last = [count(picture, VIRIDIS_LAST) for picture in (one, two)]
    # In the first picture the colour of the last level is in the legend only.
    assert last[0] < 1_000 and last[1] > last[0] + 10_000 * channels
    assert shows(one, VIRIDIS_FIRST, 50_000 * channels)


@pytest.mark.parametrize("channels, background_channels", [(1, 3), (3, 1)])
def test_exit_map_lies_half_transparently_over_its_background(
    channels, background_channels, tmp_path
):
    exit_map = np.zeros((8, 8, channels), int)
    background = np.full((8, 8, background_channels), 0.2)
    save_exit_map(tmp_path / "map.png", exit_map, background=background, levels=2)
    picture = read(tmp_path / "map.png")
    assert shows(picture, (51, 51, 51), 10_000)
    half = (np.array(VIRIDIS_FIRST) + 51) / 2
    assert shows(picture, half, 10_000 * channels)


@pytest.mark.parametrize(
    "exit_map, arguments, message",
    [
        (np.zeros((8, 8), int), {"levels": 2}, "exit_map must have shape"),
        (np.zeros((8, 8, 1)), {"levels": 2}, "exit_map must hold integers"),
        (np.full((8, 8, 1), 2), {"levels": 2}, "exit_map must lie in 0..1; got 2..2"),
        (np.zeros((8, 8, 1), int), {"levels": 0}, "levels"),
        (
            np.zeros((8, 8, 1), int),
            {"levels": 2, "background": np.zeros((4, 4, 1))},
            "background must have the height and width",
        ),
        (
            np.zeros((8, 8, 1), int),
            {"levels": 2, "background": np.full((8, 8, 1), np.nan)},
            "background must lie in 0..1",
        ),
    ],
)
def test_exit_map_names_the_wrong_argument(exit_map, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_exit_map(tmp_path / "map.png", exit_map, **arguments)


def test_log_det_map_is_white_at_zero_red_above_and_blue_below(tmp_path):
    log_det = np.zeros((6, 6, 3))
    log_det[:2] = 1.0
    log_det[-1] = -1.0
    save_log_det_map(tmp_path / "map.png", log_det, title="level 1")
    picture = read(tmp_path / "map.png").astype(int)
    panel = picture[:, : picture.shape[1] * 3 // 4]
    red, blue = (panel[..., 0] - panel[..., 2]), (panel[..., 2] - panel[..., 0])
    count_red, count_blue = (red > 50).sum(), (blue > 50).sum()
    assert count_red == pytest.approx(2 * count_blue, rel=0.1) and count_blue > 10_000
    save_log_det_map(tmp_path / "flat.png", 0 * log_det, title="nothing yet")


def test_log_det_map_sums_over_channels(tmp_path):
    log_det = np.random.default_rng(0).normal(size=(4, 4, 2))
    save_log_det_map(tmp_path / "one.png", log_det.sum(-1, keepdims=True), title="t")
    save_log_det_map(tmp_path / "two.png", log_det, title="t")
    one, two = read(tmp_path / "one.png"), read(tmp_path / "two.png")
    half = min(one.shape[1], two.shape[1]) // 2
    np.testing.assert_array_equal(one[100:400, 20:half], two[100:400, 20:half])


@pytest.mark.parametrize("log_det", [np.zeros((4, 4)), np.full((4, 4, 1), np.inf)])
def test_log_det_map_refuses_other_shapes_and_infinity(log_det, tmp_path):
    with pytest.raises(ValueError, match="log_det must"):
        save_log_det_map(tmp_path / "map.png", log_det, title="t")


def test_event_log_prob_shares_one_scale_and_marks_what_is_not_finite(tmp_path):
    images = np.zeros((2, 8, 8, 1), np.uint8)
    log_probs = np.zeros((2, 8, 8, 1))
    log_probs[1] = 5.0
    save_event_log_prob(tmp_path / "map.png", images, log_probs)
    picture = read(tmp_path / "map.png")
    assert shows(picture, VIRIDIS_FIRST, 10_000) and shows(picture, VIRIDIS_LAST, 10_000)
    assert not shows(picture, (255, 0, 0), 1)
    log_probs[0, 0, 0] = -np.inf
    drawn = draw_event_log_prob(images, log_probs).astype(int)
    assert shows(drawn, (255, 0, 0), 100)


def test_more_than_four_images_take_several_rows():
    one, two = (
        draw_event_log_prob(np.zeros((n, 4, 4, 1), np.uint8), np.ones((n, 4, 4, 1))) for n in (4, 5)
    )
    assert two.shape[0] > 1.8 * one.shape[0]
    assert two.shape[1] == pytest.approx(one.shape[1], rel=0.05)


def test_one_outlier_does_not_flatten_the_scale(tmp_path):
    log_probs = np.tile(np.linspace(0, 1, 16), (2, 16, 1))[..., None]
    images = np.zeros(log_probs.shape, np.uint8)
    log_probs[0, 0, 0] = -1e6
    save_event_log_prob(tmp_path / "map.png", images, log_probs)
    picture = read(tmp_path / "map.png")
    colors = np.unique(picture[picture.shape[0] * 2 // 3, : picture.shape[1] // 2], axis=0)
    assert len(colors) > 12


@pytest.mark.parametrize("log_probs", [np.zeros((2, 8, 8)), np.full((2, 8, 8, 1), np.nan)])
def test_event_log_prob_names_the_wrong_argument(log_probs, tmp_path):
    with pytest.raises(ValueError, match="event_log_probs must"):
        save_event_log_prob(tmp_path / "a.png", np.zeros((2, 8, 8, 1), np.uint8), log_probs)


# --- curves ---

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def rows_of(picture, color):
    return np.flatnonzero(shown_at(picture, color).any(axis=1))


def columns_of(picture, color):
    return np.flatnonzero(shown_at(picture, color).any(axis=0))


def shown_at(picture, color):
    return (np.abs(picture - np.array(color)) <= 1.5).all(axis=-1)


def test_curves_draw_one_line_each_and_survive_a_diverged_step(tmp_path):
    steps = range(0, 1000, 10)
    curves = {"train": [(s, 3 + 50 * 0.98**s) for s in steps], "validation": [(500, 3.2)]}
    curves["train"][40] = (400, float("nan"))
    save_training_curves(tmp_path / "curves.png", {"training": curves})
    picture = read(tmp_path / "curves.png")
    assert shows(picture, BLUE) and shows(picture, ORANGE)


def test_every_curve_is_seen_though_one_is_short_and_high(tmp_path):
    """Nothing is named that cannot be seen: a short curve lies in another's first tenth."""
    curves = {"long": [(s, 2.0) for s in range(1, 1000, 9)], "short": [(1, 9), (2, 8.8), (3, 8.7)]}
    save_training_curves(tmp_path / "curves.png", {"training": curves})
    picture = read(tmp_path / "curves.png")
    marks = picture[:, : picture.shape[1] // 3]
    assert shows(marks, ORANGE)


def test_points_of_differences_are_filled_or_hollow(tmp_path):
    def drawn(filled):
        line = [Point(steps, -0.1, (-0.2, 0.0), filled) for steps in (700, 2800)]
        save_differences(tmp_path / "d.png", {"haar": line}, label="difference")
        return count(read(tmp_path / "d.png"), BLUE)

    assert drawn(filled=True) > drawn(filled=False) + 40
    with pytest.raises(ValueError, match="lines must hold at least one"):
        save_differences(tmp_path / "d.png", {"haar": []}, label="difference")


def test_intervals_that_are_wide_beside_the_means_are_inside(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(differences, "save_figure", lambda path, figure: drawn.append(figure))
    lines = {name: [Point(700, -0.1, (-0.5, 0.3), True)] for name in ("haar", "lcma")}
    save_differences(tmp_path / "d.png", lines, label="difference")
    low, high = drawn[0].axes[0].get_ylim()
    assert low <= -0.5 < 0.3 < high


def test_phases_are_panels_and_each_curve_has_its_name_at_its_end(tmp_path):
    phases = {"pre-training": {"train": [(60, 3.0)]}, "training": {"train": [(60, 2.0)]}}
    save_training_curves(tmp_path / "curves.png", phases)
    picture = read(tmp_path / "curves.png")
    middle = picture.shape[0] // 2
    for panel in (picture[:middle], picture[middle:]):
        mark, name = np.split(columns_of(panel, BLUE), [1])
        # A mark three quarters to the right, its name beyond.
        assert 0.6 * panel.shape[1] < mark[0] and name[-1] > mark[0] + 40


def test_equal_curves_have_one_name_and_names_do_not_cover_each_other(tmp_path):
    curve, close = [(1, 3.0), (2, 2.5), (3, 2.0)], [(1, 3.0), (2, 2.5), (3, 2.001)]
    save_training_curves(tmp_path / "two.png", {"t": {"a": curve, "b": curve}})
    assert not shows(read(tmp_path / "two.png"), ORANGE, 1), "the second has no line of its own"
    save_training_curves(tmp_path / "close.png", {"t": {"a": curve, "b": close}})
    picture = read(tmp_path / "close.png")
    names = picture[:, picture.shape[1] * 9 // 10 :]
    below, above = rows_of(names, BLUE), rows_of(names, ORANGE)
    assert above.max() < below.min()


def test_all_of_a_curve_of_two_points_is_seen(tmp_path):
    curves = {"train": [(350, 4.0), (700, 3.0)]}
    save_training_curves(tmp_path / "curves.png", {"training": curves})
    picture = read(tmp_path / "curves.png")
    # From half of the steps on, which begin at 0.
    assert columns_of(picture, BLUE).min() < 0.5 * picture.shape[1]


@pytest.mark.parametrize(
    "curves, message",
    [
        ({}, "at least one"),
        ({"train": []}, r"curves\['train'\] must be pairs"),
        ({"train": [(1, 2, 3)]}, r"curves\['train'\] must be pairs"),
        ({"train": [(1, float("nan"))]}, r"curves\['train'\] must hold finite"),
    ],
)
def test_curves_name_the_wrong_one(curves, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_training_curves(tmp_path / "curves.png", {"training": curves})


# --- whole files, no global state ---

WRITERS = {
    "grid": lambda path: save_image_grid(path, random_images(4, 8, 8, 1)),
    "interpolations": lambda path: save_interpolations(path, random_images(1, 3, 8, 8, 1)),
    "reconstructions": lambda path: save_reconstructions(path, *random_images(2, 1, 8, 8, 1)),
    "exits": lambda path: save_exit_map(path, np.zeros((4, 4, 1), int), levels=1),
    "log-det": lambda path: save_log_det_map(path, np.ones((4, 4, 1)), title="t"),
    "log-prob": lambda path: save_event_log_prob(
        path, random_images(1, 4, 4, 1), np.ones((1, 4, 4, 1))
    ),
    "curves": lambda path: save_training_curves(path, {"": {"train": [(0, 1.0)]}}),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_picture_stays_out_of_pyplot_and_a_failure_leaves_the_old_one_alone(
    write, tmp_path, monkeypatch
):
    path = tmp_path / "new" / "picture"  # no suffix: it is a PNG file all the same
    write(path)
    assert plt.get_fignums() == []
    old = path.read_bytes()
    assert Image.open(path).format == "PNG"

    def fail_in_the_middle(self, file, **kwargs):
        file.write_bytes(old[:20])
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", fail_in_the_middle)
    with pytest.raises(OSError, match="disk full"):
        write(path)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]
