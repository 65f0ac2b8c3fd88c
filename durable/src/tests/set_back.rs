//! A clock that was set back by hours, and schedules that a wrong one had brought far ahead.

use std::sync::Arc;

use ostler_driver::{ScheduleVerb, ScheduleView};
use ostler_job::durable::{Firing, ScheduleName, ScheduleShape};

use super::*;
use crate::{set_back, source};

const HOURS: u64 = 8 * 3_600;

fn hourly() -> ScheduleShape {
    ScheduleShape::new("0 * * * *", "UTC", spec())
}

async fn order(bench: &Bench, name: &ScheduleName, verb: ScheduleVerb) -> Box<ScheduleView> {
    let answer = bench.jobs.order_schedule("test", None, name.clone(), verb).await.unwrap();
    let Answer::Schedule(view) = answer else { panic!("{answer:?}") };
    view
}

#[tokio::test]
async fn schedules_that_stand_far_ahead_go_on_from_now_when_that_has_lasted() {
    let source = Arc::new(source::cron());
    let bench = Bench::with(DriverConfig { source, ..DriverConfig::default() });
    let begin = ostler_machine::clock::wall_now();
    let names: Vec<_> = ["a", "b", "c"].map(|it| ScheduleName::new(it).unwrap()).into();
    for name in &names {
        let shape = Box::new(hourly());
        let (paused, new_only, others, fired) = (name.as_str() == "b", false, true, Vec::new());
        let put = ScheduleVerb::Put { shape, paused, new_only, others, fired };
        let version = order(&bench, name, put).await.version;
        let to = begin.after(Span::from_secs(if name.as_str() == "c" { 60 } else { HOURS }));
        order(&bench, name, ScheduleVerb::Cursor { to, fired: Vec::new(), version }).await;
    }
    let _ends_with_the_test = tokio::spawn(set_back::run(bench.jobs.clone()));
    bench.jobs.set_back.notify_one();
    let until = Instant::now() + PATIENCE;
    loop {
        let all = bench.jobs.look_schedules(None, None, None, 9).await.unwrap();
        let ahead = all.iter().map(|answer| {
            let Answer::Schedule(view) = answer else { panic!("{answer:?}") };
            view.schedule.stand.cursor.since(begin).as_secs_f64()
        });
        let ahead: Vec<f64> = ahead.collect();
        // What is a minute ahead is waited for.
        if ahead[0] < 60.0 && ahead[1] < 60.0 && ahead[2] >= 60.0 {
            break;
        }
        assert!(Instant::now() < until, "{ahead:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let firings: Vec<Firing> = bench.jobs.firings(names[0].clone(), None, 9).await.unwrap();
    assert_eq!(firings, [], "nothing fires by that");
}
