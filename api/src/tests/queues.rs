//! Queues: made, held, emptied, deleted. The first part is what the model answers, the driver's rules in a few lines.

use std::sync::Arc;

use http::StatusCode;
use ostler_driver::{Answer, Attachment, Met, Places, QueueRefusal, QueueVerb, QueueView};
use ostler_job::{
    JobId, Selector, Span, Wall,
    durable::{
        Held, Job, JobState, Queue, QueueName, QueueShape, QueueTree, Rate, ShapeOwner, Slots,
        TreeFault,
    },
};

use super::{Rig, fake::State};

pub(super) fn look(state: &State, queue: Option<QueueName>, tenant: Option<&str>) -> Vec<Answer> {
    let wanted = |name: &QueueName| queue.as_ref().is_none_or(|queue| queue == name);
    let found: Vec<_> = state
        .queues
        .values()
        .filter(|it| wanted(&it.name))
        .map(|it| Answer::Queue(view(state, it, tenant)))
        .collect();
    match queue {
        Some(queue) if found.is_empty() => refused(queue, QueueRefusal::Unknown),
        _ => found,
    }
}

fn refused(queue: QueueName, why: QueueRefusal) -> Vec<Answer> {
    vec![Answer::QueueRefused { queue, why }]
}

fn view(state: &State, queue: &Arc<Queue>, tenant: Option<&str>) -> QueueView {
    let mut places = Places::default();
    for job in state.jobs.values().filter(|job| job.status.is_in(&queue.name)) {
        if tenant.is_none_or(|tenant| job.spec.tenant == tenant) {
            let at = job.status.state;
            places.running += u64::from(at.is_out());
            places.waiting += u64::from(!at.is_out() && !at.is_finished());
        }
    }
    let (above, attachment) = (above(state, queue), attachment(queue));
    QueueView { queue: queue.clone(), above, places, attachment, is_new: false }
}

fn above(state: &State, queue: &Queue) -> Vec<QueueName> {
    let parent = |name: &QueueName| state.queues.get(name)?.shape.parent.clone();
    let mut names: Vec<_> = std::iter::successors(queue.shape.parent.clone(), parent).collect();
    names.reverse();
    names
}

fn fault(state: &State, name: &QueueName, shape: &QueueShape) -> Option<TreeFault> {
    let mut tree: QueueTree = state.queues.iter().map(|(name, it)| (name, &it.shape)).collect();
    tree.put(name, shape);
    tree.faults(name).into_iter().next()
}

/// The model has one runner, which is meant by all.
fn attachment(queue: &Queue) -> Box<Attachment> {
    let met = |it: &Selector| Met { selector: it.clone(), runners: vec!["r1".into()] };
    Box::new(Attachment {
        selectors: queue.shape.attach.iter().map(met).collect(),
        exclusive: queue.shape.exclusive,
        holder: queue.shape.exclusive.then(|| "r1".into()),
        awaited: Vec::new(),
    })
}

pub(super) fn order(state: &mut State, who: &str, name: QueueName, verb: QueueVerb) -> Answer {
    let found = state.queues.get(&name).cloned();
    let is_new = found.is_none();
    let make = |shape| Arc::new(Queue::new(name.clone(), shape, ShapeOwner::Api));
    let refused = |why| Answer::QueueRefused { queue: name.clone(), why };
    if let QueueVerb::Put(shape) = &verb
        && let Some(fault) = fault(state, &name, shape)
    {
        return refused(QueueRefusal::Misplaced(fault));
    }
    let below = |it: &&Arc<Queue>| it.shape.parent.as_ref() == Some(&name);
    let below: Vec<_> = state.queues.values().filter(below).map(|it| it.name.clone()).collect();
    let mut queue = match (found, &verb) {
        (Some(queue), _) => queue,
        (None, QueueVerb::Put(shape)) => make((**shape).clone()),
        (None, _) => return refused(QueueRefusal::Unknown),
    };
    let held = Some(Held { who: who.to_owned(), since: Wall(5000) });
    let places = view(state, &queue, None).places;
    let it = Arc::make_mut(&mut queue);
    match verb {
        QueueVerb::Put(_) | QueueVerb::Attach { .. } | QueueVerb::Detach(_)
            if it.owner == ShapeOwner::File =>
        {
            return refused(QueueRefusal::OfFile);
        }
        QueueVerb::Put(shape) => it.shape = *shape,
        QueueVerb::Attach { selectors, exclusive } => {
            it.shape.attach.extend(selectors);
            it.shape.exclusive = exclusive.unwrap_or(it.shape.exclusive);
        }
        QueueVerb::Detach(None) => it.shape.attach.clear(),
        QueueVerb::Detach(Some(selectors)) => {
            if let Some(selector) = selectors.iter().find(|one| !it.shape.attach.contains(one)) {
                let (selector, attach) = (selector.clone(), it.shape.attach.clone());
                return refused(QueueRefusal::NotAttached { selector, attach });
            }
            if selectors == it.shape.attach {
                return refused(QueueRefusal::LastSelector);
            }
            it.shape.attach.retain(|one| !selectors.contains(one));
        }
        QueueVerb::Pause => it.paused = held,
        QueueVerb::Drain => it.drained = held,
        QueueVerb::Resume => (it.paused, it.drained) = (None, None),
        QueueVerb::Purged(_) => {}
        QueueVerb::Delete if name.is_default() => return refused(QueueRefusal::Default),
        QueueVerb::Delete if !below.is_empty() => return refused(QueueRefusal::HasQueues(below)),
        QueueVerb::Delete if places != Places::default() => {
            return refused(QueueRefusal::HasJobs(places));
        }
        QueueVerb::Delete => {
            state.queues.remove(&name);
            let attachment = attachment(&queue);
            let above = Vec::new();
            return Answer::Queue(QueueView { queue, above, places, attachment, is_new });
        }
    }
    state.queues.insert(name, queue.clone());
    let (above, attachment) = (above(state, &queue), attachment(&queue));
    Answer::Queue(QueueView { queue, above, places, attachment, is_new })
}

const SHAPE: &str = r#"{"weight":3,"discipline":"fifo","concurrency":4,"rate":"100/1m burst 20","waiting_max":9,"attach":["zone=b,gpu=a100","runner:r1"],"exclusive":true,"tenant_weights":{"shop":3},"tenant_concurrency":2,"tenant_caps":{"shop":5},
    "timeout":"10m","user":"mail","keep_succeeded":"1h","keep_failed":"2h","retry":{"attempts":5}}"#;

impl Rig {
    async fn put(&self, name: &str, shape: &str) -> super::Answer {
        self.json(&format!("PUT /v1/queues/{name}"), shape).await
    }
}

#[tokio::test]
async fn a_queue_is_made_shown_changed_as_a_whole_and_deleted() {
    let rig = Rig::new();
    let made = rig.put("mail", SHAPE).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let kept = rig.fake.state().queues[&QueueName::new("mail").unwrap()].shape.clone();
    assert_eq!(kept.rate, Some(Rate { jobs: 100, per: Span::from_secs(60), burst: 20 }));
    assert_eq!(kept.retry.unwrap().attempts, 5);
    let shown = rig.ask("GET /v1/queues/mail").await.json();
    for (name, value) in [
        ("weight", "3"),
        ("discipline", "\"fifo\""),
        ("concurrency", "4"),
        ("rate", "\"100/1m burst 20\""),
        ("waiting_max", "9"),
        ("attach", r#"["gpu=a100,zone=b","runner:r1"]"#),
        ("exclusive", "true"),
        ("holder", "\"r1\""),
        ("awaited", "[]"),
        ("tenant_weights", r#"{"shop":3}"#),
        ("tenant_concurrency", "2"),
        ("tenant_caps", r#"{"shop":5}"#),
        ("timeout_seconds", "600.0"),
        ("keep_succeeded_seconds", "3600.0"),
        ("keep_failed_seconds", "7200.0"),
        ("user", "\"mail\""),
        ("owner", "\"api\""),
        ("paused", "null"),
        ("waiting", "0"),
    ] {
        assert_eq!(shown[name].to_string(), value, "{name}");
    }
    let names = rig.ask("GET /v1/queues").await.json();
    let names: Vec<_> = names["queues"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["default", "mail"]);
    let changed = rig.put("mail", "{}").await;
    assert_eq!((changed.status, &changed.json()["weight"]), (StatusCode::OK, &1.into()));
    assert_eq!(rig.ask("DELETE /v1/queues/mail").await.status, StatusCode::NO_CONTENT);
    rig.ask("GET /v1/queues/mail").await.is("not_found");
    rig.ask("DELETE /v1/queues/mail").await.is("not_found");
    rig.ask("DELETE /v1/queues/default").await.is("conflict_state");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_queue_is_told_and_nothing_of_it_kept() {
    let rig = Rig::new();
    let bad = r#"{"weight":0,"discipline":"lifo","concurrency":10000001,"rate":"100","waiting_max":0,"timeout":"0s",
        "user":"-x","retry":{"attempts":0},"tenant_weights":{"a":0,"b":"x"},
        "tenant_concurrency":0,"tenant_caps":{"a":0},"fly":1}"#;
    let problem = rig.put("mail", bad).await.is("invalid_field");
    let told: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|it| &it["pointer"]).collect();
    for at in [
        "/weight",
        "/discipline",
        "/concurrency",
        "/rate",
        "/waiting_max",
        "/timeout",
        "/user",
        "/retry/attempts",
        "/tenant_weights/a",
        "/tenant_weights/b",
        "/tenant_concurrency",
        "/tenant_caps/a",
        "/fly",
    ] {
        assert!(told.iter().any(|it| *it == at), "{at} in {told:?}");
    }
    rig.put("-x", "{}").await.is("not_found");
    rig.put("a%2Fb", "{}").await.is("not_found");
    let burst = rig.put("mail", r#"{"rate":"5/1m burst 6"}"#).await.is("invalid_field");
    assert_eq!(burst["detail"], "a burst of 6 is more than its 5 jobs; lower one");
    rig.ask("GET /v1/queues/mail").await.is("not_found");
}

#[tokio::test]
async fn queues_are_below_others_and_have_slots_there_before_others_borrow_them() {
    let rig = Rig::new();
    rig.put("batch", r#"{"discipline":"htb"}"#).await;
    let shape = r#"{"parent":"batch","guarantee":1.5,"ceiling":4}"#;
    let made = rig.put("reports", shape).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let kept = rig.fake.state().queues[&QueueName::new("reports").unwrap()].shape.clone();
    assert_eq!(kept.guarantee.map(Slots::thousandths), Some(1500));
    let shown = rig.ask("GET /v1/queues/reports").await.json();
    assert_eq!(
        (&shown["parent"], &shown["path"]),
        (&"batch".into(), &serde_json::json!(["batch", "reports"]))
    );
    assert_eq!((&shown["guarantee"], &shown["ceiling"]), (&1.5.into(), &4.0.into()));
    let top = rig.ask("GET /v1/queues/batch").await.json();
    assert_eq!(
        (&top["parent"], &top["path"]),
        (&serde_json::Value::Null, &serde_json::json!(["batch"]))
    );
    let problem = rig.ask("DELETE /v1/queues/batch").await.is("conflict_state");
    let told = "the queue batch has queues below it: reports; delete those first, or give them another parent";
    assert_eq!(problem["detail"], told);
    rig.json("POST /v1/jobs", r#"{"command":"true","queue":"batch"}"#).await;
    rig.ask("DELETE /v1/queues/batch?move_to=default").await.is("conflict_state");
    assert_eq!(rig.ask("GET /v1/queues/batch").await.json()["waiting"], 1, "nothing was begun");
}

#[tokio::test]
async fn a_place_that_the_tree_cannot_have_is_refused_with_its_field_and_the_cure() {
    let rig = Rig::new();
    rig.put("batch", r#"{"discipline":"htb"}"#).await;
    rig.put("reports", r#"{"parent":"batch","guarantee":2}"#).await;
    for (queue, shape, at, told) in [
        (
            "a",
            r#"{"parent":"no"}"#,
            "/parent",
            "the queue a cannot be so: there is no queue \"no\"",
        ),
        (
            "batch",
            r#"{"parent":"reports","discipline":"htb"}"#,
            "/parent",
            "batch below reports below batch",
        ),
        ("batch", "{}", "/discipline", "reports below it have a guarantee"),
        ("a", r#"{"guarantee":1}"#, "/guarantee", "this one has no parent"),
        ("a", r#"{"parent":"reports","ceiling":1}"#, "/ceiling", "that of reports is promise"),
    ] {
        let problem = rig.put(queue, shape).await.is("conflict_state");
        assert_eq!(problem["pointer"], at, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    for (shape, told) in [
        (
            r#"{"parent":"batch","guarantee":5,"ceiling":4}"#,
            "a guarantee of 5 is more than its ceiling of 4",
        ),
        (
            r#"{"parent":"batch","guarantee":0}"#,
            "0 is not allowed; expected a number from 0.001 to 100000",
        ),
        (r#"{"parent":"batch","guarantee":"2"}"#, "expected a number from 0.001 to 100000"),
        (r#"{"parent":"-x"}"#, "is not the name of a queue"),
    ] {
        let problem = rig.put("a", shape).await.is("invalid_field");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    rig.ask("GET /v1/queues/a").await.is("not_found");
}

#[tokio::test]
async fn a_queue_of_the_configuration_is_changed_there() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    let mail = QueueName::new("mail").unwrap();
    Arc::make_mut(rig.fake.state().queues.get_mut(&mail).unwrap()).owner = ShapeOwner::File;
    let problem = rig.put("mail", "{}").await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("[queue.mail]"), "{problem}");
    assert_eq!(rig.ask("POST /v1/queues/mail/pause").await.json()["paused"]["by"], "first");
    assert_eq!(rig.ask("POST /v1/queues/mail/drain").await.json()["drained"]["by"], "first");
    let resumed = rig.ask("POST /v1/queues/mail/resume").await.json();
    assert!(resumed["paused"].is_null() && resumed["drained"].is_null(), "{resumed}");
}

#[tokio::test]
async fn a_job_is_in_the_queue_that_it_names_which_fills_in_what_it_does_not_say() {
    let rig = Rig::new();
    rig.put("mail", r#"{"timeout":"10m","user":"mail"}"#).await;
    let job = rig.json("POST /v1/jobs", r#"{"command":"true","queue":"mail"}"#).await.json();
    assert_eq!((&job["queue"], &job["user"]), (&"mail".into(), &"mail".into()), "{job}");
    assert_eq!(job["timeout_seconds"], 600.0, "{job}");
    let own = r#"{"command":"true","queue":"mail","timeout":"5s","user":"me"}"#;
    let own = rig.json("POST /v1/jobs", own).await.json();
    assert_eq!((&own["user"], &own["timeout_seconds"]), (&"me".into(), &5.0.into()), "{own}");
    let noop = r#"{"module":"noop","queue":"default"}"#;
    assert_eq!(rig.json("POST /v1/jobs", noop).await.json()["queue"], "default");
    let contents: Vec<_> = rig.fake.state().jobs.values().map(|it| it.spec.content).collect();
    let plain = rig.json("POST /v1/jobs", r#"{"command":"true"}"#).await.json();
    assert!(plain["user"].is_null() && plain["timeout_seconds"].is_null(), "{plain}");
    let plain = rig.fake.state().jobs.values().last().unwrap().spec.content;
    assert!(!contents.contains(&plain), "as another user it is another work");
    let policy = r#"{"retry":{"attempts":2}}"#;
    rig.put("mail", policy).await;
    for (body, attempts) in [
        (r#"{"command":"true","queue":"mail"}"#, 2),
        (r#"{"command":"true","queue":"mail","retry":{"attempts":7}}"#, 7),
        (r#"{"command":"true","queue":"mail","delivery":"at_most_once"}"#, 1),
        (r#"{"command":"true"}"#, 4),
    ] {
        let job = rig.json("POST /v1/jobs", body).await.json();
        assert_eq!(job["attempts_max"], attempts, "{body}");
    }
    let found = rig.ask("GET /v1/jobs?queue=mail").await.json();
    assert_eq!(found["jobs"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn an_unknown_queue_is_told_with_those_there_are_to_whoever_may_read() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    let body = r#"{"command":"true","queue":"mial"}"#;
    let problem = rig.json("POST /v1/jobs", body).await.is("conflict_state");
    assert_eq!(problem["detail"], "there is no queue \"mial\"; there are default, mail");
    assert_eq!(problem["pointer"], "/queue");
    let submitter = rig.token("s", &["submit"], None);
    let request = http::Request::post("/v1/jobs")
        .header("authorization", format!("Bearer {submitter}"))
        .header("content-type", "application/json");
    let answer = rig.send(request.body(body.into()).unwrap()).await.is("conflict_state");
    assert!(!answer["detail"].as_str().unwrap().contains("mail"), "{answer}");
    let problem = rig.json("POST /v1/jobs", r#"{"command":"true","queue":"-x"}"#).await;
    assert_eq!(problem.is("invalid_field")["pointer"], "/queue");
    let batch = rig.batch("", &format!("{body}\n")).await;
    assert!(batch.status == 422 && batch.text.contains("there is no queue"), "{batch:?}");
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn waiting_jobs_are_moved_to_another_queue_singly_and_by_filter() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    let one = rig.submit().await;
    let _two = rig.submit().await;
    let moved = rig.json(&format!("POST /v1/jobs/{one}/move"), r#"{"queue":"mail"}"#).await.json();
    assert_eq!((&moved["queue"], &moved["host"]), (&"mail".into(), &serde_json::Value::Null));
    let all = r#"{"action":"move","queue":"mail","filter":{"queue":"default"}}"#;
    assert_eq!(rig.json("POST /v1/jobs/actions", all).await.json()["done"], 1);
    let unknown = r#"{"action":"move","queue":"no","ids":[1]}"#;
    rig.json("POST /v1/jobs/actions", unknown).await.is("conflict_state");
    let odd = r#"{"action":"kill","queue":"mail","ids":[1]}"#;
    assert_eq!(
        rig.json("POST /v1/jobs/actions", odd).await.is("invalid_field")["pointer"],
        "/queue"
    );
    rig.json(&format!("POST /v1/jobs/{one}/move"), "{}").await.is("invalid_field");
}

#[tokio::test]
async fn a_purge_cancels_what_waits_and_by_choice_only_some_of_it() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    for tenant in ["a", "a", "b"] {
        let body = format!(r#"{{"command":"true","queue":"mail","tenant":"{tenant}"}}"#);
        rig.json("POST /v1/jobs", &body).await;
    }
    rig.submit().await;
    rig.fake.change(1, |status| status.state = JobState::Running);
    assert_eq!(rig.ask("POST /v1/queues/mail/purge?tenant=b").await.json()["done"], 1);
    assert_eq!(rig.ask("POST /v1/queues/mail/purge").await.json()["done"], 1);
    let states: Vec<_> = rig.fake.state().jobs.values().map(|it| it.status.state).collect();
    let cancelled = JobState::Cancelled;
    assert_eq!(states, [JobState::Running, cancelled, cancelled, JobState::Pending]);
    rig.ask("POST /v1/queues/mail/purge?queue=default").await.is("bad_query");
    rig.ask("POST /v1/queues/no/purge").await.is("not_found");
}

#[tokio::test]
async fn a_queue_with_jobs_goes_when_they_are_moved() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    rig.put("other", "{}").await;
    for _ in 0..3 {
        rig.json("POST /v1/jobs", r#"{"command":"true","queue":"mail"}"#).await;
    }
    let problem = rig.ask("DELETE /v1/queues/mail").await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("3 waiting and 0 running"), "{problem}");
    rig.fake.change(1, |status| status.state = JobState::Running);
    rig.ask("DELETE /v1/queues/mail?move_to=other").await.is("conflict_state");
    let shown = rig.ask("GET /v1/queues/mail").await.json();
    assert!(shown["drained"].is_null() && shown["waiting"] == 2, "nothing was begun: {shown}");
    rig.fake.change(1, |status| status.state = JobState::Succeeded);
    rig.ask("DELETE /v1/queues/mail?move_to=mail").await.is("bad_query");
    rig.ask("DELETE /v1/queues/mail?move_to=no").await.is("conflict_state");
    rig.ask("POST /v1/queues/other/drain").await;
    rig.ask("DELETE /v1/queues/mail?move_to=other").await.is("conflict_state");
    rig.ask("POST /v1/queues/other/resume").await;
    let gone = rig.ask("DELETE /v1/queues/mail?move_to=other").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(rig.ask("GET /v1/queues/other").await.json()["waiting"], 2);
}

#[tokio::test]
async fn a_move_into_a_full_queue_says_how_many_were_left_and_why() {
    let rig = Rig::new();
    rig.put("mail", r#"{"waiting_max":2}"#).await;
    rig.put("old", "{}").await;
    rig.json("POST /v1/jobs", r#"{"command":"true","queue":"old"}"#).await;
    let one = rig.fake.state().jobs[&JobId(1)].clone();
    for id in (1..=1500).map(JobId) {
        rig.fake.state().jobs.insert(id, Job { id, ..one.clone() });
    }
    let all = r#"{"action":"move","queue":"mail","filter":{"queue":"old"}}"#;
    let told = rig.json("POST /v1/jobs/actions", all).await.json();
    assert_eq!((&told["done"], &told["left"]), (&2.into(), &1498.into()));
    let refused = told["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1000);
    assert!(refused[0]["type"].as_str().unwrap().ends_with("/queue_full"), "{}", refused[0]);
    let problem = rig.json("POST /v1/jobs/1/move", r#"{"queue":"mail"}"#).await.is("queue_full");
    assert!(problem["detail"].as_str().unwrap().contains("in the queue mail"), "{problem}");
    let problem = rig.ask("DELETE /v1/queues/old?move_to=mail").await.is("conflict_state");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("1498 jobs in the queue old were not moved, so that it stays")
            && detail.contains("as many jobs wait in the queue mail as may"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_token_of_a_tenant_sees_its_own_jobs_and_changes_no_queue() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    rig.ask("POST /v1/queues/mail/pause").await;
    for tenant in ["shop", "other"] {
        let body = format!(r#"{{"command":"true","queue":"mail","tenant":"{tenant}"}}"#);
        rig.json("POST /v1/jobs", &body).await;
    }
    let shop = rig.token("shop", &["read", "operate"], Some("shop"));
    let ask = |line: &str, body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {shop}"));
        let request = request.header("content-type", "application/json");
        rig.send(request.body(body.to_owned().into()).unwrap())
    };
    let seen = ask("GET /v1/queues/mail", "").await.json();
    assert_eq!(seen["waiting"], 1);
    assert!(seen["paused"]["by"].is_null() && seen["paused"]["since"].is_string(), "{seen}");
    for line in ["PUT /v1/queues/mail", "DELETE /v1/queues/mail", "POST /v1/queues/mail/resume"] {
        let body = if line.starts_with("PUT") { "{}" } else { "" };
        ask(line, body).await.is("forbidden");
    }
    assert_eq!(ask("POST /v1/queues/mail/purge", "").await.json()["done"], 1);
    assert_eq!(rig.ask("GET /v1/queues/mail").await.json()["waiting"], 1, "the other's is there");
}

#[tokio::test]
async fn a_queue_is_attached_and_detached_and_shows_who_is_meant() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    let attach = "POST /v1/queues/mail/attach";
    let detach = "POST /v1/queues/mail/detach";
    let body = r#"{"selectors":["zone=b,gpu=a100","runner:r1"],"exclusive":true}"#;
    let shown = rig.json(attach, body).await.json();
    assert_eq!(shown["matches"].to_string(), r#"{"gpu=a100,zone=b":["r1"],"runner:r1":["r1"]}"#);
    assert_eq!((shown["exclusive"].as_bool(), shown["holder"].as_str()), (Some(true), Some("r1")));
    let shown = rig.json(attach, r#"{"exclusive":false}"#).await.json();
    assert_eq!((shown["exclusive"].as_bool(), shown["holder"].as_str()), (Some(false), None));
    let refused = rig.json(detach, r#"{"selectors":["gpu=a10"]}"#).await.is("conflict_state");
    let told = refused["detail"].to_string();
    assert!(
        told.contains("not attached to gpu=a10; it is attached to gpu=a100,zone=b and"),
        "{told}"
    );
    let shown = rig.json(detach, r#"{"selectors":["gpu=a100,zone=b"]}"#).await.json();
    assert_eq!(shown["attach"].to_string(), r#"["runner:r1"]"#);
    let refused = rig.json(detach, r#"{"selectors":["runner:r1"]}"#).await.is("conflict_state");
    let told = refused["detail"].to_string();
    assert!(told.contains("so that every runner would work it; if that is meant"), "{told}");
    let shown = rig.json(detach, r#"{"all":true}"#).await.json();
    assert_eq!(shown["attach"].to_string(), "[]");
}

#[tokio::test]
async fn what_is_no_selector_is_told_with_its_place_and_the_cure() {
    let rig = Rig::new();
    rig.put("mail", "{}").await;
    for (ask, body, at, told) in [
        ("PUT /v1/queues/mail", r#"{"attach":["gpu"]}"#, "/attach/0", "write NAME=VALUE"),
        (
            "POST /v1/queues/mail/attach",
            r#"{"selectors":["a=b","runner:"]}"#,
            "/selectors/1",
            "no runner's name",
        ),
        (
            "POST /v1/queues/mail/attach",
            "{}",
            "/selectors",
            "is missing; name some, or say exclusive",
        ),
        ("POST /v1/queues/mail/detach", "{}", "/selectors", "is missing; name some, or say all"),
        (
            "POST /v1/queues/mail/detach",
            r#"{"selectors":["a=b"],"all":true}"#,
            "/all",
            "contradict each other",
        ),
    ] {
        let answer = rig.json(ask, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{ask}: {answer:?}");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["pointer"], at, "{ask}: {error}");
        assert!(error["detail"].as_str().is_some_and(|it| it.contains(told)), "{ask}: {error}");
    }
    let many: Vec<String> = (0..65).map(|n| format!("\"runner:r{n}\"")).collect();
    let answer = rig.put("mail", &format!(r#"{{"attach":[{}]}}"#, many.join(","))).await;
    assert!(answer.json().to_string().contains("64"), "{answer:?}");
}

#[tokio::test]
async fn runners_name_the_queues_that_are_limited_to_them() {
    let rig = Rig::new();
    for (queue, shape) in [
        ("free", "{}"),
        ("gpus", r#"{"attach":["runner:web-1"]}"#),
        ("below", r#"{"parent":"gpus"}"#),
        ("others", r#"{"attach":["runner:web-2"]}"#),
        ("both", r#"{"parent":"others","attach":["runner:web-1"]}"#),
        ("one", r#"{"exclusive":true}"#),
    ] {
        rig.put(queue, shape).await;
    }
    let runners = rig.ask("GET /v1/runners").await.json();
    assert_eq!(runners["runners"][0]["name"], "web-1");
    assert_eq!(runners["runners"][0]["queues"].to_string(), r#"["below","gpus"]"#);
    let shown = rig.ask("POST /v1/runners/web-1/drain").await.json();
    assert_eq!(shown["queues"].to_string(), r#"["below","gpus"]"#);
    rig.fake.state().runners[0].name = "r1".to_owned();
    let runners = rig.ask("GET /v1/runners").await.json();
    assert_eq!(runners["runners"][0]["queues"].to_string(), r#"["one"]"#, "it holds that one");
}
