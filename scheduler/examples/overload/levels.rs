//! `htb` over three levels while demand changes.
//!
//! All queues hold more work than there are slots, as long as they do not rest. A job that has not started soon is wanted no more, so
//! that what is seen is the demand of the moment and not a backlog of the one before.

use ostler_job::{Mono, Promise, QueueId};
use ostler_scheduler::{DisciplineKind, QueueConfig};

use super::picture::{Area, BLUE, ORANGE, Picture, SKY, VERMILION};
use super::world::{Job, SECOND, run, slots};
use super::{SECONDS, job};

/// The queue at the top, and the two below it.
const TOP: QueueId = QueueId(9);
const SHOP: QueueId = QueueId(7);
const LAB: QueueId = QueueId(8);

/// With its four queues at the bottom, in the order of the picture.
pub(crate) fn picture() -> Picture {
    let mut jobs: Vec<Job> = (1..=4).flat_map(work).collect();
    run(&queues(), &mut jobs);
    let area = |id, colour, says: &str| Area {
        colour,
        says: says.to_owned(),
        slots: slots(&jobs, id, SECONDS),
    };
    Picture {
        title: "htb, three levels: what a queue leaves goes first to the one beside it".to_owned(),
        areas: vec![
            area(1, BLUE, "shop/web 3"),
            area(2, SKY, "shop/mail 2, at most 4"),
            area(3, VERMILION, "lab/train 2"),
            area(4, ORANGE, "lab/test 1"),
        ],
        notes: vec![
            (0, "all have work"),
            (12, "web rests"),
            (24, "mail rests, too"),
            (36, "web is back"),
            (48, "all have work"),
        ],
        guarantees: vec![3.0, 5.0, 7.0],
        strips: Vec::new(),
    }
}

fn queues() -> [(QueueId, QueueConfig); 7] {
    let htb = QueueConfig { discipline: DisciplineKind::Htb, ..QueueConfig::default() };
    let below = |parent, guarantee| QueueConfig { parent: Some(parent), guarantee, ..htb };
    [
        (TOP, htb),
        (SHOP, below(TOP, 5_000)),
        (LAB, below(TOP, 3_000)),
        (QueueId(1), below(SHOP, 3_000)),
        (QueueId(2), QueueConfig { ceiling: Some(4_000), ..below(SHOP, 2_000) }),
        (QueueId(3), below(LAB, 2_000)),
        (QueueId(4), below(LAB, 1_000)),
    ]
}

/// As much for one queue as all slots can do, but for the time in which it rests.
fn work(queue: u32) -> impl Iterator<Item = Job> {
    let rests = match queue {
        1 => 12_000..36_000,
        2 => 24_000..48_000,
        _ => 0..0,
    };
    let millis = (0..SECONDS as u64 * 1_000).step_by(25).filter(move |at| !rests.contains(at));
    millis.map(move |at| {
        let at = Mono(at * SECOND / 1_000);
        Job { expires: true, ..job(queue, QueueId(queue), at, 200, Promise::Sometime) }
    })
}
