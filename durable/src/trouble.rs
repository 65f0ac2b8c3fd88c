//! Why durable jobs are refused.

use super::{Shared, Unavailable};

impl Shared {
    /// Notes why durable jobs are refused, or that they are not any more, and tells the operator what is new of it.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        let mut noted = self.trouble.lock().expect("nobody panics with the trouble");
        let before = std::mem::replace(&mut *noted, trouble.clone());
        drop(noted);
        match (before, trouble) {
            (None, Some(why)) => self.warn(format!("durable jobs are refused: {why}")),
            (Some(_), None) => self.warn("durable jobs are accepted again".into()),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    pub(super) fn unavailable(&self) -> Unavailable {
        let trouble = self.trouble.lock().expect("nobody panics with the trouble").clone();
        Unavailable(trouble.unwrap_or_else(|| "the gateway ends".into()))
    }
}
