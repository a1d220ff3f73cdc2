"""A flame graph as one self-contained SVG: width is instructions, callers below, a click widens, the text field of the title tells."""

from html import escape

WIDTH, ROW, TOP, MARGIN = 1400, 17, 46, 10
SMALLEST = 0.0004   # of the whole: narrower boxes are left out
COLOURS = {"program": "#b0b0b0", "user": "#7fb77e", "core": "#e4786b", "abi": "#e8a04c", "mem": "#6fa8dc", "fs": "#8e7cc3",
           "proc": "#c27ba0", "tty": "#76a5af", "super": "#a2c4c9", "runtime": "#d5c26b", "lib": "#c9b79c", "gen": "#cccc88"}
SCRIPT = """
function widen(box){var x=+box.dataset.x,w=+box.dataset.w,all=document.querySelectorAll('g.b');
for(var i=0;i<all.length;i++){var g=all[i],gx=+g.dataset.x,gw=+g.dataset.w,d=+g.dataset.d;
var a=(gx-x)/w,b=(gx+gw-x)/w,hide=b<=1e-9||a>=1-1e-9;g.style.display=hide?'none':'';if(hide)continue;
a=Math.max(a,0);b=Math.min(b,1);var r=g.querySelector('rect'),t=g.querySelector('text');
r.setAttribute('x',10+a*1380);r.setAttribute('width',Math.max((b-a)*1380-0.5,0.3));t.setAttribute('x',13+a*1380);
var n=Math.floor(((b-a)*1380-6)/6.6),s=g.dataset.n;t.textContent=n<3?'':s.length<=n?s:s.slice(0,n-2)+'..';}}
"""


def tree_make(stacks):
    """Nested dictionaries name -> [instructions, children]."""
    root = [0, {}]
    for stack, count in stacks.items():
        at = root
        at[0] += count
        for name in stack:
            at = at[1].setdefault(name, [0, {}])
            at[0] += count
    return root


def boxes(node, name, x, depth, total):
    """(name, x, share, depth, count) of a node and all wide enough below it."""
    yield name, x, node[0] / total, depth, node[0]
    for child, below in sorted(node[1].items()):
        if below[0] / total >= SMALLEST:
            yield from boxes(below, child, x, depth + 1, total)
        x += below[0] / total


def draw(stacks, total):
    found = list(boxes(tree_make(stacks), ("program", "all"), 0, 0, total))
    height = TOP + (max(box[3] for box in found) + 1) * ROW + MARGIN
    inner = WIDTH - 2 * MARGIN
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
             'font-family="monospace" font-size="11">', f"<script><![CDATA[{SCRIPT}]]></script>",
             f'<rect width="{WIDTH}" height="{height}" fill="#fffdf8"/>',
             f'<text x="{MARGIN}" y="18" font-size="14">{total:,} instructions: click a box to widen it, the lowest for all</text>']
    used = sorted({box[0][0] for box in found})
    for i, part in enumerate(used):
        lines.append(f'<rect x="{MARGIN + i * 90}" y="26" width="10" height="10" fill="{COLOURS.get(part, "#bbbbbb")}"/>'
                     f'<text x="{MARGIN + 14 + i * 90}" y="35">{escape(part[:11])}</text>')
    for (part, name), x, share, depth, count in found:
        y = height - MARGIN - (depth + 1) * ROW
        room = int((share * inner - 6) / 6.6)
        text = "" if room < 3 else name if len(name) <= room else name[:room - 2] + ".."
        label = escape(name, True)
        lines.append(f'<g class="b" data-x="{x:.6f}" data-w="{share:.6f}" data-d="{depth}" data-n="{label}" onclick="widen(this)">'
                     f'<title>{escape(part)}: {label}: {count:,} ({100 * share:.2f} %)</title>'
                     f'<rect x="{MARGIN + x * inner:.1f}" y="{y}" width="{max(share * inner - 0.5, 0.3):.1f}" height="{ROW - 1}" '
                     f'fill="{COLOURS.get(part, "#bbbbbb")}"/><text x="{MARGIN + 3 + x * inner:.1f}" y="{y + 12}">{escape(text)}</text></g>')
    return "\n".join(lines + ["</svg>", ""])
