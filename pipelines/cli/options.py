"""Options that several commands share, and the classes behind the command line's manners."""

from __future__ import annotations

import contextlib
import errno
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from prep.errors import JointcloudError, OptionError
from prep.progress import Progress

INTERRUPTED = 130

_PATH = "check the path"
_REMEDIES = {
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EROFS: "give a place that can be written",
    errno.ENOSPC: "make room on the disk and run the same command again",
    errno.EDQUOT: "make room on the disk and run the same command again",
    errno.ENOENT: _PATH,
    errno.ENOTDIR: _PATH,
    errno.EISDIR: _PATH,
    errno.ENAMETOOLONG: _PATH,
    errno.EEXIST: _PATH,
    errno.ELOOP: _PATH,
}

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")

quiet_option = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")

catalog_option = click.option(
    "--catalog",
    "catalog_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Catalogue whose entries add to, or replace, the program's own.",
)

seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of all draws.",
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(0, 1024),
    default=0,
    show_default=True,
    metavar="N",
    help="Worker processes; 0 and 1 work in this process.",
)

device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)

checkpoint_option = click.option(
    "--checkpoint", default="last", show_default=True, metavar="NAME", help="last, or epoch_NNN."
)

bandwidth_option = click.option(
    "--bandwidth",
    type=click.FloatRange(0, min_open=True),
    default=0.6,
    show_default=True,
    help="Of the mean shift that clusters the embeddings.",
)

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the decoded store; a folder of the user's cache by default.",
)

store_argument = click.argument("store", type=click.Path(path_type=Path), metavar="STORE.zarr")
run_argument = click.argument("run", type=click.Path(path_type=Path), metavar="RUN")


def progress_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    return json_option(quiet_option(command))


def make_progress(*, quiet: bool) -> Progress:
    """Return how this command tells its progress, always on stderr."""
    from pipelines.progress import choose_progress

    return choose_progress(quiet=quiet)


def example(*lines: str) -> str:
    """Return the Example block that ends every command's help."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def parse_settings(pairs: tuple[str, ...], flag: str) -> dict[str, Any]:
    """Parse ``key=value`` texts; values are read as YAML (``0.5``, ``[0.2, 0.3]``, ``word``).

    Raises
    ------
    OptionError
        With every pair that is not ``key=value``, or a key given twice.
    """
    import yaml

    values: dict[str, Any] = {}
    faults = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            faults.append(f"{pair!r} is not key=value")
        elif key in values:
            faults.append(f"{key} is given twice")
        else:
            try:
                values[key] = _exponent(yaml.safe_load(text))
            except yaml.YAMLError:
                faults.append(f"{pair!r} has a value that is neither a number, a word nor a [list]")
                continue
            if not _finite(values[key]):
                faults.append(f"{pair!r} has a value that is not a finite number")
    if faults:
        raise OptionError(f"{flag}: {'; '.join(faults)}; write {flag} key=value")
    return values


def _exponent(value: Any) -> Any:
    """Return ``2e6`` and ``1e-4`` as numbers, which YAML 1.1 reads as words."""
    if isinstance(value, str) and "e" in value.lower():
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _finite(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(math.isfinite(v) for v in values if isinstance(v, float))


class ErrorGroup(click.Group):
    """A group whose commands end with one line on stderr and code 1 for what a user can mend.

    That is a JointcloudError, or an operating system that does not let a file be read or written.
    Ctrl-C ends with code 130. Other exceptions are the program's own faults: they pass with their
    traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except JointcloudError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {line}", err=True)
            ctx.exit(1)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0)
            if remedy is None:
                raise
            place = f"{error.filename}: " if error.filename else ""
            click.echo(f"error: {place}{error.strerror}; {remedy}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo(
                "interrupted; run the same command again, what is finished is kept", err=True
            )
            ctx.exit(INTERRUPTED)
