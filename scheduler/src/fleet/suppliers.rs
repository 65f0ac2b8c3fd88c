//! Suppliers: what each offers and holds.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

use ostler_job::SupplierId;

use crate::hash::IdMap;
use crate::jobs::JobIx;

/// No neighbour in a host's list.
pub(crate) const NONE: u32 = u32::MAX;

/// One supplier. `busy + prefetched` is what it holds, `free` what it could start at once.
pub(crate) struct Supplier {
    pub(crate) id: SupplierId,
    pub(crate) host: u32,
    pub(crate) slots: u32,
    pub(crate) prefetch: u32,
    /// Jobs that hold a slot.
    pub(crate) busy: u32,
    /// Jobs behind them, in the order they will get a slot.
    pub(crate) prefetched: VecDeque<JobIx>,
    /// Free slots as last filed.
    pub(crate) free: u32,
    /// It takes nothing more and is kept for what it holds.
    pub(crate) gone: bool,
    /// It is in its host's list of suppliers with a free slot, between these two.
    pub(crate) listed: bool,
    pub(crate) before: u32,
    pub(crate) after: u32,
}

impl Supplier {
    pub(crate) fn new(id: SupplierId, host: u32) -> Self {
        Self {
            id,
            host,
            slots: 0,
            prefetch: 0,
            busy: 0,
            prefetched: VecDeque::new(),
            free: 0,
            gone: false,
            listed: false,
            before: NONE,
            after: NONE,
        }
    }

    /// Jobs granted to it and not over.
    pub(crate) fn outstanding(&self) -> u32 {
        self.busy + self.prefetched.len() as u32
    }

    /// Whether it may hold one job more although none of its slots is free.
    pub(crate) fn may_prefetch(&self) -> bool {
        let held = self.outstanding();
        self.slots > 0 && held >= self.slots && held < self.slots.saturating_add(self.prefetch)
    }

    /// Gives a slot that is not busy to the prefetched job that is next.
    pub(crate) fn promote(&mut self) -> Option<JobIx> {
        if self.busy >= self.slots {
            return None;
        }
        let job = self.prefetched.pop_front()?;
        self.busy += 1;
        Some(job)
    }

    pub(crate) fn check(&self, busy: u32, prefetched: u32) {
        assert_eq!(self.busy, busy, "a supplier's busy slots are its running jobs");
        let held = self.prefetched.len();
        assert_eq!(held, prefetched as usize, "a supplier's prefetched jobs are those granted so");
        let free = self.slots.saturating_sub(self.outstanding());
        assert_eq!(self.free, free, "free + busy + prefetched slots are all it has");
        assert_eq!(self.listed, free > 0, "suppliers with a free slot, and only they, are listed");
        assert!(held == 0 || self.busy >= self.slots, "no job waits behind a free slot");
        assert!(
            !self.gone || (self.slots == 0 && self.outstanding() > 0),
            "the gone are forgotten"
        );
    }
}

/// Every supplier that offers slots or holds a job.
#[derive(Default)]
pub(crate) struct Suppliers {
    table: Vec<Option<Supplier>>,
    free: Vec<u32>,
    by_id: IdMap<SupplierId, u32>,
}

impl Suppliers {
    pub(crate) fn find(&self, id: SupplierId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn insert(&mut self, supplier: Supplier) -> u32 {
        let id = supplier.id;
        let at = if let Some(at) = self.free.pop() {
            self.table[at as usize] = Some(supplier);
            at
        } else {
            self.table.push(Some(supplier));
            self.table.len() as u32 - 1
        };
        self.by_id.insert(id, at);
        at
    }

    pub(crate) fn remove(&mut self, at: u32) {
        if let Some(supplier) = self.table[at as usize].take() {
            self.by_id.remove(&supplier.id);
            self.free.push(at);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Supplier)> {
        self.table.iter().enumerate().filter_map(|(at, it)| Some((at as u32, it.as_ref()?)))
    }
}

impl Index<u32> for Suppliers {
    type Output = Supplier;

    fn index(&self, at: u32) -> &Supplier {
        self.table[at as usize]
            .as_ref()
            .expect("a filed supplier's index stays valid until it is forgotten")
    }
}

impl IndexMut<u32> for Suppliers {
    fn index_mut(&mut self, at: u32) -> &mut Supplier {
        self.table[at as usize]
            .as_mut()
            .expect("a filed supplier's index stays valid until it is forgotten")
    }
}
