"""Terminal casts: records cibridge in a terminal against the simulator and writes each recording as one animated SVG.

The program, its output and its clock are real; only the playback is faster. `CIBRIDGE` and `SIMULATOR` name the two
programs. Needs Python 3 and pyte (requirements.txt).
"""

import fcntl
import os
import pty
import select
import shlex
import struct
import sys
import tempfile
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

import pyte

from simulated import HERE, codemagic, tool

COLUMNS, LINES = 116, 22
FASTER = 10
TYPING = 1.6
REST = 7.0
SIZE, STEP, ADVANCE = 13, 18, 7.83
COLORS = {"red": "#ff7b72", "green": "#56d364", "brown": "#e3b341", "blue": "#79c0ff", "cyan": "#76e3ea", "magenta": "#d2a8ff", "brightblack": "#8b949e"}

CASTS = [
    ("trigger.svg", "passing.json", "cibridge codemagic trigger --wait --console --artifacts '*.ipa'", 0),
    ("failed.svg", "failing.json", "cibridge codemagic trigger --wait", 1),
]


def record(command, environment, code):
    """The output of a command in a terminal, which ends with this exit code: pairs of seconds and bytes."""
    events = []
    arguments = [tool("CIBRIDGE", "cibridge")] + shlex.split(command)[1:]
    environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "CIBRIDGE_POLL_INTERVAL": "1s"} | environment
    with tempfile.TemporaryDirectory() as folder:
        child, terminal = pty.fork()
        if child == 0:
            try:
                os.chdir(folder)
                os.execve(arguments[0], arguments, environment)
            finally:
                os._exit(127)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        start = time.monotonic()
        while True:
            select.select([terminal], [], [])
            try:
                data = os.read(terminal, 65536)
            except OSError:
                data = b""
            if not data:
                break
            events.append((time.monotonic() - start, data))
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != code:
        raise RuntimeError(f"{command}: exit code {ended}, expected {code}")
    return events


def frames(command, events):
    """The rows of a terminal without an end, as (seconds, rows, row of the cursor), the command typed first."""
    screen = pyte.Screen(COLUMNS, 400)
    stream = pyte.ByteStream(screen)
    typed = [b"\x1b[32m$\x1b[0m "] + [command[n : n + 3].encode() for n in range(0, len(command), 3)] + [b"\r\n"]
    told = [(n * TYPING / len(typed), text) for n, text in enumerate(typed)]
    told += [(TYPING + 0.4 + seconds / FASTER, data) for seconds, data in events]
    told.append((told[-1][0] + 0.3, b"\x1b[32m$\x1b[0m "))
    for seconds, data in told:
        stream.feed(data)
        yield seconds, [row(screen.buffer[n]) for n in range(screen.cursor.y + 1)], screen.cursor.y


def row(cells):
    """A row as runs of text in one style."""
    runs = []
    for column in range(COLUMNS):
        cell = cells[column]
        style = (cell.fg, cell.bold)
        if runs and runs[-1][0] == style:
            runs[-1][1] += cell.data
        else:
            runs.append([style, cell.data])
    while runs and not runs[-1][1].rstrip():
        runs.pop()
    if runs:
        runs[-1][1] = runs[-1][1].rstrip()
    return tuple((style, text) for style, text in runs)


def spans(shown):
    """What is on which row from when until when: (row, runs, from, until), where until is None for what stays."""
    open_rows, result = {}, []
    for seconds, rows, _ in shown:
        for n, runs in enumerate(rows):
            before = open_rows.get(n)
            if before is None or before[0] != runs:
                if before and before[0]:
                    result.append((n, before[0], before[1], seconds))
                open_rows[n] = (runs, seconds)
    result += [(n, runs, since, None) for n, (runs, since) in open_rows.items() if runs]
    return sorted(result, key=lambda span: (span[0], span[2]))


def svg(title, shown):
    """One animated picture. It begins with its last state, which is also what is left without animation or with less motion."""
    end = shown[-1][0] + REST
    at = lambda seconds: f"{100 * seconds / end:.2f}%"
    rows_high = min(LINES, shown[-1][2] + 1)
    width, height = round(COLUMNS * ADVANCE + 28), rows_high * STEP + 52
    styles, body, names = [], [], {}
    for n, runs, since, until in spans(shown):
        key = (at(since), until and at(until))
        if key not in names:
            names[key] = f"t{len(names)}"
            hidden, visible = "{visibility:hidden}", "{visibility:visible}"
            last = f"{key[1]},to{hidden}" if until else f"to{visible}"
            styles.append(f"@keyframes {names[key]}{{0%{hidden}{key[0]}{visible}{last}}}.{names[key]}{{animation-name:{names[key]}{'' if not until else ';visibility:hidden'}}}")
        text = "".join(span(style, words) for style, words in runs)
        body.append(f'<text class="{names[key]}" y="{n * STEP + SIZE}">{text}</text>')
    scrolls, before = [], 0
    for seconds, _, cursor in shown:
        offset = max(0, cursor - rows_high + 1)
        if offset != before:
            scrolls.append(f"{at(seconds)}{{transform:translateY({-offset * STEP}px)}}")
            before = offset
    scrolls.insert(0, "0%{transform:none}")
    colors = "".join(f".{name}{{fill:{color}}}" for name, color in COLORS.items())
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{escape(title)}</title>
<style>text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}}.b{{font-weight:600}}{colors}
#s,text{{animation:{end:.1f}s steps(1) -{end - REST / 2:.1f}s infinite}}#s{{animation-name:s;transform:translateY({-before * STEP}px)}}@keyframes s{{{''.join(scrolls)}to{{transform:translateY({-before * STEP}px)}}}}
{chr(10).join(styles)}
@media(prefers-reduced-motion:reduce){{#s,text{{animation:none!important}}}}</style>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="#0d1117" stroke="#6e7681"/>
<circle cx="18" cy="16" r="5" fill="#ff5f57"/><circle cx="36" cy="16" r="5" fill="#febc2e"/><circle cx="54" cy="16" r="5" fill="#28c840"/>
<svg xml:space="preserve" x="14" y="36" width="{width - 28}" height="{rows_high * STEP}"><g id="s">
{chr(10).join(body)}
</g></svg></svg>
"""


def span(style, text):
    color, bold = style
    names = " ".join([color] * (color in COLORS) + ["b"] * bold)
    return f'<tspan class="{names}">{escape(text, quote=False)}</tspan>' if names else escape(text, quote=False)


def make(name, plan, command, code):
    with codemagic(plan) as environment:
        shown = list(frames(command, record(command, environment, code)))
    (HERE / name).write_text(svg(f"Terminal: {command}", shown), encoding="utf-8")
    print(f"{name}: {(HERE / name).stat().st_size} bytes")


if __name__ == "__main__":
    chosen = sys.argv[1:]
    with ThreadPoolExecutor() as pool:
        # Side by side, because each takes as long as a build; an error of one ends the program.
        list(pool.map(lambda cast: make(*cast), [cast for cast in CASTS if not chosen or cast[0] in chosen]))
