"""The pictures of the report: bars for single cases, lines for series of cases."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import colormaps

from tfp_lcma.training.reports.pictures.canvas import new_figure, save_figure
from tfp_lcma.training.studies.benchmark.cases import ALL_CASES, CASES, CENTRE
from tfp_lcma.training.studies.benchmark.contender import TASKS
from tfp_lcma.training.studies.benchmark.implementations import IMPLEMENTATIONS
from tfp_lcma.training.studies.benchmark.summary import Entry

_COLOURS = dict(zip(IMPLEMENTATIONS, colormaps["tab20"](range(20)), strict=False))


def draw_figures(report: Path, by_case: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Writes every picture that the results allow into `report`.

    Returns:
        The caption of each file, in the order of the report.
    """
    captions = {}
    for case, found in by_case.items():
        if _in_series(case) or not any(entry.rows for entry in found):
            continue
        name = f"{case}.png"
        _draw_bars(report / name, found)
        captions[name] = f"{ALL_CASES[case].describe()}: seconds a batch, lines from quartile to "
        captions[name] += "quartile."
    for series, attribute, label in (
        ("depth", "steps", "flow steps a level"),
        ("size", "side", "height and width of the images"),
    ):
        members = {
            getattr(ALL_CASES[case], attribute): found
            for case, found in by_case.items()
            if case.startswith(f"glow-{series}-") or case == CENTRE
        }
        if len(members) < 2 or not any(entry.rows for found in members.values() for entry in found):
            continue
        name = f"glow-{series}.png"
        _draw_series(report / name, dict(sorted(members.items())), label)
        captions[name] = f"Glow, seconds a batch over {label}; median, both axes logarithmic."
    return captions


def _in_series(case):
    return case in CASES and case.startswith(f"{CENTRE}-")


def _draw_bars(path, found):
    shown = [entry for entry in found if entry.rows][::-1]
    figure = new_figure(10.0, 0.9 + 0.32 * len(shown))
    for task, axes in zip(TASKS, figure.subplots(1, len(TASKS), sharey=True), strict=True):
        spreads = [entry.seconds(task) for entry in shown]
        middles = [spread.middle for spread in spreads]
        reach = [
            [spread.middle - spread.low for spread in spreads],
            [spread.high - spread.middle for spread in spreads],
        ]
        titles = [IMPLEMENTATIONS[entry.implementation].title for entry in shown]
        colours = [_COLOURS[entry.implementation] for entry in shown]
        axes.barh(titles, middles, xerr=reach, color=colours)
        axes.set(title=task, xlabel="seconds a batch")
        axes.grid(axis="x", alpha=0.3)
    save_figure(path, figure)


def _draw_series(path, members, label):
    figure = new_figure(11.0, 4.0)
    panels = figure.subplots(1, len(TASKS))
    for task, axes in zip(TASKS, panels, strict=True):
        for name, implementation in IMPLEMENTATIONS.items():
            points = [
                (size, entry.seconds(task).middle)
                for size, found in members.items()
                for entry in found
                if entry.implementation == name and entry.rows
            ]
            if points:
                style = "--" if implementation.kind == "floor" else "-"
                axes.plot(
                    *zip(*points, strict=True),
                    style,
                    marker="o",
                    color=_COLOURS[name],
                    label=implementation.title,
                )
        axes.set(title=task, xlabel=label, xscale="log", yscale="log")
        axes.set_xticks(list(members), [str(size) for size in members])
        axes.xaxis.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("seconds a batch")
    panels[0].legend(fontsize=7)
    save_figure(path, figure)
