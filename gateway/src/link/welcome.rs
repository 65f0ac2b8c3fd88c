//! The answer to a runner that is let in.

use bytes::BytesMut;
use ostler_durable::members::token::Scope;
use ostler_wire::message::{Message as _, Welcome};

use super::hub::Hub;

/// The frame that answers HELLO on every link. It names what the runner may do where that is not everything, and the apps of which requests come.
pub(super) fn welcome(out: &mut BytesMut, hub: &Hub, scope: &Scope) {
    let apps = scope.apps.as_ref().map(|apps| apps.iter().map(String::as_str).collect());
    let known = Some(hub.pools.keys().map(String::as_str).collect());
    Welcome { apps, jobs: scope.jobs, known }.put(out);
}
