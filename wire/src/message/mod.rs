//! What frames say: a type for each message, its encoding beside its decoding.
//!
//! A decoder refuses only what makes the message useless to its receiver, and ignores what it does not know; a field that
//! may be absent is an `Option`. The frames that consist of a header alone need no type.

mod apps;
mod child;
mod jobs;
mod key;
mod link;
mod lists;
mod request;

use bytes::{Bytes, BytesMut};

pub use self::{
    apps::{App, Credit, Demand, State, exit, figure},
    child::{ChildHello, ChildLane, ChildWelcome, Failure, Log, cap, has_cap},
    jobs::{Beat, Piece, Pull, what},
    link::{Hello, Join, Lane, Overdue, Refusal, Retire, Welcome, Withdraw, Withdrawn, app_of},
    lists::{Reports, Run, Settle, Steer},
    request::{
        QUEUE_US_DIGITS, RequestHead, is_reason_phrase, put_request, split_app, write_digits,
    },
};
use crate::{Builder, Fields, FieldsWriter, Kind, WireError};

/// Something that a frame says, or a long list several.
pub trait Message {
    /// Appends its frame.
    fn put(&self, out: &mut BytesMut);

    /// Its frame alone.
    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.put(&mut out);
        out.freeze()
    }
}

/// Writes a frame of the connection itself that has a head and no body.
fn put_head(
    out: &mut BytesMut,
    kind: Kind,
    flags: u8,
    code: u16,
    write: impl FnOnce(&mut FieldsWriter<'_>),
) {
    Builder::new(out, kind, 0).flags(flags).code(code).fields(write).body(&[]);
}

impl FieldsWriter<'_> {
    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.put(key.as_bytes(), value.as_bytes())
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    fn number(&mut self, key: &str, value: impl itoa::Integer) -> &mut Self {
        self.text(key, itoa::Buffer::new().format(value))
    }

    fn maybe_number(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// A field that says yes by being there.
    fn mark(&mut self, key: &str, is_so: bool) -> &mut Self {
        self.maybe(key, is_so.then_some("1"))
    }
}

impl Fields<'_> {
    fn small(&self, key: &str) -> Option<u32> {
        self.number(key).and_then(|value| u32::try_from(value).ok())
    }

    fn has(&self, key: &str) -> bool {
        self.value(key.as_bytes()).is_some()
    }
}

/// The app and the number of a child, without which a message about one is of no use.
fn child_of<'a>(message: &'static str, fields: &Fields<'a>) -> Result<(&'a str, u64), WireError> {
    let child = fields.text(key::APP).zip(fields.number(key::CHILD));
    child.ok_or(WireError::Lacks { message, fields: &[key::APP, key::CHILD] })
}
