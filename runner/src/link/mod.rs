//! The way to a gateway.

pub(crate) mod connect;
mod heartbeat;
pub(crate) mod known_gateway;
pub(crate) mod local;
pub(crate) mod relay;
pub(crate) mod remote;
mod tls;
mod token;

use std::time::Duration;

use ostler_wire::{Frame, Kind, VERSION, message::Refusal};
use tokio::{io::AsyncRead, time::timeout};

use crate::{event::Granted, frames::FrameReader};

pub(crate) use self::token::Token;

/// For the answer to HELLO.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// Said of a link that this side has given up, for a reason that was told then.
pub(crate) const CLOSED: &str = "this runner closed the link";

/// Why there was no WELCOME.
#[derive(Debug)]
enum Unwelcome {
    /// The gateway does not want this runner, and says why.
    Refused(String),
    /// Another process has this runner's name there.
    Replaced(String),
    /// Something else is wrong.
    Lost(String),
}

/// Waits for the answer to HELLO; says what is wrong when it is not a WELCOME.
async fn welcomed<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Result<Granted, Unwelcome> {
    let lost = |why: String| Err(Unwelcome::Lost(why));
    let frame = match timeout(WELCOME_TIMEOUT, frames.next()).await {
        Err(_) => return lost("it did not answer HELLO in time".into()),
        Ok(Err(error)) => return lost(error.to_string()),
        Ok(Ok(None)) => return lost("it closed the connection".into()),
        Ok(Ok(Some(frame))) => frame,
    };
    match (frame.header.kind, frame.header.code) {
        (Kind::Welcome, VERSION) => Ok(Granted::of(&frame)),
        (Kind::Welcome, code) => lost(format!("it speaks version {code} of the protocol")),
        (Kind::Fail, Refusal::NAME_TAKEN) => Err(Unwelcome::Replaced(reason(&frame))),
        (Kind::Fail, _) => Err(Unwelcome::Refused(reason(&frame))),
        (kind, _) => lost(format!("it answered HELLO with {kind:?}")),
    }
}

/// What a FAIL says.
fn reason(fail: &Frame) -> String {
    let message = Refusal::of(fail).ok().and_then(|refusal| refusal.message);
    message.unwrap_or("it gives no reason").to_owned()
}
