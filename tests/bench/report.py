"""The measured rows as a Markdown table, as a picture, and as the section of the README."""

import html
import platform
import re

from measure import digits

START, END = "<!-- bench -->", "<!-- /bench -->"
PICTURE = "jenkins-lib/images/bench.svg"
COLUMNS = ("time", "cpu", "memory", "instructions")

# Why a figure is worse than the other side's, for those that are: (what, against, column) as patterns, the largest ratio
# that this explains, and the sentence. A worse figure that none fits is reported as unexplained, so that nobody
# overlooks it.
REASONS = [
    (r"^download .*(MiB|KiB|GiB)", r"", "cpu", 2.5,
     "A download of cibridge always computes SHA-256, the others only where it is said; over several connections TLS costs more, too."),
    (r"^download \d+ [GM]iB$", r"^(curl|wget)$", "time", 1.6,
     "On loopback the server takes one of the cores, so that the checksum has none to itself; over a network it costs no time."),
    (r"^download \d+ × .* round trip", r"^curl --parallel", "time", 4.0,
     "`curl --parallel` opens up to fifty connections at once; cibridge opens four, and sixteen when the first files turn out to wait for their answers."),
    (r"^download \d+ × .* round trip", r"^aria2c", "time", 2.5,
     "`aria2c -j16` opens sixteen connections at once; cibridge opens four, and sixteen when the first files turn out to wait for their answers."),
    (r"^download \d+ ×", r"", "time", 1.5,
     "cibridge first asks which files there are and for their sums; the others are given the links."),
    (r"^download \d+ [GM]iB", r"^aria2c", "time", 1.6,
     "aria2c opens four connections at once; cibridge tries one for half a second and adds more if they pay."),
    (r"wait.* 60 s", r"", "requests", 2.5,
     "For a build of a minute the list of teams, the list of earlier builds and the steps outweigh the polls of the loop."),
    (r"wait", r"^(sh|a loop)", "memory", 20.0,
     "A shell that sleeps holds nothing; cibridge keeps its connection and the certificates, so that a poll or a cancel goes out at once."),
    (r"^Jenkins", r"", "time", 1.6,
     "cibridge follows the log while the build runs, as HTML, because the text form of Jenkins loses lines, masks secrets in it and marks each line as the "
     "remote's; the others read the text once at the end."),
]

# The goals of the project: (what, against, column, at most).
GOALS = [
    (r"^one start$", r"^sh \+ curl$", "cpu", 0.08),
    (r"^one start$", r"^sh \+ curl$", "time", 0.10),
    (r"^one start$", r"^sh \+ curl$", "memory", 0.20),
    (r"^wait for a build of 15 min", r"", "requests", 0.20),
    (r"^download \d+ [GM]iB$", r"^curl$", "time", 1.00),
    (r"^download \d+ [GM]iB, 50 ms", r"^curl$", "time", 0.50),
    (r"^download 50 × 1 MiB$", r"curl calls$", "time", 0.20),
    (r"^download \d+ × \d+ .iB$", r"^curl --parallel$", "time", 1.00),
]
# The most resident memory of a waiting process, in bytes.
RESIDENT = 4_000_000


def machine():
    """What it ran on, without names."""
    with open("/proc/cpuinfo") as file:
        text = file.read()
    models = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
    cores = len(re.findall(r"^processor\s*:", text, re.MULTILINE))
    return {"cpu": models[0] if models else platform.machine(), "cores": cores,
            "kernel": platform.release().split("-")[0], "system": platform.system()}


def cell(figure):
    """A ratio with its spread where there is one."""
    if not figure:
        return ""
    has_spread = figure.get("low", figure["ratio"]) != figure.get("high", figure["ratio"])
    spread = f" ({digits(figure['low'])}–{digits(figure['high'])})" if has_spread else ""
    return f"{digits(figure['ratio'])}×{spread}"


def markdown(document):
    """Everything that was measured."""
    lines = ["| what | against | time | CPU | memory | instructions | runs | |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in document["rows"]:
        cells = [row["what"], row["against"], *(cell(row.get(column)) for column in COLUMNS), str(row.get("runs", "")), remark(row)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *sentences(document["rows"]), "", footnote(document), ""])


def remark(row):
    """What does not fit into the columns."""
    parts = []
    if "reason" in row:
        parts.append(f"not measured: {row['reason']}")
    if row.get("requests"):
        parts.append(f"{cell(row['requests'])} the requests")
    if row.get("size"):
        parts.append(f"{cell(row['size'])}: {row['size']['ours'] / 1e6:.1f} MB to {row['size']['theirs'] / 1e6:.1f} MB")
    if row.get("note"):
        parts.append(row["note"])
    return "; ".join(parts)


def worse(rows):
    """What cibridge needs more of: (row, column). Less than the spread of the runs is no difference."""
    for row in rows:
        for column in (*COLUMNS, "requests", "size"):
            figure = row.get(column)
            if figure and figure["ratio"] > 1.03 and figure.get("low", figure["ratio"]) > 1:
                yield row, column


def sentences(rows):
    """One sentence for each kind of figure that is worse."""
    found = []
    for row, column in worse(rows):
        ratio = row[column]["ratio"]
        fitting = (text for what, against, name, most, text in REASONS
                   if re.search(what, row["what"]) and re.search(against, row["against"])
                   and re.fullmatch(name, column) and ratio <= most)
        sentence = next(fitting, f"Unexplained: {row['what']} against {row['against']}, {column} {digits(ratio)}×.")
        if sentence not in found:
            found.append(sentence)
    return found


def goals(rows):
    """One line for each goal: what was measured, and whether it is met."""
    lines = []
    for what, against, column, limit in GOALS:
        for row in rows:
            if row.get(column) and re.search(what, row["what"]) and re.search(against, row["against"]):
                found = row[column]["ratio"]
                met = "met" if found <= limit else "MISSED"
                lines.append(f"goal {met}: {row['what']} against {row['against']}: {column} {digits(found)}×, at most {digits(limit)}×")
    for row in rows:
        if row.get("resident"):
            found = row["resident"]["ours"]
            met = "met" if found <= RESIDENT else "MISSED"
            lines.append(f"goal {met}: {found / 1e6:.2f} MB resident while waiting, at most {RESIDENT / 1e6:.2f} MB")
            break
    return lines


def footnote(document):
    m = document["machine"]
    runs = "A quick run: rough figures." if document["quick"] else "Medians of ratios, with their quartiles."
    return (f"Below 1× cibridge needs less. {runs} All sides talk to the same simulated service over TLS 1.3, in turns, and write to memory. "
            f"Measured by `make bench` on {m['cpu']}, {m['cores']} cores, {m['system']} {m['kernel']}.")


# The README.


# The README has at most so many lines, as tests/readme.rs has it.
README_LINES = 120
# Lines of the section beside its rows: a marker, the picture, the head of the table, blank lines, the notes.
OTHER_LINES = 7


def readme_section(document, text):
    """The part of the table that fits into the README, with the picture."""
    lines = ["| what | against | time | CPU | memory |", "| --- | --- | --- | --- | --- |"]
    before, _, after = split(text)
    room = README_LINES - OTHER_LINES - (before + after).count("\n")
    shown = [row for row in document["rows"] if is_short(row)][:max(room, 0)]
    for row in shown:
        lines.append("| " + " | ".join([row["what"], row["against"], *readme_cells(row)]) + " |")
    notes = " ".join([*sentences(shown), footnote(document)])
    return "\n".join([f"![How long the others take, as multiples of cibridge]({PICTURE})", "", *lines, "", notes])


# (what, against) of the rows in the README, as patterns.
IN_README = [
    (r"^one start$", r"^(sh \+ curl|Python requests|codemagic-api 1.3.1)$"),
    (r"^wait for", r""), (r"waiting process", r""),
    (r"^download \d+ [GM]iB$", r"^(curl|curl \+ sha256sum)$"), (r"^download \d+ [GM]iB, 50 ms", r"^(curl)$"),
    (r"^download \d+ × 1 MiB$", r"^(\d+ curl calls|curl --parallel)$"), (r"^download \d+ × 10 KiB$", r"^(curl --parallel)$"),
    (r"^Jenkins", r"^python-jenkins"), (r"^size", r"^curl"),
]


def is_short(row):
    return any(re.search(what, row["what"]) and re.search(against, row["against"]) for what, against in IN_README)


def readme_cells(row):
    """Time, CPU and memory; a row without them says in their place what it has."""
    cells = [cell(row.get(column)) for column in ("time", "cpu", "memory")]
    text = remark(row)
    if text and not cells[0]:
        cells[0] = text
    elif text:
        cells[0] = f"{cells[0]}, {text}"
    return cells


def into_readme(text, section):
    """The README with the section between its markers."""
    before, _, after = split(text)
    return f"{before}{START}\n{section}\n{END}{after}"


def split(text):
    """What is before, between and after the markers; where there are none, they go before the last heading."""
    if START not in text or END not in text:
        place = text.index("## Read on")
        text = f"{text[:place]}## What it costs\n\n{START}\n{END}\n\n{text[place:]}"
    before, rest = text.split(START, 1)
    section, after = rest.split(END, 1)
    return before, section, after


# The picture.

# What the groups of bars show, and their bars: (what, [(name, against)]), as patterns.
BARS = [
    (r"^one start$", [("sh + curl", r"^sh \+ curl$"), ("Python requests", r"^Python requests$")]),
    (r"^download \d+ [GM]iB$", [("curl", r"^curl$"), ("curl + sha256sum", r"^curl \+ sha256sum$")]),
    (r"^download \d+ [GM]iB, 50 ms", [("curl", r"^curl$"), ("aria2c -x4", r"^aria2c -x4$")]),
    (r"^download 50 × 1 MiB$", [("50 curl calls", r"curl calls$"), ("curl --parallel", r"^curl --parallel$")]),
    (r"^Jenkins", [("python-jenkins", r"^python-jenkins"), ("jenkinsapi", r"^jenkinsapi")]),
]
WIDTH, LEFT, RIGHT, LINE = 720, 150, 60, 20
# A bar of more than this is cut, which a gap shows.
LONGEST = 10.0


def bars(document):
    """(heading, [(name, times as long as cibridge)]) of what was measured."""
    found = []
    for what, names in BARS:
        measured = [row for row in document["rows"] if row.get("time") and re.search(what, row["what"])]
        group = [(name, 1 / row["time"]["ratio"]) for name, against in names for row in measured
                 if re.search(against, row["against"])]
        if group:
            found.append((measured[0]["what"], group))
    return found


def bar(times, y, scale):
    """The rectangles of a bar."""
    kind = "ours" if times == 1.0 else "theirs"
    rect = f'<rect class="{kind}" x="{{:.1f}}" y="{y + 3}" width="{{:.1f}}" height="14"/>'
    if times <= LONGEST:
        return rect.format(LEFT, times * scale)
    length = LONGEST * scale
    return rect.format(LEFT, length - 22) + rect.format(LEFT + length - 16, 16)


def svg(document):
    """A bar chart in the colors that the reader's page has, light or dark."""
    y, body = 34, []
    groups = bars(document)
    longest = max((times for _, group in groups for _, times in group), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / max(1.0, min(LONGEST, longest))
    for heading, group in groups:
        body.append(f'<text class="head" x="12" y="{y + 14}">{html.escape(heading)}</text>')
        y += LINE
        for name, times in [("cibridge", 1.0), *group]:
            end = LEFT + min(times, LONGEST) * scale
            body.append(f'<text class="name" x="{LEFT - 8}" y="{y + 14}">{html.escape(name)}</text>')
            body.append(bar(times, y, scale))
            body.append(f'<text class="value" x="{end + 6:.1f}" y="{y + 14}">{digits(times)}×</text>')
            y += LINE
        y += 8
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img" '
        'aria-label="How long others take, as multiples of cibridge">',
        "<style>",
        "text { font: 13px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600 } .name { text-anchor: end }",
        ".value, .note { fill: #59636e } .ours { fill: #1a7f37 } .theirs { fill: #8c959f }",
        "@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .value, .note { fill: #9198a1 }",
        ".ours { fill: #3fb950 } .theirs { fill: #656c76 } }",
        "</style>",
        '<text class="note" x="12" y="20">Time, as multiples of what cibridge takes; shorter is faster</text>',
        *body,
        "</svg>",
        "",
    ])
