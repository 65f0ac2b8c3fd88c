//! Apps that cannot be started, and what is said about them.

use std::{fs, time::Duration};

use ostler_wire::{Frame, Kind};

use crate::{
    gateway::Gateway,
    runner::{APP, Place},
};

fn text(frame: &Frame, name: &str) -> String {
    frame.fields().unwrap().text(name).unwrap_or_default().to_owned()
}

#[test]
fn an_app_that_cannot_boot_is_reported_and_recovers_when_it_is_mended() {
    let place = Place::new();
    place.write_app("import sys\nprint('last words', file=sys.stderr)\nimport no_such_thing\n");
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut link = gateway.accept();
    let failed = link.expect(Kind::App, |f| f.header.code == 2);
    assert_eq!(text(&failed, ":class"), "ModuleNotFoundError");
    assert!(text(&failed, ":message").contains("no_such_thing"));
    assert!(text(&failed, ":stderr").contains("last words"));
    assert!(String::from_utf8_lossy(&failed.body).contains("shop.py"));
    place.write_app(APP);
    assert_eq!(link.lane().get("/", ""), "hello");
    link.expect(Kind::App, |f| f.header.code == 1 && text(f, ":message").is_empty());
}

#[test]
fn a_mended_app_does_not_wait_for_the_end_of_a_long_pause() {
    let place = Place::new();
    place.write_app("import no_such_thing\n");
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut link = gateway.accept();
    // After the sixth failure the pause is 6 to 8 seconds. Each has its own time.
    for failures in 1..=6 {
        let failed = |f: &Frame| f.fields().unwrap().number("exit.boot_failed");
        link.expect(Kind::State, |f| failed(f) >= Some(failures));
    }
    place.write_app(APP);
    let mended = now_s();
    // When it began, and not when it was ready: that takes as long as the machine likes.
    let waited = began_s(link.lane().pid) - mended;
    assert!(waited < 5.0, "{waited} s");
}

/// Seconds since the machine started.
fn now_s() -> f64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    uptime.split(' ').next().unwrap().parse().unwrap()
}

/// When a process began, on the same clock.
fn began_s(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which may hold blanks, the twentieth word; Linux tells it in hundredths.
    let (_, words) = stat.rsplit_once(')').unwrap();
    words.split_whitespace().nth(19).unwrap().parse::<f64>().unwrap() / 100.0
}

#[test]
fn a_child_that_hangs_while_it_boots_is_ended_in_time() {
    let place = Place::new();
    place.write_app("import time\ntime.sleep(1000)\n");
    let mut config = place.config();
    config.apps[0].boot_timeout = Duration::from_secs(3);
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&config);
    // On a busy host it may take more than one try to come that far.
    let hangs = |f: &Frame| String::from_utf8_lossy(&f.body).contains("time.sleep(1000)");
    let failed = gateway.accept().expect(Kind::App, |f| f.header.code == 2 && hangs(f));
    assert!(text(&failed, ":message").contains("not ready within 3.0 s"), "{failed:?}");
}

#[test]
fn a_launch_that_fails_names_the_step_and_the_thing() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].rlimits.insert("nofile".into(), u64::MAX - 1);
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&config);
    let failed = gateway.accept().expect(Kind::App, |f| f.header.code == 2);
    assert_eq!(text(&failed, ":stage"), "rlimits");
    assert!(text(&failed, ":message").contains("nofile"));
}

#[test]
fn what_can_be_known_before_the_start_ends_the_runner_with_one_sentence() {
    let place = Place::new();
    let mut config = place.config();
    config.apps[0].root = place.path("nowhere");
    assert_eq!(place.start(&config).ended().code(), Some(69));
    config.apps[0].root = place.path("app");
    config.apps[0].interpreter = Some("no-such-python".into());
    assert_eq!(place.start(&config).ended().code(), Some(69));
    config.apps[0].children_max = 0;
    assert_eq!(place.start(&config).ended().code(), Some(64));
}
