//! How children and runners end, and what is said about it.

use std::{fs, time::Duration};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ostler_wire::Kind;

use crate::{
    gateway::Gateway,
    runner::{Place, is_alive, wait_for},
};

#[test]
fn a_killed_child_is_reported_with_its_signal_and_replaced() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&place.config());
    let mut link = gateway.accept();
    let first = link.lane();
    kill(Pid::from_raw(first.pid), Signal::SIGKILL).unwrap();
    let mut second = link.lane();
    assert_ne!(first.child, second.child);
    assert_eq!(second.get("/", ""), "hello");
    let line = runner.logged("the end of the child", |line| line["message"] == "child ended");
    assert_eq!((&line["reason"], &line["detail"]), (&"signal".into(), &"SIGKILL".into()));
    link.expect_figure("exit.signal", 1);
}

#[test]
fn an_overdue_child_dumps_its_stacks_and_is_killed_with_its_group() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].grace = Duration::from_millis(400);
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&config);
    let mut link = gateway.accept();
    let mut lane = link.lane();
    let note = place.path("pids");
    lane.ask("/stuck", note.to_str().unwrap());
    let pids = wait_for("the child to be stuck", || {
        let text = fs::read_to_string(&note).ok()?;
        let (child, grandchild) = text.split_once(' ')?;
        Some([child.parse().ok()?, grandchild.parse().ok()?])
    });
    link.send_about(Kind::Overdue, 2, &lane);
    runner.logged("the dump", |line| {
        line["stream"] == "dump" && line["message"].as_str().unwrap().contains("shop.py")
    });
    wait_for("the group to be gone", || (!pids.iter().any(|&pid| is_alive(pid))).then_some(()));
    let line = runner.logged("the end of the child", |line| line["message"] == "child ended");
    assert_eq!(line["reason"], "timeout");
    assert_eq!(lane.answer(), None);
    assert_eq!(link.lane().get("/", ""), "hello");
}

#[test]
fn a_child_that_finishes_within_the_grace_is_left_alone() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    lane.ask("/sleep", "0.3");
    link.send_about(Kind::Overdue, 1, &lane);
    assert_eq!(lane.answer().unwrap().0, 200);
    assert_eq!(lane.get("/pid", ""), lane.pid.to_string());
    drop(runner);
}

#[test]
fn a_stop_from_the_gateway_lets_the_request_finish_and_ends_the_runner() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let mut runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    lane.ask("/sleep", "0.4");
    link.stop(5000);
    link.expect(Kind::Retire, |f| f.fields().unwrap().number(":child") == Some(lane.child));
    assert_eq!(lane.answer(), Some((200, b"hello".to_vec())));
    assert_eq!(runner.ended().code(), Some(0));
    assert!(!is_alive(lane.pid));
    link.expect_end();
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].grace = Duration::from_secs(600);
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let mut runner = place.start(&config);
    let mut link = gateway.accept();
    let mut lane = link.lane();
    lane.ask("/sleep", "600");
    runner.signal(Signal::SIGTERM);
    link.expect(Kind::Retire, |_| true);
    runner.signal(Signal::SIGINT);
    assert_eq!(runner.ended().code(), Some(0));
    assert!(!is_alive(lane.pid));
}

#[test]
fn a_runner_whose_gateway_stays_away_ends() {
    let place = Place::new();
    let mut config = place.config();
    config.orphan_grace = Some(Duration::from_millis(300));
    let mut runner = place.start(&config);
    assert_eq!(runner.ended().code(), Some(0));
    runner.logged("why", |line| line["message"] == "the gateway stayed away");
}

#[test]
fn children_end_when_their_runner_is_killed() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&place.config());
    let lane = gateway.accept().lane();
    drop(runner);
    wait_for("the child to end", || (!is_alive(lane.pid)).then_some(()));
}
