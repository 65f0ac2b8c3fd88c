//! Children that live and cannot be reached any more: whatever an app does to its own process, it is noticed, and the
//! child replaced.

use std::time::{Duration, Instant};

use ostler_tests::{
    App, Gateway, Load, Net, Runner, Setup, create_token, is_alive, signal, wait_for, wait_until,
};

/// `/NAME` does something to the process, some of it a moment after the answer. A thread of its own keeps the process
/// alive, as those of many apps do.
const APP: &str = r#"
import ctypes, os, signal, struct, subprocess, threading, time

def raising(*_):
    raise RuntimeError("from a signal handler")

signal.signal(signal.SIGUSR1, raising)
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(300))
threading.Thread(target=time.sleep, args=(300,)).start()

def sockets():
    fds = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink("/proc/self/fd/%d" % fd).startswith("socket:"):
                fds.append(fd)
        except OSError:
            pass
    return sorted(fds)  # control, lane

def frame(kind, code=0, stream=0, aux=0, body=b""):
    return struct.pack("<IBBHII", len(body), kind, 0, code, stream, aux) + body

def strike(act, args):
    open("struck", "w").close()
    act(*args)

def later(act, *args):
    threading.Timer(0.05, strike, (act, args)).start()

def over_all():
    null = os.open("/dev/null", os.O_RDWR)
    for fd in sockets():
        os.dup2(null, fd)

def over_lane():
    os.dup2(os.open("/dev/null", os.O_RDWR), sockets()[1])

def helper_holds_the_lane():
    subprocess.Popen(["sleep", "60"], close_fds=False, pass_fds=sockets(), start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def close_with_helper():
    helper_holds_the_lane()
    os.closerange(3, 256)

def kill_with_helper():
    helper_holds_the_lane()
    os.kill(os.getpid(), signal.SIGKILL)

ACTS = {
    "closerange": lambda: os.closerange(3, 256),
    "closerange-later": lambda: later(os.closerange, 3, 256),
    "over-all": over_all,
    "over-lane": over_lane,
    "over-lane-later": lambda: later(over_lane),
    "close-control": lambda: os.close(sockets()[0]),
    "garbage-on-the-lane": lambda: os.write(sockets()[1], b"x" * 64),
    "garbage-on-control": lambda: os.write(sockets()[0], b"x" * 64),
    "go-away": lambda: later(os.write, sockets()[1], frame(5, 6, 0, 1 << 30)),
    "bye": lambda: os.write(sockets()[0], frame(0x48, 4)),
    "handler": lambda: later(os.kill, os.getpid(), signal.SIGUSR1),
    "term": lambda: later(os.kill, os.getpid(), signal.SIGTERM),
    "stop": lambda: later(os.kill, os.getpid(), signal.SIGSTOP),
    "handler-that-stays": lambda: later(os.kill, os.getpid(), signal.SIGUSR2),
    "interpreter-held": lambda: later(ctypes.PyDLL(None).sleep, 60),
    "close-with-helper": close_with_helper,
    "kill-with-helper": kill_with_helper,
}

class StopsInClose(list):
    def close(self):
        os.kill(os.getpid(), signal.SIGSTOP)

def application(env, start_response):
    name = env["PATH_INFO"].rpartition("/")[2]
    if name in ACTS:
        ACTS[name]()
    if name == "stop-in-close":
        start_response("200 OK", [("Content-Length", "2")])
        return StopsInClose([b"ok"])
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"#;

/// Those that an app may well do to itself, by accident or by a library.
const ACTS: [&str; 17] = [
    "closerange",
    "closerange-later",
    "over-all",
    "over-lane",
    "over-lane-later",
    "close-control",
    "garbage-on-the-lane",
    "garbage-on-control",
    "go-away",
    "bye",
    "handler",
    "term",
    "stop",
    "handler-that-stays",
    "interpreter-held",
    "close-with-helper",
    "kill-with-helper",
];

/// Those of them that are done a moment after their request.
const LATER: [&str; 8] = [
    "closerange-later",
    "over-lane-later",
    "go-away",
    "handler",
    "term",
    "stop",
    "handler-that-stays",
    "interpreter-held",
];

fn exits(gateway: &Gateway) -> f64 {
    gateway.metric("ostler_child_exits_total", &[])
}

fn free(gateway: &Gateway) -> f64 {
    gateway.metric("ostler_children", &["state=\"idle\""])
}

/// Does the act, and waits until its child is replaced while others ask: they find out a child that looks free. They come
/// when it is done, since what strikes in the middle of a request may well be that request's failure alone.
fn recovers(gateway: &Gateway, app: &App, act: &str) {
    let before = exits(gateway);
    let struck = app.root().join("struck");
    let began = Instant::now();
    let answer = gateway.get(&format!("/{act}"));
    assert!(began.elapsed() < Duration::from_secs(15), "{act}: its client waited for long");
    assert!(matches!(answer.status, 200 | 502), "{act}: {answer:?}");
    if LATER.contains(&act) {
        wait_until(&format!("{act}: it is done"), || std::fs::remove_file(&struck).is_ok());
    }
    let load = Load::start(gateway.http(), 2, "/pid");
    wait_until(&format!("{act}: the child is gone"), || exits(gateway) > before);
    wait_until(&format!("{act}: two are free"), || {
        gateway.metric("ostler_children", &[]) == 2.0 || free(gateway) == 2.0
    });
    load.wait_more(20);
    let failed: Vec<_> = load.finish().into_iter().filter(|outcome| !outcome.is_ok()).collect();
    // What the child was given before anybody could know.
    assert!(failed.len() <= 1, "{act}: {failed:?}");
}

#[test]
fn a_child_that_cannot_be_reached_is_noticed_and_replaced() {
    let app = App::of(APP);
    // What holds the interpreter while a request runs has that one's time: it is not told from an app that works.
    let timeouts = "timeouts = { first_byte = \"10s\", progress = \"10s\" }";
    let gateway = Setup::new(&app).children(2).app_keys("grace = \"1s\"").route(timeouts).start();
    for act in ACTS {
        recovers(&gateway, &app, act);
    }
    assert_eq!(gateway.get("/pid").status, 200);
}

#[test]
fn a_child_of_another_host_that_cannot_be_reached_is_noticed_and_replaced() {
    let net = Net::new(1);
    let door = net.gateway().to_string();
    let config = "[app.app]\n[[route]]\npath = \"/\"\nto = \"app:app\"\ntimeouts = { first_byte = \"4s\" }\n";
    let gateway = Setup::bare().more(config).args(&["--runners", &door]).early().start();
    let token = create_token(gateway.state(), &[]);
    let app = App::of(APP);
    let _runner = Runner::join(&net, 0, &token, &app);
    wait_until("the runner serves", || free(&gateway) == 2.0);
    for act in ["closerange-later", "over-lane", "go-away", "bye", "handler", "kill-with-helper"] {
        recovers(&gateway, &app, act);
    }
    stands_still(&gateway);
}

#[test]
fn a_child_that_stands_still_gives_its_work_to_another() {
    let app = App::of(APP);
    // Less than the time that a child is given to answer.
    let timeouts = "timeouts = { first_byte = \"3s\" }";
    let gateway = Setup::new(&app).children(2).app_keys("grace = \"1s\"").route(timeouts).start();
    stands_still(&gateway);
}

/// Stops the child that is asked next. What it is given is done by the other.
fn stands_still(gateway: &Gateway) {
    let pid: u32 = gateway.get("/pid").text().parse().expect("a process id");
    signal(pid, nix::sys::signal::Signal::SIGSTOP);
    for _ in 0..10 {
        let answer = gateway.get("/pid");
        assert_eq!(answer.status, 200);
        assert_ne!(answer.text(), pid.to_string());
    }
    wait_until("it is ended", || !is_alive(pid));
}

#[test]
fn a_child_that_stands_still_in_close_is_replaced_before_its_time_is_over() {
    let app = App::of(APP);
    let gateway = Setup::new(&app).children(1).start();
    assert_eq!(gateway.get("/stop-in-close").status, 200);
    let spawns = || gateway.metric("ostler_child_spawns_total", &[]);
    wait_until("another child is started", || spawns() == 2.0);
    wait_until("it is free", || free(&gateway) == 1.0);
    assert_eq!(
        exits(&gateway),
        0.0,
        "what close() does may hold the interpreter, and has its time"
    );
    assert_eq!(gateway.get("/pid").status, 200);
    for pid in gateway.pids_with("ostler: app ") {
        signal(pid, nix::sys::signal::Signal::SIGCONT);
    }
    wait_until("it has finished and is gone", || exits(&gateway) == 1.0);
}

#[test]
fn children_are_named_after_their_app_and_number() {
    let app = App::of(APP);
    let gateway = Setup::new(&app).children(2).start();
    let named = wait_for("both have their names", || {
        let pids = gateway.pids_with("ostler: app ");
        (pids.len() == 2).then_some(pids)
    });
    let pid: u32 = gateway.get("/pid").text().parse().expect("a process id");
    assert!(named.contains(&pid));
}
