//! To whom a line's output is mailed: by `MAILTO` as it is at that line, as in cron.

use std::collections::BTreeMap;

use ostler_api::checked_mailto;
use ostler_cron_module::crontab::Entry;

/// What `MAILTO` says at a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mail {
    /// Addresses.
    To(String),
    /// Nothing: cron mails to who runs the line.
    User(String),
    /// Nothing, of a line that names nobody.
    Unknown,
    /// That nobody gets any.
    Off,
    /// What cron takes for no address, and the reason; it mails nothing then.
    Unsafe(String, String),
}

impl Mail {
    pub(super) fn of(entry: &Entry, user: Option<&str>) -> Self {
        match (entry.variables.get("MAILTO"), user) {
            (Some(text), _) => match checked_mailto(text) {
                Ok(nobody) if nobody.is_empty() => Self::Off,
                Ok(addresses) => Self::To(addresses),
                Err(why) => Self::Unsafe(text.clone(), why),
            },
            (None, Some(user)) => match checked_mailto(user) {
                Ok(user) => Self::User(user),
                Err(why) => Self::Unsafe(user.to_owned(), why),
            },
            (None, None) => Self::Unknown,
        }
    }

    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::To(address) | Self::User(address) => Some(address),
            Self::Unknown | Self::Off | Self::Unsafe(..) => None,
        }
    }
}

/// What a person should know of the mails of a table.
pub(super) fn notes(mails: impl Iterator<Item = Mail>) -> Vec<String> {
    let mut lines: BTreeMap<Mail, u64> = BTreeMap::new();
    mails.for_each(|mail| *lines.entry(mail).or_default() += 1);
    let note = |(mail, count): (Mail, u64)| {
        let their = if count == 1 { "a line".to_owned() } else { format!("{count} lines") };
        match mail {
            Mail::To(address) => Some(format!(
                "MAILTO={address}: output of {their} is mailed there, as by cron, by the sendmail of whichever host runs it"
            )),
            Mail::User(user) => Some(format!(
                "no MAILTO: output of {their} is mailed to {user}, who runs it, as by cron; MAILTO=\"\" above them says that nothing is"
            )),
            Mail::Unknown => Some(format!(
                "no MAILTO: output of {their} is mailed to nobody, since no user is named; MAILTO or --run-as says who gets it"
            )),
            Mail::Off => None,
            Mail::Unsafe(text, why) => {
                Some(format!("MAILTO={text}: {why}; output of {their} is not mailed, as by cron"))
            }
        }
    };
    lines.into_iter().filter_map(note).collect()
}
