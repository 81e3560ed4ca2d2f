"""What every comparison needs: programs side by side on ports of their own, and what they take of the machine."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOCSIN = ROOT / ".build/release/bin/tocsin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Programs:
    """Programs that run side by side, stopped when this ends."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}

    def start(self, name, argv):
        log = open(self.folder / f"{name}.log", "wb")
        self.running[name] = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(url, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            return urllib.request.urlopen(url, timeout=2).read()
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def memory(pid):
    """Resident and private resident memory in MiB."""
    figures = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        figures[name] = int(value.split()[0]) / 1024
    return figures["Rss"], figures["Private_Clean"] + figures["Private_Dirty"]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
