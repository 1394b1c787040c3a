"""Pieces of the report's page: escaped text, tables, pictures, and the style sheet."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape as escape
from math import isfinite

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e9;
  --page: #ffffff; --card: #f6f7f9; --accent: #2563eb; --good: #0f8a5f; --bad: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #98a3b3; --line: #2b333e;
  --page: #12161c; --card: #1a2028; --accent: #6ea8ff; --good: #4ade9f; --bad: #fb923c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 28px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 46px 0 12px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 26px 0 8px; }
p { max-width: 75ch; margin: 8px 0; }
.lead { color: var(--soft); font-size: 16px; margin: 0 0 20px; }
.soft, figcaption, th { color: var(--soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(155px, 1fr)); gap: 4px 0;
  margin: 20px 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 6px 0; }
.facts div { padding: 5px 16px; overflow-wrap: anywhere; }
.facts b { display: block; font-weight: 500; font-size: 12px; color: var(--soft); }
.scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 12px;
  margin: 14px 0; }
.scores div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; }
.scores b { display: block; font-size: 27px; line-height: 1.2; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.scores span { font-size: 12px; color: var(--soft); }
.scores .gain { display: block; color: var(--good); } .scores .loss { display: block;
  color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 10px 0; }
th, td { padding: 5px 12px 5px 0; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 500; font-size: 13px; } th:first-child, td:first-child { text-align: left; }
td.text { text-align: left; white-space: normal; }
tr.mean td { font-weight: 600; border-bottom: none; }
figure { margin: 0; } img { max-width: 100%; height: auto; display: block; }
.views { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin: 10px 0 4px; }
.views img { border-radius: 8px; border: 1px solid var(--line); width: 100%; }
figcaption { font-size: 13px; padding: 4px 2px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 24px;
  align-items: start; }
.pair.table { grid-template-columns: minmax(0, auto) minmax(0, 1fr); }
.pair.table table { font-size: 13px; } .pair.table th { font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 5px; vertical-align: -1px; border: 1px solid var(--line);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
pre { white-space: pre-wrap; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px;
  padding: 14px 16px; overflow-x: auto; font-size: 13px; line-height: 1.6; }
code { font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
@media screen and (max-width: 760px) { .views { grid-template-columns: 1fr; }
  .pair, .pair.table { grid-template-columns: 1fr; } }
@media print { main { max-width: none; padding: 0; } .pair, .pair.table { display: block; }
  .pair figure { max-width: 130mm; } h2 { break-after: avoid; }
  figure, table, .scores, .facts { break-inside: avoid; } body { font-size: 11px; }
  :root { --ink: #000; --soft: #444; --line: #ccc; --page: #fff; --card: #f6f7f9; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """Return a whole HTML document that needs nothing else."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{chr(10).join(body)}\n</main></body></html>\n"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return small labelled values."""
    cells = (f"<div><b>{escape(name)}</b>{escape(value)}</div>" for name, value in pairs)
    return f'<div class="facts">{"".join(cells)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, last_is_mean: bool = False) -> str:
    """Return a table; the first column is text, the others numbers."""
    body = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    if last_is_mean and body:
        body[-1] = body[-1].replace("<tr>", '<tr class="mean">', 1)
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return (
        f'<div class="wide"><table><thead><tr>{first}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def picture(png: bytes, caption: str, *, width: int | None = None) -> str:
    """Return a picture that stands in the page itself; ``width`` in CSS pixels."""
    data = base64.b64encode(png).decode("ascii")
    size = f' style="width:{width}px"' if width else ""
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure><img{size} alt="{escape(caption, quote=True)}" '
        f'src="data:image/png;base64,{data}">{text}</figure>'
    )


def legend(entries: Iterable[tuple[str, tuple[int, int, int]]]) -> str:
    """Return the names of colours."""
    items = (
        f'<span><i style="background:rgb({r},{g},{b})"></i>{escape(name)}</span>'
        for name, (r, g, b) in entries
    )
    return f'<div class="legend">{"".join(items)}</div>'


def commands(lines: Iterable[str]) -> str:
    """Return shell commands."""
    return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"


def percent(value: float | None) -> str:
    """Return a share as per cent with one digit, "–" where it is undefined."""
    return "–" if value is None or not isfinite(value) else f"{100 * value:.1f}"


def join_undefined(cases: Sequence[str]) -> str:
    """Return ``["Acc of beam", "Acc of sofa", "Rec of beam"]`` as one text, a score at a time."""
    classes: dict[str, list[str]] = {}
    for case in cases:
        score, _, name = case.partition(" of ")
        classes.setdefault(score, []).append(name)
    return "; ".join(f"{score} of {', '.join(names)}" for score, names in classes.items())
