//! What supplies jobs by itself: the module of schedules, with the zone data of this machine.

use std::sync::{Arc, OnceLock};

use ostler_cron_module::Cron;
use ostler_machine::{boot, zones::Zones};

/// The zones of this machine, read once: a zone that is looked for anew is read anew.
pub fn zones() -> &'static Arc<Zones> {
    static ZONES: OnceLock<Arc<Zones>> = OnceLock::new();
    ZONES.get_or_init(|| Arc::new(Zones::open()))
}

/// The source of firings.
pub fn cron() -> Cron {
    let zones = zones();
    Cron::new(boot::id(), |name| zones.get(name)).with_names(zones.names())
}
