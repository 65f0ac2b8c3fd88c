//! Against head-of-line blocking: asks children for the prefetched requests that are stuck behind a slow one.

use std::{sync::Arc, time::Duration};

use ostler_pool::Pool;

use super::local::LocalLinks;

/// How often lanes that have requests ahead are looked at.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// Sleeps while nothing is prefetched.
pub(crate) async fn run(pool: Arc<Pool>, links: Arc<LocalLinks>) {
    loop {
        pool.prefetched().await;
        while {
            tokio::time::sleep(CHECK_EVERY).await;
            let (ask, again) = pool.relieve();
            ask.iter().for_each(|(carrier, last)| links.withdraw(carrier, *last));
            again
        } {}
    }
}
