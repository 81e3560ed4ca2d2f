"""Host metrics, probes of a local nginx and alerting rules: tocsin beside the four programs."""

import pathlib
import tempfile
import time

from programs import TOCSIN, Programs, cpu_seconds, free_port, memory, wait_for


def rules_yaml(count):
    expressions = [
        'probe_success == 0', 'probe_duration_seconds > 1', 'rate(node_cpu_seconds_total{mode="idle"}[5m]) < 0.05',
        'node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1', 'node_load1 > 100',
        'avg_over_time(probe_success[5m]) < 0.9', 'sum by (job) (probe_http_duration_seconds) > 5',
        'node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.05', 'changes(probe_success[5m]) > 3',
        'max by (instance) (probe_http_status_code) >= 500',
    ]
    lines = ["groups:", "- name: compare", "  interval: 15s", "  rules:"]
    for i in range(count):
        lines += [f"  - alert: Rule{i}", f"    expr: {expressions[i % len(expressions)]}", "    for: 1m"]
    return "\n".join(lines) + "\n"


def idle(options):
    with tempfile.TemporaryDirectory(prefix="tocsin-compare-") as name, Programs(pathlib.Path(name)) as programs:
        folder = programs.folder
        ports = {key: free_port() for key in ("nginx", "tocsin", "prometheus", "blackbox", "node", "alertmanager")}
        at = {key: f"127.0.0.1:{port}" for key, port in ports.items()}
        urls = [f"http://{at['nginx']}/{i}" for i in range(options.targets)]
        (folder / "rules.yml").write_text(rules_yaml(options.rules))

        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; "
            f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; "
            f"server {{ listen {at['nginx']}; location / {{ return 200 'ok'; }} }} }}\n")
        programs.start("nginx", ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        wait_for(urls[0])

        targets = ", ".join(f'"{url}"' for url in urls)
        (folder / "tocsin.toml").write_text(
            f'rule_packs = ["host", "probes", "tls", "heartbeats", "self"]\nrule_files = ["{folder}/rules.yml"]\n'
            f'[server]\nlisten = "{at["tocsin"]}"\n[storage]\ndirectory = "{folder}/state"\n'
            f'[[probe]]\ntype = "host"\n[[probe]]\ntype = "http"\ntargets = [{targets}]\n'
            '[route]\nreceiver = "log"\n[[receiver]]\nname = "log"\n[[receiver.log]]\n')
        programs.start("tocsin", [str(TOCSIN), "run", "--config", str(folder / "tocsin.toml")])

        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 15s, evaluation_interval: 15s}\n"
            "rule_files: [rules.yml]\n"
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{at['alertmanager']}']}}]}}]}}\n"
            "scrape_configs:\n"
            f"- {{job_name: node, static_configs: [{{targets: ['{at['node']}']}}]}}\n"
            "- job_name: http\n  metrics_path: /probe\n  params: {module: [http_2xx]}\n"
            f"  static_configs: [{{targets: [{', '.join(urls)}]}}]\n"
            "  relabel_configs:\n  - {source_labels: [__address__], target_label: __param_target}\n"
            "  - {source_labels: [__param_target], target_label: instance}\n"
            f"  - {{target_label: __address__, replacement: '{at['blackbox']}'}}\n")
        (folder / "blackbox.yml").write_text("modules: {http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}}\n")
        (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        programs.start("node_exporter", ["prometheus-node-exporter", f"--web.listen-address={at['node']}"])
        programs.start("blackbox_exporter", ["prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml",
                                             f"--web.listen-address={at['blackbox']}"])
        programs.start("alertmanager", ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
                                        f"--storage.path={folder}/am", f"--web.listen-address={at['alertmanager']}",
                                        "--cluster.listen-address="])
        programs.start("prometheus", ["prometheus", f"--config.file={folder}/prometheus.yml",
                                      f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={at['prometheus']}"])
        for key, path in (("tocsin", "/-/ready"), ("prometheus", "/-/ready"), ("blackbox", "/"), ("node", "/"),
                          ("alertmanager", "/-/ready")):
            wait_for(f"http://{at[key]}{path}")

        watched = ["tocsin", "prometheus", "blackbox_exporter", "node_exporter", "alertmanager"]
        time.sleep(options.warm_up)
        before = {name: cpu_seconds(programs.running[name].pid) for name in watched}
        start = time.monotonic()
        time.sleep(options.seconds)
        span = time.monotonic() - start
        rows = {}
        for name in watched:
            resident, private = memory(programs.running[name].pid)
            rows[name] = (resident, private, 100 * (cpu_seconds(programs.running[name].pid) - before[name]) / span)
        peers = tuple(sum(rows[name][i] for name in watched[1:]) for i in range(3))

        print(f"{options.targets} HTTP probes and the host at 15 s, {options.rules} rules at 15 s, "
              f"{span:.0f} s after {options.warm_up} s of warm-up\n")
        print(f"{'':<20}{'resident MiB':>14}{'private MiB':>14}{'% of a core':>14}")
        for name in watched:
            print(f"{name:<20}" + "".join(f"{figure:>14.2f}" for figure in rows[name]))
        print(f"{'the four together':<20}" + "".join(f"{figure:>14.2f}" for figure in peers))
        print(f"{'tocsin / the four':<20}" + "".join(
            f"{mine / theirs if theirs else 0:>14.3f}" for mine, theirs in zip(rows["tocsin"], peers)))
