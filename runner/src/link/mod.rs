//! The way to a gateway.

pub(crate) mod local;
pub(crate) mod relay;
pub(crate) mod remote;
mod tls;
mod token;

use std::time::Duration;

use ostler_wire::{Kind, VERSION};
use tokio::{io::AsyncRead, time::timeout};

use crate::frames::FrameReader;

pub(crate) use self::token::Token;

/// For the answer to HELLO.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// Waits for the answer to HELLO; says what is wrong when it is not a WELCOME.
async fn welcomed<R: AsyncRead + Unpin>(frames: &mut FrameReader<R>) -> Result<(), String> {
    let frame = match timeout(WELCOME_TIMEOUT, frames.next()).await {
        Err(_) => return Err("it did not answer HELLO in time".into()),
        Ok(Err(error)) => return Err(error.to_string()),
        Ok(Ok(None)) => return Err("it closed the connection".into()),
        Ok(Ok(Some(frame))) => frame,
    };
    match (frame.header.kind, frame.header.code) {
        (Kind::Welcome, VERSION) => Ok(()),
        (Kind::Welcome, code) => Err(format!("it speaks version {code} of the protocol")),
        (kind, _) => Err(format!("it answered HELLO with {kind:?}")),
    }
}
