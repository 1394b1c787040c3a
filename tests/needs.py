"""Programs and libraries that a few tests need and that pip does not install."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(what: str, remedy: str) -> NoReturn:
    """Skip the test and say why; fail where ``CI`` promises that everything is there."""
    message = f"found no {what}; {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
