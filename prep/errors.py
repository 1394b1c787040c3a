"""The errors a user can meet, each one line that says what to do.

::

    JointcloudError            anything a user can mend; the command line prints it and exits 1
    ├── SourceError            a raw file is not what its reader expects
    ├── OptionError            a recipe, an option or a catalogue value is wrong
    └── StoreError             a store is missing, incomplete, damaged or of another digest
"""

from __future__ import annotations


class JointcloudError(Exception):
    """Base of all errors that are the input's fault, not the program's."""


class OptionError(JointcloudError):
    """A recipe, an option or a catalogue value is wrong."""


class StoreError(JointcloudError):
    """A store is missing, incomplete, damaged or of another digest."""


class SourceError(JointcloudError):
    """A raw file is not what its reader expects.

    Parameters
    ----------
    scene, file : str
        Scene name and file path relative to the data set's root ("" where there is none).
    line : int
        1-based line in the file, 0 for the file as a whole.
    found, wanted, remedy : str
        The value met, what should stand there, and what the user can do.
    """

    def __init__(
        self,
        *,
        scene: str = "",
        file: str = "",
        line: int = 0,
        found: str,
        wanted: str,
        remedy: str,
    ) -> None:
        place = ": ".join(p for p in (scene, f"{file}:{line}" if line else file) if p)
        super().__init__(f"{place}: found {found}, wanted {wanted}; {remedy}".removeprefix(": "))
        self.scene, self.file, self.line = scene, file, line
        self.found, self.wanted, self.remedy = found, wanted, remedy

    def __reduce__(self) -> tuple[object, ...]:
        fields = (self.scene, self.file, self.line, self.found, self.wanted, self.remedy)
        return _rebuild_source_error, fields


def _rebuild_source_error(
    scene: str, file: str, line: int, found: str, wanted: str, remedy: str
) -> SourceError:
    return SourceError(scene=scene, file=file, line=line, found=found, wanted=wanted, remedy=remedy)
