//! What can be wrong with the other side's bytes.

/// A rule of the protocol that the other side broke. The connection is of no more use after any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The frame is longer than agreed.
    #[error("frame of {len} bytes, but at most {max} were agreed")]
    TooLong {
        /// Its length in bytes.
        len: u32,
        /// The agreed maximum.
        max: u32,
    },
    /// A type that this version does not know is marked critical.
    #[error("critical frame of unknown type {kind:#04x}")]
    UnknownCritical {
        /// The type's code.
        kind: u8,
    },
    /// The head is longer than the frame.
    #[error("head of {head} bytes in a frame of {len}")]
    HeadTooLong {
        /// The head's length in bytes.
        head: u32,
        /// The frame's length in bytes.
        len: u32,
    },
    /// A head is not `name NUL value` pairs.
    #[error("head is not a list of name NUL value pairs")]
    OddHead,
    /// A message without fields that its receiver cannot do without.
    #[error("{message} without {}", fields.join(" and "))]
    Lacks {
        /// The message's name.
        message: &'static str,
        /// The fields' names.
        fields: &'static [&'static str],
    },
    /// A body is not what the type's bodies are.
    #[error("the body of {kind:?}: {why}")]
    Body {
        /// The frame's type.
        kind: crate::Kind,
        /// What it is instead.
        why: String,
    },
    /// A frame of this type may not come from this side, or not now.
    #[error("{kind:?} on stream {stream}: {rule}")]
    Unexpected {
        /// The frame's type.
        kind: crate::Kind,
        /// Its stream.
        stream: u32,
        /// The rule.
        rule: &'static str,
    },
    /// A stream id is not above every one before it.
    #[error("stream {stream} is not above every stream before it")]
    ReusedStream {
        /// The id.
        stream: u32,
    },
    /// More bytes came than credit was granted.
    #[error("stream {stream} sent more than its credit")]
    Overrun {
        /// The stream.
        stream: u32,
    },
    /// A status is not 100 to 599.
    #[error("status {status} is not within 100 to 599")]
    BadStatus {
        /// The status.
        status: u16,
    },
}
