//! Many repositories with operations that must not meet, on runners that are killed: the order of each is kept, no two operations
//! are at one repository, and all are done. `OSTLER_PULP_REPOS` asks for other numbers of repositories.

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use ostler_tests::{Api, Gateway, Rng, Runner, Setup, create_token};
use serde_json::{Value, json};

const REPOS: usize = 500;
const OPERATIONS: usize = 20;
const RUNNERS: usize = 8;
const SLOTS: u32 = 2;
/// All of it takes a minute with two processors to itself; beside other tests it takes longer.
const TIME_MAX: Duration = Duration::from_secs(210);

/// An operation at a repository. It makes the repository's lock, which must not be there, and removes it. What an attempt left
/// that was killed with its runner is taken over by the next attempt of the same operation, when the process that made it is gone.
/// The lock is a link, which is there with its holder's name or not at all: one that was empty would have to be waited for, and
/// who waits is killed again.
const OPERATION: &str = r#"
cd "$1" || exit 90
repo=$2 op=$3 lock=lock.$2
read -r stat < /proc/self/stat
set -- $stat
me="$OSTLER_JOB $1 ${22}"
tries=0
until ln -sn "$me" "$lock" 2> /dev/null; do
    holder=$(readlink "$lock")
    set -- $holder
    if [ -n "$1" ] && [ "$1" != "$OSTLER_JOB" ]; then
        echo "repo $repo: job $OSTLER_JOB beside job $1" >> violations
        exit 91
    fi
    stat= pid=$2 start=$3
    [ -n "$pid" ] && { read -r stat < "/proc/$pid/stat"; } 2> /dev/null
    set -- $stat
    if [ "$3" = Z ] || [ "${22}" != "$start" ]; then
        ln -sfn "$me" "$lock"
        break
    fi
    tries=$((tries + 1))
    [ $tries = 200 ] && echo "repo $repo: $holder is still there" >> violations
    sleep 0.05
done
echo "$op $OSTLER_FENCE start" >> "log.$repo"
echo "$op $OSTLER_FENCE end" >> "log.$repo"
rm -f "$lock"
"#;

fn repos() -> usize {
    let asked = env::var("OSTLER_PULP_REPOS").ok();
    asked.map_or(REPOS, |text| text.parse().expect("OSTLER_PULP_REPOS is a number"))
}

/// The operation of a repository, by a serial key or a resource of its own; some share what one needs for itself.
fn operation(folder: &Path, repo: usize, number: usize) -> Value {
    let script = folder.join("operation.sh");
    let mut job = json!({
        "argv": ["/bin/sh", script, folder, repo.to_string(), number.to_string()],
        "tags": [format!("repo-{repo}")],
        "retry": { "attempts": 5, "delay": "10ms", "backoff": "constant" },
    });
    let own = format!("repo:{repo}");
    match (repo % 2, repo % 7) {
        (0, 0) => job["resources"] = json!({ own: "exclusive", "cache": "shared" }),
        (0, _) => job["resources"] = json!({ own: "exclusive" }),
        (_, 0) => {
            job["serial"] = json!(own);
            job["resources"] = json!({ "cache": "shared" });
        }
        (_, _) => job["serial"] = json!(own),
    }
    if repo == 1 && number == OPERATIONS / 2 {
        job["resources"] = json!({ "cache": "exclusive" });
    }
    job
}

/// Jobs that have not ended well, by state.
fn left(api: &Api) -> BTreeMap<String, u64> {
    let counts = api.get("/v1/jobs/counts?by=state").json();
    let groups = counts["groups"].as_array().expect("counts have groups").clone();
    let count =
        |group: &Value| Some((group["state"].as_str()?.to_owned(), group["jobs"].as_u64()?));
    groups.iter().filter_map(count).filter(|(state, _)| state != "succeeded").collect()
}

/// What the operations of a repository wrote: each after the one before it, some more than once.
fn check_log(folder: &Path, repo: usize) -> Result<(), String> {
    let text =
        fs::read_to_string(folder.join(format!("log.{repo}"))).map_err(|it| it.to_string())?;
    let mut last = 0;
    for line in text.lines() {
        let number: usize = line.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        if number != last && number != last + 1 {
            return Err(format!("repo {repo}: {number} comes after {last}:\n{text}"));
        }
        last = number;
    }
    if last == OPERATIONS { Ok(()) } else { Err(format!("repo {repo} ends with {last}:\n{text}")) }
}

/// By the records: an operation starts when the one before it has ended.
fn check_records(jobs: &BTreeMap<u64, Value>) {
    let mut last: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for (id, job) in jobs {
        assert_eq!(job["state"], "succeeded", "{job}");
        let moment = |name: &str| job[name].as_str().expect("it has one");
        let repo = job["tags"][0].as_str().expect("it has a repository");
        if let Some((ended, before)) = last.insert(repo, (moment("finished_at"), *id)) {
            assert!(ended <= moment("started_at"), "{repo}: job {id} began before {before} ended");
        }
    }
}

struct World {
    gateway: Gateway,
    token: String,
    runners: Vec<Option<Runner>>,
}

impl World {
    fn new() -> Self {
        let more = "[runner]\njob_slots = 0\n";
        let gateway = Setup::bare().more(more).args(&["--no-app"]).start();
        let token = create_token(gateway.state(), &[]);
        let name = |at: usize| format!("pulp-{at}");
        let runners = (0..RUNNERS).map(|at| Some(Runner::jobs_only(&token, &name(at), SLOTS)));
        let runners = runners.collect();
        Self { gateway, token, runners }
    }

    /// A runner is killed with what it runs, and started again.
    fn strike(&mut self, at: usize) {
        let runner = self.runners[at].take().expect("it is started again");
        runner.signal(Signal::SIGKILL);
        let state = runner.into_state();
        self.runners[at] = Some(Runner::again(state, &self.token, &format!("pulp-{at}"), SLOTS));
    }
}

#[test]
fn operations_of_a_repository_keep_their_order_and_never_meet_whatever_runners_die() {
    let began = Instant::now();
    let mut rng = Rng::new(11);
    let mut world = World::new();
    let api = Api::of(&world.gateway);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("operation.sh"), OPERATION).expect("it is writable");
    let repos = repos();
    let jobs: Vec<Value> = (1..=OPERATIONS)
        .flat_map(|number| (0..repos).map(move |repo| (repo, number)))
        .map(|(repo, number)| operation(folder.path(), repo, number))
        .collect();
    api.submit_all(&jobs);
    let mut kills = 0;
    loop {
        thread::sleep(Duration::from_millis(rng.between(500, 2_000)));
        let left = left(&api);
        if left.is_empty() {
            break;
        }
        let violations = fs::read_to_string(folder.path().join("violations"));
        assert!(violations.is_err(), "{violations:?}");
        let ended = left.keys().any(|it| it == "dead" || it == "cancelled" || it == "expired");
        assert!(!ended && began.elapsed() < TIME_MAX, "{:?}: {left:?}", began.elapsed());
        world.strike(rng.index(RUNNERS));
        kills += 1;
    }
    let violations = fs::read_to_string(folder.path().join("violations"));
    assert!(violations.is_err(), "{violations:?}");
    for repo in 0..repos {
        check_log(folder.path(), repo).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    let all = api.list("");
    assert_eq!(all.len(), repos * OPERATIONS);
    check_records(&all);
    let again = all.values().filter(|job| job["attempts"] != 1).count();
    assert!(kills > 3 && again > 0, "{kills} kills, and {again} operations were tried again");
}
