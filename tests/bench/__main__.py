"""`make bench`: cibridge beside what people would use instead, on this machine.

    python3 tests/bench --cibridge FILE --simulator FILE [--quick] [--write]

Prints a Markdown table and writes bench.json and bench.svg below target/. With --write the table also goes into
README.md, between its markers, and the picture beside the other ones of the handbook. All sides of a comparison talk to
the same simulated service over TLS, in turns; a ratio below 1 means that cibridge needs less.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import report
import rows
import service
from link import Link, Unavailable

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def main():
    arguments = parse()
    # The files in memory go, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    target = os.path.join(ROOT, "target", "bench")
    os.makedirs(target, exist_ok=True)
    packages = service.missing()
    if packages:
        print(f"missing (their rows say so): apt-get install {' '.join(packages)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=in_memory() or target) as folder:
        bench = rows.Bench(arguments.cibridge, arguments.simulator, folder, service.tools(target), arguments.quick)
        if arguments.link:
            return on_link(bench, arguments.link, arguments.part)
        started = time.monotonic()
        measured = measure(bench)
    document = {"machine": report.machine(), "quick": arguments.quick, "seconds": round(time.monotonic() - started),
                "rows": measured}
    publish(document, arguments.write)


def in_memory():
    """A folder whose files are in memory, so that no disk is measured, if there is one with room for the largest file."""
    folder = "/dev/shm"
    return folder if os.path.isdir(folder) and shutil.disk_usage(folder).free > 4 << 30 else None


def parse():
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--cibridge", required=True, type=os.path.abspath)
    parser.add_argument("--simulator", required=True, type=os.path.abspath)
    parser.add_argument("--quick", action="store_true", help="fewer runs of smaller files: under a minute")
    parser.add_argument("--write", action="store_true", help="write README.md and the picture of the handbook")
    parser.add_argument("--link", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=("starts", "downloads"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick and arguments.write:
        parser.error("rough figures are not for the README: leave out QUICK or WRITE")
    return arguments


def measure(bench):
    """All rows in the order of the table."""
    waits = part("wait for a build", lambda: rows.simulated_waits(ROOT))
    bench.sim = service.Simulator(bench.simulator_program, bench.folder)
    live = None if bench.quick else rows.LiveWait(bench)
    try:
        near = part("one start", lambda: rows.starts(bench))
        trips = part("one start on a link", lambda: link_rows(bench, 50, "starts", lambda far: rows.round_trips(near, far, 50)))
        waiting = part("waiting processes", lambda: rows.waiting_processes(bench))
        downloads = part("downloads", lambda: rows.downloads(bench))
        if live:
            waits += part("start + wait 60 s, live", lambda: [rows.live_row(live.finish())])
        for delay_ms in (20, 50):
            downloads += part(f"downloads, {delay_ms} ms round trip", lambda: link_rows(bench, delay_ms, "downloads"))
        jenkins = part("Jenkins", lambda: rows.jenkins(bench)) + part("a real Jenkins", lambda: rows.controller(bench))
    finally:
        bench.sim.stop()
    return near + trips + waits + waiting + downloads + jenkins + part("size of the program", lambda: rows.sizes(bench))


def part(name, rows_of):
    """The rows of one part. What goes wrong in it is a row, so that the others are measured all the same."""
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    try:
        return rows_of()
    except Exception as error:
        traceback.print_exc()
        return [{"what": name, "against": "all", "reason": f"{type(error).__name__}: {error}"}]


def link_rows(bench, delay_ms, part, change=lambda found: found):
    """The rows of a part that is measured on a link, in a process that has a network of its own."""
    command = [sys.executable, HERE, "--cibridge", bench.cibridge, "--simulator", bench.simulator_program,
               "--link", str(delay_ms), "--part", part, *(["--quick"] if bench.quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 else {"reason": "the measurement on a link failed"}
    if isinstance(found, dict):
        return [{"what": f"{part} with a round trip of {delay_ms} ms", "against": "all", "reason": found["reason"]}]
    return change(found)


def on_link(bench, delay_ms, part):
    """Prints the rows of one part as JSON, or why there are none."""
    try:
        link = Link(delay_ms, lambda: service.Simulator(bench.simulator_program, bench.folder))
    except Unavailable as reason:
        print(json.dumps({"reason": str(reason)}))
        return
    bench.sim, bench.delay = link.server, delay_ms
    try:
        print(json.dumps(rows.starts(bench) if part == "starts" else rows.downloads(bench)))
    finally:
        link.close()
        bench.sim.process.kill()


def publish(document, write):
    target = os.path.join(ROOT, "target")
    table, picture = report.markdown(document), report.svg(document)
    save(os.path.join(target, "bench.json"), json.dumps(document, indent=1) + "\n")
    save(os.path.join(target, "bench.svg"), picture)
    print(table)
    print("\n".join(report.goals(document["rows"])))
    if write:
        readme = os.path.join(ROOT, "README.md")
        with open(readme) as file:
            text = file.read()
        save(readme, report.into_readme(text, report.readme_section(document, text)))
        save(os.path.join(ROOT, "jenkins-lib", "images", "bench.svg"), picture)


def save(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
