//! What can be wrong with the other side's bytes.

use std::fmt;

/// A rule of the protocol that the other side broke. The connection is of no more use after any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The frame is longer than agreed.
    TooLong {
        /// Its length in bytes.
        len: u32,
        /// The agreed maximum.
        max: u32,
    },
    /// A type that this version does not know is marked critical.
    UnknownCritical {
        /// The type's code.
        kind: u8,
    },
    /// The head is longer than the frame.
    HeadTooLong {
        /// The head's length in bytes.
        head: u32,
        /// The frame's length in bytes.
        len: u32,
    },
    /// A head is not `name NUL value` pairs.
    OddHead,
    /// A message without fields that its receiver cannot do without.
    Lacks {
        /// The message's name.
        message: &'static str,
        /// The fields' names.
        fields: &'static [&'static str],
    },
    /// A frame of this type may not come from this side, or not now.
    Unexpected {
        /// The frame's type.
        kind: crate::Kind,
        /// Its stream.
        stream: u32,
        /// The rule.
        rule: &'static str,
    },
    /// A stream id is not above every one before it.
    ReusedStream {
        /// The id.
        stream: u32,
    },
    /// More bytes came than credit was granted.
    Overrun {
        /// The stream.
        stream: u32,
    },
    /// A status is not 100 to 599.
    BadStatus {
        /// The status.
        status: u16,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => {
                write!(f, "frame of {len} bytes, but at most {max} were agreed")
            }
            Self::UnknownCritical { kind } => {
                write!(f, "critical frame of unknown type {kind:#04x}")
            }
            Self::HeadTooLong { head, len } => {
                write!(f, "head of {head} bytes in a frame of {len}")
            }
            Self::OddHead => f.write_str("head is not a list of name NUL value pairs"),
            Self::Lacks { message, fields } => {
                write!(f, "{message} without {}", fields.join(" and "))
            }
            Self::Unexpected { kind, stream, rule } => {
                write!(f, "{kind:?} on stream {stream}: {rule}")
            }
            Self::ReusedStream { stream } => {
                write!(f, "stream {stream} is not above every stream before it")
            }
            Self::Overrun { stream } => write!(f, "stream {stream} sent more than its credit"),
            Self::BadStatus { status } => write!(f, "status {status} is not within 100 to 599"),
        }
    }
}

impl std::error::Error for WireError {}
