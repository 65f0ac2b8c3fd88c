//! What a gateway's WELCOME allows.

use std::collections::BTreeSet;

use ostler_wire::{Frame, message::Welcome};

/// What the gateway lets this runner do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// `None`: every app.
    apps: Option<BTreeSet<String>>,
    jobs: bool,
}

impl Granted {
    pub(crate) fn of(welcome: &Frame) -> Self {
        let Ok(welcome) = Welcome::of(welcome) else { return Self { apps: None, jobs: true } };
        let apps = welcome.apps.map(|apps| apps.into_iter().map(str::to_owned).collect());
        Self { apps, jobs: welcome.jobs }
    }

    /// What a runner offers in vain that has these apps, and slots for jobs or not. Empty: nothing.
    pub(crate) fn refused<'a>(
        &self,
        apps: impl Iterator<Item = &'a str>,
        has_slots: bool,
    ) -> String {
        let is_refused = |app: &&str| self.apps.as_ref().is_some_and(|all| !all.contains(*app));
        let apps = apps.filter(is_refused).map(|app| format!("the app {app}"));
        let jobs = (has_slots && !self.jobs).then(|| "durable jobs".to_owned());
        apps.chain(jobs).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use ostler_wire::{Kind, VERSION};

    use super::*;
    use crate::frames::frame;

    fn granted(fields: &[(&str, &str)]) -> Granted {
        let write = |f: &mut ostler_wire::FieldsWriter<'_>| {
            for (name, value) in fields {
                f.put(name.as_bytes(), value.as_bytes());
            }
        };
        let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
        decoder.buffer().extend_from_slice(&frame(Kind::Welcome, 0, VERSION, write, b""));
        Granted::of(&decoder.poll_frame().unwrap().unwrap())
    }

    #[test]
    fn what_is_offered_in_vain_is_named() {
        let refused = |fields: &[(&str, &str)], slots| {
            granted(fields).refused(["shop", "blog"].into_iter(), slots)
        };
        assert_eq!(refused(&[("window", "1")], true), "");
        assert_eq!(refused(&[("apps", "blog,shop"), ("jobs", "1")], true), "");
        assert_eq!(refused(&[("apps", "shop,bank")], true), "the app blog");
        assert_eq!(
            refused(&[("apps", ""), ("jobs", "0")], true),
            "the app shop, the app blog, durable jobs"
        );
        assert_eq!(refused(&[("jobs", "0")], false), "", "it offers none");
    }
}
