#!/usr/bin/env python3
"""tocsin beside the Debian programs it replaces, doing the same work in one run on this machine.

    ./dev compare [idle] [--seconds 120] [--targets 50] [--rules 100]
    ./dev compare engine [--lists A,B] [--series 10000,100000]

idle: host metrics, TARGETS HTTP probes of a local nginx at 15 s, RULES alerting rules at 15 s. On one side tocsin; on the other
prometheus, blackbox_exporter, node_exporter and alertmanager. Printed: resident memory (all, and private), CPU, and the ratios.
engine: Debian's prometheus and tocsin take the same samples by remote write. Printed: what that cost, resident memory, a cycle of
1,000 alerting rules over the most series, and the lists of queries, over HTTP and within the process, as ratios of medians.
Everything listens on loopback ports of its own and is stopped, by its pid, at the end.
"""

import argparse

from engine import engine
from idle import idle


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["idle", "engine"], default="idle")
    parser.add_argument("--seconds", type=int, default=120, help="idle: how long is measured")
    parser.add_argument("--warm-up", type=int, default=60, help="idle: how long is waited first")
    parser.add_argument("--targets", type=int, default=50)
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--lists", default="A,B", help="engine: which lists of queries; empty for none")
    parser.add_argument("--series", default="10000,100000", help="engine: how many series; empty for none")
    parser.add_argument("--verbose", action="store_true", help="engine: every query")
    options = parser.parse_args()
    {"idle": idle, "engine": engine}[options.what](options)


if __name__ == "__main__":
    main()
