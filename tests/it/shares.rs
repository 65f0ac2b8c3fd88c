//! What runs out is shared, bounded, and told of.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use ostler_tests::{Api, App, Conn, Gateway, RawH2, Setup, wait_until};
use serde_json::json;

#[test]
fn a_store_that_was_removed_or_replaced_takes_no_jobs_until_it_is_back() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let first = api.run("true");
    api.wait_finished(first);
    let (path, aside) = (gateway.state().join("jobs.db"), gateway.state().join("aside.db"));
    for replaced in [false, true] {
        fs::rename(&path, &aside).unwrap();
        if replaced {
            fs::copy(&aside, &path).unwrap();
        }
        // Not noticed by a clock: no submit is answered that would be lost.
        let answer = api.post("/v1/jobs", &json!({ "command": "true" }));
        assert_eq!(answer.status, 503, "{}", answer.text());
        let told = answer.text();
        let how = if replaced { "was replaced by another file" } else { "was removed" };
        assert!(told.contains("jobs.db") && told.contains(how), "{told}");
        wait_until("it says that it is not ready", || gateway.api("/readyz").status == 503);
        fs::rename(&aside, &path).unwrap();
        wait_until("jobs are taken again", || {
            api.post("/v1/jobs", &json!({ "command": "true" })).status == 202
        });
    }
    // An idle gateway notices it as well.
    fs::rename(&path, &aside).unwrap();
    wait_until("it says that it is not ready", || gateway.api("/readyz").status == 503);
    fs::rename(&aside, &path).unwrap();
    wait_until("it is ready again", || gateway.api("/readyz").status == 200);
    assert_eq!(api.job(first)["state"], "succeeded");
}

/// A path of the API that is as quick as anything.
fn quick(what: &str, begin: Instant) {
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(10), "{what} took {took:?}");
}

/// Opens an upload of a megabyte that has sent a byte, and stays.
fn slow_upload(gateway: &Gateway) -> Conn {
    let token =
        fs::read_to_string(gateway.state().join("api.token")).expect("the gateway has made it");
    let mut conn = Conn::open(gateway.api_address());
    conn.send(format!(
        "PUT /v1/payloads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\nx",
        token.trim()
    ));
    conn
}

#[test]
fn uploads_that_take_their_time_hold_up_nobody() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let api = Api::of(&gateway);
    let uploads: Vec<_> = (0..40).map(|_| slow_upload(&gateway)).collect();
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(api.get("/v1/jobs").status, 200);
        let body = vec![b'x'; 300 << 10];
        assert_eq!(gateway.connect().post("/hash", &body).status, 200);
        assert_eq!(api.post("/v1/jobs", &json!({ "command": "true" })).status, 202);
        let kept = api.request("POST", "/v1/payloads", "", b"quick");
        assert_eq!(kept.status, 201, "{}", kept.text());
        quick("all that beside slow uploads", begin);
    }
    // They are alive, and end well when their clients go on.
    for mut upload in uploads {
        upload.send(vec![b'y'; 999_999]);
        assert_eq!(upload.read().status, 201);
    }
}

#[test]
fn readiness_is_told_for_the_web_and_for_jobs_apart_and_with_its_reason() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for path in ["/readyz", "/readyz/web", "/readyz/jobs"] {
        assert_eq!((gateway.api(path).status, gateway.api(path).text()), (200, "ready\n".into()));
    }
    let (path, aside) = (gateway.state().join("jobs.db"), gateway.state().join("aside.db"));
    fs::rename(&path, &aside).unwrap();
    wait_until("jobs are refused", || gateway.api("/readyz/jobs").status == 503);
    let told = gateway.api("/readyz");
    assert_eq!(told.status, 503);
    assert!(told.text().starts_with("durable jobs are refused: "), "{}", told.text());
    assert!(told.text().contains("jobs.db"), "{}", told.text());
    assert_eq!(gateway.api("/readyz/web").status, 200);
    assert_eq!(gateway.get("/still").text(), "hello /still");
    assert_eq!(gateway.api("/readyz/other").status, 404);
}

/// Connections that say nothing.
fn silent(address: SocketAddr, many: usize) -> Vec<TcpStream> {
    (0..many).map(|_| TcpStream::connect(address).expect("the door is open")).collect()
}

#[test]
fn silent_connections_at_any_door_keep_nobody_out_of_any() {
    let app = App::new();
    let gateway = Setup::new(&app).files(256).start();
    let api = Api::of(&gateway);
    let doors = [gateway.runners(), gateway.api_address(), gateway.https(), gateway.http()];
    for (place, door) in doors.into_iter().enumerate() {
        let held = silent(door, 400);
        for turn in 0..3 {
            let begin = Instant::now();
            let path = format!("/door-{place}-{turn}");
            assert_eq!(gateway.get(&path).text(), format!("hello {path}"));
            assert_eq!(gateway.connect_tls().get(&path).text(), format!("hello {path}"));
            let body = vec![b'x'; 300 << 10];
            assert_eq!(gateway.connect().post("/hash", &body).status, 200);
            assert_eq!(api.post("/v1/jobs", &json!({ "command": "true" })).status, 202);
            quick("all that beside silent connections", begin);
        }
        drop(held);
    }
    assert!(gateway.metric("ostler_connections_cut_total", &[]) > 100.0);
    // So many refused runners are one warning, now and then.
    let told = gateway.stderr();
    let warnings = told.lines().filter(|line| line.contains("a runner was refused")).count();
    assert!(warnings < 10, "{warnings} warnings:\n{told}");
    assert!(!told.contains("cannot accept"), "{told}");
}

/// Many replies that nobody takes, on one HTTP/2 connection without a window.
fn let_lie(gateway: &Gateway, path: &str, streams: u32) -> RawH2 {
    let mut raw = RawH2::connect(gateway.http());
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    raw.frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    for stream in 0..streams {
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
        raw.headers(stream * 2 + 1, &fields);
    }
    raw
}

#[test]
fn replies_that_nobody_takes_hold_neither_children_nor_room_from_others() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .children(2)
        .route("body_max = \"1MiB\"")
        .more("[limits]\nspool_total = \"16MiB\"")
        .start();
    let size = 3 << 20;
    let _raw = let_lie(&gateway, &format!("/big/{size}"), 60);
    wait_until("the spool is full", || gateway.metric("ostler_spool_bytes", &[]) > 12e6);
    for turn in 0..3 {
        let begin = Instant::now();
        let path = format!("/turn-{turn}");
        assert_eq!(gateway.get(&path).text(), format!("hello {path}"));
        let body = vec![b'x'; 300 << 10];
        let answer = gateway.connect().post("/hash", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        quick("all that beside replies that nobody takes", begin);
    }
    assert!(gateway.metric("ostler_spool_cut_total", &[]) > 0.0);
}

#[test]
fn a_reply_that_nobody_takes_is_let_go_after_its_time() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .route("timeouts = { progress = \"1s\" }")
        .more("[limits]\nbody_memory = \"1MiB\"")
        .start();
    let _raw = let_lie(&gateway, &format!("/big/{}", 1 << 20), 8);
    wait_until("replies are in files", || gateway.metric("ostler_spool_bytes", &[]) > 4e6);
    assert!(gateway.metric("ostler_body_memory_bytes", &[]) <= f64::from(1 << 20));
    wait_until("they are let go", || gateway.metric("ostler_spool_bytes", &[]) == 0.0);
    assert_eq!(gateway.metric("ostler_body_memory_bytes", &[]), 0.0);
}

#[test]
fn bodies_that_are_half_sent_share_a_bounded_memory() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[limits]\nbody_memory = \"2MiB\"").start();
    let mut half = Vec::new();
    for _ in 0..40 {
        let mut conn = gateway.connect();
        conn.send("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n");
        conn.send(vec![b'x'; 200_000]);
        half.push(conn);
    }
    wait_until("most of it is in files", || gateway.metric("ostler_spool_bytes", &[]) > 6e6);
    assert!(gateway.metric("ostler_body_memory_bytes", &[]) <= f64::from(2 << 20));
    for mut conn in half {
        conn.send("x");
        assert_eq!(conn.read().status, 200);
    }
    wait_until("nothing is left", || {
        gateway.metric("ostler_body_memory_bytes", &[]) + gateway.metric("ostler_spool_bytes", &[])
            == 0.0
    });
}

#[test]
fn the_disk_keeps_room_for_the_store() {
    let app = App::new();
    // More than any disk has: nothing is left to anybody else.
    let gateway = Setup::new(&app).more("[limits]\ndisk_reserve = \"1000TiB\"").start();
    let api = Api::of(&gateway);
    let refused = gateway.connect().post("/hash", &vec![b'x'; 300 << 10]);
    assert_eq!((refused.status, refused.header("ostler-termination")), (503, Some("overload")));
    // Nothing is waited for, of what could not be kept when it had come.
    let mut conn = gateway.connect();
    conn.send("POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n");
    assert_eq!(conn.read().status, 503);
    let kept = api.request("POST", "/v1/payloads", "", b"bytes");
    assert_eq!(kept.status, 503, "{}", kept.text());
    assert!(kept.text().contains("disk_reserve"), "{}", kept.text());
    let told = gateway.stderr();
    assert!(told.contains("spool: there is no room for more spool files"), "{told}");
    // Small bodies, replies and jobs need no room.
    assert_eq!(gateway.connect().post("/hash", b"small").status, 200);
    assert_eq!(gateway.get("/big/3000000").body.len(), 3_000_000);
    api.wait_finished(api.run("true"));
    assert_eq!(gateway.api("/readyz").status, 200);
}

#[test]
fn a_spool_folder_that_somebody_tidied_away_is_made_anew() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let spool = gateway.state().join("spool");
    fs::remove_dir(&spool).unwrap();
    let body = vec![b'x'; 300 << 10];
    assert_eq!(gateway.connect().post("/hash", &body).status, 200);
    assert_eq!(fs::metadata(&spool).unwrap().permissions().mode() & 0o777, 0o700);
}
