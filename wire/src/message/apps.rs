//! What a runner and a gateway tell each other about apps: slots, demand, states, figures.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::{Failure, Message, key, put_head};
use crate::{Builder, Fields, Frame, Kind, WireError};

/// CREDIT: how many streams of an app may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit<'a> {
    /// The app.
    pub app: &'a str,
    /// How many, absolute.
    pub slots: u64,
}

impl Message for Credit<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Credit, 0, 0, |f| {
            f.text(key::APP, self.app).number(key::SLOTS, self.slots);
        });
    }
}

impl<'a> Credit<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let told = fields.text(key::APP).zip(fields.number(key::SLOTS));
        let (app, slots) =
            told.ok_or(WireError::Lacks { message: "CREDIT", fields: &[key::APP, key::SLOTS] })?;
        Ok(Self { app, slots })
    }
}

/// DEMAND: jobs that wait for an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    /// The app.
    pub app: &'a str,
    /// How many.
    pub waiting: u64,
}

impl Message for Demand<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Demand, 0, 0, |f| {
            f.text(key::APP, self.app).number(key::WAITING, self.waiting);
        });
    }
}

impl<'a> Demand<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let app = fields.text(key::APP).unwrap_or_default();
        Ok(Self { app, waiting: fields.number(key::WAITING).unwrap_or(0) })
    }
}

/// APP: the state of an app on a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// The app.
    pub app: &'a str,
    /// Children that are ready.
    pub ready: u32,
    /// Why it does not boot, while it does not.
    pub failure: Option<Failure<'a>>,
}

impl Message for App<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::App, 0).code(self.code()).fields(|f| {
            f.text(key::APP, self.app).number(key::READY, self.ready);
            if let Some(failure) = &self.failure {
                failure.put_fields(f);
            }
        });
        frame.body(self.failure.as_ref().map_or(&[], |failure| failure.trace.as_bytes()));
    }
}

impl<'a> App<'a> {
    /// The code while no child is ready and none has failed.
    pub const STARTING: u16 = 0;
    /// The code while children are ready.
    pub const READY: u16 = 1;
    /// The code while it cannot be started.
    pub const FAILED: u16 = 2;

    /// The code of its frame.
    pub const fn code(&self) -> u16 {
        match self.failure {
            _ if self.ready > 0 => Self::READY,
            Some(_) => Self::FAILED,
            None => Self::STARTING,
        }
    }

    /// Of a frame. A failure is one only when the code says so.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let app = fields
            .text(key::APP)
            .ok_or(WireError::Lacks { message: "APP", fields: &[key::APP] })?;
        let is_failed = frame.header.code == Self::FAILED;
        let failure = is_failed.then(|| Failure::of(frame)).transpose()?;
        Ok(Self { app, ready: fields.small(key::READY).unwrap_or(0), failure })
    }
}

/// Names of a STATE's figures.
pub mod figure {
    /// Children that boot.
    pub const STARTING: &str = "starting";
    /// Children that wait for requests.
    pub const IDLE: &str = "idle";
    /// Children at work.
    pub const BUSY: &str = "busy";
    /// Children that finish what they have.
    pub const DRAINING: &str = "draining";
    /// Children that are started later, since the last ones failed.
    pub const BACKOFF: &str = "backoff";
    /// Children started since the runner was.
    pub const SPAWNS: &str = "spawns";
    /// Memory of the children.
    pub const RSS_BYTES: &str = "rss_bytes";
    /// Processor time of the children, those that are gone too.
    pub const CPU_US: &str = "cpu_us";
    const EXIT: &str = "exit.";

    /// Children that ended for a reason of [`super::exit`].
    pub fn exit(reason: &str) -> String {
        format!("{EXIT}{reason}")
    }

    /// The reason of a figure of children that ended.
    pub fn exit_of(figure: &str) -> Option<&str> {
        figure.strip_prefix(EXIT)
    }

    /// All but those of [`exit`].
    pub const ALL: [&str; 8] = [STARTING, IDLE, BUSY, DRAINING, BACKOFF, SPAWNS, RSS_BYTES, CPU_US];
}

/// Why a child ended, in the names of a STATE's figures.
pub mod exit {
    /// By itself.
    pub const EXITED: &str = "exited";
    /// By a signal.
    pub const SIGNAL: &str = "signal";
    /// Before it was ready.
    pub const BOOT_FAILED: &str = "boot_failed";
    /// It had answered as many requests as it was to.
    pub const MAX_REQUESTS: &str = "max_requests";
    /// It had lived as long as it was to.
    pub const LIFETIME: &str = "lifetime";
    /// A request took too long.
    pub const TIMEOUT: &str = "timeout";
    /// It could not be reached any more.
    pub const LOST: &str = "lost";
    /// Others took its place; no runner of this version says so.
    pub const RELOAD: &str = "reload";
    /// The runner stopped it.
    pub const STOPPED: &str = "stopped";

    /// All.
    pub const ALL: [&str; 9] =
        [EXITED, SIGNAL, BOOT_FAILED, MAX_REQUESTS, LIFETIME, TIMEOUT, LOST, RELOAD, STOPPED];
}

/// STATE: figures of an app's children on a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// The app.
    pub app: &'a str,
    /// Numbers by [`figure`].
    pub figures: Vec<(String, u64)>,
}

impl Message for State<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::State, 0, 0, |f| {
            f.text(key::APP, self.app);
            for (name, value) in &self.figures {
                f.number(name, *value);
            }
        });
    }
}

impl<'a> State<'a> {
    /// Of a frame. Figures become labels of metrics, so nothing else is taken.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let app = fields
            .text(key::APP)
            .ok_or(WireError::Lacks { message: "STATE", fields: &[key::APP] })?;
        Ok(Self { app, figures: figures(&fields) })
    }
}

fn figures(fields: &Fields<'_>) -> Vec<(String, u64)> {
    let figure = |(name, value): (&[u8], &[u8])| {
        let name = std::str::from_utf8(name).ok()?;
        let value = std::str::from_utf8(value).ok()?.parse().ok()?;
        let reason = figure::exit_of(name);
        let is_known =
            figure::ALL.contains(&name) || reason.is_some_and(|it| exit::ALL.contains(&it));
        is_known.then(|| (name.to_owned(), value))
    };
    // One label, one value: of a name that comes twice the last one counts.
    fields.clone().filter_map(figure).collect::<BTreeMap<_, _>>().into_iter().collect()
}
