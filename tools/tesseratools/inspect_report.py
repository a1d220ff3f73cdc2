"""Shows a composition: a table on the terminal and a drawing, build/<profile>/composition.svg."""

import os
from xml.sax.saxutils import escape

COLOURS = {0: "#f4c7c3", 1: "#fce8b2", 2: "#b7e1cd"}
LEGEND = {0: "IC0: part of the core's trust", 1: "IC1: protection key, CPL 1", 2: "IC2: address space of its own"}
BOX_WIDTH, BOX_GAP, ROW_GAP, MARGIN = 190, 40, 70, 30


def unit_size(build, profile, unit):
    """Bytes of a unit's embedded image, None when it is not built or is part of the core's."""
    path = os.path.join(build, profile.name, f"{unit.name}.image")
    return os.path.getsize(path) if unit.isolation and os.path.exists(path) else None


def restarts_text(unit):
    """How often a unit may fail, and what happens then."""
    if unit.recovery == "essential":
        return "never: reboot"
    return f"{unit.restart_limit} in {unit.restart_window_ms / 1000:g}s, then {unit.when_exhausted.replace('_', ' ')}"


def table_rows(profile, build):
    rows = [("unit", "class", "level", "services", "gates", "may call", "rights", "vector", "recovery", "restarts", "deadline", "stacks", "heap",
             "image")]
    names = {gate: name for unit in profile.units for name, gate in unit.gates.items()}
    for unit in profile.units:
        size = unit_size(build, profile, unit)
        rows.append((unit.name, unit.class_name, str(unit.level), "+".join(s.name for s in unit.services),
                     " ".join(f"{gate}:{name}" for name, gate in unit.gates.items()) or "-",
                     " ".join(names[gate] for gate in unit.gates_allowed) or "-", " ".join(unit.rights) or "-",
                     "yes" if unit.vector else "-", unit.recovery, restarts_text(unit),
                     f"{unit.call_deadline_ms / 1000:g}s" if unit.call_deadline_ms else "-", str(unit.stacks), f"{unit.heap_pages * 4}K", f"{size // 1024}K" if size else "-"))
    return rows


def table_text(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _layout(profile):
    """The place of each unit's box: one row a level, callers above; returns boxes by name and the size of the drawing."""
    boxes, width, y = {}, 0, MARGIN + 30
    for level in sorted({u.level for u in profile.units}, reverse=True):
        row = [u for u in profile.units if u.level == level]
        x = MARGIN
        tallest = 0
        for unit in row:
            height = 44 + 18 * len(unit.services)
            boxes[unit.name] = (x, y, BOX_WIDTH, height)
            x += BOX_WIDTH + BOX_GAP
            tallest = max(tallest, height)
        width = max(width, x - BOX_GAP + MARGIN)
        y += tallest + ROW_GAP
    return boxes, max(width, 620), y - ROW_GAP


def _arrow(start, end):
    x1, y1 = start[0] + start[2] / 2, start[1] + start[3]
    x2, y2 = end[0] + end[2] / 2, end[1]
    if start[1] == end[1]:
        y1, y2 = start[1] + start[3] / 2, end[1] + end[3] / 2
    middle = (y1 + y2) / 2
    return (f'<path d="M{x1:.0f},{y1:.0f} C{x1:.0f},{middle:.0f} {x2:.0f},{middle:.0f} {x2:.0f},{y2:.0f}" fill="none" stroke="#555" '
            'marker-end="url(#head)"/>')


def _box(unit, box):
    x, y, width, height = box
    lines = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{COLOURS[unit.isolation]}" stroke="#333"/>',
             f'<text x="{x + 10}" y="{y + 20}" font-weight="bold">{escape(unit.name)} ({unit.class_name}{", vector" * unit.vector})</text>']
    for index, service in enumerate(unit.services):
        lines.append(f'<text x="{x + 20}" y="{y + 40 + 18 * index}">{escape(service.name)}</text>')
    return "\n".join(lines)


def drawing(profile):
    """The composition as SVG: units by level, arrows for the gates that they may call."""
    boxes, width, height = _layout(profile)
    owner = {gate: unit.name for unit in profile.units for gate in unit.gates.values()}
    core_y = height + ROW_GAP / 2
    total = core_y + 120
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total:.0f}" font-family="sans-serif" font-size="13">',
             '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
             '<path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{MARGIN}" y="{MARGIN}" font-size="16">{escape(profile.name)}: {escape(profile.description)}</text>']
    for unit in profile.units:
        for called in dict.fromkeys(owner[gate] for gate in unit.gates_allowed):
            parts.append(_arrow(boxes[unit.name], boxes[called]))
    parts += [_box(unit, boxes[unit.name]) for unit in profile.units]
    parts.append(f'<rect x="{MARGIN}" y="{core_y:.0f}" width="{width - 2 * MARGIN}" height="34" rx="6" fill="#ddd" stroke="#333"/>')
    parts.append(f'<text x="{MARGIN + 10}" y="{core_y + 22:.0f}" font-weight="bold">core kernel</text>')
    for number, text in LEGEND.items():
        x = MARGIN + number * 195
        parts.append(f'<rect x="{x}" y="{core_y + 60:.0f}" width="14" height="14" fill="{COLOURS[number]}" stroke="#333"/>'
                     f'<text x="{x + 20}" y="{core_y + 72:.0f}" font-size="11">{escape(LEGEND[number])}</text>')
    return "\n".join(parts + ["</svg>", ""])


def show(profile, build):
    """Prints the table and writes the drawing; 0."""
    print(f"{profile.name}: {profile.description}\n")
    print(table_text(table_rows(profile, build)))
    image = os.path.join(build, profile.name, "tessera.elf")
    size = f"{os.path.getsize(image) // 1024}K" if os.path.exists(image) else "not built"
    path = os.path.join(build, profile.name, "composition.svg")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as output:
        output.write(drawing(profile))
    print(f"\nimage: {os.path.relpath(image)} ({size})\ndrawing: {os.path.relpath(path)}")
    return 0
