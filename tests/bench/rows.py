"""The comparisons. Each function measures one part of the table and gives its rows."""

import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import threading
import time

from measure import Command, Failed, Ratio, instructions, peak_memory, rounds
from service import Simulator

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
MIB = 1024 * 1024

# The `sh` step of Codemagic's page about Jenkins, with today's address and fields.
START = """curl -sS -o "$BODY" -X POST -H "Content-Type: application/json" -H "x-auth-token: $CODEMAGIC_API_KEY" \\
  -d "{\\"workflow_id\\": \\"$CODEMAGIC_WORKFLOW\\", \\"branch\\": \\"$CODEMAGIC_BRANCH\\"}" \\
  "$CODEMAGIC_API_URL/apps/$CODEMAGIC_APP_ID/builds"
"""
ID = 'build=$(jq -r .data.id "$BODY")\n'
# The loop that people write around it.
LOOP = """while :; do
  sleep 30
  status=$(curl -sS -H "x-auth-token: $CODEMAGIC_API_KEY" "$CODEMAGIC_API_URL/builds/$build" | jq -r .data.status)
  case $status in finished|failed|canceled|timeout|skipped) break ;; esac
done
"""


class Bench:
    """What all comparisons share."""

    def __init__(self, cibridge, simulator, folder, python, quick):
        self.cibridge, self.simulator_program, self.folder = cibridge, simulator, folder
        self.python, self.quick = python, quick
        self.sim = None
        # How long the round trip of the link is, in milliseconds; 0 on loopback.
        self.delay = 0

    def ours(self, *arguments, env):
        return Command("cibridge", self.cibridge, *arguments, env=env)

    def compare(self, what, ours, others, seconds, most=30, least=3, memory=0, counted=False):
        """A row for each of `others`, all measured in turns with `ours`; `memory` is how often the memory is measured. One
        that does not run here has a row that says why."""
        if self.quick:
            most, seconds, least = min(most, 5), seconds / 20, 1
        commands = [ours, *filter(is_installed, others)]
        runs, failed = rounds(commands, self.folder, most, seconds, least, warm_up=0 if self.quick and self.delay else 1)
        if ours.name in failed:
            raise Failed(failed[ours.name])
        measured = [ours, *(other for other in others if runs.get(other.name))]
        peaks = {c.name: peak_memory(c, self.folder, memory) for c in measured} if memory and not self.quick else {}
        counts = {c.name: instructions(c, self.folder) for c in measured} if counted else {}
        rows = []
        for other in others:
            row = {"what": what, "against": other.name, "delay_ms": self.delay}
            rows.append(row)
            if other not in measured:
                row["reason"] = failed.get(other.name, "it is not installed")
                continue
            mine, theirs = runs[ours.name], runs[other.name]
            row["runs"] = len(theirs)
            for index, figure in enumerate(("time", "cpu")):
                row[figure] = ratio([run[index] for run in mine], [run[index] for run in theirs])
            row["memory"] = quotient(peaks, ours, other)
            row["instructions"] = quotient(counts, ours, other)
        return rows


def is_installed(command):
    """Whether the program is there; `None` stands for a Python that has not got its packages."""
    return command.arguments[0] != "None" and shutil.which(command.arguments[0]) is not None


def ratio(ours, theirs):
    """A ratio with its spread, and the medians behind it, as plain data."""
    r = Ratio(ours, theirs)
    return {"ratio": r.median, "low": r.low, "high": r.high,
            "ours": statistics.median(ours), "theirs": statistics.median(theirs),
            "ours_best": min(ours), "theirs_best": min(theirs)}


def single(ours, theirs):
    """A ratio of two figures that were taken once."""
    return {"ratio": ours / theirs, "ours": ours, "theirs": theirs}


def quotient(figures, ours, other):
    mine, theirs = figures.get(ours.name), figures.get(other.name)
    return single(mine, theirs) if mine and theirs else None


# One start.


def starts(bench):
    """One start of a build over TLS 1.3, with all roots of the system trusted."""
    env = bench.sim.environment(bench.sim.bundle)
    body = os.path.join(bench.folder, "body")
    shell = {**env, "BODY": body}
    others = [
        Command("sh + curl", "sh", "-ec", START, env=shell),
        Command("sh + curl + jq", "sh", "-ec", START + ID, env=shell),
        Command("Python requests", bench.python, os.path.join(CLIENTS, "start_requests.py"), env=env),
        Command("codemagic-api 1.3.1", bench.python, os.path.join(CLIENTS, "start_codemagic_api.py"), env=env),
    ]
    on_loopback = bench.delay == 0
    return bench.compare(
        "one start", bench.ours("codemagic", "trigger", env=env), others, seconds=30 if on_loopback else 12,
        memory=3 if on_loopback else 0, counted=on_loopback and not bench.quick, most=30 if on_loopback else 10,
    )


def round_trips(near, far, delay_ms):
    """Rows of the round trips of a start: how much longer it takes on the link than on loopback, in round trips. The best
    runs are compared, those that nothing else disturbed. The rows of `near` get the note, too."""
    rows = []
    for row in far:
        if "reason" in row:
            rows.append(row)
            continue
        base = next(r for r in near if r["against"] == row["against"])
        if "reason" in base:
            rows.append(base)
            continue
        trips = {side: round((row["time"][f"{side}_best"] - base["time"][f"{side}_best"]) * 1000 / delay_ms, 1)
                 for side in ("ours", "theirs")}
        # A start has two to five; anything else is the noise of a busy machine.
        is_plausible = all(1.5 <= trip <= 6 for trip in trips.values())
        note = f"{trips['ours']:.0f} round trips to {trips['theirs']:.0f}" if is_plausible else ""
        base["note"] = note
        rows.append({"what": f"one start, {delay_ms} ms round trip", "against": row["against"], "runs": row["runs"],
                     "delay_ms": delay_ms, "time": row["time"], "note": note, "round_trips": trips})
    return rows


# Downloads.


def downloads(bench):
    """A large file and many small ones, against what people download with; all from the same signed links."""
    if bench.delay >= 50:
        return large_file(bench, (192 if bench.quick else 512) * MIB, seconds=50)
    large = (128 if bench.quick else 1024) * MIB
    rows = large_file(bench, large, seconds=40)
    rows += many_files(bench, 50, MIB, seconds=40)
    if bench.quick and bench.delay:
        return rows
    return rows + many_files(bench, 200, 10 * 1024, seconds=30)


def label(bench, text):
    return f"{text}, {bench.delay} ms round trip" if bench.delay else text


def size_name(size):
    return f"{size // (1024 * MIB)} GiB" if size >= 1024 * MIB else f"{size // MIB} MiB" if size >= MIB else f"{size // 1024} KiB"


def large_file(bench, size, seconds):
    build, [link] = bench.sim.finished_build(1, size)
    env = bench.sim.environment()
    roots = env["SSL_CERT_FILE"]
    sha256 = None if bench.delay else sha256_of(link, env, bench.folder)
    curl = ["curl", "-sSfL", "-o", "file-0.bin", link]
    aria2 = ["aria2c", "-q", "-x4", "-s4", "--file-allocation=none", f"--ca-certificate={roots}", "-o", "file-0.bin"]
    others = [
        Command("curl", *curl, env=env),
        Command("curl + sha256sum", "sh", "-ec", '"$@"\nsha256sum file-0.bin', "sh", *curl, env=env),
        Command("aria2c -x4", *aria2, link, env=env),
        Command("aria2c -x4 with sha-256", *aria2, f"--checksum=sha-256={sha256}", link, env=env),
        Command("wget", "wget", "-q", f"--ca-certificate={roots}", "-O", "file-0.bin", link, env=env),
    ]
    if bench.delay:
        # One connection is like another there, and what is computed beside it shows on loopback.
        others = [command for command in others if command.name in ("curl", "aria2c -x4")]
    what = label(bench, f"download {size_name(size)}")
    ours = bench.ours("codemagic", "artifacts", build, "--dir", ".", env=env)
    return bench.compare(what, ours, others, seconds, most=10, memory=0 if bench.delay else 1)


def sha256_of(link, env, folder):
    path = os.path.join(folder, "whole.bin")
    subprocess.run(["curl", "-sSfL", "-o", path, link], env={**os.environ, **env}, check=True)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    os.remove(path)
    return digest


def many_files(bench, files, size, seconds):
    build, links = bench.sim.finished_build(files, size)
    env = bench.sim.environment()
    roots = env["SSL_CERT_FILE"]
    names = [f"file-{n}.bin" for n in range(files)]
    # One call of curl for all of them reads them from a file.
    config, listed = os.path.join(bench.folder, "links.curl"), os.path.join(bench.folder, "links.txt")
    with open(config, "w") as curl_file, open(listed, "w") as list_file:
        for link, name in zip(links, names):
            curl_file.write(f'url = "{link}"\noutput = "{name}"\n')
            list_file.write(f"{link}\n out={name}\n")
    one_call = ["curl", "-sSfL", "-K", config]
    each = 'for link in "$@"; do curl -sSfL -o "file-$((n = ${n:-0} + 1)).bin" "$link"; done'
    aria2 = ["aria2c", "-q", "-j16", "--file-allocation=none", f"--ca-certificate={roots}", "-i", listed]
    # wget takes its names from the links; who wants others calls it for each file.
    wget = 'for link in "$@"; do wget -q --ca-certificate="$SSL_CERT_FILE" -O "file-$((n = ${n:-0} + 1)).bin" "$link"; done'
    separately = [
        Command(f"{files} curl calls", "sh", "-ec", each, "sh", *links, env=env),
        Command(f"{files} wget calls", "sh", "-ec", wget, "sh", *links, env=env),
    ]
    others = [
        *(separately if files <= 50 and not bench.quick else [Command("one curl call", *one_call, env=env)]),
        Command("curl --parallel", *one_call, "--parallel", env=env),
        Command("curl --parallel + sha256sum", "sh", "-ec", '"$@"\nsha256sum *.bin', "sh", *one_call, "--parallel", env=env),
        Command("aria2c -j16", *aria2, env=env),
    ]
    if bench.delay:
        others = [command for command in others if "wget" not in command.name and "sha256sum" not in command.name]
    what = label(bench, f"download {files} × {size_name(size)}")
    ours = bench.ours("codemagic", "artifacts", build, "--dir", ".", env=env)
    return bench.compare(what, ours, others, seconds, memory=0 if bench.delay else 1)


# Waiting.


class LiveWait:
    """A start and a wait for a build of 60 seconds in real time, by cibridge and by the loop, each with a server of its
    own. They run beside the other measurements, which they hardly disturb: both sleep nearly all the time."""

    QUEUED, RUN = 6.0, 60.0

    def __init__(self, bench):
        self.sides = {"ours": self.start(bench, True), "theirs": self.start(bench, False)}

    def start(self, bench, ours):
        sim = Simulator(bench.simulator_program, bench.folder)
        steps = [{"name": "Build ipa", "seconds": self.RUN}]
        sim.control("plan", {"queued_seconds": self.QUEUED, "steps": steps})
        sim.control("history", {"durations": [self.RUN + n % 5 - 2 for n in range(20)]})
        env = {**sim.environment(sim.bundle), "BODY": os.path.join(bench.folder, "body-wait")}
        command = (bench.ours("codemagic", "trigger", "--wait", env=env) if ours
                   else Command("loop", "sh", "-ec", START + ID + LOOP, env=env))
        process = subprocess.Popen(command.arguments, env=command.environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        side = {"sim": sim, "process": process, "start": time.monotonic()}
        side["thread"] = threading.Thread(target=self.watch, args=[side], daemon=True)
        side["thread"].start()
        return side

    def watch(self, side):
        """Notes the memory in the middle of the wait, and what it took in all."""
        time.sleep(self.RUN / 3)
        side["memory"] = sum(memory_of(side["process"].pid))
        ended, side["cpu"] = wait_with_time(side["process"])
        side["delay"] = ended - side["start"] - self.QUEUED - self.RUN

    def finish(self):
        """Waits for both; gives their figures."""
        figures = {}
        for name, side in self.sides.items():
            side["thread"].join()
            requests = side["sim"].control("requests")["requests"]
            figures[name] = {"requests": len(requests), **{key: side[key] for key in ("cpu", "memory", "delay")}}
            side["sim"].stop()
        return figures


def wait_with_time(process):
    """When it ended, to a few milliseconds, and the CPU time that it took."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic(), usage.ru_utime + usage.ru_stime


def memory_of(pid):
    """The memory in bytes of a process and of those that it started, each page shared out among its users."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            pages = re.search(r"^Pss: *(\d+) kB", file.read(), re.MULTILINE)
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except OSError:
        return []
    return [int(pages[1]) * 1024] + [size for child in children for size in memory_of(child)]


def resident(pid):
    """The resident memory in bytes of one process, as `ps` and `top` show it."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"^VmRSS:\s*(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024


def simulated_waits(root):
    """Rows of waiting for builds of 15 minutes and of 60 seconds: the watch loop of cibridge on a simulated clock against
    a loop that polls every 30 seconds, over 200 builds with recorded durations. A unit test does it and prints this."""
    name = "noticed_earlier_than_by_a_loop_of_30_seconds"
    command = ["cargo", "test", "--locked", "-q", "-p", "cibridge", "--bin", "cibridge", "--", "--nocapture",
               "an_end_is_" + name + "_with_fewer_requests"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    rows = []
    for text in re.findall(r"^waiting: (\{.*\})$", done.stdout, re.MULTILINE):
        figures = json.loads(text)
        minutes = figures["run"] / 60
        rows.append({
            "what": f"wait for a build of {minutes:.0f} min" if minutes > 1 else "wait for a build of 60 s",
            "against": "a loop that polls every 30 s", "runs": 200,
            "requests": single(figures["requests"], figures["loop_requests"]),
            "note": f"end noticed after {figures['delay']:.0f} s to {figures['loop_delay']:.0f} s",
            "notice": figures,
        })
    if not rows:
        rows.append({"what": "wait for a build", "against": "a loop that polls every 30 s",
                     "reason": "the unit test with the simulated clock did not run: " + done.stderr.strip()[-200:]})
    return rows


def live_row(figures):
    ours, theirs = figures["ours"], figures["theirs"]
    return {
        "what": "start + wait 60 s, live", "against": "a loop that polls every 30 s", "runs": 1,
        "cpu": single(ours["cpu"], theirs["cpu"]),
        "memory": single(ours["memory"], theirs["memory"]) if ours["memory"] and theirs["memory"] else None,
        "requests": single(ours["requests"], theirs["requests"]),
        "note": f"end noticed after {ours['delay']:.0f} s to {theirs['delay']:.0f} s",
    }


def waiting_processes(bench):
    """Memory of processes that wait, when they have polled for the first time and sleep: one, and many; and the CPU time
    that it took them to get there. The ratios are for one of them."""
    many = 20 if bench.quick else 200
    sim = bench.sim
    sim.control("plan", {"hold": "queued", "times": 1})
    build = sim.start_build()
    env = sim.environment(sim.bundle)
    # Polls first and sleeps then, so that every side has polled once.
    loop = LOOP.replace("  sleep 30\n", "", 1).replace("esac\n", "esac\n  sleep 30\n", 1)
    others = [
        # Fewer, because two hundred of them take minutes to start.
        (Command("Python requests", bench.python, os.path.join(CLIENTS, "wait_requests.py"), build, env=env), many // 10),
        (Command("sh + curl + jq", "sh", "-ec", f"build={build}\n{loop}", env=env), many),
    ]
    ours = sleeping(bench, bench.ours("codemagic", "wait", build, env=env), many)
    rows = []
    for command, count in others:
        row = {"what": f"{many} waiting processes", "against": command.name, "runs": 1}
        rows.append(row)
        if not is_installed(command):
            row["reason"] = "it is not installed"
            continue
        theirs = sleeping(bench, command, count)
        row.update({
            "memory": single(ours["memory"], theirs["memory"]), "cpu": single(ours["cpu"], theirs["cpu"]),
            "resident": single(ours["resident"], theirs["resident"]),
            "note": f"{ours['resident'] / 1e6:.1f} MB resident in each",
        })
    return rows


def sleeping(bench, command, count):
    """Starts so many and waits until each has polled. Gives what one of them takes: memory with its share of common pages,
    resident memory, and CPU time up to then."""
    before = polls(bench.sim)
    processes = [subprocess.Popen(command.arguments, env=command.environment(), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        limit = time.monotonic() + 60
        while polls(bench.sim) - before < count and time.monotonic() < limit:
            time.sleep(0.1)
        # The answer is read and whatever was started for it has ended.
        time.sleep(1)
        memory = sum(size for process in processes for size in memory_of(process.pid))
        shown = resident(processes[0].pid)
    finally:
        for process in processes:
            process.kill()
        cpu = sum(wait_with_time(process)[1] for process in processes)
    return {"memory": memory / count, "resident": shown, "cpu": cpu / count}


def polls(sim):
    requests = sim.control("requests?method=GET")["requests"]
    return sum(1 for request in requests if request["status"] and "/builds/" in request["path"])


# Jenkins.


def jenkins(bench):
    """Start a job, wait for its result, print its console of 100 MB."""
    size = (10 if bench.quick else 100) * 1_000_000
    sim = Simulator(bench.simulator_program, bench.folder, speed=2)
    try:
        text = "compiling a module of the demonstration app, nothing to see here ......"
        lines = size // (len(text) + 12)
        sim.control("jenkins/plan", {"job": "plain", "steps": [{"seconds": 1, "lines": lines, "line_text": text}]})
        env = sim.environment()
        ours = bench.ours("jenkins", "trigger", "plain", "--wait", "--console", "--poll-interval", "1s", env=env)
        others = [
            Command("python-jenkins 1.8.3", bench.python, os.path.join(CLIENTS, "run_python_jenkins.py"), "plain", env=env),
            Command("jenkinsapi 0.3.23", bench.python, os.path.join(CLIENTS, "run_jenkinsapi.py"), "plain", env=env),
        ]
        what = f"Jenkins: start, result, console of {size // 1_000_000} MB"
        return bench.compare(what, ours, others, seconds=45, most=10, least=2, memory=1)
    finally:
        sim.stop()


def controller(bench):
    """The same against `jenkins-cli.jar` on a real controller, where one is given."""
    names = ("BENCH_JENKINS_URL", "BENCH_JENKINS_USER", "BENCH_JENKINS_TOKEN", "BENCH_JENKINS_JOB", "BENCH_JENKINS_CLI")
    what, against = "real Jenkins: start, result, console", "jenkins-cli.jar"
    if not all(os.environ.get(name) for name in names):
        return [{"what": what, "against": against, "reason": "no controller is given by " + ", ".join(names)}]
    url, user, token, job, jar = (os.environ[name] for name in names)
    env = {"CIBRIDGE_JENKINS_URL": url, "JENKINS_USER_ID": user, "JENKINS_API_TOKEN": token}
    ours = bench.ours("jenkins", "trigger", job, "--wait", "--console", "--allow-http", env=env)
    java = Command(against, "java", "-jar", jar, "-s", url, "-auth", f"{user}:{token}", "build", job, "-s", "-v")
    return bench.compare(what, ours, [java], seconds=40, most=5, memory=1)


# The file.


def sizes(bench):
    """The size of the file beside what else has to be on the machine."""
    mine = os.path.getsize(bench.cibridge)
    rows = [{"what": "size of the program", "against": "curl with its libraries", "runs": 1,
             "memory": None, "size": single(mine, with_libraries(shutil.which("curl")))}]
    if bench.python:
        library = os.path.dirname(os.__file__)
        total = folder_size(library) + folder_size(os.path.join(os.path.dirname(bench.python), "..", "lib"))
        rows.append({"what": "size of the program", "against": "Python with requests", "runs": 1,
                     "size": single(mine, total)})
    return rows


def with_libraries(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    paths = {os.path.realpath(path) for path in [program, *re.findall(r"(/\S+) \(0x", listed)]}
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))


def folder_size(folder):
    """Without compiled copies, tests and what other packages brought along."""
    total = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ("__pycache__", "test", "site-packages", "ensurepip", "pip", "setuptools")
                      or (name == "site-packages" and "venv" in place)]
        total += sum(os.lstat(os.path.join(place, name)).st_size for name in names)
    return total
