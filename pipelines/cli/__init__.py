"""The command line: one verb a module, results on stdout, progress on stderr.

Modules of commands import nothing heavy; what a command needs it imports when it runs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import os
from importlib.metadata import version

import click

from pipelines.cli.build import build
from pipelines.cli.catalog import catalog
from pipelines.cli.demo import demo
from pipelines.cli.evaluate import evaluate
from pipelines.cli.options import ErrorGroup, example
from pipelines.cli.predict import predict
from pipelines.cli.report import report
from pipelines.cli.store import inspect, status, verify
from pipelines.cli.train import train

COMMANDS = (demo, catalog, build, status, inspect, verify, train, evaluate, predict, report)


class _Verbs(ErrorGroup):
    """Lists the commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return [command.name or "" for command in COMMANDS]


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Raw labelled point clouds into a training store, and joint semantic and instance "
    "segmentation on it.\n\n" + example("jointcloud demo", "jointcloud build s3dis --help"),
)
@click.version_option(version("jointcloud"), prog_name="jointcloud")
def main() -> None:
    """Group of all commands."""
    # Idle threads of torch must not spin: beside other work that makes a step several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


for _command in COMMANDS:
    main.add_command(_command)
