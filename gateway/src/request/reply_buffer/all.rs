//! All replies that are held for their clients.

use std::{
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use ostler_job::Mono;
use ostler_machine::clock;
use tokio::sync::Notify;

use super::ReplyBuffer;

/// Between two looks for those that nobody takes.
const LOOK: Duration = Duration::from_secs(1);

/// All reply buffers, so that those of clients that take nothing are found.
#[derive(Debug, Default)]
pub(crate) struct ReplyBuffers {
    all: Mutex<Vec<Weak<ReplyBuffer>>>,
    /// There are some again.
    came: Notify,
}

impl ReplyBuffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<ReplyBuffer>>> {
        self.all.lock().expect("no code panics while it holds the buffers")
    }

    pub(super) fn add(&self, buffer: &Arc<ReplyBuffer>) {
        let mut buffers = self.lock();
        buffers.push(Arc::downgrade(buffer));
        if buffers.len() == 1 {
            self.came.notify_one();
        }
    }

    /// Looks for replies that nobody takes, while there are any, for ever.
    pub(crate) async fn keep(&self) {
        loop {
            self.came.notified().await;
            while {
                tokio::time::sleep(LOOK).await;
                self.sweep(clock::now())
            } {}
        }
    }

    /// Gives up replies that nobody takes. `false`: there are no replies.
    pub(super) fn sweep(&self, now: Mono) -> bool {
        let buffers = {
            let mut buffers = self.lock();
            buffers.retain(|buffer| buffer.strong_count() > 0);
            buffers.clone()
        };
        buffers.iter().filter_map(Weak::upgrade).for_each(|buffer| buffer.give_up_idle(now));
        !buffers.is_empty()
    }
}
