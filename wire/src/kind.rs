//! What a frame says, by its code: the types of frame.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// What a frame says. The table with directions and fields is in `docs/WIRE.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $code,)*
        }

        impl Kind {
            /// Every kind, in order of its code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind of a code, unless this version does not know it.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Opens a stream with a request: head is its environment, body the first bytes.
    Req = 0x01,
    /// The answer to a request: code is the status.
    Rsp = 0x02,
    /// Body bytes.
    Data = 0x03,
    /// Trailers; the end of this side.
    Trail = 0x04,
    /// Ends a stream at once; code is a [`Reset`](crate::Reset). On stream 0: nothing above `aux` was started.
    Reset = 0x05,
    /// Grants `aux` more bytes of credit.
    Win = 0x06,
    /// A function job.
    Call = 0x07,
    /// The answer to a function job.
    Reply = 0x08,
    /// Progress, log, checkpoint or deadline extension of a function job.
    Event = 0x09,
    /// A WebSocket message.
    Msg = 0x0a,
    /// Asks for, or hands over, a private byte stream.
    Tun = 0x0b,
    /// The answerer is done with the stream, after an end that said HOLD; `aux` is what the run cost.
    Free = 0x0c,
    /// First frame of the side that connected.
    Hello = 0x40,
    /// Answer to HELLO with what was agreed.
    Welcome = 0x41,
    /// The app is loaded.
    Ready = 0x42,
    /// The app could not be loaded, or the other side is refused.
    Fail = 0x43,
    /// Are you there?
    Ping = 0x44,
    /// I am.
    Pong = 0x45,
    /// Numbers about a child.
    Stats = 0x46,
    /// Finish: code 0 drain, 1 now; aux is the grace in milliseconds.
    Stop = 0x47,
    /// Last frame of a child; code is its reason.
    Bye = 0x48,
    /// Asks a zygote for a child.
    Fork = 0x49,
    /// A zygote made a child.
    Forked = 0x4a,
    /// Send all stacks.
    Dump = 0x4b,
    /// A log line.
    Log = 0x4c,
    /// Out-of-band work.
    Oob = 0x4d,
    /// Hands over a lane.
    Lane = 0x4e,
    /// Take back what is behind a stream; the answer says what was.
    Withdraw = 0x4f,
    /// How many slots a runner has for an app.
    Credit = 0x50,
    /// The state of an app on a runner.
    App = 0x51,
    /// How many jobs wait for an app.
    Demand = 0x52,
    /// A lane is to be given nothing more.
    Retire = 0x53,
    /// A child is over its deadline.
    Overdue = 0x54,
    /// A new runner asks for a certificate.
    Join = 0x55,
    /// The certificate.
    Joined = 0x56,
    /// Counts of an app's children.
    State = 0x57,
    /// A runner's slots for durable jobs and the attempts that it has.
    Beat = 0x60,
    /// Attempts to run.
    Run = 0x61,
    /// What became of attempts.
    Report = 0x62,
    /// Attempts that may be forgotten; code 1: they lost their leases.
    Settle = 0x63,
    /// Orders for running attempts.
    Steer = 0x64,
    /// Asks for bytes of a log or a payload.
    Pull = 0x65,
    /// The bytes.
    Piece = 0x66,
}

impl Kind {
    /// Whether `aux` is the length of a head. In the other kinds it is a number and the head is empty; kinds that need
    /// both carry the number as a field.
    pub const fn has_head(self) -> bool {
        match self {
            Self::Req
            | Self::Rsp
            | Self::Trail
            | Self::Call
            | Self::Reply
            | Self::Hello
            | Self::Welcome
            | Self::Ready
            | Self::Fail
            | Self::Stats
            | Self::Fork
            | Self::Forked
            | Self::Log
            | Self::Lane
            | Self::Withdraw
            | Self::Credit
            | Self::App
            | Self::Demand
            | Self::Retire
            | Self::Overdue
            | Self::Join
            | Self::State
            | Self::Beat
            | Self::Pull
            | Self::Piece => true,
            Self::Data
            | Self::Reset
            | Self::Win
            | Self::Free
            | Self::Event
            | Self::Msg
            | Self::Tun
            | Self::Ping
            | Self::Pong
            | Self::Stop
            | Self::Bye
            | Self::Dump
            | Self::Oob
            | Self::Joined
            | Self::Run
            | Self::Report
            | Self::Settle
            | Self::Steer => false,
        }
    }
}
