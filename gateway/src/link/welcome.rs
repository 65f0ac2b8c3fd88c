//! The answer to a runner that is let in.

use bytes::BytesMut;
use ostler_wire::{Builder, FRAME_MAX, Kind};

use crate::members::token::Scope;

/// The frame that answers HELLO on every link. It names what the runner may do where that is not everything.
pub(super) fn welcome(out: &mut BytesMut, scope: &Scope) {
    let mut number = itoa::Buffer::new();
    let apps = scope.apps.as_ref();
    let apps = apps.map(|apps| apps.iter().map(String::as_str).collect::<Vec<_>>().join(","));
    Builder::new(out, Kind::Welcome, 0)
        .code(ostler_wire::VERSION)
        .fields(|f| {
            f.put(b"hb_ms", b"1000");
            f.put(b"max_frame", number.format(FRAME_MAX).as_bytes());
            f.put(b"window", number.format(ostler_wire::WINDOW).as_bytes());
            if let Some(apps) = apps {
                f.put(b"apps", apps.as_bytes());
            }
            if !scope.jobs {
                f.put(b"jobs", b"0");
            }
        })
        .body(&[]);
}
