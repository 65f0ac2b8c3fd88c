"""Starts Ostler and the peers, ready to be asked. Access logs are off everywhere."""
import http.client
import json
import os
import sys

from . import processes, tools

APPS = os.path.join(tools.HERE, "apps")


class Server:
    """A front that answers, with the processes that its requests cost."""

    def __init__(self, name, port, roots, tls_port=None):
        self.name, self.port, self.roots, self.tls_port = name, port, roots, tls_port
        self.url = f"http://127.0.0.1:{port}/"
        self.tls_url = f"https://127.0.0.1:{tls_port}/"


def answers(port, path="/"):
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def certificate(folder):
    """One certificate for all, so that all do the same arithmetic: ECDSA P-256."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    if not os.path.exists(cert):
        names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        command += ["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext", names]
        tools.output(command + ["-keyout", key, "-out", cert])
    return cert, key


def config(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def nginx(group, name, upstreams, tls=False):
    """One nginx with one worker; `upstreams` gives each front its http-level text and its location's text."""
    fronts, text = {}, ""
    lines = ""
    if tls:
        cert, key = certificate(group.folder)
        lines = f"ssl_certificate {cert}; ssl_certificate_key {key}; http2_max_concurrent_streams 1000;"
    for front, (outside, location) in upstreams.items():
        port, tls_port = processes.free_port(), processes.free_port()
        listen = f"listen 127.0.0.1:{port} backlog=4096;"
        listen += f" listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;" if tls else ""
        text += f" {outside}\n server {{ {listen} location / {{ {location} }} }}\n"
        fronts[front] = (port, tls_port)
    user = "user root;" if os.geteuid() == 0 else ""
    temp = " ".join(f"{kind}_temp_path {name}-{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = config(group.folder, name + ".conf", f"""
{user} worker_processes 1; worker_rlimit_nofile 65536; daemon off; pid {name}.pid; error_log {name}.err;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0; {temp}
 {lines}
{text}}}
""")
    process = group.start(name, ["nginx", "-e", name + ".err", "-p", group.folder, "-c", file])
    return process, fronts


def keepalive(name, servers, method=""):
    """An upstream with idle connections kept, and the location that uses it."""
    listed = " ".join(f"server 127.0.0.1:{port};" for port in servers)
    location = f'proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection "";'
    return f"upstream {name} {{ {method} {listed} keepalive 64; keepalive_requests 1000000000; }}", location


def haproxy(group, backends):
    """One HAProxy with one thread; `backends` gives each front the lines of its backend."""
    text = "global\n  nbthread 1\n  maxconn 8192\ndefaults\n  mode http\n"
    text += "".join(f"  timeout {kind} 60s\n" for kind in ("client", "server", "connect", "queue"))
    fronts = {}
    for name, lines in backends.items():
        fronts[name] = processes.free_port()
        text += f"frontend f-{name}\n  bind 127.0.0.1:{fronts[name]}\n  default_backend b-{name}\n"
        text += f"backend b-{name}\n" + "".join(f"  {line}\n" for line in lines)
    file = config(group.folder, "haproxy.cfg", text)
    return group.start("haproxy", ["haproxy", "-f", file]), fronts


def slots(group, name, count, mean_ms, spread):
    """A backend of one-at-a-time slots; returns its port."""
    port = processes.free_port()
    script = os.path.join(tools.HERE, "load", "slots_backend.py")
    command = [sys.executable, "-B", script, str(port), str(count), str(mean_ms), spread]
    process = group.start(name, command)
    group.wait_for(name, lambda: answers(port), process)
    return port


def app_servers(group, wanted, tls=False):
    """Hello world on Python servers with two workers each, behind one nginx with one worker."""
    apps, upstreams, processes_of = ["hello:app"], {}, {}
    socket = os.path.join(group.folder, "")
    if "gunicorn" in wanted:
        command = [tools.path("gunicorn"), "-w", "2", "-b", f"unix:{socket}g.sock", "--backlog", "4096"]
        processes_of["gunicorn"] = group.start("gunicorn", command + apps, cwd=APPS)
        upstreams["gunicorn"] = (
            f"upstream g {{ server unix:{socket}g.sock; }}",
            "proxy_pass http://g; proxy_set_header Host $host;",
        )
    if "uWSGI" in wanted:
        command = ["uwsgi", "--die-on-term", "--plugin", "python3", "--socket", socket + "uw.sock"]
        command += ["--chmod-socket=666", "--listen", "1000", "--processes", "2", "--master"]
        command += ["--disable-logging", "--wsgi-file", "hello.py", "--callable", "app"]
        processes_of["uWSGI"] = group.start("uwsgi", command, cwd=APPS)
        names = "QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH REQUEST_URI REMOTE_ADDR REMOTE_PORT"
        names += " SERVER_PORT SERVER_NAME SERVER_PROTOCOL"
        params = "".join(f" uwsgi_param {name} ${name.lower()};" for name in names.split())
        params += " uwsgi_param PATH_INFO $document_uri; uwsgi_param REQUEST_SCHEME $scheme;"
        upstreams["uWSGI"] = ("", f"uwsgi_pass unix:{socket}uw.sock;{params}")
    if "granian" in wanted:
        port = processes.free_port()
        command = [tools.path("granian"), "--interface", "wsgi", "--workers", "2", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--no-access-log"]
        processes_of["granian"] = group.start("granian", command + apps, cwd=APPS)
        upstreams["granian"] = keepalive("gr", [port])
    front, ports = nginx(group, "nginx", upstreams, tls)
    servers = []
    for name in wanted:
        port, tls_port = ports[name]
        roots = [front.pid, processes_of[name].pid]
        servers.append(Server("nginx + " + name, port, roots, tls_port))
        group.wait_for(f"nginx + {name}", lambda p=port: answers(p), processes_of[name])
    return servers


def toml(value):
    return json.dumps(value)


def ostler(group, binary, serve, children, tls=False, app="", route="", more="", env=None, api=False):
    """`ostler serve` of an app in tests/bench/apps; `app`, `route` and `more` are further lines of its config."""
    port, tls_port = processes.free_port(), processes.free_port()
    api_port = processes.free_port() if api else None
    api = toml(f"127.0.0.1:{api_port}" if api else "off")
    https = '"off"'
    if tls:
        cert, key = certificate(group.folder)
        https = toml(f"127.0.0.1:{tls_port}")
        more += f"\n[[certificate]]\ncert = {toml(cert)}\nkey = {toml(key)}\n"
    file = config(group.folder, "ostler.toml", f"""
[listen]
http = "127.0.0.1:{port}"
https = {https}
api = {api}
runners = "off"
[log]
access = "off"
[app.app]
serve = {toml("wsgi:" + serve)}
root = {toml(APPS)}
python = {toml(tools.python())}
children = {children}
{app}
[[route]]
path = "/"
to = "app:app"
{route}
{more}
""")
    state = os.path.join(group.folder, "state")
    command = [binary, "serve", "--config", file, "--state", state]
    process = group.start("ostler", command, env=dict(env or {}, PYTHONDONTWRITEBYTECODE="1"))
    group.wait_for("ostler serve", lambda: answers(port), process)
    # Serve, its runner and the children: the runner has a session of its own and is still below serve.
    group.wait_for("all children", lambda: len(processes.tree([process.pid])) == children + 2, process)
    server = Server("Ostler", port, [process.pid], tls_port)
    server.api_port = api_port
    return server
