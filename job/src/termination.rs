//! How a request ended, and who ended it.

use std::fmt;

macro_rules! terminations {
    ($($(#[$doc:meta])* $name:ident => $code:literal,)*) => {
        /// The one code of how a request ended: in the log line, the metric and the reply's `Ostler-Termination` field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Termination {
            $($(#[$doc])* $name,)*
        }

        impl Termination {
            /// Every code, for tables of counters.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as written in logs, metrics and replies.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

terminations! {
    /// The app answered and the client took it all.
    Ok => "ok",
    /// The gateway answered by itself: a redirect, a fixed reply or the API.
    Answered => "answered",
    /// The request was malformed.
    BadRequest => "bad_request",
    /// No route matches.
    NoRoute => "no_route",
    /// The request body is larger than the route allows.
    BodyTooLarge => "body_too_large",
    /// The client did not send its body in time.
    BodyTimeout => "body_timeout",
    /// The client left before its body was complete.
    BodyAborted => "body_aborted",
    /// The client left while the request waited for a slot.
    GoneWaiting => "gone_waiting",
    /// The client left while the app worked on the request.
    GoneRunning => "gone_running",
    /// The client left, or stopped reading, before the reply was complete.
    GoneReading => "gone_reading",
    /// The pool's queue is full.
    QueueFull => "queue_full",
    /// The tenant's part of the queue is full.
    TenantFull => "tenant_full",
    /// The wait for a slot was longer than the route allows.
    QueueTimeout => "queue_timeout",
    /// The app did not begin or finish its answer in time.
    Deadline => "deadline",
    /// The app has no child that could serve: it fails to boot.
    AppFailed => "app_failed",
    /// Requests of this kind ended children again and again, and are held back.
    Quarantined => "quarantined",
    /// No runner serves the app.
    NoRunner => "no_runner",
    /// The app raised an error before it answered.
    AppError => "app_error",
    /// The app failed in the middle of its answer.
    AppAborted => "app_aborted",
    /// The child died while it worked on the request.
    ChildDied => "child_died",
    /// The child or runner broke the protocol.
    Protocol => "protocol",
    /// The gateway itself lacks a resource: spool space, descriptors.
    Overload => "overload",
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
