"""Prometheus and tocsin with the same samples, the same rules and the same queries.

Samples come from tocsin_feed, which has the lists of the benchmarks, by remote write to both, one after the other. Both are asked the
same over one connection that is kept open; what is compared is the median of several answers, read to their last byte, after one that
is not counted. "In the process" is Prometheus' own figure (stats=all, evalTotalTime: without the encoding) beside tocsin_bench, where
a query is prepared once, as a rule is. tocsin keeps all samples of a list in memory, where Prometheus keeps its newest three hours.
"""

import http.client
import json
import math
import pathlib
import statistics
import struct
import subprocess
import tempfile
import time
import urllib.parse

from programs import ROOT, TOCSIN, Programs, cpu_seconds, free_port, memory, wait_for

FEED = ROOT / ".build/release/bin/tocsin_feed"
BENCH = ROOT / ".build/release/bin/tocsin_bench"
SAMPLES = {"A": 10_020, "B": 720}  # of each series: what the longest query of the list reads
RULES = 1000
RULE_INTERVAL = 15
RULE_CYCLES = 3
REPEATS = 5
SECONDS_PER_QUERY = 3


class Pair:
    """One prometheus and one tocsin, empty."""

    def __init__(self, programs, folder, rules=None):
        self.ports = {"prometheus": free_port(), "tocsin": free_port()}
        self.programs = programs
        folder.mkdir()
        rule_line = f"rule_files: [{folder}/rules.yml]\n" if rules else ""
        if rules:
            (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(f"global: {{evaluation_interval: {RULE_INTERVAL}s}}\n{rule_line}")
        toml_rules = f'rule_files = ["{folder}/rules.yml"]\n' if rules else ""
        (folder / "tocsin.toml").write_text(
            f'{toml_rules}[server]\nlisten = "127.0.0.1:{self.ports["tocsin"]}"\n'
            f'[storage]\ndirectory = "{folder}/state"\nmemory_retention = "40h"\nbytes_max = 8589934592\n'
            "[remote_write_receiver]\nenabled = true\n"
            '[route]\nreceiver = "log"\n[[receiver]]\nname = "log"\n[[receiver.log]]\n')
        programs.start("prometheus", [
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}", "--web.enable-remote-write-receiver",
            "--log.level=warn"])
        programs.start("tocsin", [str(TOCSIN), "run", "--config", str(folder / "tocsin.toml")])
        for port in self.ports.values():
            wait_for(f"http://127.0.0.1:{port}/-/ready")
        self.connections = {side: http.client.HTTPConnection("127.0.0.1", port, timeout=300) for side, port in self.ports.items()}

    def pid(self, side):
        return self.programs.running[side].pid

    def cpu(self):
        return {side: cpu_seconds(self.pid(side)) for side in self.ports}

    def post(self, side, path, body, headers):
        connection = self.connections[side]
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def feed(self, name, last):
        """Gives to both; the number of requests."""
        now = int(time.time()) // 60 * 60_000
        feed = subprocess.Popen([str(FEED), "samples", name, str(now), str(last)], stdout=subprocess.PIPE)
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                   "X-Prometheus-Remote-Write-Version": "0.1.0"}
        while head := feed.stdout.read(4):
            body = feed.stdout.read(struct.unpack("<I", head)[0])
            for side in self.ports:
                status, answer = self.post(side, "/api/v1/write", body, headers)
                if status != 204:
                    raise SystemExit(f"{side} does not take the samples: {status} {answer[:300]}")
        if feed.wait() != 0:
            raise SystemExit("tocsin_feed failed")
        return now / 1000

    def ask(self, side, path, form):
        started = time.perf_counter()
        status, body = self.post(side, path, urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
        return time.perf_counter() - started, status, body

    def stop(self):
        for side in self.ports:
            process = self.programs.running.pop(side)
            process.terminate()
            process.wait(60)


def rules_yaml():
    lines = ["groups:"]
    for i in range(RULES):
        metric = f"node_metric_{i // 4 % 250}_total"
        if i % 20 == 0:
            lines += [f"- name: g{i // 20}", "  rules:"]
        expression = [f"{metric} > 1e15", f"rate({metric}[5m]) > 1e15", f"sum by (cluster) (rate({metric}[5m])) > 1e15",
                      f"{metric} / ignoring (x) rate({metric}[5m]) < 0"][i % 4]
        lines += [f"  - alert: Rule{i}", f"    expr: {expression}", "    for: 1m"]
    return "\n".join(lines) + "\n"


def row(what, theirs, ours, unit):
    ratio = theirs / ours if ours else float("inf")
    print(f"{what:<58}{theirs:>12.4g}{ours:>12.4g} {unit:<8}{ratio:>8.1f}x", flush=True)


def ingestion(folder, programs, series, with_rules):
    pair = Pair(programs, folder, rules_yaml() if with_rules else None)
    time.sleep(1)
    before = pair.cpu()
    pair.feed(f"site:{series}", 60)
    spent = {side: seconds - before[side] for side, seconds in pair.cpu().items()}
    row(f"{series} series x 60 samples by remote write, CPU", spent["prometheus"], spent["tocsin"], "s")
    if with_rules:
        time.sleep(2 * RULE_INTERVAL + 2)  # the first cycle prepares what later ones use
        before = pair.cpu()
        time.sleep(RULE_CYCLES * RULE_INTERVAL)
        # Of the CPU: Prometheus evaluates groups beside one another, so the times that it tells of them overlap.
        spent = {side: (seconds - before[side]) / RULE_CYCLES for side, seconds in pair.cpu().items()}
        row(f"a cycle of {RULES} alerting rules over {series} series, CPU", spent["prometheus"], spent["tocsin"], "s")
    else:
        time.sleep(5)
    resident = {side: memory(pair.pid(side))[0] for side in pair.ports}
    row(f"resident memory at {series} series" + (" and the rules" if with_rules else ""), resident["prometheus"], resident["tocsin"],
        "MiB")
    pair.stop()


def measure(pair, side, text, steps, step, end):
    """Median seconds over HTTP, and Prometheus' own figure. None: it does not know the query."""
    if steps == 1:
        path, form = "/api/v1/query", {"query": text, "time": end}
    else:
        path, form = "/api/v1/query_range", {"query": text, "start": end - (steps - 1) * step, "end": end, "step": step}
    first, status, _ = pair.ask(side, path, form)
    if status != 200:
        return None
    times = []
    while not times or (len(times) < REPEATS and sum(times) + first < SECONDS_PER_QUERY):
        times.append(pair.ask(side, path, form)[0])
    inner = 0
    if side == "prometheus":
        answer = pair.ask(side, path, form | {"stats": "all"})[2]
        inner = json.loads(answer)["data"]["stats"]["timings"]["evalTotalTime"]
    return statistics.median(times), inner


def benchmarks(name):
    """Seconds per query within the process, by its name."""
    output = subprocess.run([str(BENCH), f"--benchmark_filter=^{name}/", "--benchmark_min_time=0.02", "--benchmark_format=json"],
                            capture_output=True, check=True).stdout
    scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    return {b["name"]: b["real_time"] * scale[b["time_unit"]] for b in json.loads(output)["benchmarks"]}


def summary(what, ratios):
    if not ratios:
        print(f"{what}: nothing to compare")
        return
    ordered = sorted(ratios.items(), key=lambda item: item[1])
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios.values()))
    slower = sum(ratio < 1 for ratio in ratios.values())
    print(f"{what}: {len(ratios)} queries, geometric mean {mean:.1f}x faster, median {statistics.median(ratios.values()):.1f}x, "
          f"{slower} slower")
    print("  least: " + "; ".join(f"{ratio:.1f}x {query}" for query, ratio in ordered[:4]), flush=True)


def queries(folder, programs, name, verbose):
    lines = subprocess.run([str(FEED), "queries", name], capture_output=True, check=True, text=True).stdout.splitlines()
    step = int(lines[0]) / 1000
    ours = benchmarks(name)
    pair = Pair(programs, folder)
    end = pair.feed(name, SAMPLES[name])
    has_api = pair.ask("tocsin", "/api/v1/query", {"query": "1"})[1] == 200
    over_http, inside, unknown = {}, {}, []
    for line in lines[1:]:
        count, text = line.split("\t")
        key = f"{name}/{count}/{text}"
        theirs = measure(pair, "prometheus", text.replace("double_exponential_smoothing", "holt_winters"), int(count), step, end)
        if theirs is None:
            unknown.append(text)
            continue
        inside[key] = theirs[1] / ours[key]
        mine = measure(pair, "tocsin", text, int(count), step, end) if has_api else None
        if mine is not None:
            over_http[key] = theirs[0] / mine[0]
        if verbose:
            row(key[:57], 1000 * theirs[1], 1000 * ours[key], "ms")
            if mine is not None:
                row("  over HTTP", 1000 * theirs[0], 1000 * mine[0], "ms")
    summary(f"list {name}, in the process", inside)
    if has_api:
        summary(f"list {name}, over HTTP", over_http)
    if unknown:
        print(f"  not known to this Prometheus: {'; '.join(unknown)}")
    pair.stop()


def engine(options):
    with tempfile.TemporaryDirectory(prefix="tocsin-compare-") as name, Programs(pathlib.Path(name)) as programs:
        folder = programs.folder
        print(subprocess.run(["prometheus", "--version"], capture_output=True, text=True).stdout.splitlines()[0])
        print(f"{'':<58}{'prometheus':>12}{'tocsin':>12}")
        counts = [int(count) for count in options.series.split(",") if count]
        for count in counts:
            ingestion(folder / f"site{count}", programs, count, False)
        if counts:
            ingestion(folder / "rules", programs, max(counts), True)
        for name in filter(None, options.lists.split(",")):
            queries(folder / name, programs, name, options.verbose)
