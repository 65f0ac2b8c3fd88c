//! Durable jobs on a link, section 13 of docs/WIRE.md: the messages that are lists, as JSON.
//!
//! A list of any length travels in as many frames as it needs. A reader leaves out what a newer writer says in words that
//! it does not know.

use bytes::{Bytes, BytesMut};
use ostler_job::durable::{AttemptKey, Order, Report, Spec, Start};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Message;
use crate::{Frame, Header, Kind, WireError, put_frame};

/// The body of a frame is closed when it is longer than this.
const BODY_MAX: usize = 256 << 10;

/// Appends a frame of as many items as fit into one, at least one. Returns how many they are; of none there is no frame.
fn put_some<T: Serialize>(
    out: &mut BytesMut,
    (kind, code): (Kind, u16),
    items: &mut impl Iterator<Item = T>,
) -> usize {
    let (mut body, mut count) = (Vec::new(), 0);
    while body.len() < BODY_MAX
        && let Some(item) = items.next()
    {
        body.push(if body.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut body, &item).expect("our own records are JSON");
        count += 1;
    }
    if count > 0 {
        body.push(b']');
        put_frame(out, Header { len: 0, kind, flags: 0, code, stream: 0, aux: 0 }, &body);
    }
    count
}

/// Appends all of them, in as many frames as they need.
fn put_all<T: Serialize>(out: &mut BytesMut, of: (Kind, u16), items: impl IntoIterator<Item = T>) {
    let mut items = items.into_iter();
    while put_some(out, of, &mut items) > 0 {}
}

/// The body of a frame.
pub(super) fn parse<T: DeserializeOwned>(frame: &Frame) -> Result<T, WireError> {
    serde_json::from_slice(&frame.body).map_err(|error| broken(frame, &error))
}

fn broken(frame: &Frame, error: &serde_json::Error) -> WireError {
    WireError::Body { kind: frame.header.kind, why: error.to_string() }
}

/// RUN: attempts to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Those that are understood.
    pub starts: Vec<Start>,
    /// Those that a newer gateway says in words unknown here, and what is not understood.
    pub unknown: Vec<(AttemptKey, String)>,
}

/// A [`Start`] whose spec is somebody else's.
#[derive(Serialize)]
struct StartRef<'a> {
    key: AttemptKey,
    spec: &'a Spec,
}

impl Run {
    /// Appends the frames of these attempts.
    pub fn put<'a>(out: &mut BytesMut, starts: impl IntoIterator<Item = (AttemptKey, &'a Spec)>) {
        let starts = starts.into_iter().map(|(key, spec)| StartRef { key, spec });
        put_all(out, (Kind::Run, 0), starts);
    }

    /// Of a frame.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        if let Ok(starts) = parse(frame) {
            return Ok(Self { starts, unknown: Vec::new() });
        }
        let mut run = Self::default();
        for value in parse::<Vec<Value>>(frame)? {
            let key = value.get("key").cloned().unwrap_or_default();
            match (serde_json::from_value(value), serde_json::from_value(key)) {
                (Ok(start), _) => run.starts.push(start),
                (Err(error), Ok(key)) => run.unknown.push((key, error.to_string())),
                (Err(_), Err(error)) => return Err(broken(frame, &error)),
            }
        }
        Ok(run)
    }
}

/// REPORT: what became of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports(pub Vec<Report>);

impl Reports {
    /// A frame of the first ones, and how many they are.
    pub fn first(reports: &[Report]) -> (Bytes, usize) {
        let mut out = BytesMut::new();
        let count = put_some(&mut out, (Kind::Report, 0), &mut reports.iter());
        (out.freeze(), count)
    }

    /// Of a frame. A report that this version does not know is left out, not the frame that it came in.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        if let Ok(reports) = parse(frame) {
            return Ok(Self(reports));
        }
        let reports = parse::<Vec<MaybeReport>>(frame)?;
        Ok(Self(reports.into_iter().filter_map(MaybeReport::known).collect()))
    }
}

impl Message for Reports {
    fn put(&self, out: &mut BytesMut) {
        put_all(out, (Kind::Report, 0), &self.0);
    }
}

/// A report, or one of a newer runner.
#[derive(Deserialize)]
#[serde(untagged)]
enum MaybeReport {
    Known(Report),
    Newer(serde::de::IgnoredAny),
}

impl MaybeReport {
    fn known(self) -> Option<Report> {
        match self {
            Self::Known(report) => Some(report),
            Self::Newer(_) => None,
        }
    }
}

/// SETTLE: attempts that may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Which.
    pub keys: Vec<AttemptKey>,
    /// They have lost their leases.
    pub is_fenced: bool,
}

impl Settle {
    /// The code of those that have lost their leases.
    const FENCED: u16 = 1;

    /// Of a frame.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        Ok(Self { keys: parse(frame)?, is_fenced: frame.header.code == Self::FENCED })
    }
}

impl Message for Settle {
    fn put(&self, out: &mut BytesMut) {
        put_all(out, (Kind::Settle, if self.is_fenced { Self::FENCED } else { 0 }), &self.keys);
    }
}

/// STEER: orders for running attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// Whose, and what.
    pub orders: Vec<(AttemptKey, Order)>,
}

impl Steer {
    /// Of a frame.
    pub fn of(frame: &Frame) -> Result<Self, WireError> {
        Ok(Self { orders: parse(frame)? })
    }
}

impl Message for Steer {
    fn put(&self, out: &mut BytesMut) {
        put_all(out, (Kind::Steer, 0), &self.orders);
    }
}
