//! Durable jobs while the gateway, the runner, launches and jobs are killed at random moments: what was acknowledged is not
//! lost, and nothing finishes twice. Each seed is one history of kills. `make soak` asks for more of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use ostler_tests::{
    Api, Gateway, Remains, Rng, Setup, all_pids, command_of, has_mark, is_alive, own_address,
    parent_of, run_python, wait_for,
};
use serde_json::{Value, json};

/// Kills of each seed in the suite; five seeds make 200.
const KILLS: usize = 40;
/// Jobs that wait at most, so that the end is near when the load stops.
const WAITING_MAX: u64 = 200;

/// What clients were told, and nothing else: ids whose submit was answered.
type Acknowledged = BTreeSet<u64>;

/// Holds what was acknowledged against what the gateway says at the end.
fn check(
    acknowledged: &Acknowledged,
    jobs: &BTreeMap<u64, Value>,
    finishes: &[u64],
) -> Result<(), String> {
    let lost: Vec<_> = acknowledged.iter().filter(|id| !jobs.contains_key(id)).collect();
    if !lost.is_empty() {
        return Err(format!("acknowledged and lost: {lost:?}"));
    }
    let open: Vec<_> = jobs.values().filter(|job| job["finished_at"].is_null()).collect();
    if !open.is_empty() {
        return Err(format!("never finished: {open:?}"));
    }
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = finishes.iter().filter(|id| !seen.insert(**id)).collect();
    if !twice.is_empty() {
        return Err(format!("finished twice: {twice:?}"));
    }
    let unseen: Vec<_> = acknowledged.iter().filter(|id| !seen.contains(id)).collect();
    if !unseen.is_empty() {
        return Err(format!("finished without an event: {unseen:?}"));
    }
    let mut tags = BTreeSet::new();
    let again: Vec<_> = jobs.values().filter(|job| !tags.insert(job["tags"].to_string())).collect();
    if again.iter().any(|job| job["tags"][0].is_string()) {
        return Err(format!("taken twice for one idempotency key: {again:?}"));
    }
    Ok(())
}

/// What a submitter and its test share.
#[derive(Default)]
struct Submitting {
    stop: AtomicBool,
    acknowledged: Mutex<Acknowledged>,
}

impl Submitting {
    fn acknowledged(&self) -> MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().expect("nobody panics while it holds the ids")
    }
}

/// Submits jobs until it is stopped; the gateway may be away at any time.
struct Submitter {
    shared: Arc<Submitting>,
    thread: JoinHandle<()>,
}

impl Submitter {
    fn start(api: Api, seed: u64) -> Self {
        let shared = Arc::new(Submitting::default());
        let told = shared.clone();
        let thread = thread::spawn(move || {
            let mut rng = Rng::new(seed ^ 0xabcd);
            let numbers = 1..;
            for number in numbers.take_while(|_| !told.stop.load(Ordering::Relaxed)) {
                submit(&api, &mut rng, number, &told);
            }
        });
        Self { shared, thread }
    }

    fn count(&self) -> usize {
        self.shared.acknowledged().len()
    }

    fn finish(self) -> Acknowledged {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the submitter does not panic");
        std::mem::take(&mut *self.shared.acknowledged())
    }
}

/// A batch of jobs: some write, some leave a process behind, all may be tried again. Asked until it is answered; its
/// idempotency key sees to it that it is taken once.
fn submit(api: &Api, rng: &mut Rng, number: usize, told: &Submitting) {
    let lines: String = (0..1 + rng.index(8)).map(|at| job(api, rng, number, at)).collect();
    let head = format!("Content-Type: application/x-ndjson\r\nIdempotency-Key: batch-{number}\r\n");
    while !told.stop.load(Ordering::Relaxed) {
        let answer = api.try_request("POST", "/v1/jobs", &head, lines.as_bytes());
        let Some(answer) = answer.filter(|answer| answer.status < 300) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let text = answer.text();
        let ids = text.lines().filter_map(|line| {
            serde_json::from_str::<Value>(line).ok().and_then(|line| line["id"].as_u64())
        });
        told.acknowledged().extend(ids);
        break;
    }
    while !told.stop.load(Ordering::Relaxed) && is_full(api) {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether so many wait that more would only put the end off.
fn is_full(api: &Api) -> bool {
    let status = api.try_request("GET", "/v1/status", "", &[]);
    let waiting = status.and_then(|answer| answer.json()["jobs"]["pending"].as_u64());
    waiting.is_some_and(|waiting| waiting > WAITING_MAX)
}

fn job(api: &Api, rng: &mut Rng, number: usize, at: usize) -> String {
    let command = match rng.index(4) {
        0 => "true".to_owned(),
        1 => "echo done".to_owned(),
        2 => format!("sleep 0.0{}; echo slept", rng.index(10)),
        _ => "setsid sleep 60 & sleep 0.01".to_owned(),
    };
    let job = json!({
        "command": command,
        "tags": [format!("{number}.{at}")],
        "retry": { "attempts": 100, "delay": "10ms", "backoff": "constant" },
    });
    format!("{}\n", api.marked(&job))
}

/// The system with everything that gateways which were killed have left.
struct World {
    door: String,
    gateway: Option<Gateway>,
    remains: Vec<Remains>,
    marks: Vec<String>,
}

impl World {
    fn new() -> Self {
        let door = own_address().to_string();
        let mut world = Self { door, gateway: None, remains: Vec::new(), marks: Vec::new() };
        world.enter(world.setup().start());
        world.door = world.gateway().api_address().to_string();
        world
    }

    /// Four slots whatever the machine has, and a fixed door for the submitter.
    fn setup(&self) -> Setup {
        let slots = "[runner]\njob_slots = 4\n";
        Setup::bare().more(slots).args(&["--no-app", "--api", &self.door])
    }

    fn enter(&mut self, gateway: Gateway) {
        self.marks.push(gateway.mark().to_owned());
        self.gateway = Some(gateway);
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it is missing only while it is replaced")
    }

    /// Whether a process of this world lives and its command line contains, or does not contain, a text.
    fn is_ours(&self, pid: u32, text: &str, has: bool) -> bool {
        has_mark(pid, &self.marks) && is_alive(pid) && command_of(pid).contains(text) == has
    }

    fn is_runner(&self, pid: u32) -> bool {
        self.is_ours(pid, " runner ", true)
    }

    /// Whether it is the supervisor of a job: it has no environment, but a runner of this world as its parent.
    fn is_launch(&self, pid: u32) -> bool {
        command_of(pid).contains("launch")
            && is_alive(pid)
            && parent_of(pid).is_some_and(|parent| self.is_runner(parent))
    }

    /// Kills one process of a kind as soon as there is one. A job lives for some milliseconds, so who is found is killed
    /// before the next is looked at; the search begins anywhere, so that nobody is spared.
    fn kill_one(&self, what: &str, rng: &mut Rng, is: impl Fn(&Self, u32) -> bool) {
        wait_for(&format!("a {what} to kill"), || {
            let mut pids = all_pids();
            let first = rng.index(pids.len().max(1)).min(pids.len());
            pids.rotate_left(first);
            pids.into_iter().filter(|pid| is(self, *pid)).find_map(|pid| {
                let pid = Pid::from_raw(i32::try_from(pid).expect("a process id fits"));
                signal::kill(pid, Signal::SIGKILL).ok()
            })
        });
    }

    fn strike(&mut self, rng: &mut Rng) -> &'static str {
        match rng.index(20) {
            0..7 => {
                self.kill_one("job", rng, |world, pid| world.is_ours(pid, "ostler", false));
                "job"
            }
            7..14 => {
                self.kill_one("launch", rng, Self::is_launch);
                "launch"
            }
            14..17 => {
                self.kill_one("runner", rng, Self::is_runner);
                "runner"
            }
            _ => {
                let (state, remains) = self.gateway.take().expect("there is one").crash();
                self.remains.push(remains);
                let gateway = self.setup().early().start_in(state);
                self.enter(gateway);
                "gateway"
            }
        }
    }

    /// Ends everything politely; nothing may be left.
    fn end(mut self) {
        let mut gateway = self.gateway.take().expect("there is one");
        gateway.terminate();
        assert!(gateway.wait_exit().success(), "the end is not clean");
        wait_for("no process is left", || {
            (!all_pids().into_iter().any(|pid| self.is_ours(pid, "", true))).then_some(())
        });
    }
}

/// Which jobs finished, one entry for each `finished` event.
fn finishes(api: &Api) -> Vec<u64> {
    let mut after = 0;
    let mut finished = Vec::new();
    loop {
        let answer = api.get(&format!("/v1/events?after={after}&follow=false"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let events: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
            .collect();
        let Some(last) = events.last() else { return finished };
        after = last["seq"].as_u64().expect("an event has a number");
        let ids = events.iter().filter(|event| event["kind"] == "finished");
        finished.extend(ids.filter_map(|event| event["job"].as_u64()));
    }
}

fn kills() -> usize {
    let asked = env::var("OSTLER_SOAK_KILLS").ok();
    asked.map_or(KILLS, |text| text.parse().expect("OSTLER_SOAK_KILLS is a number"))
}

fn survive(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World::new();
    let api = Api::of(world.gateway());
    let submitter = Submitter::start(api.clone(), seed);
    let mut history: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..kills() {
        let before = submitter.count();
        // Load between two kills, and room for chance.
        wait_for("jobs are taken, or enough wait", || {
            (submitter.count() > before || is_full(&api)).then_some(())
        });
        thread::sleep(Duration::from_millis(20 + rng.index(120) as u64));
        *history.entry(world.strike(&mut rng)).or_default() += 1;
    }
    let acknowledged = submitter.finish();
    let begin = Instant::now();
    while !api.list("state=unfinished").is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "seed {seed}, {history:?}: these do not finish: {:?}",
            api.list("state=unfinished")
        );
        thread::sleep(Duration::from_millis(50));
    }
    let verdict = check(&acknowledged, &api.list(""), &finishes(&api));
    verdict.unwrap_or_else(|broken| panic!("seed {seed}, {history:?}: {broken}"));
    assert!(acknowledged.len() > kills(), "hardly anything was asked: {}", acknowledged.len());
    world.end();
}

#[test]
fn nothing_acknowledged_is_lost_or_finished_twice_seed_1() {
    survive(1);
}

#[test]
fn nothing_acknowledged_is_lost_or_finished_twice_seed_2() {
    survive(2);
}

#[test]
fn nothing_acknowledged_is_lost_or_finished_twice_seed_3() {
    survive(3);
}

#[test]
fn nothing_acknowledged_is_lost_or_finished_twice_seed_4() {
    survive(4);
}

#[test]
fn nothing_acknowledged_is_lost_or_finished_twice_seed_5() {
    survive(5);
}

#[test]
fn the_checker_notices_a_store_that_forgets() {
    let mut world = World::new();
    let api = Api::of(world.gateway());
    let acknowledged: Acknowledged = (0..5).map(|_| api.run("true")).collect();
    acknowledged.iter().for_each(|id| drop(api.wait_finished(*id)));
    assert_eq!(check(&acknowledged, &api.list(""), &finishes(&api)), Ok(()));
    let (state, remains) = world.gateway.take().unwrap().crash();
    world.remains.push(remains);
    let forgotten = acknowledged.first().unwrap();
    let script = format!(
        "import sqlite3; db = sqlite3.connect({:?}); db.execute('delete from job where id = {forgotten}'); db.commit()",
        state.path().join("jobs.db")
    );
    run_python(&script);
    let gateway = world.setup().early().start_in(state);
    world.enter(gateway);
    let verdict = check(&acknowledged, &api.list(""), &finishes(&api));
    assert_eq!(verdict, Err(format!("acknowledged and lost: [{forgotten}]")));
    world.end();
}

#[test]
fn the_checker_notices_a_second_finish() {
    let acknowledged: Acknowledged = [1].into();
    let jobs = BTreeMap::from([(1, json!({ "finished_at": "2026-01-01T00:00:00.000Z" }))]);
    assert_eq!(check(&acknowledged, &jobs, &[1]), Ok(()));
    assert_eq!(check(&acknowledged, &jobs, &[1, 1]), Err("finished twice: [1]".into()));
    assert!(check(&acknowledged, &jobs, &[]).is_err());
}
