"""build/bench/report.html: one file with the bars of each group as SVG, the figures, and on what they were measured."""

import html
import math

from .counts import mean

WIDTH, LEFT, BAR, GAP = 900, 190, 9, 6
LOWEST, HIGHEST = 0.125, 16                    # ratios at the two ends of an axis
COLOURS = ("#31688e", "#35b779", "#b8627d", "#8c7ae6")
STYLE = ("body{font:14px sans-serif;margin:2em auto;max-width:60em}table{border-collapse:collapse;font-size:12px}"
         "td,th{padding:2px 8px;text-align:right}td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f3f3f3}"
         "pre{background:#f3f3f3;padding:8px;white-space:pre-wrap}")


def place(ratio):
    """Where a ratio lies on the axis, in pixels; the axis is logarithmic."""
    bounded = min(max(ratio, LOWEST), HIGHEST)
    return LEFT + (WIDTH - LEFT - 60) * math.log(bounded / LOWEST) / math.log(HIGHEST / LOWEST)


def bars(entries, profiles):
    """The drawing of one group: for each row a bar a profile, from 1 (as fast as strict Linux) to its ratio."""
    names = list(dict.fromkeys(entry["row"] for entry in entries))
    step = BAR * len(profiles) + GAP
    height, one = len(names) * step + 20, place(1)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" font-size="10" font-family="sans-serif">']
    for mark in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16):
        at = place(mark)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height - 14}" stroke="{"#000" if mark == 1 else "#ddd"}"/>'
                     f'<text x="{at:.1f}" y="{height - 3}" text-anchor="middle">{mark:g}</text>')
    for entry in entries:
        top = names.index(entry["row"]) * step + BAR * profiles.index(entry["profile"])
        if entry["profile"] == profiles[0]:
            parts.append(f'<text x="{LEFT - 8}" y="{top + step / 2}" text-anchor="end">{html.escape(entry["row"])}</text>')
        if entry["ratio"] is None:
            parts.append(f'<text x="{one + 4:.1f}" y="{top + BAR - 1}" fill="#888">{html.escape(entry["note"] or "no figure")}</text>')
            continue
        end = place(entry["ratio"])
        parts.append(f'<rect x="{min(one, end):.1f}" y="{top}" width="{abs(end - one):.1f}" height="{BAR - 1}" '
                     f'fill="{COLOURS[profiles.index(entry["profile"]) % len(COLOURS)]}"/>'
                     f'<text x="{max(one, end) + 3:.1f}" y="{top + BAR - 1}">{entry["ratio"]:.2f}</text>')
    return "\n".join(parts) + "</svg>"


def figure(value):
    return "-" if value is None else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def table(entries):
    columns = ("profile", "unit", "linux_strict", "linux_default", "tessera", "ratio", "ratio_weighted", "spread", "cr3", "pkrs", "modes")
    yield "<table><tr><th>row</th>" + "".join(f"<th>{name.replace('_', ' ')}</th>" for name in columns) + "</tr>"
    for entry in entries:
        cells = (entry.get(name) for name in columns)
        yield f"<tr><td>{html.escape(entry['row'])}</td>" + "".join(
            f"<td>{html.escape(cell) if isinstance(cell, str) else figure(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def page(entries, profiles, facts):
    """The whole page; `facts` are lines on the machine, the versions and the commands."""
    parts = ["<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Tessera beside Linux</title>",
             f"<style>{STYLE}</style></head><body><h1>Tessera beside Linux</h1>",
             "<p>Bars: strict Linux's figure (counted instructions, or nanoseconds) by Tessera's; right of 1, Tessera needs less. docs/benchmark.md says how.</p><p>"]
    parts += [f"<span style='color:{COLOURS[i % len(COLOURS)]}'>&#9632; {html.escape(name)}</span> " for i, name in enumerate(profiles)]
    parts.append("</p>")
    for group in dict.fromkeys(entry["group"] for entry in entries):
        members = [entry for entry in entries if entry["group"] == group]
        means = ((name, mean(e["ratio"] for e in members if e["profile"] == name)) for name in profiles)
        told = ", ".join(f"{html.escape(name)} {figure(value)}" for name, value in means)
        parts += [f"<h2>{html.escape(group)}</h2><p>geometric means: {told}</p>", bars(members, profiles), *table(members)]
    parts += ["<h2>Measured on</h2><pre>", *(html.escape(fact) + "\n" for fact in facts), "</pre></body></html>\n"]
    return "\n".join(parts)
