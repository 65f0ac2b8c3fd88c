//! Whether there is room for one more waiting job: of all, and in its queue.

use std::collections::BTreeMap;

use ostler_job::Now;

use super::{Driver, counts::Whose, event::Answer};

/// The room that the jobs of one request have left so far.
#[derive(Default)]
pub(super) struct Rooms<'a> {
    of_all: Option<Room<'a>>,
    of_queues: BTreeMap<u32, Room<'a>>,
}

/// Places that are left, and those that each tenant of the request has.
struct Room<'a> {
    left: u64,
    own: BTreeMap<&'a str, u64>,
}

impl<'a> Room<'a> {
    fn new(max: u32, waiting: u64) -> Self {
        Self { left: u64::from(max).saturating_sub(waiting), own: BTreeMap::new() }
    }

    /// A tenant may take as many places as are left for others: half of them while it is alone, less with each other one
    /// that wants many, and never the last.
    fn has_place(&mut self, tenant: &'a str, waiting: impl FnOnce() -> u64) -> bool {
        let own = self.own.entry(tenant).or_insert_with(waiting);
        *own < self.left
    }

    fn take(&mut self, tenant: &str) {
        self.left -= 1;
        if let Some(own) = self.own.get_mut(tenant) {
            *own += 1;
        }
    }
}

impl Driver {
    /// The answer to a job that there is no room for; the places of one that there is room for are taken.
    pub(super) fn full<'a>(
        &self,
        rooms: &mut Rooms<'a>,
        queue: u32,
        tenant: &'a str,
        now: Now,
    ) -> Option<Answer> {
        let counts = &self.jobs.counts;
        let number = self.tenants.find(tenant);
        let max = self.config.waiting_max;
        let of_all = rooms.of_all.get_or_insert_with(|| Room::new(max, counts.waiting()));
        let full = |queue| Some(Answer::QueueFull { queue, retry_after: self.retry_after(now) });
        if !of_all.has_place(tenant, || number.map_or(0, |tenant| counts.waiting_of(tenant))) {
            return full(None);
        }
        if let Some(max) = self.queues.get(queue).shape.waiting_max {
            let of_queue = rooms.of_queues.entry(queue).or_insert_with(|| self.room_in(queue, max));
            let own = |tenant| counts.places_of(Whose { tenant, queue }).waiting;
            if !of_queue.has_place(tenant, || number.map_or(0, own)) {
                return full(Some(self.queues.get(queue).name.clone()));
            }
            of_queue.take(tenant);
        }
        of_all.take(tenant);
        None
    }

    /// The answer to a job that waits, or will, and for which there is no place in another queue. Of all together it takes none that
    /// it has not.
    pub(super) fn full_for(&self, whose: Whose, now: Now) -> Option<Answer> {
        let queue = self.queues.get(whose.queue);
        let max = queue.shape.waiting_max?;
        let own = || self.jobs.counts.places_of(whose).waiting;
        let has_place = self.room_in(whose.queue, max).has_place("", own);
        let retry_after = self.retry_after(now);
        (!has_place).then(|| Answer::QueueFull { queue: Some(queue.name.clone()), retry_after })
    }

    fn room_in<'a>(&self, queue: u32, max: u32) -> Room<'a> {
        let counts = &self.jobs.counts;
        Room::new(max, counts.places(queue).waiting + counts.coming(queue))
    }
}
