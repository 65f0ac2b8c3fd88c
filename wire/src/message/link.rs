//! The link between runner and gateway, without durable jobs.

use bytes::BytesMut;

use super::{Message, child_of, key, put_head};
use crate::{Builder, FRAME_MAX, Frame, Kind, Reset, VERSION, WINDOW, WireError, flags};

/// HELLO of a runner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Its name. On a remote link the certificate has it, and counts.
    pub runner: Option<&'a str>,
    /// Its host, for people.
    pub host: Option<&'a str>,
    /// Its process there, for people.
    pub pid: Option<&'a str>,
    /// Which process of this name; `None`: it is older than this word.
    pub incarnation: Option<&'a str>,
    /// A digest of what it keeps.
    pub spec: Option<&'a str>,
    /// `local` or `remote`.
    pub kind: Option<&'a str>,
    /// What it says of its host, each `NAME=VALUE`, as it was written.
    pub labels: Vec<&'a str>,
}

impl Message for Hello<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Hello, 0, VERSION, |f| {
            f.maybe(key::RUNNER, self.runner).maybe(key::HOST, self.host);
            f.maybe(key::PID, self.pid).maybe(key::INCARNATION, self.incarnation);
            f.maybe(key::SPEC, self.spec).maybe(key::KIND, self.kind);
            for label in &self.labels {
                f.text(key::LABEL, label);
            }
        });
    }
}

impl<'a> Hello<'a> {
    /// The name, of a runner for which nothing else vouches.
    pub fn name(&self) -> Result<&'a str, WireError> {
        self.runner.ok_or(WireError::Lacks { message: "HELLO", fields: &[key::RUNNER] })
    }

    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        Ok(Self {
            runner: fields.text(key::RUNNER),
            host: fields.text(key::HOST),
            pid: fields.text(key::PID),
            incarnation: fields.text(key::INCARNATION),
            spec: fields.text(key::SPEC),
            kind: fields.text(key::KIND),
            labels: fields.texts(key::LABEL),
        })
    }
}

/// WELCOME of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// The apps that it joined for; `None`: every app.
    pub apps: Option<Vec<&'a str>>,
    /// Whether it joined for durable jobs.
    pub jobs: bool,
    /// The apps that the gateway knows; `None`: one of before does not say it.
    pub known: Option<Vec<&'a str>>,
}

/// Milliseconds between two PINGs of a link.
const HEARTBEAT_MS: u32 = 1000;
/// Says that a runner may not do it.
const NO: &str = "0";

impl Message for Welcome<'_> {
    fn put(&self, out: &mut BytesMut) {
        let [apps, known] =
            [&self.apps, &self.known].map(|apps| apps.as_ref().map(|apps| apps.join(",")));
        put_head(out, Kind::Welcome, 0, VERSION, |f| {
            f.number(key::HB_MS, HEARTBEAT_MS).number(key::MAX_FRAME, FRAME_MAX);
            f.number(key::WINDOW, WINDOW).maybe(key::APPS, apps.as_deref());
            f.maybe(key::JOBS, (!self.jobs).then_some(NO)).maybe(key::KNOWN, known.as_deref());
        });
    }
}

impl<'a> Welcome<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let list = |key| fields.text(key).map(|apps| apps.split(',').collect());
        Ok(Self {
            apps: list(key::APPS),
            jobs: fields.text(key::JOBS) != Some(NO),
            known: list(key::KNOWN),
        })
    }
}

/// FAIL to a runner: it has no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// [`Refusal::NAME_TAKEN`], or 0.
    pub code: u16,
    /// What is refused: `hello` or `join`.
    pub stage: &'a str,
    /// Why, and the cure.
    pub message: Option<&'a str>,
}

impl Message for Refusal<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Fail, 0, self.code, |f| {
            f.text(key::STAGE, self.stage).maybe(key::MESSAGE, self.message);
        });
    }
}

impl<'a> Refusal<'a> {
    /// The code: another process has the runner's name.
    pub const NAME_TAKEN: u16 = 1;
    /// The stage of a refused HELLO.
    pub const HELLO: &'static str = "hello";
    /// The stage of a refused JOIN.
    pub const JOIN: &'static str = "join";

    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let stage = fields.text(key::STAGE).unwrap_or_default();
        Ok(Self { code: frame.header.code, stage, message: fields.text(key::MESSAGE) })
    }
}

/// JOIN: a runner asks for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join<'a> {
    /// Of its token; empty when its certificate is to be renewed.
    pub secret: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The certificate request, PEM: the frame's body.
    pub request: &'a [u8],
}

impl Message for Join<'_> {
    fn put(&self, out: &mut BytesMut) {
        let frame = Builder::new(out, Kind::Join, 0).fields(|f| {
            f.text(key::SECRET, self.secret).text(key::NAME, self.name);
        });
        frame.body(self.request);
    }
}

impl<'a> Join<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let text = |key| fields.text(key).unwrap_or_default();
        Ok(Self { secret: text(key::SECRET), name: text(key::NAME), request: &frame.body })
    }
}

/// LANE to a gateway: the descriptor that comes with it is its end of a child's lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane<'a> {
    /// The app.
    pub app: &'a str,
    /// The child.
    pub child: u64,
    /// Its process.
    pub pid: u32,
    /// The generation of the app's specification.
    pub generation: u32,
    /// What it can do that not every child can, separated by commas.
    pub caps: &'a str,
    /// How many streams at once it takes. Of one nothing is said.
    pub streams: u32,
}

impl Message for Lane<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Lane, flags::FD, 0, |f| {
            f.text(key::APP, self.app).number(key::CHILD, self.child);
            f.number(key::PID, self.pid).number(key::GENERATION, self.generation);
            f.text(key::CAPS, self.caps);
            f.maybe_number(key::STREAMS, Some(self.streams.into()).filter(|streams| *streams != 1));
        });
    }
}

impl<'a> Lane<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let (app, child) = child_of("Lane", &fields)?;
        Ok(Self {
            app,
            child,
            pid: fields.small(key::PID).unwrap_or(0),
            generation: fields.small(key::GENERATION).unwrap_or(0),
            caps: fields.text(key::CAPS).unwrap_or_default(),
            streams: fields.small(key::STREAMS).unwrap_or(1),
        })
    }
}

/// RETIRE: a lane is given nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retire<'a> {
    /// The app.
    pub app: &'a str,
    /// The child.
    pub child: u64,
    /// Its process is gone: nothing more comes on the lane, whoever holds it open.
    pub is_gone: bool,
}

impl Message for Retire<'_> {
    fn put(&self, out: &mut BytesMut) {
        let code = if self.is_gone { Reset::ChildDied as u16 } else { 0 };
        put_head(out, Kind::Retire, 0, code, |f| {
            f.text(key::APP, self.app).number(key::CHILD, self.child);
        });
    }
}

impl<'a> Retire<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let (app, child) = child_of("Retire", &frame.fields()?)?;
        let is_gone = frame.header.code == Reset::ChildDied as u16;
        Ok(Self { app, child, is_gone })
    }
}

/// WITHDRAW of a gateway: what the child has not begun, up to a stream, is to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdraw<'a> {
    /// The app.
    pub app: &'a str,
    /// The child.
    pub child: u64,
    /// The last stream.
    pub last: u32,
}

impl Message for Withdraw<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Withdraw, 0, 0, |f| {
            f.text(key::APP, self.app).number(key::CHILD, self.child).number(key::LAST, self.last);
        });
    }
}

impl<'a> Withdraw<'a> {
    /// Of a frame; `None` when it does not say what is to come back.
    pub fn of(frame: &'a Frame) -> Result<Option<Self>, WireError> {
        let fields = frame.fields()?;
        let app = fields.text(key::APP).unwrap_or_default();
        let named = fields.number(key::CHILD).zip(fields.small(key::LAST));
        Ok(named.map(|(child, last)| Self { app, child, last }))
    }
}

/// WITHDRAW of a runner: these streams the child will never begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawn<'a> {
    /// The app.
    pub app: &'a str,
    /// The child.
    pub child: u64,
    /// The first and the last stream, when it says which.
    pub streams: Option<(u32, u32)>,
}

impl Message for Withdrawn<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Withdraw, 0, 0, |f| {
            f.text(key::APP, self.app).number(key::CHILD, self.child);
            if let Some((from, to)) = self.streams {
                f.number(key::FROM, from).number(key::TO, to);
            }
        });
    }
}

impl<'a> Withdrawn<'a> {
    /// Of a frame.
    pub fn of(frame: &'a Frame) -> Result<Self, WireError> {
        let fields = frame.fields()?;
        let (app, child) = child_of("Withdraw", &fields)?;
        Ok(Self { app, child, streams: fields.small(key::FROM).zip(fields.small(key::TO)) })
    }
}

/// OVERDUE: the runner is to see to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue<'a> {
    /// The app.
    pub app: &'a str,
    /// The child.
    pub child: u64,
    /// Why; `None`: for a reason that this version does not know.
    pub reason: Option<Reset>,
    /// The stream that it is about; `None`: the child as a whole, or a gateway that does not name it.
    pub stream: Option<u32>,
    /// That stream has been answered.
    pub is_over: bool,
}

/// Says yes.
const YES: &str = "1";

impl Message for Overdue<'_> {
    fn put(&self, out: &mut BytesMut) {
        put_head(out, Kind::Overdue, 0, self.reason.map_or(0, |reason| reason as u16), |f| {
            f.text(key::APP, self.app).number(key::CHILD, self.child);
            f.maybe_number(key::STREAM, self.stream.map(u64::from));
            f.maybe(key::OVER, self.is_over.then_some(YES));
        });
    }
}

impl<'a> Overdue<'a> {
    /// Of a frame; `None` when it names no child.
    pub fn of(frame: &'a Frame) -> Result<Option<Self>, WireError> {
        let fields = frame.fields()?;
        Ok(fields.number(key::CHILD).map(|child| Self {
            app: fields.text(key::APP).unwrap_or_default(),
            child,
            reason: Reset::from_code(frame.header.code),
            stream: fields.small(key::STREAM),
            is_over: fields.text(key::OVER) == Some(YES),
        }))
    }
}

/// The app that a frame of a link is about.
pub fn app_of(frame: &Frame) -> Option<&str> {
    frame.fields().ok()?.text(key::APP)
}
