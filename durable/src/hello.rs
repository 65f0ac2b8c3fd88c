//! What a runner says of itself before anything else, docs/WIRE.md section 9.

use std::{io, sync::Arc};

use ostler_job::{Labels, name};
use ostler_wire::{Frame, message};

/// The longest name of a process.
pub(super) const INCARNATION_MAX: usize = 128;

/// What a runner says of itself before anything else.
#[derive(Clone, Debug)]
pub struct Hello {
    pub name: String,
    /// Which process; `None`: it is older than this word.
    pub(crate) incarnation: Option<String>,
    /// Its host and process, for people.
    pub who: String,
    /// What it says of its host.
    pub(crate) labels: Arc<Labels>,
}

impl Hello {
    /// Of a HELLO by a runner whose name is vouched for by something else, if it is.
    pub fn of(frame: &Frame, name: Option<String>) -> io::Result<Self> {
        let told = message::Hello::of(frame).map_err(io::Error::other)?;
        let name = match name {
            Some(name) => name,
            None => told.name().map_err(io::Error::other)?.to_owned(),
        };
        if !name::is_good(&name) {
            let shown: String = name.chars().take(64).collect();
            let why = format!("its name is {shown:?}; a name has {}", name::RULE);
            return Err(io::Error::other(why));
        }
        if told.incarnation.is_some_and(|it| it.len() > INCARNATION_MAX) {
            return Err(io::Error::other("an :incarnation longer than any"));
        }
        let plain = |text: Option<&str>| {
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            text.unwrap_or("unknown").chars().filter(is_plain).take(64).collect::<String>()
        };
        let who = format!("host {}, pid {}", plain(told.host), plain(told.pid));
        let incarnation = told.incarnation.map(str::to_owned);
        let labels = Labels::read(told.labels).map_err(|bad| {
            io::Error::other(format!("{bad}; start the runner {name} with other labels"))
        })?;
        Ok(Self { name, incarnation, who, labels: Arc::new(labels) })
    }
}

#[cfg(test)]
mod tests {
    use ostler_wire::message::Message as _;

    use super::*;

    #[test]
    fn a_hello_with_labels_is_read_and_one_with_what_is_no_label_is_refused() {
        let hello = |labels: Vec<&str>| {
            let out = message::Hello { runner: Some("a"), labels, ..Default::default() };
            let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
            decoder.buffer().extend_from_slice(&out.to_bytes());
            Hello::of(&decoder.poll_frame().unwrap().unwrap(), None)
        };
        let labels = hello(vec!["zone=b", "gpu=a100"]).unwrap().labels;
        assert_eq!(labels.to_string(), "gpu=a100,zone=b");
        for bad in ["gpu", "GPU=a", "gpu=\u{fffd}", &"a".repeat(60_000)] {
            let told = hello(vec!["zone=b", bad]).unwrap_err().to_string();
            assert!(told.ends_with("; start the runner a with other labels"), "{told}");
            assert!(told.len() < 300, "{told}");
        }
        let twice = hello(vec!["zone=b", "zone=c"]).unwrap_err().to_string();
        assert!(twice.starts_with("the label zone is there twice"), "{twice}");
    }

    #[test]
    fn a_hello_by_what_is_no_name_is_refused() {
        let hello = |name: &str| {
            let out = message::Hello { runner: Some(name), ..Default::default() }.to_bytes();
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
