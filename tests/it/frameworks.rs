//! Flask and Django apps, as people write them, behind the gateway.

use std::{
    collections::BTreeMap,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use ostler_tests::{App, Conn, Gateway, Response, Setup, sha256, venv_python, wait_until};

const FLASK: &str = r#"
import hashlib

from flask import Flask, Response, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "for the tests"


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect(url_for("home"))


@app.get("/home")
def home():
    return "hello " + session.get("name", "stranger")


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return {"name": file.filename, "length": len(data), "sha256": hashlib.sha256(data).hexdigest(),
            "note": request.form["note"]}


@app.get("/rows")
def rows():
    return Response(("row %d\n" % number for number in range(1000)), mimetype="text/csv")


@app.get("/where")
def where():
    return {"url": request.url, "secure": request.is_secure, "client": request.remote_addr}
"#;

/// A client that keeps cookies, over HTTPS with HTTP/1.1.
struct Browser {
    conn: Conn,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(gateway: &Gateway) -> Self {
        Self { conn: gateway.connect_tls(), cookies: BTreeMap::new() }
    }

    fn get(&mut self, path: &str) -> Response {
        self.send("GET", path, "", b"")
    }

    fn post_form(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
        let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST", path, lines, pairs.join("&").as_bytes())
    }

    fn send(&mut self, method: &str, path: &str, lines: &str, body: &[u8]) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nReferer: https://localhost{path}\r\n\
             Cookie: {}\r\nContent-Length: {}\r\n{lines}\r\n",
            cookies.join("; "),
            body.len()
        );
        let answer = self.conn.send(head).send(body).read();
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.unwrap_or_else(|| panic!("no cookie: {cookie}"));
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

fn percent(text: &str) -> String {
    let code = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(code).collect()
}

fn flask() -> (App, Gateway) {
    let app = App::of(FLASK);
    let python = format!("python = {:?}", venv_python());
    let gateway = Setup::new(&app).serve("wsgi:wsgi:app").app_keys(&python).start();
    (app, gateway)
}

#[test]
fn flask_keeps_a_session_in_its_cookie() {
    let (_app, gateway) = flask();
    let mut browser = Browser::new(&gateway);
    assert_eq!(browser.get("/home").text(), "hello stranger");
    let answer = browser.post_form("/login", &[("name", "J\u{fc}rgen & co")]);
    assert_eq!((answer.status, answer.header("location")), (302, Some("/home")));
    assert_eq!(browser.get("/home").text(), "hello J\u{fc}rgen & co");
}

#[test]
fn flask_takes_a_file_of_a_form() {
    let (_app, gateway) = flask();
    let file: Vec<u8> = (0..3 << 20).map(|at: u32| (at % 253) as u8).collect();
    let mut body = b"--frontier\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nmine\r\n\
        --frontier\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    body.extend_from_slice(&file);
    body.extend_from_slice(b"\r\n--frontier--\r\n");
    let lines = "Content-Type: multipart/form-data; boundary=frontier\r\n";
    let told = Browser::new(&gateway).send("POST", "/upload", lines, &body).json();
    assert_eq!((&told["name"], &told["note"]), (&"a.bin".into(), &"mine".into()));
    assert_eq!(told["length"], file.len());
    assert_eq!(told["sha256"], sha256(&file));
}

#[test]
fn flask_streams_a_reply_without_a_length() {
    let (_app, gateway) = flask();
    let answer = gateway.get("/rows");
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(answer.whole);
    let expected: String = (0..1000).map(|number| format!("row {number}\n")).collect();
    assert_eq!(answer.text(), expected);
}

#[test]
fn flask_knows_its_own_address_and_its_client() {
    let (_app, gateway) = flask();
    let told = Browser::new(&gateway).get("/where").json();
    assert_eq!(told["url"], "https://localhost/where");
    assert_eq!((&told["secure"], &told["client"]), (&true.into(), &"127.0.0.1".into()));
}

/// Runs a command of the project.
fn manage(folder: &Path, words: &[&str]) {
    let mut command = Command::new(venv_python());
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command.env("DJANGO_SUPERUSER_PASSWORD", PASSWORD).env("PYTHONDONTWRITEBYTECODE", "1");
    let out = command.output().expect("the virtual environment's Python starts");
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
}

const PASSWORD: &str = "stable & hay";

/// The value of the hidden field that Django guards its forms with.
fn csrf_token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrfmiddlewaretoken\" value=\"").expect("a form");
    rest.split('"').next().expect("split gives one part at least").to_owned()
}

#[test]
fn a_new_django_project_serves_and_its_admin_logs_in() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = folder.path();
    manage(root, &["-m", "django", "startproject", "inn", "."]);
    manage(root, &["manage.py", "migrate", "--verbosity", "0"]);
    let user = ["--username", "ostler", "--email", "ostler@inn.example"];
    manage(root, &[&["manage.py", "createsuperuser", "--noinput"], &user[..]].concat());
    let python = venv_python();
    let venv = python.ancestors().nth(2).expect("a Python lies in its environment");
    symlink(venv, root.join(".venv")).expect("a temporary folder is writable");
    // The folder is all that is said: `ostler serve DIR`.
    let root = root.to_str().expect("a temporary path is text");
    let gateway = Setup::bare().args(&[root, "--children", "2"]).start();
    assert!(gateway.stderr().contains("wsgi:inn.wsgi:application"), "{}", gateway.stderr());

    let mut browser = Browser::new(&gateway);
    assert!(browser.get("/").text().contains("The install worked successfully!"));
    let answer = browser.get("/admin/");
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("/admin/login/?next=/admin/"))
    );
    let page = browser.get("/admin/login/?next=/admin/").text();
    let token = csrf_token(&page);
    let form = |password| {
        [("csrfmiddlewaretoken", token.as_str()), ("username", "ostler"), ("password", password)]
    };
    let refused = browser.post_form("/admin/login/?next=/admin/", &form("oats"));
    assert!(refused.text().contains("Please enter the correct username"), "{}", refused.text());
    let answer = browser.post_form("/admin/login/?next=/admin/", &form(PASSWORD));
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("/admin/")),
        "{}",
        answer.text()
    );
    let index = browser.get("/admin/");
    assert_eq!(index.status, 200);
    let text = index.text();
    assert!(text.contains("Site administration") && text.contains("ostler"), "{text}");
    // Without the token of its form a login is refused, as it would be for a page of somebody else.
    let forged = Browser::new(&gateway).post_form("/admin/login/", &[("username", "ostler")]);
    assert_eq!(forged.status, 403);
}

/// An app that is patched when it is imported, and works on something beside its requests.
const COOPERATIVE: &str = r#"
LIBRARY

import threading, time

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.01)


def pieces():
    for number in range(3):
        time.sleep(0.01)
        yield b"piece %d\n" % number


def application(environ, start_response):
    if environ["PATH_INFO"] == "/thread":
        thread = threading.Thread(target=time.sleep, args=(0.01,))
        thread.start()
        thread.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return pieces() if environ["PATH_INFO"] == "/pieces" else [b"%d" % ticks]


threading.Thread(target=tick, daemon=True).start()
"#;

/// Serves it, streams, lets it work while no request comes, and stops it without a kill.
fn serves_when_patched_by(library: &str) {
    let app = App::of(&COOPERATIVE.replace("LIBRARY", library));
    let python = format!("python = {:?}", venv_python());
    let mut gateway = Setup::new(&app).app_keys(&python).start();
    assert_eq!(gateway.get("/pieces").text(), "piece 0\npiece 1\npiece 2\n");
    let ticks =
        |gateway: &Gateway| -> u64 { gateway.get("/thread").text().parse().expect("a number") };
    let before = ticks(&gateway);
    wait_until("the app goes on beside its requests", || ticks(&gateway) > before + 20);
    gateway.terminate();
    assert!(gateway.wait_exit().success(), "{}", gateway.stderr());
    assert!(!gateway.stderr().contains("SIGKILL"), "{}", gateway.stderr());
}

#[test]
fn an_app_that_gevent_patches_at_its_import_serves_and_stops() {
    serves_when_patched_by("from gevent import monkey; monkey.patch_all()");
}

#[test]
fn an_app_that_eventlet_patches_at_its_import_serves_and_stops() {
    serves_when_patched_by("import eventlet; eventlet.monkey_patch()");
}
