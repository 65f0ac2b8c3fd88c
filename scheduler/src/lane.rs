//! Where a job may run: the places that share one answer to "is a slot free for it?".
//!
//! Jobs of one lane wait together, so that a slot looks at one head for each lane that it serves, and a job that waits for
//! a busy or an absent host is never at the head of those that do not.

use std::collections::BTreeMap;

use ostler_job::HostId;

/// Where a job may run, as the node sees it whose child it waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane(u32);

impl Lane {
    /// Wherever the queue's jobs may.
    pub(crate) const USUAL: Self = Self(0);

    /// Not to be had by any slot: what its queue is limited to is no host at all.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);
    /// Lanes from here on are those of sets of hosts.
    const SETS: u32 = 1 << 31;

    /// The lane of jobs that are pinned to a host, or to nothing.
    pub(crate) fn of(host: Option<HostId>) -> Self {
        match host {
            None => Self::USUAL,
            Some(HostId(host)) => {
                assert!(host + 1 < Self::SETS, "hosts are counted from zero");
                Self(host + 1)
            }
        }
    }

    /// The lane of the set of hosts that has this number.
    pub(crate) fn of_set(number: u32) -> Self {
        assert!(number < u32::MAX - Self::SETS, "sets of hosts are counted from zero");
        Self(Self::SETS + number)
    }

    /// The one host that serves it; `None`: as usual, or a set of them.
    pub(crate) fn host(self) -> Option<HostId> {
        self.0.checked_sub(1).filter(|&host| host + 1 < Self::SETS).map(HostId)
    }

    /// The number of the set of hosts that serve it.
    pub(crate) fn set(self) -> Option<u32> {
        self.0.checked_sub(Self::SETS).filter(|_| self != Self::NOWHERE)
    }
}

/// Something for each lane: nearly always for the usual one alone.
#[derive(Clone, Debug)]
pub(crate) struct LaneMap<T> {
    usual: T,
    /// Boxed, so that those without it are small: many of them are looked at for every job.
    #[expect(clippy::box_collection, reason = "one word instead of three where there is none")]
    others: Option<Box<BTreeMap<Lane, T>>>,
}

impl<T: Default> Default for LaneMap<T> {
    fn default() -> Self {
        Self { usual: T::default(), others: None }
    }
}

impl<T> LaneMap<T> {
    #[inline]
    pub(crate) fn get(&self, lane: Lane) -> Option<&T> {
        if lane == Lane::USUAL { Some(&self.usual) } else { self.others.as_ref()?.get(&lane) }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, lane: Lane) -> Option<&mut T> {
        if lane == Lane::USUAL {
            Some(&mut self.usual)
        } else {
            self.others.as_mut()?.get_mut(&lane)
        }
    }

    /// What the lane has, made if it has nothing.
    #[inline]
    pub(crate) fn entry(&mut self, lane: Lane, make: fn() -> T) -> &mut T {
        if lane == Lane::USUAL {
            &mut self.usual
        } else {
            self.others.get_or_insert_default().entry(lane).or_insert_with(make)
        }
    }

    /// The lane, if it is not the usual one, has nothing any more.
    #[inline]
    pub(crate) fn drop_other(&mut self, lane: Lane) {
        if lane != Lane::USUAL
            && let Some(others) = &mut self.others
        {
            others.remove(&lane);
            if others.is_empty() {
                self.others = None;
            }
        }
    }

    #[inline]
    pub(crate) fn usual(&self) -> &T {
        &self.usual
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = (Lane, &T)> {
        self.others.iter().flat_map(|others| others.iter()).map(|(&lane, it)| (lane, it))
    }

    /// Whether the usual lane is the only one.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.others.is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        std::iter::once((Lane::USUAL, &self.usual)).chain(self.others())
    }
}
