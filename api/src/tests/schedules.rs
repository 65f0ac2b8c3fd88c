//! Schedules: put, shown, steered, deleted. The first part is what the model answers, the driver's rules in a few lines.

use std::sync::Arc;

use http::StatusCode;
use ostler_cron_module::Cron;
use ostler_driver::{Answer, ScheduleRefusal, ScheduleVerb, ScheduleView};
use ostler_job::{
    JobId, Wall,
    durable::{
        Fate, Firing, FiringKey, Held, MissedPolicy, OverlapPolicy, Schedule, ScheduleName,
        ScheduleShape, ShapeOwner, Stand,
    },
};
use ostler_module::Source as _;
use serde_json::{Value, json};

use super::{Rig, fake::State};

mod again;

const NOW: Wall = Wall(1_795_651_200_000);

/// When it would fire next.
pub(super) fn check(name: &ScheduleName, shape: &ScheduleShape) -> Result<Vec<Wall>, String> {
    let cron = Cron::new("boot", |name| jiff::tz::TimeZone::get(name).ok());
    cron.plan(name, shape, NOW).map(|plan| plan.coming(NOW, 5))
}

pub(super) fn look(
    state: &State,
    schedule: Option<ScheduleName>,
    tenant: Option<&str>,
    after: Option<ScheduleName>,
    max: usize,
) -> Vec<Answer> {
    let is_theirs =
        |it: &&Arc<Schedule>| tenant.is_none_or(|tenant| it.shape.spec.tenant == tenant);
    if let Some(name) = schedule {
        let found = state.schedules.get(&name).filter(is_theirs);
        let unknown = Answer::ScheduleRefused { schedule: name, why: ScheduleRefusal::Unknown };
        return vec![found.map_or(unknown, view)];
    }
    let is_after = |it: &&Arc<Schedule>| after.as_ref().is_none_or(|after| it.name > *after);
    state.schedules.values().filter(is_theirs).filter(is_after).take(max).map(view).collect()
}

fn view(schedule: &Arc<Schedule>) -> Answer {
    let next = check(&schedule.name, &schedule.shape).unwrap_or_default();
    Answer::Schedule(Box::new(ScheduleView {
        next_at: next.first().copied(),
        next,
        schedule: schedule.clone(),
        unfinished: vec![JobId(1)],
        waiting: vec![Wall(60_000)],
        too_long: vec![JobId(1)],
        version: 7,
        is_new: false,
        ran: None,
    }))
}

pub(super) fn order(
    state: &mut State,
    who: &str,
    tenant: Option<&str>,
    name: ScheduleName,
    verb: ScheduleVerb,
) -> Answer {
    let refused = |why| Answer::ScheduleRefused { schedule: name.clone(), why };
    let found = state.schedules.get(&name).cloned();
    let held = || Some(Held { who: who.to_owned(), since: NOW });
    let Some(mut schedule) = found else {
        let ScheduleVerb::Put { shape, paused, .. } = verb else {
            return refused(ScheduleRefusal::Unknown);
        };
        let paused = if paused { held() } else { None };
        let stand = Stand { since: NOW, made: NOW, cursor: NOW, paused, ..Stand::default() };
        let (called, owner, put_by) = (name.clone(), ShapeOwner::Api, Some(who.to_owned()));
        let made = Schedule { name: called, shape: *shape, owner, put_by, stand };
        state.schedules.insert(name, Arc::new(made.clone()));
        let Answer::Schedule(mut view) = view(&Arc::new(made)) else { unreachable!() };
        view.is_new = true;
        return Answer::Schedule(view);
    };
    if tenant.is_some_and(|tenant| schedule.shape.spec.tenant != tenant) {
        return refused(ScheduleRefusal::Unknown);
    }
    let mut ran = None;
    let it = Arc::make_mut(&mut schedule);
    match verb {
        ScheduleVerb::Put { new_only: true, .. } => return refused(ScheduleRefusal::Taken),
        ScheduleVerb::Put { .. } | ScheduleVerb::Delete if it.owner == ShapeOwner::File => {
            return refused(ScheduleRefusal::OfFile);
        }
        ScheduleVerb::Put { others: false, .. } if it.put_by.as_deref() != Some(who) => {
            return refused(ScheduleRefusal::Others);
        }
        ScheduleVerb::Put { shape, .. } => {
            (it.shape, it.put_by) = (*shape, Some(who.to_owned()));
        }
        ScheduleVerb::Pause => it.stand.paused = held(),
        ScheduleVerb::Resume => it.stand.paused = None,
        ScheduleVerb::Run if state.full => {
            return refused(ScheduleRefusal::NotTaken("as many jobs wait as may".to_owned()));
        }
        ScheduleVerb::Run => ran = Some(JobId(7)),
        ScheduleVerb::Cursor { .. } if state.fires_before > 0 => {
            state.fires_before -= 1;
            return refused(ScheduleRefusal::Changed);
        }
        ScheduleVerb::Cursor { to, fired, version } => {
            assert_eq!(version, 7, "what was looked at");
            it.stand.cursor = to;
            state.cursor_fired = fired;
        }
        ScheduleVerb::SetBack { .. } => panic!("no request asks for that"),
        ScheduleVerb::Delete => {
            state.schedules.remove(&name);
            return view(&schedule);
        }
    }
    state.schedules.insert(name, schedule.clone());
    let Answer::Schedule(mut view) = view(&schedule) else { unreachable!() };
    view.ran = ran;
    Answer::Schedule(view)
}

/// Every field, and a job with every field of its own.
const WHOLE: &str = r#"{"cron":"30 2 * * MON","zone":"Europe/Berlin","vixie":true,"gap":"skip","fold":"both",
    "missed":{"limit":10,"window":"1d"},"overlap":"queue_all","jitter":"5m","starts":"2026-12-01T00:00:00Z",
    "ends":"2030-01-01T00:00:00.500Z","expect_within":"1d2h","max_run":"1h","expires_in":"90s",
    "job":{"command":"backup --all","name":"nightly","tenant":"shop","identity":"backup","tags":["b"],"host":"web-1",
        "queue":"default","env":{"A":"1"},"secrets":["S"],"cwd":"/srv","stdin":{"base64":"aGVsbG8K"},"merge":true,
        "user":"www-data","umask":"022","nice":-1,"limits":{"nofile":9},"timeout":"2h","grace":"5s","terminate":"main","mailto":"ops",
        "within":"1h","unrunnable":"refuse","delivery":"at_least_once",
        "retry":{"attempts":3,"delay":"0s","delay_max":"1m","backoff":"constant","exit_codes":[75]},
        "dedupe":{"scope":"queued","window":"10m","then":"reject"},"serial":"k","resources":{"r":"shared"},"on_retry":"pass"}}"#;
const PLAIN: &str = r#"{"cron":"0 3 * * *","zone":"UTC","job":{"command":"true"}}"#;

fn name(text: &str) -> ScheduleName {
    ScheduleName::new(text).unwrap()
}

impl Rig {
    async fn put_schedule(&self, name: &str, body: &str) -> super::Answer {
        self.json(&format!("PUT /v1/schedules/{name}"), body).await
    }

    fn shape(&self, of: &str) -> ScheduleShape {
        self.fake.state().schedules[&name(of)].shape.clone()
    }

    async fn with(&self, token: &str, line: &str, body: &str) -> super::Answer {
        let request = self.request(line).header("content-type", "application/json");
        let mut request = request.body(body.to_owned().into()).unwrap();
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        self.send(request).await
    }
}

/// What of a schedule's view is put again.
fn put_again(view: &Value) -> String {
    let mut body = serde_json::Map::new();
    for field in crate::names::schedule().filter(|field| *field != "paused") {
        body.insert(field.to_owned(), view[field].clone());
    }
    Value::Object(body).to_string()
}

#[tokio::test]
async fn a_schedule_is_made_shown_changed_as_a_whole_and_deleted() {
    let rig = Rig::new();
    let made = rig.put_schedule("nightly", PLAIN).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let shown = rig.ask("GET /v1/schedules/nightly").await.json();
    for (name, value) in [
        ("words", "\"at 03:00 every day\""),
        ("state", "\"active\""),
        ("owner", "\"api\""),
        ("paused", "null"),
        ("missed", "\"one\""),
        ("overlap", "\"skip\""),
        ("jitter", "null"),
        ("tenant", "\"default\""),
        ("overdue", "false"),
        ("cursor", "\"2026-11-26T00:00:00.000Z\""),
        ("next_at", "\"2026-11-26T03:00:00.000Z\""),
        ("job", r#"{"command":"true","tenant":"default"}"#),
        ("unfinished", "[1]"),
        ("waiting", r#"["1970-01-01T00:01:00.000Z"]"#),
        ("too_long", "[1]"),
    ] {
        assert_eq!(shown[name].to_string(), value, "{name}");
    }
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    let changed = rig.put_schedule("nightly", WHOLE).await;
    assert_eq!((changed.status, &changed.json()["overlap"]), (StatusCode::OK, &"queue_all".into()));
    let shape = rig.shape("nightly");
    let window = ostler_job::Span::from_secs(86_400);
    assert_eq!(shape.missed, MissedPolicy::All { limit: 10, window });
    assert_eq!(shape.overlap, OverlapPolicy::QueueAll);
    assert_eq!(rig.ask("DELETE /v1/schedules/nightly").await.status, StatusCode::NO_CONTENT);
    rig.ask("GET /v1/schedules/nightly").await.is("not_found");
    rig.ask("DELETE /v1/schedules/nightly").await.is("not_found");
    rig.ask("GET /v1/schedules/-x").await.is("not_found");
}

#[tokio::test]
async fn what_is_shown_of_a_schedule_is_put_again_and_changes_nothing() {
    let rig = Rig::new();
    for (at, body) in [
        WHOLE,
        PLAIN,
        r#"{"cron":"@every 90s","job":{"argv":["a","b c"],"stdin":"x","retry":{"attempts":1}}}"#,
        r#"{"cron":"@reboot","missed":"skip","overlap":"replace","job":{"module":"noop","serial":"k"}}"#,
        r#"{"cron":"0 0 * * *","job":{"command":"a","delivery":"at_most_once"}}"#,
        r#"{"cron":"0 0 * * *","job":{"command":"a","resources":{"disk":"exclusive"}}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        let of = format!("s{at}");
        assert_eq!(rig.put_schedule(&of, body).await.status, StatusCode::CREATED, "{body}");
        let before = rig.shape(&of);
        let shown = rig.ask(&format!("GET /v1/schedules/{of}")).await.json();
        let again = rig.put_schedule(&of, &put_again(&shown)).await;
        assert_eq!(again.status, StatusCode::OK, "{again:?}");
        assert_eq!(rig.shape(&of), before, "{body}");
    }
}

/// A body, the field that is wrong, and a part of what is told.
const BAD: &[(&str, &str, &str)] = &[
    (r#"{"cron":"0 0 31 2 *","job":{"command":"a"}}"#, "/cron", "never fires"),
    (r#"{"cron":"1 2 3 x *","job":{"command":"a"}}"#, "/cron", "column 7"),
    (r#"{"cron":"","job":{"command":"a"}}"#, "/cron", "column 1"),
    (r#"{"cron":"0 0\n* * *","job":{"command":"a"}}"#, "/cron", "control characters"),
    (r#"{"job":{"command":"a"}}"#, "/cron", "is missing"),
    (r#"{"cron":"@daily"}"#, "/job", "is missing"),
    (r#"{"cron":"@daily","job":{}}"#, "/job/command", "give exactly one of"),
    (r#"{"cron":"@daily","job":{"module":"noop","cwd":"/"}}"#, "/job/cwd", "has no meaning"),
    (
        r#"{"cron":"@daily","zone":"Europe/Berlim","job":{"command":"a"}}"#,
        "/zone",
        "there is no time zone",
    ),
    (
        r#"{"cron":"@daily","missed":"all","job":{"command":"a"}}"#,
        "/missed",
        "skip or one, or an object with limit, window",
    ),
    (
        r#"{"cron":"@daily","missed":{"limit":3},"job":{"command":"a"}}"#,
        "/missed/window",
        "is missing",
    ),
    (
        r#"{"cron":"@daily","missed":{"limit":10001,"window":"1d"},"job":{"command":"a"}}"#,
        "/missed/limit",
        "from 1 to 10000",
    ),
    (
        r#"{"cron":"@daily","missed":{"limit":3,"window":"0s"},"job":{"command":"a"}}"#,
        "/missed/window",
        "longer than nothing",
    ),
    (r#"{"cron":"@daily","jitter":"8d","job":{"command":"a"}}"#, "/jitter", "at most"),
    (r#"{"cron":"@every 90s","gap":"skip","job":{"command":"a"}}"#, "/gap", "has no meaning"),
    (
        r#"{"cron":"@daily","starts":"2027-01-01T00:00:00Z","ends":"2026-12-01T00:00:00Z","job":{"command":"a"}}"#,
        "/ends",
        "is before starts",
    ),
    (
        r#"{"cron":"@yearly","starts":"2027-02-01T00:00:00Z","ends":"2027-03-01T00:00:00Z","job":{"command":"a"}}"#,
        "/ends",
        "never fires",
    ),
    (
        r#"{"cron":"@daily","job":{"command":"a","stdin":{"payload":"0000000000000000000000000000000000000000000000000000000000000000"}}}"#,
        "/job/stdin/payload",
        "as long as a job uses it",
    ),
    (
        r#"{"cron":"@daily","job":{"command":"a","dedupe":{"scope":"done","window":"1m","then":"reject"}}}"#,
        "/job/dedupe/scope",
        "overlap",
    ),
];

#[tokio::test]
async fn all_that_is_wrong_with_a_schedule_is_told_with_its_cure_and_nothing_of_it_kept() {
    let rig = Rig::new();
    let bad = r#"{"cron":"61 * * * *","zone":"Moon base","gap":"x","missed":{"limit":0,"window":"0s"},"overlap":"twice",
        "jitter":"5","starts":"now","ends":7,"expect_within":"0s","max_run":"x","expires_in":"","paused":"no","fly":1,
        "job":{"not_before":"2026-12-01T00:00:00Z","delay":"1m","expires":"1m","key":"k","paused":true,"expires_in":"1m"}}"#;
    let problem = rig.put_schedule("s", bad).await.is("invalid_field");
    let told: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|it| &it["pointer"]).collect();
    let fields = "/cron /zone /gap /missed/limit /overlap /jitter /starts /ends /expect_within /max_run /expires_in /paused \
                  /fly /job/not_before /job/delay /job/expires /job/key /job/paused /job/expires_in /job/command";
    for at in fields.split(' ') {
        assert!(told.contains(&&at.into()), "{at} is not among {told:?}");
    }
    for (body, at, says) in BAD {
        let problem = rig.put_schedule("s", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], *at, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{body}: {problem}");
    }
    let long = format!("PUT /v1/schedules/{}", "x".repeat(65));
    rig.json(&long, PLAIN).await.is("not_found");
    rig.put_schedule("s", "[]").await.is("invalid_field");
    rig.put_schedule("s", r#"{"cron":"@daily","cron":"@hourly"}"#).await.is("bad_json");
    assert!(rig.fake.state().schedules.is_empty());
}

#[tokio::test]
async fn a_schedule_names_a_queue_that_there_is_and_with_refuse_somebody_who_could_run_it() {
    let rig = Rig::new();
    let no_queue = r#"{"cron":"@daily","job":{"command":"a","queue":"mail"}}"#;
    let problem = rig.put_schedule("s", no_queue).await.is("conflict_state");
    assert_eq!(problem["pointer"], "/job/queue", "{problem}");
    let no_host = r#"{"cron":"@daily","job":{"command":"a","host":"r9","unrunnable":"refuse"}}"#;
    let problem = rig.put_schedule("s", no_host).await.is("conflict_state");
    assert_eq!(problem["pointer"], "/job/host", "{problem}");
    let waits = no_host.replace(",\"unrunnable\":\"refuse\"", "");
    assert_eq!(rig.put_schedule("s", &waits).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_keeps_nothing() {
    let rig = Rig::new();
    let told = rig.json("PUT /v1/schedules/s?dry_run=true", PLAIN).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.json()["next"][0], "2026-11-26T03:00:00.000Z");
    assert!(rig.fake.state().schedules.is_empty());
    rig.put_schedule("s", PLAIN).await;
    rig.ask("POST /v1/schedules/s/pause").await;
    let other = PLAIN.replace("0 3", "0 4");
    let told = rig.json("PUT /v1/schedules/s?dry_run=true", &other).await.json();
    assert_eq!((&told["cron"], &told["state"]), (&"0 4 * * *".into(), &"paused".into()));
    assert_eq!(rig.shape("s").cron, "0 3 * * *");
    rig.json("PUT /v1/schedules/s?dry_run=true", "{}").await.is("invalid_field");
    rig.json("PUT /v1/schedules/s?dry_run=1", PLAIN).await.is("bad_query");
    rig.json("PUT /v1/schedules/s?dry=true", PLAIN).await.is("bad_query");
}

#[tokio::test]
async fn one_that_is_to_be_new_leaves_one_that_there_is_alone() {
    let rig = Rig::new();
    let put = async |query: &str, value: &str| {
        let request = rig.request(&format!("PUT /v1/schedules/s{query}"));
        let request = request.header("content-type", "application/json");
        let request = request.header("if-none-match", value);
        rig.send(request.body(PLAIN.to_owned().into()).unwrap()).await
    };
    assert_eq!(put("", "*").await.status, StatusCode::CREATED);
    let problem = put("", "*").await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("there is a schedule s"), "{problem}");
    put("?dry_run=true", "*").await.is("conflict_state");
    put("", "\"x\"").await.is("bad_query");
}

#[tokio::test]
async fn what_the_file_has_is_changed_there_and_steered_here() {
    let rig = Rig::new();
    rig.put_schedule("s", PLAIN).await;
    let file = |it: &mut Schedule| it.owner = ShapeOwner::File;
    file(Arc::make_mut(rig.fake.state().schedules.get_mut(&name("s")).unwrap()));
    for answer in [
        rig.put_schedule("s", PLAIN).await,
        rig.json("PUT /v1/schedules/s?dry_run=true", PLAIN).await,
        rig.ask("DELETE /v1/schedules/s").await,
    ] {
        let problem = answer.is("conflict_state");
        assert!(problem["detail"].as_str().unwrap().contains("[schedule.s]"), "{problem}");
    }
    let paused = rig.ask("POST /v1/schedules/s/pause").await.json();
    assert_eq!((&paused["state"], &paused["owner"]), (&"paused".into(), &"file".into()));
}

#[tokio::test]
async fn a_schedule_is_paused_resumed_run_and_its_cursor_moved() {
    let rig = Rig::new();
    let begins_paused = PLAIN.replace("{\"cron\"", "{\"paused\":true,\"cron\"");
    let made = rig.put_schedule("s", &begins_paused).await.json();
    assert_eq!((&made["state"], &made["paused"]["by"]), (&"paused".into(), &"first".into()));
    assert_eq!(rig.ask("POST /v1/schedules/s/resume").await.json()["paused"], Value::Null);
    let ran = rig.ask("POST /v1/schedules/s/run").await;
    assert_eq!((ran.status, &ran.json()["ran"]), (StatusCode::OK, &7.into()));
    assert_eq!(rig.ask("GET /v1/schedules/s").await.json().get("ran"), None);
    rig.fake.state().full = true;
    let problem = rig.ask("POST /v1/schedules/s/run").await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("as many jobs wait"), "{problem}");
    rig.fake.state().firings.insert(name("s"), vec![fired(9_000, 3), fired(4_000, 2)]);
    rig.fake.state().fires_before = 3;
    let moved = rig.json("POST /v1/schedules/s/cursor", r#"{"to":"1970-01-01T00:00:05Z"}"#).await;
    assert_eq!(moved.json()["cursor"], "1970-01-01T00:00:05.000Z");
    assert_eq!(rig.fake.state().cursor_fired, [Wall(9_000)]);
    rig.fake.state().fires_before = 99;
    let to = r#"{"to":"1970-01-01T00:00:05Z"}"#;
    let busy = rig.json("POST /v1/schedules/s/cursor", to).await.is("conflict_state");
    assert!(busy["detail"].as_str().unwrap().contains("pause it"), "{busy}");
    rig.json("POST /v1/schedules/s/cursor", "{}").await.is("invalid_field");
    rig.json("POST /v1/schedules/s/cursor", r#"{"to":"soon"}"#).await.is("invalid_field");
    rig.ask("POST /v1/schedules/nobody/pause").await.is("not_found");
    rig.json("POST /v1/schedules/nobody/cursor", to).await.is("not_found");
}

fn fired(due: u64, job: u64) -> Firing {
    Firing {
        due: Wall(due),
        last: Wall(due),
        count: 1,
        at: Wall(due + 250),
        fate: Fate::Fired,
        job: Some(JobId(job)),
        by: Some("first".to_owned()),
        detail: None,
    }
}

#[tokio::test]
async fn firings_are_told_newest_first_with_how_late_they_were_and_where_their_jobs_are() {
    let rig = Rig::new();
    rig.put_schedule("s", PLAIN).await;
    let job = rig.submit().await;
    let missed = Firing { fate: Fate::Missed, job: None, count: 4, by: None, ..fired(3_000, 0) };
    let all = vec![fired(9_000, 99), missed, fired(2_000, job)];
    rig.fake.state().firings.insert(name("s"), all);
    let told = rig.ask("GET /v1/schedules/s/firings?limit=2").await.json();
    let of = |at: usize, field: &str| told["firings"][at][field].clone();
    assert_eq!(
        (of(0, "fate"), of(0, "late_ms"), of(0, "state")),
        (json!("fired"), json!(250), Value::Null)
    );
    assert_eq!(
        (of(1, "fate"), of(1, "late_ms"), of(1, "count")),
        (json!("missed"), Value::Null, json!(4))
    );
    assert_eq!(told["next"], "1970-01-01T00:00:03.000Z");
    let rest = rig.ask("GET /v1/schedules/s/firings?before=1970-01-01T00:00:03Z").await.json();
    assert_eq!((&rest["next"], &rest["firings"][0]["state"]), (&Value::Null, &"pending".into()));
    assert_eq!(rest["firings"][0]["job"], job);
    assert_eq!(rest["firings"].as_array().unwrap().len(), 1);
    let shown = rig.ask("GET /v1/schedules/s").await.json();
    assert_eq!(shown["last"].as_array().unwrap().len(), 3);
    let listed = rig.ask("GET /v1/schedules").await.json();
    assert_eq!(listed["schedules"][0]["last"].as_array().unwrap().len(), 1);
    for query in ["before=x", "limit=0", "limit=1001", "after=1"] {
        rig.ask(&format!("GET /v1/schedules/s/firings?{query}")).await.is("bad_query");
    }
    rig.ask("GET /v1/schedules/nobody/firings").await.is("not_found");
}

#[tokio::test]
async fn schedules_are_listed_by_what_they_are_page_by_page() {
    let rig = Rig::new();
    for at in 0..7 {
        let body = PLAIN.replace("\"command\"", &format!("\"tenant\":\"t{}\",\"command\"", at % 2));
        rig.put_schedule(&format!("s{at}"), &body).await;
    }
    rig.ask("POST /v1/schedules/s1/pause").await;
    let change = |of: &str, change: fn(&mut Stand)| {
        let mut state = rig.fake.state();
        change(&mut Arc::make_mut(state.schedules.get_mut(&name(of)).unwrap()).stand);
    };
    change("s2", |stand| stand.fault = Some("there is no such zone".to_owned()));
    change("s3", |stand| stand.ended_at = Some(NOW));
    change("s4", |stand| stand.overdue_at = Some(NOW));
    let listed = async |query: &str| {
        let answer = rig.ask(&format!("GET /v1/schedules?{query}")).await.json();
        let names = answer["schedules"].as_array().unwrap().iter().map(|it| &it["name"]);
        let names: Vec<_> = names.map(|it| it.as_str().unwrap().to_owned()).collect();
        (names.join(" "), answer["next"].as_str().map(str::to_owned))
    };
    for (query, names, next) in [
        ("", "s0 s1 s2 s3 s4 s5 s6", None),
        ("limit=3", "s0 s1 s2", Some("s2")),
        ("limit=3&after=s2", "s3 s4 s5", Some("s5")),
        ("limit=3&after=s5", "s6", None),
        ("limit=7", "s0 s1 s2 s3 s4 s5 s6", None),
        ("state=active", "s0 s4 s5 s6", None),
        ("state=active&limit=1", "s0", Some("s0")),
        ("state=paused", "s1", None),
        ("state=faulty", "s2", None),
        ("state=ended", "s3", None),
        ("overdue=true", "s4", None),
        ("overdue=false&tenant=t1", "s1 s3 s5", None),
    ] {
        let expected = (names.to_owned(), next.map(str::to_owned));
        assert_eq!(listed(query).await, expected, "{query}");
    }
    for query in ["state=on", "overdue=1", "after=-", "limit=0", "tenant=", "page=2"] {
        rig.ask(&format!("GET /v1/schedules?{query}")).await.is("bad_query");
    }
}

#[tokio::test]
async fn a_tenants_token_sees_and_touches_its_own_schedules_only() {
    let rig = Rig::new();
    let theirs = PLAIN.replace("\"command\"", "\"tenant\":\"other\",\"command\"");
    rig.put_schedule("theirs", &theirs).await;
    let token = rig.token("ours", &["submit", "read", "operate"], Some("ours"));
    let ask = async |line: &str, body: &str| rig.with(&token, line, body).await;
    let made = ask("PUT /v1/schedules/mine", PLAIN).await;
    assert_eq!((made.status, &made.json()["tenant"]), (StatusCode::CREATED, &"ours".into()));
    let problem = ask("PUT /v1/schedules/more", &theirs).await.is("forbidden");
    assert_eq!(problem["pointer"], "/job/tenant");
    // The name is taken, and no more is told.
    ask("PUT /v1/schedules/theirs", PLAIN).await.is("conflict_state");
    for line in [
        "GET /v1/schedules/theirs",
        "GET /v1/schedules/theirs/firings",
        "POST /v1/schedules/theirs/pause",
        "POST /v1/schedules/theirs/resume",
        "POST /v1/schedules/theirs/run",
        "DELETE /v1/schedules/theirs",
    ] {
        ask(line, "").await.is("not_found");
    }
    let to = r#"{"to":"2026-01-01T00:00:00Z"}"#;
    ask("POST /v1/schedules/theirs/cursor", to).await.is("not_found");
    let listed = ask("GET /v1/schedules", "").await.json();
    assert_eq!(listed["schedules"].as_array().unwrap().len(), 1);
    assert_eq!(listed["schedules"][0]["name"], "mine");
    let listed = ask("GET /v1/schedules?tenant=other", "").await.json();
    assert!(listed["schedules"].as_array().unwrap().is_empty());
    rig.ask("POST /v1/schedules/mine/pause").await;
    let shown = ask("GET /v1/schedules/mine", "").await.json();
    assert_eq!((&shown["paused"]["by"], &shown["state"]), (&Value::Null, &"paused".into()));
    rig.fake.state().firings.insert(name("mine"), vec![fired(NOW.0, 1)]);
    let told = ask("GET /v1/schedules/mine/firings", "").await.json();
    assert_eq!(told["firings"][0]["by"], Value::Null);
    assert_eq!(ask("DELETE /v1/schedules/mine", "").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_another_token_put_is_changed_by_whoever_operates_and_not_by_whoever_only_submits() {
    let rig = Rig::new();
    let (one, other) = (rig.token("one", &["submit"], None), rig.token("other", &["submit"], None));
    let made = rig.with(&one, "PUT /v1/schedules/s", PLAIN).await;
    assert_eq!((made.status, &made.json()["put_by"]), (StatusCode::CREATED, &"one".into()));
    let changed = PLAIN.replace("0 3", "0 4");
    assert_eq!(rig.with(&one, "PUT /v1/schedules/s", &changed).await.status, StatusCode::OK);
    for line in ["PUT /v1/schedules/s", "PUT /v1/schedules/s?dry_run=true"] {
        let problem = rig.with(&other, line, PLAIN).await.is("forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("scope \"operate\""), "{problem}");
    }
    assert_eq!(rig.shape("s").cron, "0 4 * * *");
    let operates = rig.token("operates", &["submit", "operate"], None);
    let taken = rig.with(&operates, "PUT /v1/schedules/s", PLAIN).await;
    assert_eq!((taken.status, &taken.json()["put_by"]), (StatusCode::OK, &"operates".into()));
    rig.with(&one, "PUT /v1/schedules/s", &changed).await.is("forbidden");
    let bound = rig.token("bound", &["submit", "read"], Some("ours"));
    let made = rig.with(&bound, "PUT /v1/schedules/ours", PLAIN).await;
    assert_eq!(made.json()["put_by"], Value::Null, "names of tokens are not for tenants");
    assert_eq!(rig.with(&bound, "PUT /v1/schedules/ours", &changed).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_only_steers_a_schedule_is_not_told_what_it_runs() {
    let rig = Rig::new();
    rig.put_schedule("s", WHOLE).await;
    let token = rig.token("steers", &["operate"], None);
    let told = rig.with(&token, "POST /v1/schedules/s/pause", "").await;
    assert_eq!((told.status, &told.json()["job"]), (StatusCode::OK, &Value::Null));
    let token = rig.token("submits", &["submit"], None);
    let problem = rig.with(&token, "PUT /v1/schedules/s", WHOLE).await.is("invalid_field");
    assert_eq!(problem["pointer"], "/job/nice", "{problem}");
}

#[tokio::test]
async fn a_job_tells_which_firing_it_is_and_is_found_by_its_schedule() {
    let rig = Rig::new();
    let (one, other) = (rig.submit().await, rig.submit().await);
    let firing = FiringKey { schedule: name("nightly"), due: Wall(60_000) };
    let set = |it: &mut ostler_job::durable::Job| it.spec.firing = Some(Box::new(firing));
    set(rig.fake.state().jobs.get_mut(&JobId(one)).unwrap());
    let shown = rig.ask(&format!("GET /v1/jobs/{one}")).await.json();
    assert_eq!(shown["schedule"], "nightly");
    assert_eq!(shown["due"], "1970-01-01T00:01:00.000Z");
    let shown = rig.ask(&format!("GET /v1/jobs/{other}")).await.json();
    assert_eq!((&shown["schedule"], &shown["due"]), (&Value::Null, &Value::Null));
    let found = rig.ask("GET /v1/jobs?schedule=nightly").await.json();
    let ids: Vec<_> = found["jobs"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [one]);
    assert!(rig.ask("GET /v1/jobs?schedule=x").await.json()["jobs"].as_array().unwrap().is_empty());
    rig.ask("GET /v1/jobs?schedule=-").await.is("bad_query");
    let pause = r#"{"action":"pause","filter":{"schedule":"nightly"}}"#;
    assert_eq!(rig.json("POST /v1/jobs/actions", pause).await.json()["done"], 1);
}
