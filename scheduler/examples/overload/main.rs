//! What each discipline does to the same overload, as a table and as pictures: those of `docs/QUEUES.md`.
//!
//! `cargo run --release -p ostler-scheduler --example overload -- docs/pictures` writes the pictures there and prints the table.
//! The clock is virtual and the arrivals are of a fixed seed, so that every run on every machine makes the same.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example writes files and prints"
)]

mod figures;
mod levels;
mod picture;
mod world;

use ostler_job::{Mono, Promise, QueueId, Span};
use ostler_scheduler::{DisciplineKind, QueueConfig};

use figures::{Starts, kept, mean, sum};
use picture::{Area, BLUE, GREEN, ORANGE, Picture, Strip, percent};
use world::{Job, SECOND, run, slots};

/// What the pictures show.
const SECONDS: usize = 60;
/// When the burst comes. Figures are of what is submitted and runs from then on, as far as the pictures go.
const BURST: usize = 10;
/// All that was submitted in those has started by then, and the load stays as it is.
const END: usize = 700;

const URGENT: u32 = 1;
const PATIENT: u32 = 2;
const NOISY: u32 = 3;
const TENANTS: [u32; 3] = [URGENT, PATIENT, NOISY];

/// A discipline, and what a newcomer is to see.
const SCENES: [(&str, DisciplineKind, &str); 5] = [
    ("promise", DisciplineKind::Promise, "equal shares, and what is promised goes first"),
    ("fifo", DisciplineKind::Fifo, "in the order of submit, so a burst holds up everybody"),
    ("sfq", DisciplineKind::Sfq, "turns for everybody; promises do not count"),
    ("drr", DisciplineKind::Drr, "turns by weight; promises do not count"),
    ("htb", DisciplineKind::Htb, "guarantees first, and the noisy one gets what they leave"),
];

fn main() -> std::io::Result<()> {
    let (table, pictures) = all();
    if let Some(folder) = std::env::args().nth(1) {
        std::fs::create_dir_all(&folder)?;
        for (name, svg) in pictures {
            std::fs::write(format!("{folder}/{name}.svg"), svg)?;
        }
    }
    print!("{table}");
    Ok(())
}

/// The table, and the pictures by their names.
pub(crate) fn all() -> (String, Vec<(&'static str, String)>) {
    let mut table = String::from(
        "| discipline | slots that urgent, patient, noisy had | urgent starts after | patient | noisy | urgent's promises kept | noisy's |\n\
         | --- | --- | --- | --- | --- | ---: | ---: |\n",
    );
    let mut pictures = Vec::new();
    for (name, kind, says) in SCENES {
        let mut jobs = overload(kind == DisciplineKind::Htb);
        run(&queues(kind), &mut jobs);
        let had = TENANTS.map(|it| format!("{:.1}", mean(&slots(&jobs, it, SECONDS)[BURST..])));
        let starts = TENANTS.map(|it| Starts::of(&jobs, it).to_string());
        let kept = [URGENT, NOISY].map(|it| percent(sum(&kept(&jobs, it))));
        let row = [&[had.join(", ")], &starts[..], &kept[..]].concat().join(" | ");
        table.push_str(&format!("| `{name}` | {row} |\n"));
        pictures.push((name, scene(name, says, &jobs).svg()));
    }
    pictures.push(("htb-levels", levels::picture().svg()));
    (table, pictures)
}

/// All tenants in one queue of the discipline; below `htb` each has a queue of its own.
fn queues(kind: DisciplineKind) -> Vec<(QueueId, QueueConfig)> {
    let top = QueueConfig { discipline: kind, ..QueueConfig::default() };
    if kind != DisciplineKind::Htb {
        return vec![(QueueId::DEFAULT, top)];
    }
    let below = QueueConfig { parent: Some(QueueId(9)), ..QueueConfig::default() };
    vec![
        (QueueId(9), top),
        (QueueId(URGENT), QueueConfig { guarantee: 1_500, ..below }),
        (QueueId(PATIENT), QueueConfig { guarantee: 5_000, ..below }),
        (QueueId(NOISY), below),
    ]
}

/// The same for each discipline: 7 of 8 slots are wanted, and from the burst on over half as much again as there is.
fn overload(own_queues: bool) -> Vec<Job> {
    let mut random = 88_172_645_463_325_252;
    let mut jobs = Vec::new();
    let mut stream =
        |tenant, (from, to): (usize, usize), every: u64, takes: u64, within: &[u64]| {
            let mut at = from as u64 * SECOND;
            for count in 0.. {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                at += (random % 2_000) * every * SECOND / 1_000_000;
                if at >= to as u64 * SECOND {
                    break;
                }
                let promised = within.get(count % within.len().max(1)).filter(|&&ms| ms > 0);
                let promise = promised
                    .map_or(Promise::Sometime, |&ms| Promise::Within(Span::from_millis(ms)));
                let queue = if own_queues { QueueId(tenant) } else { QueueId::DEFAULT };
                jobs.push(job(tenant, queue, Mono(at), takes, promise));
            }
        };
    stream(URGENT, (0, END), 100, 100, &[1_000]);
    stream(PATIENT, (0, END), 1_000, 5_000, &[]);
    stream(NOISY, (0, BURST), 200, 200, &[]);
    stream(NOISY, (BURST, END), 30, 200, &[2_000, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let burst = Mono(BURST as u64 * SECOND);
    let queue = if own_queues { QueueId(NOISY) } else { QueueId::DEFAULT };
    jobs.extend((0..2_000).map(|_| job(NOISY, queue, burst, 200, Promise::Sometime)));
    jobs
}

fn job(tenant: u32, queue: QueueId, arrives: Mono, takes: u64, promise: Promise) -> Job {
    let takes = Span::from_millis(takes);
    Job { tenant, queue, arrives, takes, promise, expires: false, started: None }
}

fn scene(name: &str, says: &str, jobs: &[Job]) -> Picture {
    let area = |tenant, colour, who: &str| Area {
        colour,
        says: format!("{who}: half start within {}", Starts::of(jobs, tenant).median),
        slots: slots(jobs, tenant, SECONDS),
    };
    Picture {
        title: format!("{name}: {says}"),
        areas: vec![
            area(URGENT, BLUE, "urgent"),
            area(PATIENT, GREEN, "patient"),
            area(NOISY, ORANGE, "noisy"),
        ],
        notes: vec![(
            BURST,
            "noisy submits 2,000 jobs at once, and more than there is room for from then on",
        )],
        guarantees: Vec::new(),
        strips: vec![
            Strip { colour: BLUE, name: "urgent", kept: kept(jobs, URGENT) },
            Strip { colour: ORANGE, name: "noisy", kept: kept(jobs, NOISY) },
        ],
    }
}
