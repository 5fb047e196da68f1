"""Runs commands and measures them: wall time, CPU time, peak memory, instructions."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    """A command that was to be measured did not succeed."""


class Command:
    """A program with its arguments and its environment."""

    def __init__(self, name, *arguments, env=None):
        self.name, self.arguments, self.env = name, [str(part) for part in arguments], env or {}

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8", **self.env}


def once(command, cwd):
    """Runs it in `cwd`; gives seconds of wall and of CPU time, those of its own children included."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, env=command.environment(), cwd=cwd, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            lines = [line.strip() for line in errors.read().decode(errors="replace").split("\n") if line.strip()]
            said = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "")
            raise Failed(f"{command.name}: code {process.returncode}: {said[:200]}")
    return wall, usage.ru_utime + usage.ru_stime


def rounds(commands, folder, most, seconds, least=3, warm_up=1):
    """Measures all commands in turns, A B C A B C …, at most `most` times and at most about `seconds`. The first `warm_up`
    rounds fill caches and are not counted.

    Gives {name: [(wall, cpu), …]}, and {name: why} of the commands that do not run here. Every command starts in an empty
    folder.
    """
    runs, failed = {command.name: [] for command in commands}, {}
    start = time.monotonic()
    for number in range(most + warm_up):
        if number >= least + warm_up and time.monotonic() - start > seconds:
            break
        for command in commands:
            if command.name in failed:
                continue
            try:
                with empty(folder) as cwd:
                    figures = once(command, cwd)
            except (Failed, OSError) as error:
                failed[command.name] = str(error)
                continue
            if number >= warm_up:
                runs[command.name].append(figures)
    return runs, failed


class empty:
    """An empty folder for one run."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "run")

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.mkdir(self.path)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def peak_memory(command, folder, runs):
    """The most resident memory in bytes of the program, or of one of those that it starts; the median of some runs.

    None where that cannot be measured. GNU time is asked, because a child of Python counts as large as Python until it is replaced by its program.
    """
    timer = shutil.which("time")
    if timer is None:
        return None
    peaks = []
    for _ in range(runs):
        with empty(folder) as cwd, tempfile.NamedTemporaryFile("r") as report:
            wrapped = [timer, "-q", "-o", report.name, "-f", "%M", *command.arguments]
            try:
                once(Command(command.name, *wrapped, env=command.env), cwd)
            except Failed:
                return None
            peaks.append(int(report.read().split()[-1]) * 1024)
    return statistics.median(peaks)


def instructions(command, folder):
    """Instructions of the program and of those that it starts, as callgrind counts them. They hardly vary."""
    if shutil.which("valgrind") is None:
        return None
    with empty(folder) as cwd, tempfile.TemporaryDirectory() as reports:
        wrapped = ["valgrind", "--tool=callgrind", "--trace-children=yes",
                   f"--callgrind-out-file={reports}/%p", f"--log-file={reports}/log-%p", *command.arguments]
        try:
            once(Command(command.name, *wrapped, env=command.env), cwd)
        except Failed:
            # Some interpreters do not run below it.
            return None
        logs = [open(os.path.join(reports, name), errors="replace").read()
                for name in os.listdir(reports) if name.startswith("log-")]
    return sum(int(count) for text in logs for count in re.findall(r"Collected : (\d+)", text)) or None


class Ratio:
    """How ours compares with theirs: below 1 we need less."""

    def __init__(self, ours, theirs):
        ratios = sorted(a / b for a, b in zip(ours, theirs) if b > 0)
        self.runs = len(ratios)
        self.median = statistics.median(ratios)
        self.low, self.high = quartiles(ratios)

    def __str__(self):
        return f"{digits(self.median)} ({digits(self.low)}–{digits(self.high)})"


def quartiles(values):
    """The values that a quarter lies below, and above."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def digits(number):
    """A ratio with two or three digits that mean something."""
    return f"{number:.3f}" if number < 0.0995 else f"{number:.2f}" if number < 9.995 else f"{number:.0f}"
