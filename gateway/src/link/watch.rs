//! Looks after the requests that a pool sends ahead, and asks children for what is stuck behind a slow one.

use std::{sync::Arc, time::Duration};

use ostler_pool::Pool;

use super::local::LocalLinks;

/// How often lanes that have requests ahead are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Sleeps while nothing is ahead.
pub(crate) async fn run(pool: Arc<Pool>, links: Arc<LocalLinks>) {
    loop {
        pool.sent_ahead().await;
        while {
            tokio::time::sleep(LOOK).await;
            let (ask, again) = pool.look();
            ask.iter().for_each(|(carrier, last)| links.withdraw(carrier, *last));
            again
        } {}
    }
}
