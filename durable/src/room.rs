//! The disk quota of logs and payloads, shared among tenants.
//!
//! All together have a bound, or what the disk has above the store's reserve. A tenant may have as much of it as it leaves to
//! others: half while it is alone, less with each other one that has much, and never the last. So whoever has most is the
//! first to be refused, and nobody is kept out.

use std::sync::{Arc, OnceLock};

use ostler_api::backend::Full;
use ostler_machine::disk::Disk;
use ostler_store::{Files, Owner};

/// See the module.
#[derive(Debug)]
pub struct Room {
    files: Arc<Files>,
    /// Once the gateway has looked at it.
    bounds: OnceLock<(Arc<Disk>, Option<u64>)>,
}

impl Room {
    pub fn new(files: Arc<Files>) -> Self {
        Self { files, bounds: OnceLock::new() }
    }

    /// Before, there is no bound. `false`: it has its bounds already.
    pub fn bound(&self, disk: Arc<Disk>, max: Option<u64>) -> bool {
        self.bounds.set((disk, max)).is_ok()
    }

    /// Whether a tenant's files may grow by so many bytes.
    pub fn check(&self, owner: Owner, bytes: u64) -> Result<(), Full> {
        let Some((disk, max)) = self.bounds.get() else { return Ok(()) };
        let disk = disk.room();
        let all = max.map_or(u64::MAX, |max| max.saturating_sub(self.files.size()));
        fits(bytes, (disk, all, max.unwrap_or(u64::MAX)), self.files.size_of(owner))
    }
}

fn fits(bytes: u64, (disk, all, max): (u64, u64, u64), own: u64) -> Result<(), Full> {
    if bytes > disk {
        return Err(Full::Disk);
    }
    if bytes > all {
        return Err(Full::All(max));
    }
    let left = disk.min(all) - bytes;
    if own.saturating_add(bytes) > left { Err(Full::Tenant(own)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_as_much_as_it_leaves_to_others() {
        const MAX: u64 = u64::MAX;
        assert_eq!(fits(1, (MAX, MAX, MAX), 1 << 50), Ok(()), "without a bound all is well");
        assert_eq!(fits(11, (10, MAX, MAX), 0), Err(Full::Disk));
        assert_eq!(fits(11, (MAX, 10, 100), 0), Err(Full::All(100)));
        for (bytes, disk, all, own, may) in [
            (50, 100, MAX, 0, true),
            (51, 100, MAX, 0, false),
            (50, MAX, 100, 0, true),
            (51, MAX, 100, 0, false),
            (1, 50, MAX, 49, false),
            (1, 51, MAX, 49, true),
            (25, 50, MAX, 0, true),
            (26, 50, MAX, 0, false),
            (1, 2, MAX, 0, true),
            (MAX, MAX, MAX, MAX, false),
        ] {
            assert_eq!(
                fits(bytes, (disk, all, MAX), own).is_ok(),
                may,
                "{bytes} {disk} {all} {own}"
            );
        }
    }

    /// Whatever one takes, each further one finds room, and all together are within the bound.
    #[test]
    fn nobody_is_kept_out() {
        let (max, mut used) = (1_u64 << 30, 0);
        for tenant in 0..20 {
            let mut own = 0;
            while fits(1 << 10, (u64::MAX, max - used, max), own).is_ok() {
                (own, used) = (own + (1 << 10), used + (1 << 10));
            }
            assert!(own > 0 || used > max - (4 << 10), "tenant {tenant} finds nothing of {used}");
            assert!(used <= max);
        }
    }
}
