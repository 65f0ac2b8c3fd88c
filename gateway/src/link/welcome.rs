//! The answer to a runner that is let in.

use bytes::BytesMut;
use ostler_durable::members::token::Scope;
use ostler_wire::message::{Message as _, Welcome};

/// The frame that answers HELLO on every link. It names what the runner may do where that is not everything.
pub(super) fn welcome(out: &mut BytesMut, scope: &Scope) {
    let apps = scope.apps.as_ref().map(|apps| apps.iter().map(String::as_str).collect());
    Welcome { apps, jobs: scope.jobs }.put(out);
}
