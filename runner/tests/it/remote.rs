//! A runner whose gateway is on another host.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_runner::{Config, Link};
use ostler_wire::{Frame, Header, Kind, Reset, WINDOW};
use serde_json::{Value, json};

use crate::{
    remote_gateway::{RemoteGateway, RemoteLink},
    runner::{Place, Runner, is_alive, wait_for},
};

fn config(place: &Place, token: String) -> Config {
    Config { link: Link::Remote { token: Some(token) }, ..place.config() }
}

/// A runner of this many children, joined and ready.
fn joined(place: &Place, gateway: &RemoteGateway, children: u32) -> (Runner, RemoteLink) {
    let mut config = config(place, gateway.token("hush"));
    config.apps[0].children_min = children;
    config.apps[0].children_max = children;
    config.apps[0].grace = Duration::from_secs(3);
    let runner = place.start(&config);
    gateway.accept_join(true);
    let mut link = gateway.accept_runner();
    link.expect_credit(children.into());
    (runner, link)
}

#[test]
fn a_runner_joins_once_and_then_shows_its_certificate() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let config = config(&place, gateway.token("hush"));
    let runner = place.start(&config);
    assert_eq!(gateway.accept_join(true), "hush");
    let mut link = gateway.accept_runner();
    link.expect_credit(1);
    assert_eq!(link.get("/", ""), "hello");
    let mode = fs::metadata(place.path("state/runner.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop((runner, link));
    let _again = place.start(&config);
    gateway.accept_runner().expect_credit(1);
}

#[test]
fn a_gateway_with_another_authority_is_told_nothing() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let runner = place.start(&config(&place, gateway.token_with("hush", &"0".repeat(64))));
    gateway.accept_mistrust();
    let line = runner.logged("the refusal", |line| line["message"] == "gateway not reached");
    assert!(line["detail"].as_str().unwrap().contains("certificate"), "{line}");
    assert!(!place.path("state/runner.pem").exists());
}

#[test]
fn a_runner_that_the_gateway_refuses_ends() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let mut runner = place.start(&config(&place, gateway.token("wrong")));
    gateway.accept_join(false);
    assert_eq!(runner.ended().code(), Some(69));
    let mut runner = place.start(&config(&place, "ostler1.nonsense".into()));
    assert_eq!(runner.ended().code(), Some(64));
}

#[test]
fn a_certificate_is_renewed_for_the_same_key_before_it_ends() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let config = config(&place, gateway.token("hush"));
    let _runner = place.start(&config);
    let first = gateway.answer_join(true, Some(6));
    assert!(!first.knows && first.secret == "hush");
    let _link = gateway.accept_runner();
    // Without a word of the secret, which may be used up: the certificate that still holds is enough.
    let again = gateway.answer_join(true, Some(3600));
    assert!(again.knows && again.secret.is_empty());
    assert_eq!(again.key, first.key);
}

#[test]
fn a_runner_that_was_not_answered_asks_again_with_the_same_key() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let config = config(&place, gateway.token("hush"));
    let runner = place.start(&config);
    let first = gateway.answer_join(true, Some(0)).key;
    drop(runner);
    let _again = place.start(&config);
    assert_eq!(gateway.answer_join(true, None).key, first, "its name is bound to it by now");
}

#[test]
fn a_runner_that_was_removed_comes_back_with_another_token_and_another_key_only() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let mut runner = place.start(&config(&place, gateway.token("hush")));
    let first = gateway.answer_join(true, None).key;
    gateway.refuse_runner();
    assert_eq!(runner.ended().code(), Some(69));
    let mut runner = place.start(&config(&place, gateway.token("hush")));
    gateway.refuse_runner();
    assert_eq!(runner.ended().code(), Some(69), "the token that it came with is no new one");
    let _runner = place.start(&config(&place, gateway.token("other")));
    gateway.refuse_runner();
    let anew = gateway.answer_join(true, None);
    assert!(!anew.knows && anew.secret == "other");
    assert_ne!(anew.key, first);
    gateway.accept_runner().expect_credit(1);
}

#[test]
fn requests_of_one_link_run_on_several_children_and_one_too_many_is_not_started() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 2);
    let first = link.ask("/sleep", "0.5", true);
    let second = link.ask("/sleep", "0.5", true);
    let third = link.ask("/", "", true);
    assert_eq!(link.answer(third).0, Reset::NotStarted as u16);
    let (a, b) = (link.answer(first), link.answer(second));
    assert_eq!((a.0, b.0), (200, 200));
    assert_eq!(link.get("/", ""), "hello");
}

#[test]
fn large_bodies_pass_both_ways_within_their_windows() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 1);
    let size = 3_000_000;
    let body: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let stream = link.ask("/length", "", false);
    let mut credit = WINDOW as usize;
    let mut sent = 0;
    while sent < size {
        if credit == 0 {
            let win = link.expect("more credit", |f| f.header.kind == Kind::Win);
            assert_eq!(win.header.stream, stream);
            credit += win.header.aux as usize;
        }
        let piece = credit.min(size - sent).min(50_000);
        link.body(stream, &body[sent..sent + piece], sent + piece == size);
        (sent, credit) = (sent + piece, credit - piece);
    }
    assert_eq!(link.answer(stream).1, size.to_string().as_bytes());
    let stream = link.ask("/bytes", &size.to_string(), true);
    assert_eq!(link.answer(stream).1.len(), size);
}

#[test]
fn an_answer_stops_at_the_end_of_its_credit_and_others_go_on() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 2);
    let slow = link.ask("/bytes", "3000000", true);
    let mut received = 0;
    while received < WINDOW as usize {
        received += link.frame_of(slow).body.len();
    }
    assert_eq!(received, WINDOW as usize);
    assert_eq!(link.get("/", ""), "hello");
    link.grant(slow, 3_000_000);
    while received < 3_000_000 {
        received += link.frame_of(slow).body.len();
    }
    assert_eq!(received, 3_000_000);
}

#[test]
fn a_cancelled_request_frees_its_slot_only_when_the_child_is_free() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 1);
    let stream = link.ask("/sleep", "0.4", true);
    link.reset(stream, Reset::ClientGone);
    let early = link.ask("/", "", true);
    assert_eq!(link.answer(early).0, Reset::NotStarted as u16);
    assert_eq!(link.frame_of(stream).header.kind, Kind::Reset);
    assert_eq!(link.get("/", ""), "hello");
}

#[test]
fn a_request_past_its_deadline_costs_a_stuck_child_its_life() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (runner, mut link) = joined(&place, &gateway, 1);
    let note = place.path("pids");
    let stream = link.ask("/stuck", note.to_str().unwrap(), true);
    wait_for("the child to be stuck", || fs::read_to_string(&note).ok()?.split_once(' ').map(drop));
    link.reset(stream, Reset::Deadline);
    assert_eq!(link.frame_of(stream).header.kind, Kind::Reset);
    // Its replacement may have come before its end or after it; what meets the one that ends is given back unstarted.
    let served = wait_for("an answer of the replacement", || {
        while link.credit != 1 {
            link.expect("the replacement's credit", |f| f.header.kind == Kind::Credit);
        }
        let stream = link.ask("/", "", true);
        let (code, body) = link.answer(stream);
        (code != Reset::NotStarted as u16).then_some((code, body))
    });
    assert_eq!(served, (200, b"hello".to_vec()));
    runner.logged("the end", |line| line["reason"] == "timeout");
}

#[test]
fn a_child_that_dies_at_work_ends_its_request_and_its_slot() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 1);
    let pid: i32 = link.get("/pid", "").parse().unwrap();
    let stream = link.ask("/sleep", "100", true);
    let busy = |f: &Frame| f.fields().unwrap().number("busy") == Some(1);
    link.expect("the child to work", |f| f.header.kind == Kind::State && busy(f));
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    link.expect_credit(0);
    let (code, detail) = link.answer(stream);
    assert_eq!(code, Reset::ChildDied as u16);
    assert!(String::from_utf8(detail).unwrap().contains("ended while it worked"));
    link.expect_credit(1);
}

#[test]
fn children_outlive_a_link_that_is_cut_and_serve_the_next_one() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 1);
    let pid = link.get("/pid", "");
    link.ask("/sleep", "1.5", true);
    let busy = |f: &Frame| f.fields().unwrap().number("busy") == Some(1);
    link.expect("the child to work", |f| f.header.kind == Kind::State && busy(f));
    link.cut();
    let mut link = gateway.accept_runner();
    link.expect_credit(0);
    link.expect_credit(1);
    assert_eq!(link.get("/pid", ""), pid);
}

#[test]
fn a_gateway_that_falls_silent_is_left_and_dialled_again() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (runner, _link) = joined(&place, &gateway, 1);
    let line = runner.logged("the silence", |line| line["message"] == "gateway lost");
    assert_eq!(line["detail"], "nothing heard for 5 s");
    gateway.accept_runner().expect_credit(1);
}

#[test]
fn a_remote_runner_drains_when_it_is_told_to_end() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (mut runner, mut link) = joined(&place, &gateway, 1);
    let pid: i32 = link.get("/pid", "").parse().unwrap();
    let stream = link.ask("/sleep", "1.5", true);
    let busy = |f: &Frame| f.fields().unwrap().number("busy") == Some(1);
    link.expect("the child to work", |f| f.header.kind == Kind::State && busy(f));
    runner.signal(Signal::SIGTERM);
    link.expect_credit(0);
    assert_eq!(link.answer(stream).0, 200);
    assert_eq!(runner.ended().code(), Some(0));
    assert!(!is_alive(pid));
}

#[test]
fn durable_jobs_run_for_a_gateway_elsewhere_beside_requests() {
    let (place, gateway) = (Place::new(), RemoteGateway::listen());
    let (_runner, mut link) = joined(&place, &gateway, 1);
    let key = json!({ "job": 1, "attempt": 1, "fence": 9 });
    let work = json!({ "module": "shell", "argv": ["sh", "-c", "echo far; exit 2"] });
    let start = json!([{ "key": key, "spec": { "work": work, "identity": "x" } }]);
    let header = |kind| Header { len: 0, kind, flags: 0, code: 0, stream: 0, aux: 0 };
    link.send(header(Kind::Run), start.to_string().as_bytes());
    let finish = |frame: &Frame| {
        let reports: Vec<Value> = serde_json::from_slice(&frame.body).unwrap_or_default();
        reports.into_iter().find(|r| r["report"] == "finished")
    };
    let is_finish = |f: &Frame| f.header.kind == Kind::Report && finish(f).is_some();
    let finished = finish(&link.expect("the end of the job", is_finish)).unwrap();
    assert_eq!((&finished["key"], &finished["ending"]["exit_status"]), (&key, &json!(2)));
    assert_eq!(finished["log"]["head"], "far\n");
    link.send(header(Kind::Settle), json!([key]).to_string().as_bytes());
    let is_empty_beat = |f: &Frame| f.header.kind == Kind::Beat && *f.body == *b"[]";
    link.expect("a BEAT without it", is_empty_beat);
    assert_eq!(link.get("/", ""), "hello");
}
