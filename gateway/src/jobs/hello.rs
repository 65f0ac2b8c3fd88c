//! What a runner says of itself before anything else, docs/WIRE.md section 11.

use std::io;

use ostler_job::name;
use ostler_wire::Frame;

/// The longest name of a process.
pub(super) const INCARNATION_MAX: usize = 128;

/// What a runner says of itself before anything else.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) name: String,
    /// Which process; `None`: it is older than this word.
    pub(crate) incarnation: Option<String>,
    /// Its host and process, for people.
    pub(crate) who: String,
}

impl Hello {
    /// Of a HELLO by a runner whose name is vouched for by something else, if it is.
    pub(crate) fn of(frame: &Frame, name: Option<String>) -> io::Result<Self> {
        let fields = frame.fields().map_err(io::Error::other)?;
        let text = |name| fields.text(name).map(str::to_owned);
        let Some(name) = name.or_else(|| text(":runner")) else {
            return Err(io::Error::other("HELLO without :runner"));
        };
        if !name::is_good(&name) {
            let shown: String = name.chars().take(64).collect();
            let told = format!("its name is {shown:?}; a name has {}", name::RULE);
            return Err(io::Error::other(told));
        }
        let incarnation = text(":incarnation");
        if incarnation.as_ref().is_some_and(|it| it.len() > INCARNATION_MAX) {
            return Err(io::Error::other("an :incarnation longer than any"));
        }
        let plain = |name| {
            let text = fields.text(name).unwrap_or("unknown");
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            text.chars().filter(is_plain).take(64).collect::<String>()
        };
        let who = format!("host {}, pid {}", plain(":host"), plain(":pid"));
        Ok(Self { name, incarnation, who })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ostler_wire::{Builder, Kind};

    use super::*;

    #[test]
    fn a_hello_by_what_is_no_name_is_refused() {
        let hello = |name: &str| {
            let mut out = BytesMut::new();
            Builder::new(&mut out, Kind::Hello, 0)
                .fields(|f| {
                    f.put(b":runner", name.as_bytes());
                })
                .body(&[]);
            let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
            decoder.buffer().extend_from_slice(&out);
            Hello::of(&decoder.poll_frame().unwrap().unwrap(), None).map(|hello| hello.name)
        };
        assert_eq!(hello("web-1").unwrap(), "web-1");
        for bad in ["", "-x", "..", "a/b", "\u{202e}a", &"a".repeat(60_000)] {
            let told = hello(bad).unwrap_err().to_string();
            assert!(told.contains("its name is") && told.len() < 300, "{told}");
        }
    }
}
