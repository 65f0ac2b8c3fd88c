//! What many schedules cost the driver: `cargo run --release -p ostler-driver --example many_schedules`.
//!
//! Memory is what the process gained in resident pages; times are of the processor.
#![allow(clippy::print_stdout, reason = "it is a measurement")]

use std::{fs, sync::Arc, time::Instant};

use jiff::tz::TimeZone;
use ostler_cron_module::Cron;
use ostler_driver::{Driver, DriverConfig, load};
use ostler_job::durable::{
    Command, KeptSchedule, Loaded, Retry, Schedule, ScheduleName, ScheduleShape, ShapeOwner, Spec,
    Stand, Term, Work,
};
use ostler_job::{JobId, Mono, Now, Wall};

const SCHEDULES: u64 = 100_000;
/// So many of them are due at once.
const AT_ONCE: u64 = 10_000;
const START: u64 = 1_800_000_000_000;

fn schedule(number: u64) -> KeptSchedule {
    // The last are due in the first minute, all others at some time of the day.
    let cron = match number < SCHEDULES - AT_ONCE {
        true => format!("{} {} * * *", number % 60, 10 + number % 13),
        false => "1 9 * * *".to_owned(),
    };
    let argv = vec!["/bin/sh".into(), "-c".into(), format!("/usr/local/bin/report {number}")];
    let spec = Spec {
        content: Some(number),
        retry: Retry::usual(),
        ..Spec::new(
            Work::Shell(Box::new(Command { argv, ..Command::default() })),
            format!("report {}", number % 100),
        )
    };
    let shape = ScheduleShape::new(cron, "Europe/Berlin", spec);
    let name = ScheduleName::new(&format!("schedule-{number}")).expect("it is a name");
    let stand = Stand { since: Wall(START), cursor: Wall(START), ..Stand::default() };
    let schedule = Schedule { name, shape, owner: ShapeOwner::Api, put_by: None, stand };
    KeptSchedule { schedule, waiting: Vec::new(), fired: Vec::new() }
}

/// Bytes that are resident.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").expect("Linux tells it");
    text.split(' ').nth(1).and_then(|it| it.parse::<u64>().ok()).expect("it is a number") * 4096
}

fn main() {
    let zone = TimeZone::get("Europe/Berlin").expect("it is there, or built in");
    let source = Arc::new(Cron::new("boot", move |_| Some(zone.clone())));
    let config = DriverConfig { source, ..DriverConfig::default() };
    let before = resident();
    let kept: Vec<KeptSchedule> = (0..SCHEDULES).map(schedule).collect();
    let begin = Instant::now();
    let now = Now { mono: Mono(1), wall: Wall(START) };
    let none = |_: &mut dyn FnMut(_)| {
        let tokens = Vec::new();
        Ok::<_, ()>(Loaded { next_job: JobId(1), last_event: 0, kept_at: None, tokens })
    };
    let term = Term::default();
    let (mut driver, _): (Driver, _) =
        load(&config, &term, (0, 7), (Vec::new(), kept), none, now).expect("it loads");
    while driver.poll_action().is_some() {}
    let took = begin.elapsed();
    let gained = resident().saturating_sub(before) / SCHEDULES;
    println!(
        "{SCHEDULES} schedules taken up in {took:.0?}; {gained} bytes each, with what it runs"
    );
    let (at, why) = driver.poll_timeout().expect("something is due");
    println!("woken first after {:.0} s, since {why}", (at - now.mono).as_secs_f64());
    let now = Now { mono: at, wall: now.wall.after(at - now.mono) };
    let begin = Instant::now();
    let (mut events, mut changes) = (0, 0);
    while driver.poll_timeout().is_some_and(|(at, _)| at <= now.mono) {
        driver.handle_timeout(now);
        events += 1;
        while let Some(action) = driver.poll_action() {
            changes += action.changes.len();
        }
    }
    println!("{AT_ONCE} fired in {:.0?}, {events} events and {changes} changes", begin.elapsed());
}
