//! Queues that are attached to runners.

mod holders;

use std::collections::BTreeSet;

use ostler_job::Selector;
use ostler_job::durable::QueueShape;

use super::{
    queues::{in_queue, name, put},
    *,
};
use crate::{Absence, QueueOrder, QueueRefusal, QueueVerb, Wanted, Why};

/// A shape of a queue that is attached by these.
fn attached(selectors: &[&str]) -> QueueShape {
    QueueShape { attach: selectors.iter().map(|it| read(it)).collect(), ..QueueShape::default() }
}

fn read(selector: &str) -> Selector {
    Selector::read(selector).expect("it is one")
}

impl Bench {
    /// A runner of these labels is heard.
    fn join(&mut self, runner: &str, labels: &[&str], slots: u32) {
        self.labels = Arc::new(Labels::read(labels.iter().copied()).expect("they are labels"));
        self.beat(runner, slots, &[]);
    }

    /// Who is meant by each selector of a queue.
    fn met(&self, queue: &str) -> Vec<Vec<String>> {
        let attachment = self.driver.attachment(&name(queue)).expect("it is there");
        let met = attachment.selectors.iter();
        met.map(|it| it.runners.iter().map(ToString::to_string).collect()).collect()
    }
}

#[test]
fn a_selector_means_the_connected_runners_that_have_all_its_labels_or_its_name() {
    let mut bench = Bench::new();
    let selectors = ["gpu=a100", "gpu=a100,zone=b", "runner:r3"];
    bench.order("mail", put(attached(&selectors))).expect("it is made");
    assert!(bench.met("mail").iter().all(Vec::is_empty), "nobody is there");
    bench.join("r1", &["gpu=a100", "zone=a"], 1);
    bench.join("r2", &["gpu=a100", "zone=b"], 1);
    bench.join("r3", &[], 1);
    assert_eq!(bench.met("mail"), [vec!["r1", "r2"], vec!["r2"], vec!["r3"]]);
    bench.driver.handle_link_down(&"r2".into(), bench.now);
    bench.settle();
    assert_eq!(bench.met("mail"), [vec!["r1"], Vec::new(), vec!["r3"]]);
    assert_eq!(bench.driver.attachment(&name("none")), None);
    assert_eq!(bench.driver.attachment(&name("default")).map(|it| it.selectors), Some(Vec::new()));
    let kept: BTreeSet<Selector> = selectors.iter().map(|it| read(it)).collect();
    bench.restart();
    let queue = bench.driver.queues().find(|it| it.name == name("mail")).expect("it is kept");
    assert_eq!(queue.shape.attach, kept);
}

impl Bench {
    /// Whom the driver takes for the one that works an exclusive queue, and who still has jobs of it.
    pub(super) fn holder(&self, queue: &str) -> (Option<String>, Vec<String>) {
        let it = self.driver.attachment(&name(queue)).expect("it is there");
        let awaited = it.awaited.iter().map(ToString::to_string).collect();
        (it.holder.map(|it| it.to_string()), awaited)
    }

    /// The runners that were given something last.
    pub(super) fn given(&self) -> Vec<String> {
        self.runs().into_iter().map(|(runner, _)| runner).collect()
    }

    /// The attempts that were given last, to whom.
    fn attempts(&mut self, queue: &str, jobs: usize) -> Vec<(String, AttemptKey)> {
        let mut all = Vec::new();
        for _ in 0..jobs {
            self.submit(in_queue(queue));
            all.extend(self.runs());
        }
        all
    }

    fn down(&mut self, runner: &str) {
        self.driver.handle_link_down(&runner.into(), self.now);
        self.settle();
    }

    /// An operator lets it take so many.
    fn slots(&mut self, runner: &str, slots: u32) {
        let offer = Offer { runner: runner.into(), news: None, wakes: false, slots };
        self.driver.handle_offer(&offer, self.now);
        self.settle();
    }

    /// An order whose answer may come later.
    fn begin_order(&mut self, queue: &str, verb: QueueVerb) {
        let (ticket, who, queue) = (Ticket(9), "ops".to_owned(), name(queue));
        self.driver.handle_queue(QueueOrder { ticket, who, queue, verb }, self.now);
        self.settle();
    }

    fn is_order_answered(&self) -> bool {
        self.effects.iter().any(|it| matches!(it, Effect::Answer { ticket: Ticket(9), .. }))
    }

    fn told(&self, what: &str) -> Vec<serde_json::Value> {
        let details = self.changes.iter().filter_map(|change| {
            let Change::Event { detail, .. } = change else { return None };
            serde_json::from_str(detail).ok()
        });
        details
            .filter(|it: &serde_json::Value| it["what"] == what || it["action"] == what)
            .collect()
    }
}

fn attach(selectors: &[&str], exclusive: Option<bool>) -> QueueVerb {
    QueueVerb::Attach { selectors: selectors.iter().map(|it| read(it)).collect(), exclusive }
}

fn detach(selectors: &[&str]) -> QueueVerb {
    QueueVerb::Detach(Some(selectors.iter().map(|it| read(it)).collect()))
}

pub(super) fn exclusive(selectors: &[&str]) -> QueueVerb {
    put(QueueShape { exclusive: true, ..attached(selectors) })
}

#[test]
fn jobs_of_an_attached_queue_go_to_the_runners_it_means_whenever_they_come() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["gpu=a100", "runner:r4"]))).expect("it is made");
    bench.join("r1", &[], 4);
    let (_, other) = (bench.submit(in_queue("mail")), bench.submit(in_queue("mail")));
    assert_eq!(bench.given(), [""; 0]);
    bench.join("r2", &["gpu=a100"], 1);
    assert_eq!(bench.given(), ["r2"]);
    bench.join("r4", &[], 1);
    assert_eq!(bench.given(), ["r4"]);
    assert!(bench.status(other).runner.is_some());
    // Another process of that name says other things of its host.
    let job = bench.submit(in_queue("mail"));
    bench.labels = Arc::new(Labels::read(["gpu=a100"]).expect("it is one"));
    bench.beat_as("r1", "2", 4, &[]);
    assert_eq!((bench.given(), bench.state(job)), (vec!["r1".to_owned()], JobState::Leased));
    let key = bench.status_key(job);
    bench.finish("r1", key, Reason::Ok);
    bench.labels = Arc::default();
    bench.beat_as("r1", "3", 4, &[]);
    assert_eq!(bench.attempts("mail", 1), [], "not there any more");
}

#[test]
fn a_queue_is_attached_and_detached_while_jobs_wait_and_run_and_after_a_restart() {
    let mut bench = Bench::new();
    bench.join("r1", &["zone=a"], 1);
    bench.join("r2", &["zone=b"], 1);
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    let view = bench.order("mail", attach(&["zone=a", "zone=c"], None)).expect("it is attached");
    assert_eq!(view.queue.shape, attached(&["zone=a", "zone=c"]));
    let told = bench.told("queue_attach");
    assert_eq!(told[0]["selectors"], serde_json::json!(["zone=a", "zone=c"]));
    let ran = bench.attempts("mail", 3);
    assert_eq!(ran.iter().map(|it| &*it.0).collect::<Vec<_>>(), ["r1"]);
    bench.start("r1", ran[0].1);
    bench.order("mail", detach(&["zone=a"])).expect("it is detached");
    assert_eq!(bench.told("queue_detach")[0]["selectors"], serde_json::json!(["zone=a"]));
    bench.finish("r1", ran[0].1, Reason::Ok);
    assert_eq!(bench.given(), [""; 0]);
    bench.restart();
    bench.join("r1", &["zone=a"], 1);
    bench.join("r2", &["zone=b"], 1);
    assert_eq!(bench.given(), [""; 0]);
    bench.order("mail", attach(&["zone=b"], None)).expect("it is attached");
    assert_eq!(bench.given(), ["r2"]);
    bench.order("mail", QueueVerb::Detach(None)).expect("it is detached");
    assert_eq!(bench.given(), ["r1"], "whoever is free");
    assert_eq!(bench.places("mail", None), (0, 2));
}

#[test]
fn what_cannot_be_detached_is_refused_with_what_there_is() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a", "zone=b"]))).expect("it is made");
    let refused = QueueRefusal::NotAttached {
        selector: read("zone=c"),
        attach: attached(&["zone=a", "zone=b"]).attach,
    };
    assert_eq!(bench.order("mail", detach(&["zone=a", "zone=c"])), Err(refused));
    bench.order("mail", detach(&["zone=a"])).expect("it is detached");
    assert_eq!(bench.order("mail", detach(&["zone=b"])), Err(QueueRefusal::LastSelector));
    let many: Vec<String> = (0..64).map(|n| format!("runner:r{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = QueueRefusal::TooManySelectors(64);
    assert_eq!(bench.order("mail", attach(&many, None)), Err(refused));
    bench.restart_with(vec![(name("mail"), attached(&["zone=b"]))]);
    for verb in [attach(&["zone=c"], None), detach(&["zone=b"]), QueueVerb::Detach(None)] {
        assert_eq!(bench.order("mail", verb), Err(QueueRefusal::OfFile));
    }
}

#[test]
fn detach_is_answered_when_what_was_given_has_begun_and_takes_back_what_nobody_has() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a", "zone=b"]))).expect("it is made");
    bench.join("r1", &["zone=a"], 2);
    let sent = bench.attempts("mail", 1)[0].1;
    // The next is leased, and on no link yet.
    bench.holds = true;
    let unsent = bench.attempts("mail", 1)[0].1;
    bench.begin_order("mail", detach(&["zone=a"]));
    assert!(!bench.is_order_answered(), "{sent:?} may begin");
    assert_eq!(bench.state(unsent.job), JobState::Pending);
    assert_eq!(bench.status(unsent.job).attempts, 0, "it was nobody's");
    bench.start("r1", sent);
    assert!(bench.is_order_answered());
    assert_eq!(bench.places("mail", None), (1, 1));
    // Nobody waits for longer than a lease lasts for one that says nothing.
    bench.holds = false;
    bench.order("mail", attach(&["zone=a"], None)).expect("it is attached");
    assert_eq!(bench.given(), ["r1"]);
    let held = [sent, bench.run()];
    bench.begin_order("mail", detach(&["zone=a"]));
    assert!(!bench.is_order_answered());
    for second in 1..=4 {
        bench.pass(Span::from_secs(5));
        let by_now = bench.is_order_answered();
        assert_eq!(by_now, second == 3, "after {} s", second * 5);
        bench.beat("r1", 2, &held);
    }
}

#[test]
fn detach_is_answered_when_what_was_given_before_a_restart_has_begun_too() {
    for exclusive in [false, true] {
        let mut bench = Bench::new();
        let shape = QueueShape { exclusive, ..attached(&["runner:r1", "runner:r2"]) };
        bench.order("mail", put(shape)).expect("it is made");
        bench.join("r1", &[], 1);
        let sent = bench.attempts("mail", 1)[0].1;
        bench.restart();
        bench.begin_order("mail", detach(&["runner:r1"]));
        assert!(!bench.is_order_answered(), "{sent:?} may begin");
        bench.start("r1", sent);
        assert!(bench.is_order_answered());
    }
}

#[test]
fn detach_is_answered_when_what_was_given_of_queues_below_has_begun_too() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a", "zone=b"]))).expect("it is made");
    let below = QueueShape { parent: Some(name("mail")), ..QueueShape::default() };
    bench.order("news", put(below.clone())).expect("it is made");
    bench.order("own", put(QueueShape { exclusive: true, ..below })).expect("it is made");
    bench.order("else", put(QueueShape::default())).expect("it is made");
    bench.join("r1", &["zone=a"], 5);
    let sent = [bench.attempts("news", 1)[0].1, bench.attempts("own", 1)[0].1];
    let elsewhere = bench.attempts("else", 1)[0].1;
    bench.holds = true;
    let unsent = bench.attempts("news", 1)[0].1;
    bench.begin_order("mail", detach(&["zone=a"]));
    assert!(!bench.is_order_answered(), "{sent:?} may begin");
    assert_eq!(bench.state(unsent.job), JobState::Pending);
    bench.start("r1", sent[0]);
    assert!(!bench.is_order_answered());
    bench.start("r1", sent[1]);
    assert!(bench.is_order_answered());
    assert_eq!(bench.state(elsewhere.job), JobState::Leased, "it may go on there");
}

#[test]
fn a_queue_that_is_put_below_an_attached_one_takes_back_what_nobody_has_where_that_is_not() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=b"]))).expect("it is made");
    bench.order("news", put(QueueShape::default())).expect("it is made");
    bench.join("r1", &["zone=a"], 2);
    bench.holds = true;
    let unsent = bench.attempts("news", 1)[0].1;
    let below = QueueShape { parent: Some(name("mail")), ..QueueShape::default() };
    bench.begin_order("news", put(below));
    assert!(bench.is_order_answered());
    assert_eq!(bench.state(unsent.job), JobState::Pending);
}

#[test]
fn an_exclusive_queue_has_one_runner_and_keeps_it_while_that_one_is_fit() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.order("post", exclusive(&[])).expect("it is made");
    bench.join("r1", &[], 2);
    bench.join("r2", &[], 2);
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), Vec::new()));
    bench.submit(in_queue("mail"));
    bench.submit(in_queue("mail"));
    bench.submit(in_queue("mail"));
    assert_eq!(bench.places("mail", None), (1, 2), "the slots of the other one are not for it");
    // The other queue goes to it when somebody has to take it over, since it holds none.
    bench.slots("r1", 0);
    assert_eq!(bench.holder("post"), (Some("r2".to_owned()), Vec::new()));
    assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), vec!["r1".to_owned()]));
    let told = bench.told("holds queue");
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["instead_of"], "r1");
    bench.slots("r1", 2);
    assert_eq!(bench.holder("post").0, Some("r2".to_owned()), "what it has it keeps");
}

#[test]
fn another_takes_over_when_the_holder_drains_and_not_before_its_jobs_are_over() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    bench.join("r0", &[], 9);
    bench.join("r1", &["zone=a"], 2);
    bench.join("r2", &["zone=a"], 2);
    let ran = bench.attempts("mail", 4);
    assert_eq!(ran.iter().map(|it| &*it.0).collect::<Vec<_>>(), ["r1", "r1"]);
    bench.start("r1", ran[0].1);
    bench.slots("r1", 0);
    assert_eq!(bench.given(), [""; 0]);
    bench.finish("r1", ran[0].1, Reason::Ok);
    assert_eq!(bench.given(), [""; 0], "one still runs there");
    bench.finish("r1", ran[1].1, Reason::Ok);
    assert_eq!(bench.given(), ["r2", "r2"]);
    assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), Vec::new()));
}

#[test]
fn another_takes_over_from_a_holder_that_dies_when_what_it_had_is_lost() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.join("r1", &[], 1);
    bench.join("r2", &[], 1);
    let ran = bench.attempts("mail", 2);
    assert_eq!(ran.len(), 1);
    bench.start("r1", ran[0].1);
    bench.down("r1");
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), Vec::new()), "it may be back at once");
    assert_eq!(bench.given(), [""; 0]);
    for _ in 0..3 {
        bench.beat("r2", 1, &[]);
        bench.pass(Span::from_secs(5));
    }
    assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), Vec::new()));
    assert_eq!(bench.given(), ["r2"]);
    // One that has nothing of it is left at once.
    bench.finish("r2", bench.run(), Reason::Ok);
    let last = bench.run();
    bench.finish("r2", last, Reason::Ok);
    bench.beat("r1", 1, &[]);
    bench.down("r2");
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), Vec::new()));
}

#[test]
fn after_a_restart_an_exclusive_queue_waits_for_the_runner_that_has_its_jobs() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    bench.join("r1", &["zone=a"], 1);
    let ran = bench.attempts("mail", 2);
    bench.start("r1", ran[0].1);
    bench.restart();
    bench.join("r0", &["zone=a"], 1);
    assert_eq!(bench.given(), [""; 0]);
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), Vec::new()));
    bench.beat("r1", 1, &[ran[0].1]);
    bench.finish("r1", ran[0].1, Reason::Ok);
    assert_eq!(bench.given(), ["r1"]);
}

#[test]
fn a_queue_that_becomes_exclusive_waits_until_one_runner_alone_works_it() {
    let mut bench = Bench::new();
    bench.order("mail", put(QueueShape::default())).expect("it is made");
    bench.join("r1", &[], 1);
    bench.join("r2", &[], 1);
    let ran = bench.attempts("mail", 4);
    ran.iter().for_each(|(runner, key)| bench.start(runner, *key));
    bench.order("mail", attach(&[], Some(true))).expect("it is so");
    assert_eq!(bench.holder("mail"), (Some("r1".to_owned()), vec!["r2".to_owned()]));
    let at = |runner: &str| ran.iter().find(|it| it.0 == runner).expect("it has one").1;
    bench.finish("r1", at("r1"), Reason::Ok);
    assert_eq!(bench.given(), [""; 0], "the other one has one still");
    bench.finish("r2", at("r2"), Reason::Ok);
    assert_eq!(bench.given(), ["r1"]);
    bench.order("mail", attach(&[], Some(false))).expect("it is so");
    assert_eq!(bench.given(), ["r2"]);
}

#[test]
fn a_job_that_is_pinned_elsewhere_than_its_queue_is_attached_waits_and_is_not_lost() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["zone=a"]))).expect("it is made");
    bench.join("r1", &["zone=a"], 1);
    bench.join("r2", &[], 1);
    let pinned = bench.submit(Spec { host: Some("r2".into()), ..in_queue("mail") });
    assert_eq!(bench.state(pinned), JobState::Pending);
    assert_eq!(bench.attempts("mail", 1)[0].0, "r1");
    bench.order("mail", attach(&["runner:r2"], None)).expect("it is attached");
    assert_eq!(bench.given(), ["r2"]);
}

#[test]
fn who_waits_in_an_attached_queue_is_told_which_runners_it_is_for_and_what_is_with_them() {
    let mut bench = Bench::new();
    bench.order("mail", put(attached(&["gpu=a100"]))).expect("it is made");
    bench.join("r1", &[], 1);
    let (job, elsewhere) = (
        bench.submit(in_queue("mail")),
        bench.submit(Spec { host: Some("r1".into()), ..in_queue("mail") }),
    );
    let selectors = vec![read("gpu=a100")];
    let wanted = Wanted::Attached { queue: name("mail"), selectors, above: Vec::new() };
    let told = |absence| Some(Why::NoRunner { wanted: wanted.clone(), absence });
    assert_eq!(bench.driver.why(job, bench.now), told(Absence::Unknown));
    let pinned = Why::NoRunner { wanted: Wanted::Host("r1".into()), absence: Absence::Elsewhere };
    assert_eq!(bench.driver.why(elsewhere, bench.now), Some(pinned));
    bench.join("r2", &["gpu=a100"], 0);
    assert_eq!(bench.driver.why(job, bench.now), told(Absence::Drained));
    bench.down("r2");
    assert_eq!(bench.driver.why(job, bench.now), told(Absence::Away));
    bench.beat("r2", 1, &[]);
    let next = bench.submit(in_queue("mail"));
    let full = Some(Why::RunnerFull { wanted, slots: None });
    assert_eq!(bench.driver.why(next, bench.now), full, "the other runner is free");
}

#[test]
fn who_waits_for_the_jobs_of_the_runner_before_is_told_whose_they_are() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&[])).expect("it is made");
    bench.join("r1", &[], 1);
    bench.join("r2", &[], 1);
    let ran = bench.attempts("mail", 1);
    bench.start("r1", ran[0].1);
    let job = bench.submit(in_queue("mail"));
    bench.slots("r1", 0);
    let (queue, awaited) = (name("mail"), vec!["r1".into()]);
    let why = Why::Exclusive { queue, holder: Some("r2".into()), awaited };
    assert_eq!(bench.driver.why(job, bench.now), Some(why));
}

#[test]
fn of_an_exclusive_queue_the_jobs_of_queues_below_are_waited_for_too() {
    let mut bench = Bench::new();
    let below = QueueShape { parent: Some(name("mail")), ..QueueShape::default() };
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    bench.order("news", put(below.clone())).expect("it is made");
    bench.order("own", put(QueueShape { exclusive: true, ..below })).expect("it is made");
    bench.join("r1", &["zone=a"], 2);
    bench.join("r2", &["zone=a"], 2);
    bench.join("r3", &[], 2);
    assert_eq!(bench.holder("own").0, Some("r1".to_owned()), "where those above may run");
    let ran = bench.attempts("news", 1)[0].clone();
    assert_eq!(ran.0, "r1");
    bench.start("r1", ran.1);
    bench.slots("r1", 0);
    assert_eq!(bench.holder("mail"), (Some("r2".to_owned()), vec!["r1".to_owned()]));
    assert_eq!(bench.attempts("mail", 1), []);
    assert_eq!(bench.attempts("own", 1), []);
    bench.finish("r1", ran.1, Reason::Ok);
    assert_eq!(bench.given(), ["r2", "r2"]);
    assert_eq!(bench.holder("own").0, Some("r2".to_owned()));
    // Out from below, its jobs are nobody else's concern.
    let other = bench.attempts("news", 1);
    assert_eq!(other, []);
    bench.order("news", put(QueueShape::default())).expect("it is changed");
    assert_eq!(bench.given(), ["r3"]);
    bench.order("mail", QueueVerb::Detach(None)).expect("it is detached");
    assert_eq!(bench.holder("own").0, Some("r2".to_owned()), "it keeps it");
}

#[test]
fn who_waits_for_the_one_runner_of_a_queue_is_told_of_that_one_and_of_no_other() {
    let mut bench = Bench::new();
    bench.order("mail", exclusive(&["zone=b"])).expect("it is made");
    bench.join("r1", &["zone=b"], 1);
    bench.join("r2", &["zone=b"], 1);
    let ran = bench.attempts("mail", 1);
    bench.start("r1", ran[0].1);
    let job = bench.submit(in_queue("mail"));
    let wanted = Wanted::Holder { queue: name("mail"), runner: "r1".into() };
    let full = Some(Why::RunnerFull { wanted: wanted.clone(), slots: None });
    assert_eq!(bench.driver.why(job, bench.now), full, "the other one is free");
    bench.down("r1");
    let away = Some(Why::NoRunner { wanted, absence: Absence::Away });
    assert_eq!(bench.driver.why(job, bench.now), away, "the other one is there");
}

#[test]
fn who_waits_below_an_attached_queue_is_told_of_both_where_runners_of_one_are_none_of_the_other() {
    let mut bench = Bench::new();
    bench.order("above", put(attached(&["zone=a"]))).expect("it is made");
    let below = QueueShape { parent: Some(name("above")), ..attached(&["gpu=a100"]) };
    bench.order("mail", put(below)).expect("it is made");
    bench.join("r1", &["gpu=a100"], 1);
    bench.join("r2", &["zone=a"], 1);
    let job = bench.submit(in_queue("mail"));
    let wanted = Wanted::Attached {
        queue: name("mail"),
        selectors: vec![read("gpu=a100")],
        above: vec![(name("above"), vec![read("zone=a")])],
    };
    let why = Why::NoRunner { wanted, absence: Absence::Unknown };
    assert_eq!(bench.driver.why(job, bench.now), Some(why));
}

#[test]
fn an_exclusive_queue_whose_runners_are_all_broken_is_tried_there_all_the_same() {
    let mut bench = Bench::new();
    bench.is_broken = true;
    bench.join("r1", &["zone=a"], 1);
    bench.join("r2", &["zone=a"], 1);
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    let job = bench.submit(in_queue("mail"));
    let given = bench.given();
    assert_eq!(given.len(), 1, "a try");
    let runner = given[0].clone();
    assert_eq!(bench.holder("mail"), (Some(runner.clone()), Vec::new()));
    // Whatever was wrong is mended, and it goes on there.
    let key = bench.status_key(job);
    bench.start(&runner, key);
    bench.finish(&runner, key, Reason::Ok);
    bench.submit(in_queue("mail"));
    assert_eq!(bench.given(), [runner]);
}

#[test]
fn an_exclusive_queue_does_not_wait_for_a_holder_that_is_gone_while_a_broken_runner_is_there() {
    let mut bench = Bench::new();
    bench.join("r1", &["zone=a"], 1);
    bench.order("mail", exclusive(&["zone=a"])).expect("it is made");
    bench.is_broken = true;
    bench.join("r2", &["zone=a"], 1);
    assert_eq!(bench.holder("mail").0.as_deref(), Some("r1"));
    bench.down("r1");
    let job = bench.submit(in_queue("mail"));
    assert_eq!(bench.holder("mail").0.as_deref(), Some("r1"), "it may come back");
    while bench.runs().is_empty() {
        bench.beat("r2", 1, &[]);
        assert_eq!(bench.runs(), []);
        bench.pass(Span::from_secs(5));
    }
    assert_eq!((bench.given(), bench.holder("mail").0), (vec!["r2".to_owned()], Some("r2".into())));
    // One that is sound takes over when the try is over.
    bench.is_broken = false;
    bench.join("r3", &["zone=a"], 1);
    assert_eq!(bench.holder("mail"), (Some("r3".to_owned()), vec!["r2".to_owned()]));
    bench.cannot_start("r2", bench.status_key(job));
    assert_eq!(bench.given(), ["r3"]);
}
