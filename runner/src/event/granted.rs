//! What a gateway's WELCOME allows.

use std::collections::BTreeSet;

use ostler_wire::{Frame, message::Welcome};

/// What the gateway lets this runner do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// `None`: every app.
    apps: Option<BTreeSet<String>>,
    jobs: bool,
    /// The apps that it knows; `None`: it does not say.
    known: Option<BTreeSet<String>>,
}

impl Granted {
    pub(crate) fn of(welcome: &Frame) -> Self {
        let Ok(welcome) = Welcome::of(welcome) else {
            return Self { apps: None, jobs: true, known: None };
        };
        let set = |apps: Vec<&str>| apps.into_iter().map(str::to_owned).collect();
        let (apps, known) = (welcome.apps.map(set), welcome.known.map(set));
        Self { apps, jobs: welcome.jobs, known }
    }

    fn allows(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|all| all.contains(app))
    }

    /// Those of these apps that it may serve, and that the gateway does not know. Empty: none.
    pub(crate) fn unknown<'a>(&self, apps: impl Iterator<Item = &'a str>) -> String {
        let is_unknown = |app: &&str| {
            self.allows(app) && self.known.as_ref().is_some_and(|all| !all.contains(*app))
        };
        apps.filter(is_unknown).collect::<Vec<_>>().join(", ")
    }

    /// What a runner offers in vain that has these apps, and slots for jobs or not. Empty: nothing.
    pub(crate) fn refused<'a>(
        &self,
        apps: impl Iterator<Item = &'a str>,
        has_slots: bool,
    ) -> String {
        let apps = apps.filter(|app| !self.allows(app)).map(|app| format!("the app {app}"));
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

    #[test]
    fn apps_that_the_gateway_does_not_know_are_named() {
        let unknown =
            |fields: &[(&str, &str)]| granted(fields).unknown(["shop", "blog"].into_iter());
        assert_eq!(unknown(&[("window", "1")]), "", "a gateway of before does not say it");
        assert_eq!(unknown(&[("known", "blog,bank,shop")]), "");
        assert_eq!(unknown(&[("known", "bank,shop")]), "blog");
        assert_eq!(unknown(&[("known", "")]), "shop, blog");
        assert_eq!(
            unknown(&[("known", ""), ("apps", "blog")]),
            "blog",
            "it may not serve the other"
        );
    }
}
