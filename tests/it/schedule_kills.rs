//! Schedules that fire every second while their gateway is killed at random moments: each moment was decided once, each firing is one
//! job, and each job was done. `OSTLER_SCHEDULE_KILLS` asks for another number of kills.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    thread,
    time::Duration,
};

use ostler_tests::{Api, Gateway, Remains, Rng, Setup, own_address, wait_for};
use serde_json::{Value, json};

const KILLS: usize = 10;
/// Each with what becomes of what it missed, and of what is still running.
const SCHEDULES: [(&str, &str, &str); 5] = [
    ("all-allow", "all", "allow"),
    ("all-queue", "all", "queue_all"),
    ("one-skip", "one", "skip"),
    ("skip-replace", "skip", "replace"),
    ("one-queue", "one", "queue_one"),
];

fn kills() -> usize {
    let asked = env::var("OSTLER_SCHEDULE_KILLS").ok();
    asked.map_or(KILLS, |text| text.parse().expect("OSTLER_SCHEDULE_KILLS is a number"))
}

struct World {
    door: String,
    gateway: Option<Gateway>,
    remains: Vec<Remains>,
}

impl World {
    fn start() -> (Self, Api) {
        let mut world =
            Self { door: own_address().to_string(), gateway: None, remains: Vec::new() };
        let gateway = world.setup().start();
        let api = Api::of(&gateway);
        (world.door, world.gateway) = (gateway.api_address().to_string(), Some(gateway));
        (world, api)
    }

    fn setup(&self) -> Setup {
        let slots = "[runner]\njob_slots = 16\n";
        Setup::bare().more(slots).args(&["--no-app", "--api", &self.door])
    }

    fn crash(&mut self, away: Duration) {
        let (state, remains) = self.gateway.take().expect("there is one").crash();
        self.remains.push(remains);
        thread::sleep(away);
        self.gateway = Some(self.setup().early().start_in(state));
    }
}

/// All firings of a schedule, the earliest first.
fn firings(api: &Api, name: &str) -> Vec<Value> {
    let (mut all, mut before): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/schedules/{name}/firings?limit=500{before}");
        let page = api.get(&path).json();
        let page = page["firings"].as_array().expect("a list of firings").clone();
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["due"].as_str().expect("it has a moment"));
        all.extend(page);
    }
    all.reverse();
    all
}

/// Seconds of a day.
fn second(moment: &Value) -> u64 {
    let text = moment.as_str().expect("it is a moment");
    let part = |at: usize| text[at..at + 2].parse::<u64>().expect("it is a number");
    assert!(text.ends_with(":00.000Z") || text[17..].len() >= 7, "{text}");
    part(11) * 3600 + part(14) * 60 + part(17)
}

/// Every second has one row, and each that fired its job. Answers the jobs.
fn check_rows(name: &str, rows: &[Value]) -> BTreeSet<u64> {
    let mut jobs = BTreeSet::new();
    let mut next = second(&rows[0]["due"]);
    for row in rows {
        assert_eq!(
            second(&row["due"]),
            next % 86_400,
            "{name}: a moment is not there, or twice: {row}"
        );
        next += row["count"].as_u64().expect("it is counted");
        assert_eq!((second(&row["last"]) + 1) % 86_400, next % 86_400, "{row}");
        assert_eq!(row["fate"] == "fired", row["job"].is_u64(), "{row}");
        let job = row["job"].as_u64();
        assert!(job.is_none_or(|job| jobs.insert(job)), "a job is one firing: {row}");
    }
    jobs
}

/// How often each job ran.
fn runs(folder: &Path) -> BTreeMap<u64, usize> {
    let text = fs::read_to_string(folder.join("runs")).expect("some have run");
    let mut runs = BTreeMap::new();
    for line in text.lines() {
        *runs.entry(line.parse().expect("a job's id")).or_default() += 1;
    }
    runs
}

#[test]
fn each_moment_is_decided_once_and_each_firing_done_however_often_the_gateway_is_killed() {
    let mut rng = Rng::new(7);
    let (mut world, api) = World::start();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, missed, overlap) in SCHEDULES {
        let missed = match missed {
            "all" => json!({ "limit": 10_000, "window": "1h" }),
            other => json!(other),
        };
        let script = format!("echo $OSTLER_JOB >> {}", folder.path().join("runs").display());
        let body = json!({
            "cron": "* * * * * *", "zone": "UTC", "missed": missed, "overlap": overlap,
            "job": { "command": script, "tags": [name] },
        });
        let put = api.put(&format!("/v1/schedules/{name}"), &body);
        assert_eq!(put.status, 201, "{}", put.text());
    }
    for _ in 0..kills() {
        thread::sleep(Duration::from_millis(rng.between(20, 1_500)));
        let away = if rng.one_in(3) { rng.between(1, 3_000) } else { 0 };
        world.crash(Duration::from_millis(away));
    }
    thread::sleep(Duration::from_secs(2));
    for (name, ..) in SCHEDULES {
        let paused = api.request("POST", &format!("/v1/schedules/{name}/pause"), "", b"");
        assert_eq!(paused.status, 200, "{}", paused.text());
    }
    wait_for("all are done", || api.list("state=unfinished").is_empty().then_some(()));
    let runs = runs(folder.path());
    for (name, missed, _) in SCHEDULES {
        let rows = firings(&api, name);
        let jobs = check_rows(name, &rows);
        let listed: BTreeSet<u64> = api.list(&format!("schedule={name}")).into_keys().collect();
        assert_eq!(listed, jobs, "the jobs of {name} are its firings");
        if missed == "all" {
            let missed = rows.iter().filter(|row| row["fate"] == "missed").count();
            assert_eq!(missed, 0, "{name} misses nothing");
        }
        for (job, record) in api.list(&format!("schedule={name}")) {
            if record["state"] == "cancelled" {
                // Another has replaced it.
                continue;
            }
            assert_eq!(record["state"], "succeeded", "{record}");
            let count = runs.get(&job).copied().unwrap_or(0);
            let most = record["attempts"].as_u64().expect("it is counted") as usize;
            assert!((1..=most).contains(&count), "job {job} ran {count} times: {record}");
        }
    }
}
