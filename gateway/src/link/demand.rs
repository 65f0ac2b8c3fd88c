//! Tells runners how many jobs wait for their apps, so that they start more children.
//!
//! A pool says that its number has changed. A moment later the number that it has then is put up for all links: what is served
//! within needs no more children, and a flood of requests is no flood of frames.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use ostler_pool::Pool;
use ostler_wire::message::{self, Message as _};
use tokio::sync::watch;

use super::hub::{Hub, QueueLengths};

/// From a change to its number.
const MOMENT: Duration = Duration::from_millis(2);
/// From there to the next one of the app, at least.
const REST: Duration = Duration::from_millis(18);

/// Puts up the numbers of a pool, which has this place among all.
pub(crate) async fn run(pool: Arc<Pool>, place: usize, hub: Arc<Hub>) {
    put_up_each(&pool, place, &hub.demand).await;
}

async fn put_up_each(pool: &Pool, place: usize, lengths: &QueueLengths) {
    loop {
        pool.demand_changes().await;
        tokio::time::sleep(MOMENT).await;
        put_up(lengths, place, pool.demand());
        tokio::time::sleep(REST).await;
    }
}

fn put_up(lengths: &QueueLengths, place: usize, waiting: usize) {
    let put = |all: &mut Vec<usize>| std::mem::replace(&mut all[place], waiting) != waiting;
    lengths.send_if_modified(put);
}

/// What a runner was told last, by the places of the pools.
#[derive(Debug)]
pub(super) struct Demand {
    told: Vec<Option<usize>>,
    lengths: watch::Receiver<Vec<usize>>,
}

impl Demand {
    /// Nothing was told yet: all numbers have changed.
    pub(super) fn new(lengths: &QueueLengths) -> Self {
        let mut lengths = lengths.subscribe();
        lengths.mark_changed();
        let told = vec![None; lengths.borrow().len()];
        Self { told, lengths }
    }

    /// Waits until a number has changed.
    pub(super) async fn changes(&mut self) {
        if self.lengths.changed().await.is_err() {
            // The gateway ends.
            std::future::pending().await
        }
    }

    /// Writes a DEMAND frame for every one of all apps whose number has changed.
    pub(super) fn update<'a>(
        &mut self,
        apps: impl Iterator<Item = &'a String>,
        out: &mut BytesMut,
    ) {
        let all = self.lengths.borrow_and_update();
        for ((app, told), waiting) in apps.zip(&mut self.told).zip(all.iter()) {
            if told.replace(*waiting) != Some(*waiting) {
                message::Demand { app, waiting: *waiting as u64 }.put(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ostler_wire::{Decoder, FRAME_MAX};

    use super::*;
    use crate::measure::pool::Rig;

    /// What a runner is told now of the apps `a` and `b`.
    fn told(demand: &mut Demand) -> Vec<(String, u64)> {
        let (apps, mut out) = (["a".to_owned(), "b".to_owned()], BytesMut::new());
        demand.update(apps.iter(), &mut out);
        let mut decoder = Decoder::new(FRAME_MAX);
        decoder.buffer().extend_from_slice(&out);
        std::iter::from_fn(|| decoder.poll_frame().unwrap())
            .map(|frame| message::Demand::of(&frame).map(|it| (it.app.to_owned(), it.waiting)))
            .collect::<Result<_, _>>()
            .unwrap()
    }

    async fn has_changed(demand: &mut Demand) -> bool {
        tokio::time::timeout(Duration::ZERO, demand.changes()).await.is_ok()
    }

    #[tokio::test]
    async fn a_link_is_told_every_number_at_first_and_then_those_that_change() {
        let lengths = QueueLengths::new(vec![0, 0]);
        put_up(&lengths, 1, 3);
        let mut demand = Demand::new(&lengths);
        assert!(has_changed(&mut demand).await);
        assert_eq!(told(&mut demand), [("a".to_owned(), 0), ("b".to_owned(), 3)]);
        assert!(!has_changed(&mut demand).await);
        put_up(&lengths, 1, 3);
        assert!(!has_changed(&mut demand).await, "it is the same number");
        put_up(&lengths, 0, 2);
        assert!(has_changed(&mut demand).await);
        put_up(&lengths, 0, 1);
        assert_eq!(told(&mut demand), [("a".to_owned(), 1)]);
        assert!(!has_changed(&mut demand).await, "the newest one was told");
        assert!(told(&mut demand).is_empty());
    }

    #[tokio::test]
    async fn the_number_of_a_moment_after_a_change_is_put_up_and_the_next_one_after_a_rest() {
        let (rig, lengths) = (Rig::new(), QueueLengths::new(vec![0, 0]));
        let mut seen = lengths.subscribe();
        let start = Instant::now();
        let _running = rig.enter();
        let see = async {
            let _waiting = [rig.enter(), rig.enter()];
            seen.changed().await.unwrap();
            assert_eq!(*seen.borrow_and_update(), [0, 2]);
            assert!(start.elapsed() >= MOMENT);
            let _third = rig.enter();
            seen.changed().await.unwrap();
            assert_eq!(*seen.borrow_and_update(), [0, 3]);
            assert!(start.elapsed() >= MOMENT + REST + MOMENT);
        };
        tokio::select! {
            () = put_up_each(&rig.pool, 1, &lengths) => unreachable!("it has no end"),
            seen = tokio::time::timeout(Duration::from_secs(20), see) => seen.expect("numbers are put up"),
        }
    }
}
