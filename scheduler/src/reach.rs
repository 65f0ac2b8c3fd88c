//! The sets of hosts that queues are limited to, each with its lane: jobs that may run in the same places wait together, whichever
//! queues they are in.
//!
//! Within a queue its own jobs are in the usual lane, whatever it is limited to: what is special about a place is so for whoever
//! chooses among several queues. So a limit that changes moves no waiting job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ostler_job::HostId;

use crate::lane::Lane;

/// Hosts that a queue is limited to.
pub(crate) type HostSet = Arc<BTreeSet<HostId>>;

/// See the module.
#[derive(Default)]
pub(crate) struct Reach {
    /// By the number of its lane: the hosts, and how many queues that is so for.
    sets: Vec<Option<(HostSet, u32)>>,
    free: Vec<u32>,
    lanes: BTreeMap<HostSet, u32>,
    /// The lanes of sets that a host is in, in order.
    of_host: BTreeMap<HostId, Vec<Lane>>,
}

impl Reach {
    /// The lane of one queue more that is limited to these hosts.
    pub(crate) fn hold(&mut self, hosts: &HostSet) -> Lane {
        if hosts.is_empty() {
            return Lane::NOWHERE;
        }
        if let Some(&at) = self.lanes.get(hosts) {
            if let Some((_, uses)) = &mut self.sets[at as usize] {
                *uses += 1;
            }
            return Lane::of_set(at);
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.sets.push(None);
            self.sets.len() as u32 - 1
        });
        self.sets[at as usize] = Some((hosts.clone(), 1));
        self.lanes.insert(hosts.clone(), at);
        for &host in hosts.iter() {
            let lanes = self.of_host.entry(host).or_default();
            let place = lanes.partition_point(|&lane| lane < Lane::of_set(at));
            lanes.insert(place, Lane::of_set(at));
        }
        Lane::of_set(at)
    }

    /// One queue less; with the last, the lane is another one's to have.
    pub(crate) fn release(&mut self, lane: Lane) {
        let Some(at) = lane.set() else { return };
        let Some((hosts, uses)) = &mut self.sets[at as usize] else { return };
        *uses -= 1;
        if *uses > 0 {
            return;
        }
        let hosts = hosts.clone();
        self.sets[at as usize] = None;
        self.free.push(at);
        self.lanes.remove(&hosts);
        for host in hosts.iter() {
            if let Some(lanes) = self.of_host.get_mut(host) {
                if let Ok(place) = lanes.binary_search(&lane) {
                    lanes.remove(place);
                }
                if lanes.is_empty() {
                    self.of_host.remove(host);
                }
            }
        }
    }

    /// The hosts of a lane that is that of a set.
    pub(crate) fn hosts(&self, lane: Lane) -> Option<&HostSet> {
        let (hosts, _) = self.sets.get(lane.set()? as usize)?.as_ref()?;
        Some(hosts)
    }

    /// Whether who is limited so may have a job on the host.
    pub(crate) fn admits(&self, limit: Lane, host: HostId) -> bool {
        self.hosts(limit).is_some_and(|hosts| hosts.contains(&host))
    }

    /// The lanes other than the usual one that the slots of a host serve.
    pub(crate) fn lanes_at(&self, host: HostId) -> impl Iterator<Item = Lane> + '_ {
        let sets = self.of_host.get(&host).into_iter().flatten().copied();
        std::iter::once(Lane::of(Some(host))).chain(sets)
    }

    /// Asserts that these, and no others, are held.
    pub(crate) fn check(&self, held: &[Lane]) {
        for (at, it) in self.sets.iter().enumerate() {
            let lane = Lane::of_set(at as u32);
            let uses = held.iter().filter(|&&it| it == lane).count();
            let (hosts, counted) =
                it.as_ref().map_or((None, 0), |(hosts, uses)| (Some(hosts), *uses));
            assert_eq!(counted as usize, uses, "a set of hosts counts the queues that have it");
            assert_eq!(
                hosts.is_some(),
                uses > 0,
                "a set of hosts is forgotten with its last queue"
            );
            let listed = self.of_host.values().flatten().filter(|&&it| it == lane).count();
            assert_eq!(listed, hosts.map_or(0, |it| it.len()), "the hosts of a set know its lane");
        }
    }
}
