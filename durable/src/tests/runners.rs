//! What is known of runners: who has a name, who is kept by the file, who is forgotten.

use std::sync::{Arc, atomic::AtomicU64};

use ostler_api::backend::{Drained, Forgotten, RunnerView, SlotsSet};
use ostler_job::{Labels, Mono, Now, durable::Fence};

use super::*;
use crate::runners::{NameTaken, Registered, Runners};

const DAY: u64 = 86_400;

/// So long after some start; both clocks are right.
fn at(seconds: u64) -> Now {
    Now { mono: Mono(0) + Span::from_secs(seconds), wall: Wall(1).after(Span::from_secs(seconds)) }
}

/// A process of the runner `a` comes, which is heard now.
fn comes(runners: &Runners, process: &str, now: Now) -> Result<Registered, NameTaken> {
    let who = format!("pid {process}");
    let incarnation = Some(process.to_owned());
    let hello = Hello { name: "a".into(), incarnation, who, labels: Arc::default() };
    let heard = Arc::new(AtomicU64::new(now.mono.0));
    let link = crate::runners::Link::new(&hello, Arc::new(|_| true), Some(heard));
    runners.up(&"a".into(), link, now, |_, _| {})
}

/// The number of the link of the runner `a` that has just come.
fn up(runners: &Runners, seconds: u64) -> u64 {
    comes(runners, "1", at(seconds)).expect("the name is free").number
}

fn beat(runners: &Runners, link: u64, held: &[AttemptKey], seconds: u64) -> Option<()> {
    let (runner, incarnation) = ("a".into(), "1".to_owned());
    let (labels, held) = (Arc::default(), held.to_vec());
    let beat =
        ostler_driver::Beat { runner, link, incarnation, slots: 2, is_broken: false, labels, held };
    runners.beat(beat, at(seconds).wall, drop)
}

fn only(runners: &Runners) -> RunnerView {
    let [view] = <[RunnerView; 1]>::try_from(runners.views()).expect("one is known");
    view
}

fn by(who: &str) -> Option<Drained> {
    Some(Drained { by: Some(who.to_owned()), since: Some(at(7).wall), broken: None })
}

fn is_known(runners: &Runners) -> bool {
    !runners.views().is_empty()
}

fn in_folder() -> (tempfile::TempDir, Runners) {
    let state = tempfile::tempdir().unwrap();
    let runners = Runners::open(state.path(), at(0).wall);
    (state, runners)
}

#[test]
fn a_start_knows_who_was_heard_in_the_last_month_and_whoever_is_drained() {
    let (state, runners) = in_folder();
    up(&runners, 0);
    runners.keep().unwrap();
    let later = |days| Runners::open(state.path(), at(days * DAY).wall);
    assert!(is_known(&later(29)) && !is_known(&later(31)));
    assert_eq!(only(&later(29)).heard_at, at(0).wall);
    runners.set_drained(&"a".into(), by("deploy")).unwrap();
    assert!(only(&later(31)).drained.is_some());
}

#[test]
fn one_that_is_heard_after_a_day_is_news_to_the_file() {
    let runners = Runners::default();
    let comes = |seconds| comes(&runners, "1", at(seconds)).unwrap().is_news;
    assert!(comes(DAY));
    assert_eq!(only(&runners).heard_at, at(DAY).wall);
    assert!(!comes(DAY + 5));
    assert!(!comes(2 * DAY), "a day after it was new, not after it was heard");
    assert!(comes(3 * DAY));
}

#[test]
fn each_process_that_is_refused_a_name_is_told_of_once_a_minute() {
    let runners = Runners::default();
    let stays = |seconds| up(&runners, seconds);
    let is_news = |process, seconds| {
        let refused = comes(&runners, process, at(seconds));
        refused.map(drop).expect_err("the name is taken").is_news
    };
    stays(100);
    assert!(is_news("2", 100) && !is_news("2", 101));
    assert!(is_news("3", 102), "it is another one");
    assert!(!is_news("3", 103));
    stays(150);
    assert!(!is_news("3", 151));
    stays(163);
    assert!(is_news("3", 163));
}

#[test]
fn what_a_runner_said_last_is_shown_until_its_link_goes() {
    let runners = Runners::default();
    assert_eq!(runners.newest_link(), 0);
    let link = up(&runners, 0);
    assert_eq!(runners.newest_link(), link);
    let key = |job| AttemptKey { job: JobId(job), attempt: 1, fence: Fence(job) };
    runners.note_held(&"a".into(), key(1), true);
    beat(&runners, link, &[key(2), key(3)], 60).unwrap();
    let view = only(&runners);
    assert_eq!((view.slots, view.held, view.heard_at), (2, vec![JobId(2), JobId(3)], at(60).wall));
    assert_eq!(runners.offer(&"a".into(), |slots| slots), 2);
    assert_eq!(runners.offer(&"b".into(), |slots| slots), 0, "nobody knows it");
    runners.down(&"a".into(), link, || {});
    let view = only(&runners);
    assert_eq!((view.connected, view.slots), (false, 0));
    assert_eq!(runners.offer(&"a".into(), |slots| slots), 0);
    assert_eq!(view.held, [JobId(2), JobId(3)], "they may run all the same");
}

#[test]
fn a_drain_that_cannot_be_written_down_is_none() {
    let (state, runners) = in_folder();
    let link = up(&runners, 0);
    beat(&runners, link, &[], 1).unwrap();
    let drain =
        |draining: bool| runners.set_drained(&"a".into(), by("deploy").filter(|_| draining));
    assert_eq!(drain(false).unwrap(), Some(false), "it was so before");
    assert_eq!((drain(true).unwrap(), drain(true).unwrap()), (Some(true), Some(false)));
    assert_eq!(drain(false).unwrap(), Some(true));
    drop(state);
    assert!(drain(true).is_err());
    assert!(only(&runners).drained.is_none());
    assert_eq!(runners.offer(&"a".into(), |slots| slots), 2);
}

#[test]
fn a_runner_that_is_away_is_forgotten_for_good() {
    let (state, runners) = in_folder();
    let link = up(&runners, 0);
    runners.down(&"a".into(), link, || {});
    runners.keep().unwrap();
    assert_eq!(runners.forget("a", false).unwrap(), Forgotten::Done);
    assert!(!is_known(&runners));
    assert!(!is_known(&Runners::open(state.path(), at(1).wall)), "the next start knows it no more");
    assert_eq!(runners.forget("a", false).unwrap(), Forgotten::Unknown);
    assert_eq!(runners.forget("a", true).unwrap(), Forgotten::Done, "a member that never came");
}

#[test]
fn this_hosts_own_runner_is_not_forgotten_while_it_is_here() {
    let (state, runners) = in_folder();
    up(&runners, 0);
    runners.keep().unwrap();
    assert_eq!(runners.forget("a", false).unwrap(), Forgotten::Own);
    assert!(only(&runners).connected && is_known(&Runners::open(state.path(), at(1).wall)));
}

#[test]
fn a_member_that_is_forgotten_goes_with_its_link_and_comes_back_as_another() {
    let (state, runners) = in_folder();
    let kept = || is_known(&Runners::open(state.path(), at(1).wall));
    let link = up(&runners, 0);
    runners.set_drained(&"a".into(), by("deploy")).unwrap();
    assert_eq!(runners.forget("a", true).unwrap(), Forgotten::Done);
    assert!(!is_known(&runners) && !kept());
    assert_eq!(runners.linked(), ["a".into()], "its link is to be closed");
    runners.down(&"a".into(), link, || {});
    let again = comes(&runners, "1", at(2)).unwrap();
    assert!(again.is_news && only(&runners).drained.is_none(), "nothing of it was left");
}

#[test]
fn a_member_that_is_forgotten_and_comes_again_on_another_link_is_known() {
    let (state, runners) = in_folder();
    let first = up(&runners, 0);
    assert_eq!(runners.forget("a", true).unwrap(), Forgotten::Done);
    let second = up(&runners, 1);
    runners.down(&"a".into(), first, || {});
    assert!(only(&runners).connected);
    runners.keep().unwrap();
    assert!(is_known(&Runners::open(state.path(), at(2).wall)));
    runners.down(&"a".into(), second, || {});
    assert!(is_known(&runners));
}

#[test]
fn a_runner_has_the_labels_of_its_newest_link_and_the_file_keeps_them() {
    let (state, runners) = in_folder();
    let comes = |labels: &[&str], seconds| {
        let labels = Arc::new(Labels::read(labels.iter().copied()).unwrap());
        let (incarnation, who) = (Some("1".to_owned()), "pid 1".to_owned());
        let hello = Hello { name: "a".into(), incarnation, who, labels };
        let link = crate::runners::Link::new(&hello, Arc::new(|_| true), None);
        runners.up(&"a".into(), link, at(seconds), |_, _| {}).unwrap()
    };
    let first = comes(&["gpu=a100"], 0);
    assert_eq!(only(&runners).labels.to_string(), "gpu=a100");
    assert!(!comes(&["gpu=a100"], 1).is_news);
    let link = comes(&["zone=b"], 2);
    assert!(link.is_news, "the file is to say it");
    let beat = |link: &Registered| {
        let (runner, incarnation, held) = ("a".into(), "1".into(), Vec::new());
        let labels = Arc::default();
        let beat = ostler_driver::Beat {
            runner,
            link: link.number,
            incarnation,
            slots: 2,
            is_broken: false,
            labels,
            held,
        };
        let mut told = None;
        runners.beat(beat, at(3).wall, |beat| told = Some(beat.labels.to_string()));
        told
    };
    assert_eq!(beat(&link).as_deref(), Some("zone=b"), "the driver hears them with the beat");
    assert_eq!(beat(&first), None);
    runners.down(&"a".into(), link.number, || {});
    runners.keep().unwrap();
    assert_eq!(only(&runners).labels.to_string(), "zone=b", "also while it is away");
    let later = Runners::open(state.path(), at(4).wall);
    assert_eq!(only(&later).labels.to_string(), "zone=b");
}

#[test]
fn who_drained_a_runner_first_and_since_when_is_kept_until_it_is_undrained() {
    let (state, runners) = in_folder();
    up(&runners, 0);
    let again = || Runners::open(state.path(), at(1).wall);
    runners.set_drained(&"a".into(), by("first")).unwrap();
    assert_eq!(runners.set_drained(&"a".into(), by("second")).unwrap(), Some(false));
    assert_eq!(only(&again()).drained, by("first"));
    runners.set_drained(&"a".into(), None).unwrap();
    assert_eq!(only(&again()).drained, None);
}

#[test]
fn a_drain_that_an_older_gateway_wrote_down_holds() {
    let state = tempfile::tempdir().unwrap();
    let text = r#"[{"name": "a", "draining": true, "heard_at": 1}]"#;
    std::fs::write(state.path().join("runners.json"), text).unwrap();
    let drained = only(&Runners::open(state.path(), at(0).wall)).drained;
    assert_eq!(drained, Some(Drained::default()));
}

#[test]
fn slots_that_an_operator_set_hold_over_what_the_runner_says_until_they_are_taken_back() {
    let (state, runners) = in_folder();
    let set = |slots| runners.set_slots(&"a".into(), slots).unwrap();
    assert_eq!(set(Some(3)).0, SlotsSet::Unknown);
    let link = up(&runners, 0);
    assert_eq!(set(Some(3)).0, SlotsSet::TakesNone, "it has said nothing of jobs");
    beat(&runners, link, &[], 1).unwrap();
    assert_eq!((set(Some(3)), set(Some(3))), ((SlotsSet::Done, true), (SlotsSet::Done, false)));
    let offered = || runners.offer(&"a".into(), |slots| slots);
    assert_eq!((offered(), only(&runners).slots, only(&runners).slots_set), (3, 3, Some(3)));
    // It comes back, as another process, to another start.
    runners.down(&"a".into(), link, || {});
    assert_eq!((offered(), only(&runners).slots), (0, 0), "it is away");
    let runners = Runners::open(state.path(), at(60 * DAY).wall);
    let link = up(&runners, 60 * DAY);
    let mut told = 0;
    let (labels, held) = (Arc::default(), Vec::new());
    let beat = ostler_driver::Beat {
        runner: "a".into(),
        link,
        incarnation: "1".into(),
        slots: 2,
        is_broken: false,
        labels,
        held,
    };
    let mut says = |slots| {
        let beat = ostler_driver::Beat { slots, ..beat.clone() };
        runners.beat(beat, at(60 * DAY).wall, |beat| told = beat.slots).unwrap();
        told
    };
    assert_eq!((says(2), says(0), says(2)), (3, 0, 3), "one that ends offers none");
    runners.set_drained(&"a".into(), by("deploy")).unwrap();
    assert_eq!(says(2), 0);
    runners.set_drained(&"a".into(), None).unwrap();
    assert_eq!(runners.set_slots(&"a".into(), None).unwrap(), (SlotsSet::Done, true));
    assert_eq!((says(2), only(&runners).slots_set), (2, None));
    drop(state);
    assert!(runners.set_slots(&"a".into(), Some(9)).is_err());
    assert_eq!(only(&runners).slots_set, None, "what is not written down is not so");
}

#[test]
fn a_runner_that_is_found_broken_stays_so_over_a_restart_and_under_an_operators_drain() {
    let (state, runners) = in_folder();
    let link = up(&runners, 0);
    let note = |why: Option<&str>| {
        runners.note_broken(&"a".into(), why.map(str::to_owned), at(5).wall);
        runners.keep().unwrap();
    };
    let told = |runners: &Runners, link| {
        let (labels, held) = (Arc::default(), Vec::new());
        let (runner, incarnation) = ("a".into(), "1".into());
        let (slots, is_broken) = (2, false);
        let beat =
            ostler_driver::Beat { runner, link, incarnation, slots, is_broken, labels, held };
        let mut told = None;
        runners.beat(beat, at(6).wall, |beat| told = Some((beat.slots, beat.is_broken)));
        told.unwrap()
    };
    note(Some("no shell"));
    let broken = Some("no shell".to_owned());
    let (by, since) = (Some("gateway".to_owned()), Some(at(5).wall));
    assert_eq!(only(&runners).drained, Some(Drained { by, since, broken }));
    assert_eq!(told(&runners, link), (2, true), "the driver tries it");
    let again = Runners::open(state.path(), at(6).wall);
    assert_eq!(only(&again).drained, only(&runners).drained);
    let link_again = up(&again, 6);
    assert_eq!(told(&again, link_again), (2, true));
    assert_eq!(runners.set_drained(&"a".into(), self::by("deploy")).unwrap(), Some(true));
    note(Some("no shell"));
    note(None);
    assert_eq!(only(&runners).drained, self::by("deploy"), "what an operator wants stays");
    assert_eq!(told(&runners, link), (0, false));
    runners.set_drained(&"a".into(), None).unwrap();
    note(Some("no shell"));
    note(None);
    assert_eq!((only(&runners).drained, told(&runners, link)), (None, (2, false)));
}
