//! What every engine of the store does, and does alike.
//!
//! Another engine joins with one line in [`engines!`] at the end of this file and an [`Engine`] that opens it.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod changes;
mod lists;
#[path = "../make/mod.rs"]
mod make;
mod queries;
mod random;
mod reopening;
mod schedules;
mod terms;

use std::sync::Arc;

use ostler_store::{Memory, Sqlite, Store};
use tempfile::TempDir;

/// One store, which may be opened again when nobody holds it any more.
pub(crate) trait Engine {
    fn open(&self) -> Arc<dyn Store>;

    /// A copy that may be put in the place of the store later, when nobody holds it.
    fn copy(&self, store: &dyn Store) -> Box<dyn Fn()>;
}

#[derive(Default)]
struct InMemory(Arc<Memory>);

impl Engine for InMemory {
    fn open(&self) -> Arc<dyn Store> {
        self.0.crash(None);
        Arc::clone(&self.0) as Arc<dyn Store>
    }

    fn copy(&self, _: &dyn Store) -> Box<dyn Fn()> {
        let (memory, copy) = (Arc::clone(&self.0), self.0.copy());
        Box::new(move || memory.restore(&copy))
    }
}

struct InSqlite(TempDir);

impl Default for InSqlite {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Engine for InSqlite {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&self.0.path().join("store.db")).unwrap())
    }

    fn copy(&self, store: &dyn Store) -> Box<dyn Fn()> {
        let (copy, path) = (self.0.path().join("copy.db"), self.0.path().join("store.db"));
        store.backup(&copy).unwrap();
        // As people do it by hand.
        Box::new(move || {
            std::fs::copy(&copy, &path).unwrap();
            for log in ["store.db-wal", "store.db-shm"] {
                let _gone = std::fs::remove_file(path.with_file_name(log));
            }
        })
    }
}

macro_rules! cases {
    ($engine:ty: $($module:ident: $case:ident,)*) => { $(
        #[test]
        fn $case() {
            super::$module::$case(&|| Box::<$engine>::default() as Box<dyn Engine>);
        }
    )* };
}
macro_rules! engines {
    ($($name:ident: $engine:ty;)*) => { $(
        mod $name {
            use super::*;
            cases! { $engine:
                changes: a_batch_is_answered_change_by_change,
                changes: a_fenced_update_undoes_its_batch,
                changes: an_id_is_given_once,
                changes: a_batch_with_a_misuse_is_not_there_at_all,
                changes: an_attempt_is_kept_whole,
                changes: an_attempt_of_no_job_is_refused,
                changes: only_a_finished_job_is_deleted,
                changes: a_deleted_job_leaves_nothing,
                changes: a_key_finds_its_jobs,
                changes: events_are_numbered_without_gaps,
                changes: what_is_old_is_forgotten,
                changes: the_largest_numbers_come_back,
                queries: pages_go_down_to_the_last,
                queries: every_condition_narrows,
                queries: text_is_found_as_people_see_it,
                queries: text_is_no_pattern,
                queries: exit_statuses_are_found_and_excluded,
                queries: identities_are_told_apart,
                queries: the_newest_success_of_an_identity_is_found,
                queries: a_success_is_found_by_its_whole_work,
                queries: old_jobs_are_prunable_by_how_they_ended,
                queries: named_jobs_come_in_the_order_asked,
                queries: jobs_that_are_not_there_are_told,
                queries: a_payload_is_used_while_its_jobs_are_there,
                queries: a_payload_is_wanted_by_the_runner_that_has_its_job,
                queries: a_moment_is_found_among_thousands,
                lists: ids_are_found_by_ranges,
                lists: names_are_found_whole_and_by_how_they_begin,
                lists: hosts_and_users_are_found,
                lists: firings_are_found_by_their_schedule,
                lists: reasons_are_found,
                lists: what_finished_when_is_found,
                lists: every_order_has_every_page,
                lists: what_has_not_finished_is_in_no_order_of_ends,
                lists: a_page_goes_on_where_it_ended_whatever_comes_meanwhile,
                lists: jobs_are_counted_by_what_they_have_in_common,
                lists: a_count_without_groups_is_one_number,
                reopening: what_was_committed_is_there_again,
                reopening: only_unfinished_jobs_are_loaded_in_order,
                reopening: ids_and_numbers_go_on_after_everything_is_gone,
                reopening: tokens_are_loaded,
                reopening: queues_are_there_again_until_they_are_gone,
                reopening: the_light_load_says_the_same,
                schedules: schedules_are_there_again_until_they_are_gone,
                schedules: a_schedule_moves_on_from_where_its_writer_knew_it,
                schedules: a_moment_has_one_job,
                schedules: a_refused_firing_undoes_its_batch,
                schedules: firings_come_latest_first_in_pages,
                schedules: what_fired_after_the_cursor_is_known,
                schedules: a_schedule_of_a_name_that_was_there_knows_what_fired,
                schedules: old_firings_are_forgotten_unless_they_wait,
                schedules: what_waits_goes_with_its_schedule,
                schedules: they_do_what_the_model_does,
                terms: a_commit_of_an_old_term_changes_nothing,
                terms: epochs_and_fences_never_repeat,
                terms: reserved_fences_are_the_terms_own,
                terms: a_store_that_was_put_back_repeats_no_number,
                terms: what_was_ordered_is_kept,
                random: it_does_what_the_model_does,
            }
        }
    )* };
}

/// Makes a store that is empty.
pub(crate) type Make<'a> = &'a dyn Fn() -> Box<dyn Engine>;

engines! {
    memory: InMemory;
    sqlite: InSqlite;
}
