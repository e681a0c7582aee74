"""The command line: commands in groups, each imported when it is called."""

import click
from click.shell_completion import CompletionItem

from tfp_lcma.registry import load, nearest_first
from tfp_lcma.version import __version__

_CLI = "tfp_lcma.training.cli"
# By the headings of the help: where a command is, and what it does.
SECTIONS = {
    "Train and look": {
        "demo": (f"{_CLI}.demo:demo", "Train two flows on digits and compare them: minutes."),
        "train": (f"{_CLI}.train:train", "Train a flow on a data set or your own images."),
        "sample": (f"{_CLI}.sample:sample", "Draw images from a trained flow."),
        "pretrained": (
            f"{_CLI}.pretrained:pretrained",
            "List the trained models of the package, and measure them again.",
        ),
        "score": (f"{_CLI}.score:score", "Score image files by their likelihood."),
        "anomaly": (f"{_CLI}.anomaly:anomaly", "Measure how well scores find odd images."),
    },
    "Serve": {
        "export": (f"{_CLI}.export:export", "Export a run as a SavedModel's next version."),
        "check": (f"{_CLI}.check:check", "Check an export as a server would load it."),
        "serve": (f"{_CLI}.serve:serve", "Try an export out in a browser, over REST and gRPC."),
    },
    "Study": {
        "compare": (f"{_CLI}.compare:compare", "Compare splits, priors or shuffles, over seeds."),
        "ladder": (f"{_CLI}.ladder:ladder", "Compare splits at several lengths, by a plan."),
        "benchmark": (f"{_CLI}.benchmark:benchmark", "Time flows beside other libraries."),
        "cost": (f"{_CLI}.cost:cost", "Count what a flow takes: operations, memory, days."),
        "recipes": (f"{_CLI}.recipes:recipes", "List data sets, models and settings, show them."),
    },
}
COMMANDS = {name: where for section in SECTIONS.values() for name, where in section.items()}


class LazyGroup(click.Group):
    """Knows its commands by name; what one of them imports, the others do not wait for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Returns the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Returns a command, imported now."""
        return load(COMMANDS[name][0]) if name in COMMANDS else None

    def resolve_command(self, context: click.Context, arguments: list[str]):
        """Returns the command that is called, or fails with all there are, nearest first."""
        name = arguments[0]
        if name not in COMMANDS and not context.resilient_parsing:
            listed = ", ".join(nearest_first(name, COMMANDS))
            context.fail(f"The command must be one of {listed}; got {name!r}.")
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands in their groups."""
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes names without importing any command."""
        names = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # Its options, without what a group adds: that would import every command.
        return names + click.Command.shell_complete(self, context, incomplete)


@click.command(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
    epilog="""\b
Examples:
  tfp-lcma demo
  tfp-lcma train --data ~/pictures --image-size 32
  tfp-lcma sample runs/digits -n 64 -o samples.png

\b
Completion of names and options by the shell, in bash (also zsh_source, fish_source):
  eval "$(_TFP_LCMA_COMPLETE=bash_source tfp-lcma)"
""",
)
@click.version_option(__version__, prog_name="tfp-lcma")
def group():
    """Normalizing flows on images: train, look, score, serve and compare."""
