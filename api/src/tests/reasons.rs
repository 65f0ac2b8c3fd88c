//! Why jobs wait, as it is told.
#![allow(clippy::too_many_lines, reason = "tables are read, not followed")]

use std::sync::Arc;

use ostler_driver::{Absence, Blocker, Explained, Level, Place, Places, Standing, Wanted, Why};
use ostler_job::{
    JobId, Selector, Span, Wall,
    durable::{
        Held, JobState, Queue, QueueDiscipline, QueueName, QueueShape, Rate, Reason, ShapeOwner,
        WaitReason,
    },
};
use serde_json::json;

use super::Rig;
use crate::backend::Drained;

fn mail() -> QueueName {
    QueueName::new("mail").unwrap()
}

fn default() -> QueueName {
    QueueName::default()
}

fn ops() -> Held {
    Held { who: "ops".to_owned(), since: Wall(1_000) }
}

const RATE: Rate = Rate { jobs: 100, per: Span::from_secs(60), burst: 1 };

/// One of each, with the sentence for whoever may see everything and for who sees one tenant.
fn all() -> Vec<(Why, String, String)> {
    let at = "1970-01-01T00:00:05.000Z";
    let place = |before, is_exact, is_late| Place { before, is_exact, is_late };
    let blocked = |state, has_it| Why::Resource {
        name: "repo:42".to_owned(),
        is_serial: true,
        blocker: Some(Blocker { job: JobId(3), tenant: Arc::from("other"), state, has_it }),
    };
    let host = |absence| Why::NoRunner { wanted: Wanted::Host("web-1".into()), absence };
    let gpus = || Wanted::Attached {
        queue: mail(),
        selectors: ["gpu=a100", "runner:r1"].map(|it| Selector::read(it).unwrap()).to_vec(),
        above: Vec::new(),
    };
    let both = Wanted::Attached {
        queue: default(),
        selectors: vec![Selector::read("gpu=a100").unwrap()],
        above: vec![(mail(), vec![Selector::read("zone=b").unwrap()])],
    };
    let holder = Wanted::Holder { queue: mail(), runner: "r2".into() };
    let attached = |absence| Why::NoRunner { wanted: gpus(), absence };
    let any = |absence| Why::NoRunner { wanted: Wanted::Any, absence };
    let same = |why: Why, text: &str| (why, text.to_owned(), text.to_owned());
    let two = |why: Why, text: &str, bound: &str| (why, text.to_owned(), bound.to_owned());
    vec![
        same(
            Why::Store { problem: "it is full".to_owned() },
            "the store of jobs cannot be used, and nothing starts until it can: it is full",
        ),
        same(
            Why::Ending,
            "the gateway is about to end and starts nothing more; what waits goes on when it is started again",
        ),
        same(
            Why::Starting { runner: "web-1".into(), since: Wall(5_000) },
            &format!("the runner web-1 was given it at {at} and is about to start it"),
        ),
        same(
            Why::Paused { held: None },
            "it is paused itself, and waits until somebody resumes it",
        ),
        two(
            Why::Paused { held: Some(ops()) },
            "it is paused itself by ops since 1970-01-01T00:00:01.000Z, and waits until somebody resumes it",
            "it is paused itself since 1970-01-01T00:00:01.000Z, and waits until somebody resumes it",
        ),
        same(Why::NotBefore { until: Wall(5_000) }, &format!("it does not start before {at}")),
        same(
            Why::Retry { until: Wall(5_000), attempt: 3, came_back: false },
            &format!("its attempt 2 is over; attempt 3 comes at {at}, and not before"),
        ),
        same(
            Why::Retry { until: Wall(5_000), attempt: 1, came_back: true },
            &format!(
                "runners gave it back without having started it; it is given to one again at {at}"
            ),
        ),
        two(
            Why::QueuePaused { queue: default(), held: Some(ops()) },
            "the queue default is paused by ops since 1970-01-01T00:00:01.000Z",
            "the queue default is paused since 1970-01-01T00:00:01.000Z",
        ),
        two(
            Why::QueuePaused { queue: mail(), held: Some(ops()) },
            "the queue mail, which default is below, is paused by ops since 1970-01-01T00:00:01.000Z",
            "the queue mail, which default is below, is paused since 1970-01-01T00:00:01.000Z",
        ),
        same(any(Absence::Unknown), "no runner has been heard of"),
        same(any(Absence::Away), "no runner is connected"),
        same(
            any(Absence::Broken),
            "no runner that is connected can start what it is given; they are tried now and then",
        ),
        same(
            any(Absence::Drained),
            "no runner that is connected takes new jobs: they are drained, or serve apps alone",
        ),
        same(
            Why::NoRunner { wanted: Wanted::Host("web-9".into()), absence: Absence::Unknown },
            "it may run on the runner web-9 alone, of which nothing has been heard",
        ),
        same(
            attached(Absence::Unknown),
            "the queue mail is attached to runners with gpu=a100 or runner:r1, and there is none",
        ),
        same(
            attached(Absence::Away),
            "the queue mail is attached to runners with gpu=a100 or runner:r1, and none of those is connected",
        ),
        same(
            attached(Absence::Drained),
            "the queue mail is attached to runners with gpu=a100 or runner:r1, and those that are connected take nothing new",
        ),
        same(
            Why::RunnerFull { wanted: gpus(), slots: None },
            "the queue mail is attached to runners with gpu=a100 or runner:r1, and all slots of those are taken",
        ),
        same(
            Why::NoRunner { wanted: both, absence: Absence::Unknown },
            "the queue default is attached to runners with gpu=a100, and above it the queue mail is attached to runners with zone=b, and there is none that all of them mean",
        ),
        same(
            Why::NoRunner { wanted: holder.clone(), absence: Absence::Away },
            "the queue mail is worked by the runner r2 alone, which is not connected; another one takes over once the jobs that it has are over, or lost with it",
        ),
        same(
            Why::RunnerFull { wanted: holder, slots: None },
            "the queue mail is worked by the runner r2 alone, and all slots of that one are taken",
        ),
        same(
            host(Absence::Elsewhere),
            "it may run on the runner web-1 alone, to which its queue is not attached",
        ),
        same(
            Why::Exclusive { queue: mail(), holder: Some("r2".into()), awaited: vec!["r1".into()] },
            "the queue mail, which default is below, is worked by the runner r2 alone, once the jobs of it have ended that r1 still has",
        ),
        same(host(Absence::Away), "it may run on the runner web-1 alone, which is not connected"),
        two(
            host(Absence::Drained),
            "it may run on the runner web-1 alone, which takes nothing new: it is drained by ops since 1970-01-01T00:00:02.000Z",
            "it may run on the runner web-1 alone, which takes nothing new: it is drained since 1970-01-01T00:00:02.000Z",
        ),
        two(
            host(Absence::Broken),
            "it may run on the runner web-1 alone, which could not start what it was given (no shell) and is tried now and then",
            "it may run on the runner web-1 alone, which could not start what it was given and is tried now and then",
        ),
        two(
            blocked(JobState::Running, true),
            "it waits for the serial key \"repo:42\", which job 3 has, which runs",
            "it waits for the serial key \"repo:42\", which a job of another tenant has, which runs",
        ),
        two(
            blocked(JobState::Retrying, true),
            "it waits for the serial key \"repo:42\", which job 3 keeps until it is tried again",
            "it waits for the serial key \"repo:42\", which a job of another tenant keeps until it is tried again",
        ),
        two(
            blocked(JobState::Stopped, true),
            "it waits for the serial key \"repo:42\", which job 3 has, whose processes are stopped until it is resumed",
            "it waits for the serial key \"repo:42\", which a job of another tenant has, whose processes are stopped until it is resumed",
        ),
        two(
            blocked(JobState::Pending, false),
            "it waits for the serial key \"repo:42\", and job 3 is to have it before",
            "it waits for the serial key \"repo:42\", and a job of another tenant is to have it before",
        ),
        same(
            Why::TenantCap { queue: default(), running: 5 },
            "its tenant runs 5 jobs of the queue default, as many as it may at once",
        ),
        two(
            Why::Concurrency { queue: default(), running: 5, max: 4 },
            "the queue default runs 5 of the 4 jobs that it may run at once",
            "the queue default runs as many jobs as it may run at once, 4",
        ),
        same(
            Why::Ceiling { queue: mail(), millislots: 1_500 },
            "the queue mail, which default is below, has used the 1.5 slots that it may use",
        ),
        same(
            Why::Rate { queue: default(), rate: RATE, until: Wall(5_000) },
            &format!("the queue default starts 100/1m and no more; its next job may start at {at}"),
        ),
        same(
            Why::Behind { queue: default(), place: place(1, true, false) },
            "1 job of its tenant in the queue default goes before it",
        ),
        same(
            Why::Behind { queue: default(), place: place(12, true, true) },
            "12 jobs of its tenant in the queue default go before it; it has missed its promise, and waits with those that have",
        ),
        same(
            Why::Behind { queue: default(), place: place(12_345, false, false) },
            "about 12000 jobs of its tenant in the queue default go before it",
        ),
        same(
            Why::RunnerFull { wanted: Wanted::Host("web-1".into()), slots: Some(4) },
            "it may run on the runner web-1 alone, and all of its 4 slots are taken",
        ),
        same(
            Why::SlotsBusy { slots: 8 },
            "all 8 slots are taken; it is the next of its tenant in its queue",
        ),
        same(
            Why::SlotsBusy { slots: 1 },
            "the only slot is taken; it is the next of its tenant in its queue",
        ),
    ]
}

#[tokio::test]
async fn every_reason_is_a_word_and_a_sentence_which_tells_one_tenant_nothing_of_others() {
    let rig = Rig::new();
    let bound = rig.token("bound", &["read"], Some("shop"));
    let id = rig.json("POST /v1/jobs", r#"{"command":"true","tenant":"shop"}"#).await.json()["id"]
        .as_u64()
        .unwrap();
    let drained = Drained {
        by: Some("ops".to_owned()),
        since: Some(Wall(2_000)),
        broken: Some("no shell".to_owned()),
    };
    rig.fake.state().runners[0].drained = Some(drained);
    let all = all();
    for word in WaitReason::ALL {
        assert!(all.iter().any(|(why, ..)| why.word() == *word), "{word} is told by none");
    }
    for (why, text, of_tenant) in all {
        let word = why.word().code();
        rig.fake.state().whys.insert(JobId(id), why);
        let job = rig.ask(&format!("GET /v1/jobs/{id}")).await.json();
        assert_eq!((&job["reason"], &job["why"]), (&json!(word), &json!(text)));
        let request =
            rig.request("GET /v1/jobs").header("authorization", format!("Bearer {bound}"));
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        let bearer = http::HeaderValue::try_from(format!("Bearer {bound}")).unwrap();
        request.headers_mut().insert("authorization", bearer);
        let page = rig.send(request).await.json();
        let job = &page["jobs"][0];
        assert_eq!((&job["reason"], &job["why"]), (&json!(word), &json!(of_tenant)));
    }
}

#[tokio::test]
async fn what_has_finished_has_its_end_for_a_reason_and_what_runs_has_none() {
    let rig = Rig::new();
    let id = rig.submit().await;
    rig.fake.state().whys.insert(JobId(id), Why::Paused { held: None });
    rig.fake.change(id, |status| status.state = JobState::Running);
    let job = rig.ask(&format!("GET /v1/jobs/{id}")).await.json();
    assert_eq!((&job["reason"], &job["why"]), (&json!(null), &json!(null)));
    rig.fake.change(id, |status| {
        (status.state, status.reason) = (JobState::Dead, Some(Reason::Timeout));
    });
    let job = rig.ask(&format!("GET /v1/jobs/{id}")).await.json();
    assert_eq!((&job["reason"], &job["why"]), (&json!("timeout"), &json!(null)));
}

fn explained() -> Explained {
    let rate = Why::Rate { queue: default(), rate: RATE, until: Wall(5_000) };
    let place = Place { before: 1_234, is_exact: false, is_late: false };
    let behind = Why::Behind { queue: default(), place };
    let level = |queue| Level {
        queue,
        discipline: QueueDiscipline::Promise,
        waiting: 7,
        running: 2,
        own: (3, 1),
        tenant_max: Some(6),
        paused: None,
        concurrency: Some(4),
        rate: Some(RATE),
        closed_until: Some(Wall(5_000)),
        share: Some((3, 4)),
        guarantee: 0,
        ceiling: Some(2_500),
        is_open: false,
    };
    Explained {
        whys: vec![rate, behind, Why::SlotsBusy { slots: 8 }],
        levels: vec![level(Some(default())), level(None)],
        place: Some(place),
        standing: Some(Standing {
            weight: 1,
            share: Some((1, 2)),
            lead: Some(-1_500_000_000),
            is_capped: false,
        }),
        own: Places { waiting: 7, running: 2 },
        start: None,
        takes: Some((Span::from_millis(20), Span::from_millis(500))),
        slots: (8, 5),
    }
}

#[tokio::test]
async fn an_explanation_has_all_that_holds_a_job_up_its_place_and_the_cures() {
    let rig = Rig::new();
    let id = rig.submit().await;
    rig.fake.state().explained.insert(JobId(id), explained());
    let told = rig.ask(&format!("GET /v1/jobs/{id}/explain")).await.json();
    let level = |name: Option<&str>| {
        json!({
            "name": name, "discipline": "promise", "weight": 3, "weight_of_all": 4, "share": 0.75, "waiting": 7, "running": 2, "open": false,
            "paused": null, "concurrency": 4, "tenant_max": 6, "rate": "100/1m", "rate_opens_at": "1970-01-01T00:00:05.000Z", "guarantee": null,
            "ceiling": 2.5,
        })
    };
    let rate = "the queue default starts 100/1m and no more; its next job may start at 1970-01-01T00:00:05.000Z";
    let behind = "about 1200 jobs of its tenant in the queue default go before it";
    let expected = json!({
        "id": id, "state": "pending", "reason": "rate", "why": rate,
        "holds": [{"reason": "rate", "why": rate}, {"reason": "behind", "why": behind}, {"reason": "slots_busy", "why": "all 8 slots are taken"}],
        "sooner": [
            "let the queue start more: ostler queue put default --rate RATE",
            format!("a shorter promise puts it before its tenant's other jobs, where the order goes by promises: ostler edit {id} --within TIME"),
            "more slots: another runner, or a larger number of slots of one",
        ],
        "queues": [level(Some("default")), level(None)],
        "tenant": {"name": "default", "weight": 1, "weight_of_all": 2, "share": 0.5, "waiting": 7, "running": 2, "ahead_seconds": -1.5},
        "before": 1200, "before_is_exact": false, "is_late": false, "start_at": null,
        "run_seconds_p50": 0.02, "run_seconds_p90": 0.5, "slots": 8, "slots_busy": 5,
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_token_of_a_tenant_is_told_of_its_own_jobs_alone_in_the_queues_above_one() {
    let rig = Rig::new();
    let id = rig.submit().await;
    rig.fake.state().explained.insert(JobId(id), explained());
    let bound = rig.token("own", &["read"], Some("default"));
    let request = http::Request::get(format!("/v1/jobs/{id}/explain"));
    let request = request.header("authorization", format!("Bearer {bound}"));
    let told = rig.send(request.body(axum::body::Body::empty()).unwrap()).await.json();
    for level in told["queues"].as_array().unwrap() {
        assert_eq!((&level["waiting"], &level["running"]), (&json!(3), &json!(1)), "{level}");
    }
}

#[tokio::test]
async fn a_token_of_a_tenant_is_told_its_share_and_not_how_much_others_have() {
    let rig = Rig::new();
    let id = rig.submit().await;
    let mut explained = explained();
    explained.levels[0].share = Some((1, 3));
    explained.standing.as_mut().unwrap().share = Some((2, 21));
    rig.fake.state().explained.insert(JobId(id), explained);
    let bound = rig.token("own", &["read"], Some("default"));
    let request = http::Request::get(format!("/v1/jobs/{id}/explain"));
    let request = request.header("authorization", format!("Bearer {bound}"));
    let told = rig.send(request.body(axum::body::Body::empty()).unwrap()).await.json();
    for (it, share) in [(&told["queues"][0], 0.33), (&told["tenant"], 0.1)] {
        assert_eq!((&it["weight_of_all"], &it["share"]), (&json!(null), &json!(share)), "{it}");
    }
    let all = rig.ask(&format!("GET /v1/jobs/{id}/explain")).await.json();
    let tenant = &all["tenant"];
    assert_eq!((&tenant["weight_of_all"], &tenant["share"]), (&json!(21), &json!(0.0952)));
}

#[tokio::test]
async fn what_runs_or_is_over_is_explained_by_where_it_is_and_since_when() {
    let rig = Rig::new();
    let id = rig.submit().await;
    rig.fake.change(id, |status| {
        (status.state, status.started_at) = (JobState::Running, Some(Wall(5_000)));
        status.runner = Some("web-1".to_owned());
    });
    let told = rig.ask(&format!("GET /v1/jobs/{id}/explain")).await.json();
    assert_eq!(told["why"], "it runs on web-1 since 1970-01-01T00:00:05.000Z");
    rig.fake.change(id, |status| {
        (status.state, status.reason) = (JobState::Dead, Some(Reason::ExitStatus));
        (status.exit_status, status.finished_at) = (Some(3), Some(Wall(5_000)));
    });
    let told = rig.ask(&format!("GET /v1/jobs/{id}/explain")).await.json();
    let why = "it is over since 1970-01-01T00:00:05.000Z: dead, exit_status, with exit status 3";
    assert_eq!((&told["reason"], &told["why"]), (&json!("exit_status"), &json!(why)));
    rig.ask("GET /v1/jobs/99/explain").await.is("not_found");
}

#[tokio::test]
async fn a_list_finds_jobs_by_what_they_wait_for_page_by_page() {
    let rig = Rig::new();
    for _ in 0..5 {
        let id = rig.submit().await;
        let why =
            if id % 2 == 0 { Why::Paused { held: None } } else { Why::SlotsBusy { slots: 1 } };
        rig.fake.state().whys.insert(JobId(id), why);
    }
    rig.fake.change(5, |status| status.state = JobState::Succeeded);
    let ids = |page: &serde_json::Value| -> Vec<u64> {
        page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect()
    };
    let all = rig.ask("GET /v1/jobs?reason=slots_busy").await.json();
    assert_eq!(
        (ids(&all), &all["next"], &all["partial"]),
        (vec![3, 1], &json!(null), &json!(false))
    );
    let page = rig.ask("GET /v1/jobs?reason=slots_busy&limit=1&state=waiting").await.json();
    assert_eq!(ids(&page), [3]);
    let next = page["next"].as_str().unwrap();
    let page =
        rig.ask(&format!("GET /v1/jobs?reason=slots_busy&limit=1&cursor={next}")).await.json();
    assert_eq!((ids(&page), &page["next"]), (vec![1], &json!(null)));
    let page = rig.ask("GET /v1/jobs?reason=paused,slots_busy&limit=4&sort=id").await.json();
    assert_eq!((ids(&page), &page["next"]), (vec![1, 2, 3, 4], &json!(null)));
    assert!(ids(&rig.ask("GET /v1/jobs?reason=rate").await.json()).is_empty());
    for (bad, says) in [
        ("reason=rate&state=running", "running jobs wait for nothing"),
        ("reason=rate,lost", "together with no other kind of reason"),
        ("reason=tired", "\"tired\" is not a reason; there are ok"),
    ] {
        let problem = rig.ask(&format!("GET /v1/jobs?{bad}")).await.is("bad_query");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    rig.ask("GET /v1/jobs/counts?reason=rate").await.is("bad_query");
}

#[tokio::test]
async fn a_long_list_of_what_waits_is_looked_through_in_several_answers() {
    let rig = Rig::new();
    for _ in 0..2_050 {
        rig.submit().await;
    }
    rig.fake.state().whys.insert(JobId(3), Why::Paused { held: None });
    let page = rig.ask("GET /v1/jobs?reason=paused").await.json();
    assert_eq!((&page["jobs"], &page["partial"]), (&json!([]), &json!(true)));
    let next = page["next"].as_str().unwrap();
    let page = rig.ask(&format!("GET /v1/jobs?reason=paused&cursor={next}")).await.json();
    assert_eq!((&page["jobs"][0]["id"], &page["partial"]), (&json!(3), &json!(false)));
}

#[tokio::test]
async fn a_job_that_nobody_can_run_waits_for_a_runner_or_is_refused_if_that_is_wanted() {
    let rig = Rig::new();
    let job = |more: &str| format!(r#"{{"command":"a","host":"web-9"{more}}}"#);
    let taken = rig.json("POST /v1/jobs", &job("")).await;
    assert_eq!(taken.status, http::StatusCode::ACCEPTED, "{}", taken.text);
    let refuse = r#","unrunnable":"refuse""#;
    let problem = rig.json("POST /v1/jobs", &job(refuse)).await.is("conflict_state");
    assert_eq!(problem["pointer"], "/host");
    let detail = "there is no runner \"web-9\"; there are web-1";
    assert_eq!(problem["detail"], detail);
    let attach = |text: &str| {
        let mut queue = Queue::new(mail(), QueueShape::default(), ShapeOwner::Api);
        queue.shape.attach.insert(Selector::read(text).unwrap());
        rig.fake.state().queues.insert(mail(), Arc::new(queue));
    };
    let queued = |more: &str| format!(r#"{{"command":"a","queue":"mail"{more}{refuse}}}"#);
    attach("gpu=t4");
    let problem = rig.json("POST /v1/jobs", &queued("")).await.is("conflict_state");
    let detail = "the queue mail is attached to runners with gpu=t4, and no runner is that; attach it to another, or start one";
    assert_eq!((&problem["pointer"], &problem["detail"]), (&json!("/queue"), &json!(detail)));
    let problem =
        rig.json("POST /v1/jobs", &queued(r#","host":"web-1""#)).await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("which the runner \"web-1\" is not"));
    attach("gpu=a100");
    assert_eq!(rig.json("POST /v1/jobs", &queued("")).await.status, http::StatusCode::ACCEPTED);
}

#[test]
fn every_word_is_in_the_document_for_people_with_its_meaning() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/QUEUES.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut rest = document.as_str();
    for word in WaitReason::ALL {
        let row = format!("| `{word}` | {} |", word.meaning().trim());
        let at =
            rest.find(&row).unwrap_or_else(|| panic!("docs/QUEUES.md lacks, in this order: {row}"));
        rest = &rest[at..];
    }
}
