"""Draws the night's report: a chart as SVG and a page as HTML. Plain functions that know no workflow."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; color: #222 }}
  table {{ border-collapse: collapse; margin: 1rem 0 2rem }}
  th, td {{ padding: .2rem 1rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd }}
  th:first-child, td:first-child {{ text-align: left }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


def draw_line(values: Sequence[float], label: str, width: int = 800, height: int = 200) -> str:
    """An SVG line through `values`, from zero to their largest, `label` above it."""
    top = max(values)
    step = width / max(len(values) - 1, 1)
    points = " ".join(f"{i * step:.1f},{height - height * value / top:.1f}" for i, value in enumerate(values))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -30 {width} {height + 40}" role="img">\n'
        f'  <text y="-12" font-size="14" fill="#444">{escape(label)}</text>\n'
        f'  <line y1="{height}" x2="{width}" y2="{height}" stroke="#bbb"/>\n'
        f'  <polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>\n'
        "</svg>\n"
    )


def write_table(title: str, table: pd.DataFrame) -> str:
    """A heading and the table below it, amounts with thousands separated."""
    return f"<h2>{escape(title)}</h2>\n" + table.to_html(index=False, border=0, float_format="{:,.2f}".format)


def write_page(title: str, *parts: str) -> str:
    """A whole HTML page around parts that are HTML or SVG already."""
    return PAGE.format(title=escape(title), body="\n".join(parts))
