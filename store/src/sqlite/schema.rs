//! The tables, and how a file of an earlier version becomes one of the present.
//!
//! What makes a row of `job` cheap to rewrite is that the command is not in it; `spec` is written once. Of the 12 us that a
//! job's whole life costs, `job_state` takes 2 (while the job is not done) and `job_identity` 2; the other indexes are partial,
//! hold only what is unusual and cost 0.4. An index of moments would take 10 % more bytes for each; `mark` finds them for
//! nothing. That of when jobs finished, which is written once, and those of names, users, reasons and hosts cost 5 % of the processor
//! time and 6 % of the bytes together. Measured with `examples/throughput.rs`.

use rusqlite::{Connection, Transaction};

use crate::{Fault, StoreError};

/// `OSTL`, in the file's header.
pub(super) const APPLICATION: i32 = 0x4f53_544c;

/// Entry `n` makes a file of version `n` one of version `n + 1`; version 0 is an empty file. Entries are never changed
/// once released: `tests/fixtures` has files of earlier versions.
const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
];

/// The present version.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Brings a file to the present version.
pub(super) fn migrate(db: &mut Connection, name: &str) -> Result<(), StoreError> {
    let version = look(db, name)?;
    for (from, step) in (0..).zip(STEPS).skip(usize::try_from(version).unwrap_or(0)) {
        let change = db.transaction().and_then(|change| apply(change, step, from + 1));
        change.map_err(|error| super::fault::from_writing("opening", name, error, db))?;
    }
    Ok(())
}

/// Refuses what is no store of this or an earlier version, an empty file too.
pub(super) fn check(db: &Connection, name: &str) -> Result<(), StoreError> {
    if look(db, name)? == 0 {
        return Err(StoreError::new(Fault::Corrupt, format!("{name} is empty")));
    }
    Ok(())
}

/// Checks whose file it is, and tells its version.
fn look(db: &Connection, name: &str) -> Result<i64, StoreError> {
    let sql = |error| super::fault::from_sql("opening", name, error);
    let number = |db: &Connection, pragma: &str| {
        db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
    };
    let version = number(db, "user_version").map_err(sql)?;
    let application = number(db, "application_id").map_err(sql)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    if application != i64::from(APPLICATION) && (application, version, tables) != (0, 0, 0) {
        let detail = format!("{name} is an SQLite file of something else than Ostler");
        return Err(StoreError::new(Fault::Corrupt, detail));
    }
    if version < 0 || (version == 0 && tables != 0) {
        let detail = format!("{name} has tables, and says {version} of its format");
        return Err(StoreError::new(Fault::Corrupt, detail));
    }
    if version > VERSION {
        let detail = format!("{name} has format {version}; this version reads up to {VERSION}");
        return Err(StoreError::new(Fault::TooNew, detail));
    }
    Ok(version)
}

fn apply(change: Transaction<'_>, step: &str, version: i64) -> rusqlite::Result<()> {
    change.execute_batch(step)?;
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", version)?;
    change.commit()
}

#[cfg(test)]
mod tests {
    use ostler_job::durable::JobState;

    use super::*;

    /// Fails when a state is new that is finished: the column needs a step.
    #[test]
    fn the_file_knows_which_states_are_finished() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, "memory").unwrap();
        for number in 0..=u8::MAX {
            let state = JobState::from_number(number);
            db.execute(
                "INSERT INTO job (id, submitted_at, identity, state, attempts, failures, crashes, fence, kill)
                 VALUES (?1, 0, 0, ?1, 0, 0, 0, 0, 0)",
                [number],
            )
            .unwrap();
            let sql = "SELECT finished FROM job WHERE id = ?";
            let finished: bool = db.query_row(sql, [number], |row| row.get(0)).unwrap();
            assert_eq!(finished, state.is_some_and(JobState::is_finished), "{number}");
        }
    }

    /// It is written three times in the life of every job, and the table that SQLite would make cost a tenth of that.
    #[test]
    fn a_row_of_a_job_is_written_without_a_table_beside_it() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, "memory").unwrap();
        let writes = [
            "INSERT INTO job (id, submitted_at, identity, state, attempts, failures, crashes, fence, kill)
             VALUES (1, 0, 0, 1, 0, 0, 0, 0, 0)",
            "UPDATE job SET state = 2, fence = 3 WHERE id = 1 AND fence = 2",
        ];
        for write in writes {
            let mut plan = db.prepare(&format!("EXPLAIN {write}")).unwrap();
            let steps = plan.query_map([], |row| row.get::<_, String>(1)).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{write}: {steps:?}");
        }
    }
}
