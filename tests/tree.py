"""The tree of the packages as the README prints it: each file with its docstring's first line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- tree:begin -->", "<!-- tree:end -->"


def printed_tree(root: Path = ROOT) -> str:
    """Return the tree of prep, models and pipelines as a fenced block of text."""
    lines = ["```text"]
    for package in ("prep", "models", "pipelines"):
        lines += _folder(root / package, 0)
    lines += [
        f"{'catalog.yaml':<28}data sets: reader, classes, colours, groups, folds",
        f"{'tests/':<28}mirrors the packages; reference*.py hold the slow obvious twins",
        "```",
    ]
    return "\n".join(lines)


def _folder(folder: Path, depth: int) -> list[str]:
    indent = "  " * depth
    lines = [_line(f"{indent}{folder.name}/", folder / "__init__.py")]
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("_"))
    for entry in entries:
        if entry.is_dir() and (entry / "__init__.py").exists():
            lines += _folder(entry, depth + 1)
        elif entry.suffix == ".py":
            lines.append(_line(f"{indent}  {entry.name}", entry))
    return lines


def _line(label: str, module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    summary = docstring.split("\n\n")[0].replace("\n", " ").strip().removesuffix(".")
    summary = re.sub(r":\w+:`([^`]+)`", r"\1", summary).replace("``", "")
    if len(summary) > 88:
        summary = summary[:88].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    return f"{label:<28}{summary}".rstrip()


if __name__ == "__main__":
    readme = ROOT / "README.md"
    head, rest = readme.read_text().split(BEGIN)
    tail = rest.split(END)[1]
    readme.write_text(f"{head}{BEGIN}\n{printed_tree()}\n{END}{tail}")
