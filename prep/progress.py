"""How long work tells how far it is: a protocol, and the silent default."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one long task at a time."""

    def start(self, task: str, total: int, unit: str) -> None:
        """Begin ``task``, which will take ``total`` steps of one ``unit``."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Tell that ``steps`` more are done; ``note`` is a short state (a loss, a scene)."""

    def finish(self) -> None:
        """End the task."""

    def message(self, text: str) -> None:
        """Tell one line that should stay readable."""


class Silent:
    """Tells nothing."""

    def start(self, task: str, total: int, unit: str) -> None:
        """Ignore the beginning."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Ignore the steps."""

    def finish(self) -> None:
        """Ignore the end."""

    def message(self, text: str) -> None:
        """Ignore the line."""
