//! The store of a state folder, and the one reading of it: at the start, and whenever it was of no use meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ostler_driver::{Driver, DriverConfig};
use ostler_job::durable::{Epoch, Term};
use ostler_machine::{clock, secret};
use ostler_store::{
    Applied, Change, Files, Loaded, Restored, Sqlite, Store, StoreError, Token, Unfinished,
    io_error,
};

/// The store's file in the state folder.
const STORE: &str = "jobs.db";
/// Where the first token is written.
const FIRST_TOKEN: &str = "api.token";

/// Where everything of durable jobs is.
#[derive(Clone)]
pub(super) struct OpenedStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) files: Arc<Files>,
    /// The state folder.
    state: PathBuf,
}

/// What is known from a term's beginning.
pub(super) struct LoadedTerm {
    pub(super) driver: Driver,
    pub(super) term: Term,
    pub(super) loaded: Loaded,
}

impl OpenedStore {
    /// The store of a state folder that is the gateway's own.
    pub(super) fn at(state: &Path) -> Self {
        Self::of(Arc::new(Sqlite::at(&state.join(STORE))), state)
    }

    /// Another store with what a state folder has beside it.
    pub(super) fn of(store: Arc<dyn Store>, state: &Path) -> Self {
        Self { store, files: Arc::new(Files::at(state)), state: state.to_owned() }
    }

    /// Begins a term, with every unfinished job of the store: at the start, and whenever the store was of no use meanwhile.
    /// Before: bytes that the store must take, and the number of the last link of any runner.
    pub(super) fn read(
        &self,
        config: &DriverConfig,
        (room, newest): (u64, u64),
    ) -> Result<LoadedTerm, StoreError> {
        let Self { store, files, state } = self;
        files.prepare()?;
        let now = clock::both();
        let seed = now.wall.0 ^ u64::from(std::process::id()) << 32;
        let term = store.begin(room)?;
        let read = |each: &mut dyn FnMut(Unfinished)| store.load_unfinished(each);
        let (driver, mut loaded) = ostler_driver::load(config, &term, (newest, seed), read, now)?;
        if loaded.tokens.is_empty() || (term.went_back && knows_nobody(state, &loaded.tokens)) {
            first_token(state, (store.as_ref(), term.epoch), &mut loaded)?;
        }
        Ok(LoadedTerm { driver, term, loaded })
    }
}

/// Whether the token of the state folder is none of the store's, since the store is another's, or there is no such file: whoever put
/// it there would be locked out. One that was revoked is known.
fn knows_nobody(state: &Path, tokens: &[Token]) -> bool {
    let text = ostler_private::read_to_string(&state.join(FIRST_TOKEN)).unwrap_or_default();
    let hash = secret::sha256_hex(text.trim().as_bytes());
    tokens.iter().all(|token| token.hash != hash)
}

/// A name that no token has or had.
fn first_name(tokens: &[Token]) -> String {
    let names = std::iter::once("first".to_owned()).chain((2..).map(|n| format!("first-{n}")));
    let free = |name: &String| tokens.iter().all(|token| token.name != *name);
    names.into_iter().find(free).unwrap_or_default()
}

/// Whoever may read the state folder may do everything.
fn first_token(
    state: &Path,
    (store, epoch): (&dyn Store, Epoch),
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let path = state.join(FIRST_TOKEN);
    let (name, scopes) = (first_name(&loaded.tokens), ["admin".to_owned()].into());
    let (text, token) = ostler_api::new_token(&name, scopes, None, clock::wall_now(), None);
    // The file first: a token that nobody knows would be of no use.
    ostler_private::replace(&path, format!("{text}\n").as_bytes())
        .map_err(|error| io_error("writing", &path, &error))?;
    let applied = store.commit(epoch, &[Change::Token(token.clone())])?;
    debug_assert_eq!(applied, [Applied::Done], "a token is written or the commit fails");
    loaded.tokens.push(token);
    Ok(())
}

/// Puts a copy of the store of durable jobs in its place in a state folder that no gateway uses.
pub fn restore(state: &Path, copy: &Path) -> Result<Restored, StoreError> {
    Sqlite::restore(&state.join(STORE), copy)
}
