//! Tells runners how many jobs wait for their apps, so that they start more children.

use std::collections::BTreeMap;

use bytes::BytesMut;
use ostler_wire::message::{self, Message as _};

use super::hub::Hub;

/// What was told last, by app.
#[derive(Debug, Default)]
pub(super) struct Demand(BTreeMap<String, usize>);

impl Demand {
    /// Writes a DEMAND frame for every app whose number has changed.
    pub(super) fn update(&mut self, hub: &Hub, out: &mut BytesMut) {
        for (app, pool) in hub.pools.iter() {
            let (waiting, _, _) = pool.load();
            if self.0.insert(app.clone(), waiting) != Some(waiting) {
                message::Demand { app, waiting: waiting as u64 }.put(out);
            }
        }
    }
}
