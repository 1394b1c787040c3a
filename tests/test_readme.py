"""The README tells the truth: its tree, its commands, its files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pipelines.cli import main
from tests.tree import BEGIN, END, ROOT, printed_tree

README = (ROOT / "README.md").read_text()


def test_tree_is_the_tree_of_the_packages():
    printed = README.split(BEGIN)[1].split(END)[0].strip()
    assert printed == printed_tree(), "run: python -m tests.tree"


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" # ")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("line", [s for s in shell_lines() if s.startswith("jointcloud")])
def test_every_command_line_of_the_readme_parses(line):
    words = shlex.split(line)[1:]
    command: click.Command = main.commands[words[0]]  # type: ignore[attr-defined]  # a group
    options = {flag for p in command.params for flag in p.opts + p.secondary_opts}
    for word in words[1:]:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{word} is no option of {words[0]}"


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for line in shell_lines():
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.M)


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_every_command_is_documented():
    for name, command in main.commands.items():  # type: ignore[attr-defined]  # a group
        assert f"jointcloud {name}" in README, f"the README does not mention {name}"
        assert "Example" in (command.help or command.epilog or ""), f"{name} shows no example"


def test_no_path_of_a_developers_machine():
    for path in ROOT.rglob("*.md"):
        if ".venv" not in path.parts:
            assert "/root/" not in path.read_text(), Path(path).name
