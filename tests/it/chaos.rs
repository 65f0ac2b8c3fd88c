//! Processes killed at random moments while clients ask. Each seed is one history of kills; it is in the test's name.

use std::{collections::BTreeMap, fs};

use nix::sys::signal::Signal;
use ostler_tests::{
    App, End, Gateway, Load, Outcome, Remains, Rng, Setup, kill, own_address, pids_of, wait_for,
    wait_until,
};

const KILLS: u32 = 10;
const CHILDREN: u32 = 3;
const CLIENTS: usize = 8;

/// The system with everything that gateways which were killed have left.
struct World {
    app: App,
    door: String,
    gateway: Option<Gateway>,
    remains: Vec<Remains>,
    marks: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            app: App::new(),
            door: own_address().to_string(),
            gateway: None,
            remains: Vec::new(),
            marks: Vec::new(),
        };
        let gateway = world.setup().start();
        world.marks.push(gateway.mark().to_owned());
        world.door = gateway.http().to_string();
        world.gateway = Some(gateway);
        world
    }

    fn setup(&self) -> Setup {
        let setup = Setup::new(&self.app).children(CHILDREN).app_keys("grace = \"1s\"");
        setup.args(&["--http", &self.door])
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it is missing only while it is replaced")
    }

    /// The living processes whose command line contains a text.
    fn pids(&self, text: &str) -> Vec<u32> {
        let has = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
        };
        let pids = self.marks.iter().flat_map(|mark| pids_of(mark));
        pids.filter(has).collect()
    }

    fn kill_child(&self, rng: &mut Rng) -> &'static str {
        let children = self.pids("ostler: app ");
        if !children.is_empty() {
            kill(children[rng.index(children.len())]);
        }
        "child"
    }

    fn kill_runner(&self) -> &'static str {
        self.pids(" runner ").into_iter().for_each(kill);
        "runner"
    }

    fn replace_gateway(&mut self) -> &'static str {
        let (state, remains) = self.gateway.take().expect("there is one").crash();
        self.remains.push(remains);
        let gateway = self.setup().early().start_in(state);
        self.marks.push(gateway.mark().to_owned());
        self.gateway = Some(gateway);
        "gateway"
    }

    fn serving(&self) -> f64 {
        let count =
            |state: &str| self.gateway().metric("ostler_children", &[&format!("state={state:?}")]);
        count("idle") + count("busy")
    }

    /// Ends everything politely; nothing may be left of any of the gateways.
    fn end(mut self) {
        let mut gateway = self.gateway.take().expect("there is one");
        gateway.signal(Signal::SIGTERM);
        assert!(gateway.wait_exit().success(), "the end is not clean");
        wait_for("no process is left", || self.pids("").is_empty().then_some(()));
    }
}

/// An app whose children die one after the other is said to fail, which is no loss: the client may come again.
fn is_lost(outcome: &Outcome) -> bool {
    !outcome.is_ok() && !outcome.is_refused(503, "app_failed")
}

/// The requests that a kill costs at most: what the process had under way. A gateway has one of each client, and one more
/// that the socket let in while its process was dying.
fn cost(kill: &str) -> usize {
    match kill {
        "gateway" => 2 * CLIENTS,
        "runner" => CHILDREN as usize,
        _ => 1,
    }
}

fn survive(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World::new();
    let load = Load::start(world.gateway().http(), CLIENTS, "/sleep/1");
    let mut history = Vec::new();
    for _ in 0..KILLS {
        load.wait_more(5 + rng.index(60));
        history.push(match rng.index(10) {
            0..5 => world.kill_child(&mut rng),
            5..8 => world.kill_runner(),
            _ => world.replace_gateway(),
        });
    }
    load.wait_more(50);
    let outcomes = load.finish();
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for outcome in &outcomes {
        *ends.entry(format!("{:?}", outcome.end)).or_default() += 1;
        assert_ne!(outcome.end, End::Hung, "{outcome:?} after {history:?}");
    }
    let lost = outcomes.iter().filter(|outcome| is_lost(outcome)).count();
    let cost: usize = history.iter().map(|&kill| cost(kill)).sum();
    assert!(lost <= cost, "{lost} lost by {history:?}: {ends:?}");
    wait_until(&format!("all is ready again after {history:?}"), || {
        world.gateway().api("/readyz").status == 200 && world.serving() == f64::from(CHILDREN)
    });
    Load::start(world.gateway().http(), 4, "/after").finish_without_failure();
    assert_eq!(world.gateway().get("/after").status, 200);
    world.end();
}

#[test]
fn every_request_ends_and_all_recovers_seed_1() {
    survive(1);
}

#[test]
fn every_request_ends_and_all_recovers_seed_2() {
    survive(2);
}

#[test]
fn every_request_ends_and_all_recovers_seed_3() {
    survive(3);
}
