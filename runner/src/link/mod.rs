//! The way to a gateway.

pub(crate) mod connect;
pub(crate) mod known;
pub(crate) mod local;
pub(crate) mod relay;
pub(crate) mod remote;
mod tls;
mod token;

use std::{collections::BTreeSet, time::Duration};

use ostler_wire::{Frame, Kind, VERSION};
use tokio::{io::AsyncRead, time::timeout};

use crate::frames::FrameReader;

pub(crate) use self::token::Token;

/// For the answer to HELLO.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// Said of a link that this side has given up, for a reason that was told then.
pub(crate) const CLOSED: &str = "this runner closed the link";
/// The code of a FAIL that says that another process has this runner's name.
const REPLACED: u16 = 1;

/// What the gateway lets this runner do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// `None`: every app.
    apps: Option<BTreeSet<String>>,
    jobs: bool,
}

impl Granted {
    fn of(welcome: &Frame) -> Self {
        let Ok(fields) = welcome.fields() else { return Self { apps: None, jobs: true } };
        let apps = fields.text("apps").map(|apps| apps.split(',').map(str::to_owned).collect());
        Self { apps, jobs: fields.text("jobs") != Some("0") }
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

/// Why there was no WELCOME.
#[derive(Debug)]
enum Unwelcome {
    /// The gateway does not want this runner, and says why.
    Refused(String),
    /// Another process has this runner's name there.
    Replaced(String),
    /// Something else is wrong.
    Lost(String),
}

/// Waits for the answer to HELLO; says what is wrong when it is not a WELCOME.
async fn welcomed<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Result<Granted, Unwelcome> {
    let lost = |why: String| Err(Unwelcome::Lost(why));
    let frame = match timeout(WELCOME_TIMEOUT, frames.next()).await {
        Err(_) => return lost("it did not answer HELLO in time".into()),
        Ok(Err(error)) => return lost(error.to_string()),
        Ok(Ok(None)) => return lost("it closed the connection".into()),
        Ok(Ok(Some(frame))) => frame,
    };
    match (frame.header.kind, frame.header.code) {
        (Kind::Welcome, VERSION) => Ok(Granted::of(&frame)),
        (Kind::Welcome, code) => lost(format!("it speaks version {code} of the protocol")),
        (Kind::Fail, REPLACED) => Err(Unwelcome::Replaced(reason(&frame))),
        (Kind::Fail, _) => Err(Unwelcome::Refused(reason(&frame))),
        (kind, _) => lost(format!("it answered HELLO with {kind:?}")),
    }
}

/// What a FAIL says.
fn reason(fail: &Frame) -> String {
    let fields = fail.fields().ok();
    let message = fields.as_ref().and_then(|f| f.text(":message"));
    message.unwrap_or("it gives no reason").to_owned()
}

#[cfg(test)]
mod tests {
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
