//! Tells HTTP/2 by prior knowledge from HTTP/1 by a cleartext connection's first bytes.

use std::{io, time::Duration};

use tokio::net::TcpStream;

/// What an HTTP/2 client sends first (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a client speaks HTTP where TLS is spoken. Silence is the caller's to end.
pub(super) async fn is_cleartext(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let came = stream.peek(&mut first).await?;
    Ok(came == 1 && first[0].is_ascii_uppercase())
}

/// Waits for enough bytes to decide, without taking them. Silence is the caller's to end.
pub(super) async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let came = stream.peek(&mut first).await?;
        if came == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&first[..came]) {
            return Ok(false);
        }
        if came == PREFACE.len() {
            return Ok(true);
        }
        // The preface came in parts, which no real client does; the bytes are there, so readiness would spin.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
