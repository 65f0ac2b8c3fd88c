//! What somebody asks of many jobs, and may take long: lists and counts.

use std::time::{Duration, Instant};

use ostler_api::backend::Unavailable;
use ostler_machine::threads;
use ostler_store::{CountQuery, Counts, Page, Query, ReadLimit, Store, StoreError};

use super::{Jobs, failed};

/// How long a look for a page of jobs goes on before it comes back with what it has.
const SEARCH: Duration = Duration::from_millis(50);

impl Jobs {
    /// A page of jobs for somebody; it may be a part of it.
    pub(crate) async fn search(&self, who: &str, query: Query) -> Result<Page, Unavailable> {
        let by_text = query.filter.text.is_some();
        self.look(who, by_text, move |store, limit| store.search(&query, limit)).await
    }

    /// How many jobs there are for somebody; a part of them may be left to another look.
    pub(crate) async fn count(&self, who: &str, query: CountQuery) -> Result<Counts, Unavailable> {
        let by_text = query.filter.text.is_some();
        self.look(who, by_text, move |store, limit| store.count(&query, limit)).await
    }

    /// Looks take turns by who asks, end when nobody waits any more, and come back with a part of what is wanted when they take long.
    async fn look<T: Send + 'static>(
        &self,
        who: &str,
        by_text: bool,
        read: impl FnOnce(&dyn Store, &ReadLimit) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let threads = if by_text { &threads::SEARCHES } else { &threads::LISTS };
        let store = self.store.clone();
        let look = threads.run(who, move |unwanted| {
            let until = Some(Instant::now() + SEARCH);
            read(store.as_ref(), &ReadLimit { until, unwanted: Some(unwanted.clone()) })
        });
        match look.await {
            Ok(found) => found.map_err(failed),
            Err(undone) => Err(Unavailable(undone.to_string())),
        }
    }
}
