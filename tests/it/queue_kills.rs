//! Queues while their gateway is killed at random moments: after each start every queue and job is as what was acknowledged left it,
//! or, of what was not answered, as it was before or after. No job is lost, and none is done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use ostler_tests::{Api, Gateway, Remains, Response, Rng, Setup, own_address, wait_for};
use serde_json::{Value, json};

/// Times that the gateway is killed.
const KILLS: usize = 8;
const JOBS: usize = 60;
/// What waits in these is moved about; the first two are above others now and then.
const QUEUES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What a client knows of a queue.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shape {
    weight: u64,
    parent: Option<String>,
    attach: bool,
    is_paused: bool,
    is_drained: bool,
}

/// Every queue, and in which each job is.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    queues: BTreeMap<String, Shape>,
    jobs: BTreeMap<u64, String>,
}

impl State {
    /// As the gateway tells it.
    fn of(api: &Api) -> Self {
        let listed = api.get("/v1/queues").json();
        let mut state = Self::default();
        for it in listed["queues"].as_array().expect("a list of queues") {
            let name = it["name"].as_str().expect("a queue has a name").to_owned();
            let shape = Shape {
                weight: it["weight"].as_u64().expect("a queue has a weight"),
                parent: it["parent"].as_str().map(str::to_owned),
                attach: it["attach"].as_array().is_some_and(|it| !it.is_empty()),
                is_paused: !it["paused"].is_null(),
                is_drained: !it["drained"].is_null(),
            };
            state.queues.insert(name, shape);
        }
        for (id, job) in api.list("") {
            assert!(job["finished_at"].is_null(), "nothing has run yet: {job}");
            state.jobs.insert(id, job["queue"].as_str().expect("it is in one").to_owned());
        }
        state
    }
}

/// What somebody does to queues.
#[derive(Clone, Debug)]
enum Deed {
    Put { name: &'static str, weight: u64, parent: Option<&'static str> },
    Verb { name: &'static str, verb: &'static str },
    Move { jobs: Vec<u64>, to: &'static str },
    Delete { name: &'static str, to: &'static str },
}

impl Deed {
    fn any(rng: &mut Rng, jobs: &[u64]) -> Self {
        let mut one = || QUEUES[rng.index(QUEUES.len())];
        let (name, to) = (one(), one());
        match rng.below(10) {
            0..4 => {
                let is_below = name > "b" && rng.one_in(2);
                let parent = is_below.then(|| QUEUES[rng.index(2)]);
                Self::Put { name, weight: rng.between(1, 9), parent }
            }
            4..7 => {
                let verbs = ["pause", "drain", "resume", "resume", "attach", "detach"];
                Self::Verb { name, verb: verbs[rng.index(verbs.len())] }
            }
            7..9 => {
                let jobs = (0..6).map(|_| jobs[rng.index(jobs.len())]).collect();
                Self::Move { jobs, to }
            }
            _ => Self::Delete { name, to },
        }
    }

    fn ask(&self, api: &Api) -> Option<Response> {
        const JSON: &str = "Content-Type: application/json\r\n";
        let (method, path, body) = match self {
            Self::Put { name, weight, parent } => {
                let body = json!({ "weight": weight, "parent": parent });
                ("PUT", format!("/v1/queues/{name}"), body.to_string())
            }
            Self::Verb { name, verb } if verb.ends_with("tach") => {
                let body = match *verb {
                    "attach" => json!({ "selectors": ["gpu=none"] }),
                    _ => json!({ "all": true }),
                };
                ("POST", format!("/v1/queues/{name}/{verb}"), body.to_string())
            }
            Self::Verb { name, verb } => {
                return api.try_request("POST", &format!("/v1/queues/{name}/{verb}"), "", b"");
            }
            Self::Move { jobs, to } => {
                let body = json!({ "action": "move", "queue": to, "ids": jobs });
                ("POST", "/v1/jobs/actions".to_owned(), body.to_string())
            }
            Self::Delete { name, to } => {
                let path = format!("/v1/queues/{name}?move_to={to}");
                return api.try_request("DELETE", &path, "", b"");
            }
        };
        api.try_request(method, &path, JSON, body.as_bytes())
    }

    /// What it makes of a state, when it is answered with success.
    fn done(&self, state: &mut State) {
        match self {
            Self::Put { name, weight, parent } => {
                let old = state.queues.get(*name).cloned().unwrap_or_default();
                // A shape is put as a whole.
                let parent = parent.map(str::to_owned);
                let shape = Shape { weight: *weight, parent, attach: false, ..old };
                state.queues.insert((*name).to_owned(), shape);
            }
            Self::Verb { name, verb } => {
                let Some(queue) = state.queues.get_mut(*name) else { return };
                match *verb {
                    "pause" => queue.is_paused = true,
                    "drain" => queue.is_drained = true,
                    "attach" => queue.attach = true,
                    "detach" => queue.attach = false,
                    _ => (queue.is_paused, queue.is_drained) = (false, false),
                }
            }
            Self::Move { jobs, to } => {
                for id in jobs {
                    state.jobs.insert(*id, (*to).to_owned());
                }
            }
            Self::Delete { name, to } => {
                state.queues.remove(*name);
                for queue in state.jobs.values_mut().filter(|it| it == name) {
                    *queue = (*to).to_owned();
                }
            }
        }
    }

    /// Whether a state is one that it may have left when the gateway was killed: before it, after it, or, of one that takes
    /// several steps, with some of them done.
    fn may_have_left(&self, before: &State, now: &State) -> bool {
        let mut after = before.clone();
        self.done(&mut after);
        if now == before || *now == after {
            return true;
        }
        let Self::Delete { name, to } = self else { return false };
        let mut begun = before.clone();
        for (id, queue) in &mut begun.jobs {
            if queue == name && now.jobs.get(id).is_some_and(|it| it == to) {
                *queue = (*to).to_owned();
            }
        }
        if let (Some(queue), Some(is)) = (begun.queues.get_mut(*name), now.queues.get(*name)) {
            (queue.is_paused, queue.is_drained) = (true, is.is_drained);
        }
        begun == *now
    }
}

/// The gateway, and what gateways that were killed have left.
struct World {
    door: String,
    gateway: Option<Gateway>,
    remains: Vec<Remains>,
}

impl World {
    fn setup(&self) -> Setup {
        let slots = "[runner]\njob_slots = 4\n";
        Setup::bare().more(slots).args(&["--no-app", "--api", &self.door])
    }

    fn crash(&mut self) {
        let (state, remains) = self.gateway.take().expect("there is one").crash();
        self.remains.push(remains);
        self.gateway = Some(self.setup().early().start_in(state));
    }
}

/// Deeds one after the other until one is not answered: what was acknowledged, and that one.
fn meddle(api: &Api, mut rng: Rng, jobs: &[u64], mut state: State) -> (State, Option<Deed>) {
    for _ in 0..400 {
        let deed = Deed::any(&mut rng, jobs);
        let Some(answer) = deed.ask(api) else { return (state, Some(deed)) };
        let is_move = matches!(deed, Deed::Move { .. });
        let is_whole = answer.status < 300 && (!is_move || answer.json()["left"] == 0);
        if is_whole {
            deed.done(&mut state);
        } else if answer.status == 503 {
            return (state, Some(deed));
        } else if matches!(deed, Deed::Delete { .. }) {
            // What was begun of it is told by nobody but the gateway, unless that is gone as well.
            return (state, Some(deed));
        }
    }
    (state, None)
}

/// Which jobs finished, one entry for each event of it.
fn finishes(api: &Api) -> Vec<u64> {
    let mut finished = Vec::new();
    let mut after = 0;
    loop {
        let text = api.get(&format!("/v1/events?after={after}&follow=false")).text();
        let events: Vec<Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
            .collect();
        let Some(last) = events.last() else { return finished };
        after = last["seq"].as_u64().expect("an event has a number");
        let ended = events.iter().filter(|it| it["kind"] == "finished");
        finished.extend(ended.filter_map(|it| it["job"].as_u64()));
    }
}

#[test]
fn queues_and_their_jobs_are_as_they_were_acknowledged_however_often_the_gateway_is_killed() {
    let mut rng = Rng::new(5);
    let door = own_address().to_string();
    let mut world = World { door, gateway: None, remains: Vec::new() };
    world.gateway = Some(world.setup().start());
    let api = Api::of(world.gateway.as_ref().expect("it was started"));
    world.door = world.gateway.as_ref().expect("it was started").api_address().to_string();
    let job =
        json!({ "command": "true", "paused": true, "retry": { "attempts": 9, "delay": "10ms" } });
    let ids = api.submit_all(&vec![job; JOBS]);
    for round in 0..KILLS {
        let before = State::of(&api);
        let (its, seed, jobs) = (api.clone(), Rng::new(rng.next()), ids.clone());
        let meddler = thread::spawn(move || meddle(&its, seed, &jobs, before));
        thread::sleep(Duration::from_millis(rng.between(1, 250)));
        world.crash();
        let (known, open) = meddler.join().expect("it does not panic");
        let now = State::of(&api);
        let is_right = match &open {
            Some(deed) => deed.may_have_left(&known, &now),
            None => known == now,
        };
        assert!(is_right, "round {round}, open {open:?}:\nknown {known:#?}\nnow {now:#?}");
        assert_eq!(now.jobs.keys().copied().collect::<Vec<_>>(), ids, "none is lost or doubled");
    }
    // All go on, and each is done once.
    for name in State::of(&api).queues.keys() {
        api.request("POST", &format!("/v1/queues/{name}/resume"), "", b"");
        api.post(&format!("/v1/queues/{name}/detach"), &json!({ "all": true }));
    }
    let resumed = api.post("/v1/jobs/actions", &json!({ "action": "resume", "filter": {} }));
    assert_eq!(resumed.json()["done"], JOBS, "{}", resumed.text());
    wait_for("all are done", || api.list("state=unfinished").is_empty().then_some(()));
    let finished = finishes(&api);
    assert_eq!(finished.len(), JOBS);
    assert_eq!(finished.into_iter().collect::<BTreeSet<_>>().len(), JOBS, "each once");
    assert!(api.list("").values().all(|job| job["state"] == "succeeded"));
}
