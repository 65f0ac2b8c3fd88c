//! Children serve, whatever becomes of the gateway.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::fcntl::{FcntlArg, fcntl};
use ostler_wire::Kind;

use crate::{gateway::Gateway, runner::Place};

#[test]
fn a_ready_child_serves_on_the_lane_that_the_gateway_is_given() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    assert_eq!(lane.get("/", ""), "hello");
    assert_eq!(lane.get("/pid", ""), lane.pid.to_string());
    link.expect(Kind::App, |f| f.header.code == 1);
}

#[test]
fn children_outlive_the_gateway_and_serve_the_next_one() {
    let place = Place::new();
    let socket = place.path("gateway.sock");
    let gateway = Gateway::listen(&socket);
    let _runner = place.start(&place.config());
    let mut first = gateway.accept();
    let mut lane = first.lane();
    assert_eq!(lane.get("/", ""), "hello");
    let (child, pid) = (lane.child, lane.pid);
    drop((gateway, first, lane));
    let gateway = Gateway::listen(&socket);
    let mut lane = gateway.accept().lane();
    assert_eq!((lane.child, lane.pid), (child, pid));
    assert_eq!(lane.get("/pid", ""), pid.to_string());
}

#[test]
fn a_child_that_works_for_a_dead_gateway_is_handed_over_when_it_is_free() {
    let place = Place::new();
    let socket = place.path("gateway.sock");
    let gateway = Gateway::listen(&socket);
    let _runner = place.start(&place.config());
    let mut first = gateway.accept();
    let mut lane = first.lane();
    let begun = Instant::now();
    lane.ask("/sleep", "2");
    first.expect_figure("busy", 1);
    let pid = lane.pid;
    drop((gateway, first, lane));
    let gateway = Gateway::listen(&socket);
    let mut lane = gateway.accept().lane();
    assert!(begun.elapsed() >= Duration::from_secs(2), "it looks free to the next one");
    assert_eq!(lane.get("/pid", ""), pid.to_string());
}

#[test]
fn what_a_child_does_for_a_dead_gateway_is_ended_when_there_is_another() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].grace = Duration::from_millis(400);
    let socket = place.path("gateway.sock");
    let gateway = Gateway::listen(&socket);
    let runner = place.start(&config);
    let mut first = gateway.accept();
    let mut lane = first.lane();
    lane.ask("/sleep", "1000");
    first.expect_figure("busy", 1);
    drop((gateway, first, lane));
    let gateway = Gateway::listen(&socket);
    let mut next = gateway.accept();
    let line = runner.logged("the end of the child", |line| line["message"] == "child ended");
    assert_eq!(line["reason"], "timeout");
    assert_eq!(next.lane().get("/", ""), "hello");
}

#[test]
fn nothing_counts_that_comes_behind_a_broken_rule() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut first = gateway.accept();
    first.lane();
    first.break_a_rule_and_stop();
    first.expect_end();
    assert_eq!(gateway.accept().lane().get("/", ""), "hello", "it has not stopped");
}

#[test]
fn waiting_jobs_bring_more_children_and_idleness_takes_them_away() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].children_max = 3;
    config.apps[0].idle_timeout = Duration::from_millis(500);
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&config);
    let mut link = gateway.accept();
    let mut first = link.lane();
    first.ask("/sleep", "1.5");
    link.expect_figure("busy", 1);
    link.demand(5);
    let (second, third) = (link.lane(), link.lane());
    assert_ne!(second.pid, third.pid);
    link.demand(0);
    assert_eq!(first.answer().unwrap().0, 200);
    link.expect(Kind::Retire, |_| true);
    link.expect(Kind::Retire, |_| true);
    link.expect_figures(&[("exit.stopped", 2), ("idle", 1)]);
}

#[test]
fn a_child_that_served_enough_is_replaced_before_it_goes() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].max_requests = 5;
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&config);
    let mut link = gateway.accept();
    let mut first = link.lane();
    for _ in 0..6 {
        first.get("/", "");
    }
    let mut second = link.lane();
    assert_eq!(second.get("/", ""), "hello");
    link.expect(Kind::Retire, |f| f.fields().unwrap().number(":child") == Some(first.child));
    link.expect_figure("exit.max_requests", 1);
}

#[test]
fn what_a_child_prints_is_logged_with_app_child_and_request() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    lane.get("/print", "this");
    let line = runner.logged("what was printed", |line| line["message"] == "printed this");
    assert_eq!((&line["app"], &line["stream"]), (&"shop".into(), &"stdout".into()));
    assert_eq!((&line["child"], &line["request_id"]), (&lane.child.into(), &"req-7".into()));
}

#[test]
fn a_child_has_its_own_environment_and_no_foreign_descriptors() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].env.insert("COLOUR".into(), "green".into());
    let leaked = std::fs::File::create(place.path("leaked")).unwrap();
    // A copy without close-on-exec, above the numbers that a child's own descriptors take.
    fcntl(&leaked, FcntlArg::F_DUPFD(50)).unwrap();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let runner = place.start(&config);
    let inherited = std::fs::read_dir(format!("/proc/{}/fd", runner.pid())).unwrap();
    let mut inherited = inherited.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    assert!(inherited.any(|path| path == place.path("leaked")), "the runner has it");
    let mut link = gateway.accept();
    let mut lane = link.lane();
    assert_eq!(lane.get("/env", "COLOUR"), "green");
    assert_eq!(lane.get("/env", "OSTLER_APP"), "shop");
    let fds = std::fs::read_dir(format!("/proc/{}/fd", lane.pid)).unwrap();
    let open: Vec<_> = fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok()).collect();
    assert!(!open.contains(&place.path("leaked")), "{open:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", lane.pid)).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"));
}

#[test]
fn only_root_may_run_children_as_another_user() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].user = Some("nobody".into());
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    if !nix::unistd::geteuid().is_root() {
        assert_eq!(place.start(&config).ended().code(), Some(69));
        return;
    }
    // An interpreter in root's home, as version managers keep it, is of no use to others.
    let pythons = ["/usr/bin/python3", "/usr/local/bin/python3"];
    config.apps[0].interpreter = pythons.map(PathBuf::from).into_iter().find(|p| p.exists());
    // The app's folder is everybody's, the state folder only root's.
    place.open_to_all();
    let _runner = place.start(&config);
    let uid = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid;
    let mut lane = gateway.accept().lane();
    assert_eq!(lane.get("/user", ""), format!("{uid} nobody"));
    let groups = std::fs::read_to_string(format!("/proc/{}/status", lane.pid)).unwrap();
    assert!(!groups.lines().any(|l| l.starts_with("Groups:") && l.contains("\t0 ")), "{groups}");
}
