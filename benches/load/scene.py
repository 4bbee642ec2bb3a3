"""The processes of a load test: the vendor, nginx in front of it, the proxy; and what they use."""

import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCHES = ROOT / "benches"
ONE = "/crm/objects/2026-03/contacts/501"
LIST = "/crm/objects/2026-03/contacts?limit=100"
# What the processor time in /proc is counted in. 1/s.
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
daemon off; worker_processes auto; error_log stderr warn; pid {work}/{name}.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; default_type application/json; open_file_cache max=10;
    client_body_temp_path {work}/{name}-body; proxy_temp_path {work}/{name}-proxy;
    fastcgi_temp_path {work}/{name}-fastcgi; uwsgi_temp_path {work}/{name}-uwsgi; scgi_temp_path {work}/{name}-scgi;
    {rest}
}}
"""
# Whatever is asked for is one record, but for the list and what the account is like.
VENDOR = """
    server {{
        listen 127.0.0.1:{vendor}; root {work}/www;
        location / {{ try_files /contact.json =404; }}
        location = /crm/objects/2026-03/contacts {{ try_files /contacts.json =404; }}
        location /crm/properties/ {{ try_files /properties.json =404; }}
    }}
"""
PROXIES = """
    upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 64; keepalive_requests 100000000; }}
    proxy_cache_path {work}/nginx-cache keys_zone=answers:10m;
    proxy_http_version 1.1; proxy_set_header Connection "";
    server {{ listen 127.0.0.1:{nginx}; location / {{ proxy_pass http://vendor; }} }}
    server {{
        listen 127.0.0.1:{nginx_cache};
        location / {{
            proxy_pass http://vendor; proxy_cache answers; proxy_cache_valid 200 1h;
            add_header Cache-Status $upstream_cache_status;
        }}
    }}
"""


class Scene:
    """Everything of one run. Its folder and its processes end with it."""

    def __init__(self, work, binary, client):
        self.work, self.binary, self.client = pathlib.Path(work), binary, client
        self.running = []
        self.ports = dict(zip(["vendor", "nginx", "nginx_cache"], free_ports(3)))

    def start_nginx(self):
        (self.work / "www").mkdir()
        for name in ("contact.json", "contacts.json"):
            shutil.copy(BENCHES / name, self.work / "www")
        (self.work / "www/properties.json").write_text('{"results": []}')
        # Its workers are not root.
        subprocess.run(["chmod", "-R", "a+rX", str(self.work)], check=True)
        for name, rest in (("vendor", VENDOR), ("proxies", PROXIES)):
            rest = rest.format(work=self.work, **self.ports)
            (self.work / f"{name}.conf").write_text(NGINX.format(work=self.work, name=name, rest=rest))
            self.spawn(["nginx", "-p", str(self.work), "-c", f"{name}.conf"], name)
        for name in ("vendor", "nginx"):
            self.wait(f"http://127.0.0.1:{self.ports[name]}{ONE}")

    def spawn(self, command, name):
        log = open(self.work / f"{name}.log", "ab")
        process = subprocess.Popen(command, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.running.remove(process)

    def stop_all(self):
        for process in list(self.running):
            self.stop(process)

    def wait(self, url):
        # Also on a machine that has other things to do.
        for _ in range(1200):
            try:
                return urllib.request.urlopen(url, timeout=5).read()
            except OSError:
                time.sleep(0.05)
        logs = "".join(path.read_text() for path in self.work.glob("*.log"))
        sys.exit(f"{url} does not answer\n{logs}")


class Proxy:
    """The proxy with a store of its own, a key and a connection to the vendor."""

    def __init__(self, scene, name, **settings):
        self.scene, self.folder = scene, scene.work / name
        self.folder.mkdir()
        self.address, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
        self.api, self.admin = f"http://{self.address}", f"http://{admin}"
        base = f"http://127.0.0.1:{scene.ports['vendor']}"
        many = {"count": 1_000_000_000}
        config = {
            "listen": self.address,
            "admin_listen": admin,
            "store": f"sqlite:{self.folder}/throughline.db",
            "vault": {"key_file": f"{self.folder}/vault.key"},
            "upstream": {"dangerous_allow_private_addresses": True},
            # The limits are looked at as ever; a load test must not meet them.
            "limits": {"key": {"rate": None, "concurrency": None}, "connection": {"concurrency": None}},
            "providers": {"hubspot": {"base_url": base, "limits": {"burst": many, "daily": many}}},
            "edge": {"drain_delay": "0s"},
            "log": {"level": "warn"},
            **settings,
        }
        self.config = self.folder / "throughline.yaml"
        self.config.write_text(json.dumps(config))
        self.command("vault", "init", str(self.folder / "vault.key"))
        scopes = ["--tenant", "bench", "--scopes", "read,passthrough,connect"]
        self.key = self.command("keys", "create", "--config", str(self.config), *scopes).strip()
        self.process = self.connection = None

    def command(self, *words):
        return subprocess.run([self.scene.binary, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self):
        self.spawn()
        self.scene.wait(f"{self.admin}/readyz")
        if self.connection is None:
            self.connection = json.loads(self.ask("/v1/connections", new_connection("bench")))["id"]
        return self

    def spawn(self):
        self.process = self.scene.spawn([self.scene.binary, "serve", "--config", str(self.config)], self.folder.name)

    def stop(self):
        self.scene.stop(self.process)

    def headers(self):
        headers = {"Authorization": f"Bearer {self.key}"}
        return {**headers, "Throughline-Connection": self.connection} if self.connection else headers

    def ask(self, path, body=None):
        headers = {**self.headers(), "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.api + path, data, headers)
        return urllib.request.urlopen(request, timeout=30).read()

    def request(self, method, path, body="", connection=None):
        """A file with the request as it goes over the wire, for the client."""
        headers = {"Host": "localhost", **self.headers()}
        if connection:
            headers["Throughline-Connection"] = connection
        if body:
            del headers["Throughline-Connection"]
            headers |= {"Content-Type": "application/json", "Content-Length": len(body)}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        file = self.scene.work / f"request-{len(list(self.scene.work.glob('request-*')))}"
        file.write_bytes(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return str(file)

    def each(self, request, words, threads=4):
        """One request for each word; the ids of the answers."""
        file = self.scene.work / "words"
        file.write_text("".join(f"{word}\n" for word in words))
        command = [self.scene.client, "each", self.address, request, str(threads), str(file)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()

    def cpu(self):
        """Processor time since the start. s."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        """Memory in use, and what of it is not the program's file. MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 1024 for name in ("VmRSS", "RssAnon")]


def new_connection(customer):
    credentials = {"type": "token", "token": "bench-token"}
    return {"provider": "hubspot", "customer_id": customer, "credentials": credentials}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(url, headers, connections, seconds):
    """Requests, requests a second, p50 and p99 in ms. Any answer but a 2xx ends the test."""
    words = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *words, url]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"{url}: {out}")

    def latency(share):
        number, unit = re.search(rf"^ +{share}% +([\d.]+)(us|ms|s|m)$", out, re.M).groups()
        return float(number) * MS[unit]

    requests = int(re.search(r"(\d+) requests in", out).group(1))
    rate = float(re.search(r"Requests/sec: +([\d.]+)", out).group(1))
    return requests, rate, latency(50), latency(99)


def medians(rows):
    """Of each column."""
    return [statistics.median(column) for column in zip(*rows)]
