//! The link to a gateway on this host: frames over a Unix socket, lanes handed over as descriptors.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use tokio::{net::UnixStream, task::spawn_local, time::sleep};

use super::Unwelcome;
use crate::{
    event::{Event, Events, LinkEvent},
    frames::{FrameReader, Outbox},
};

/// Between two attempts to reach a gateway: short, since requests wait while it restarts.
const REDIAL: Duration = Duration::from_millis(50);
/// The same while another process has this runner's name.
const REDIAL_REPLACED: Duration = Duration::from_secs(1);

/// Connects, passes frames on, and connects again, until the owner of state is gone.
pub(crate) async fn run(socket: &Path, hello: Bytes, events: Events) {
    while !events.is_closed() {
        if let Ok(stream) = UnixStream::connect(socket).await {
            let event = serve(stream, hello.clone(), &events).await;
            let is_replaced = matches!(event, LinkEvent::Replaced(_));
            // The owner is gone only when the runner ends, which the loop notices.
            let _ = events.send(Event::Link(event)).await;
            if is_replaced {
                sleep(REDIAL_REPLACED).await;
            }
        }
        sleep(REDIAL).await;
    }
}

/// One connection's life. Returns how it ended.
async fn serve(stream: UnixStream, hello: Bytes, events: &Events) -> LinkEvent {
    let (reader, writer) = stream.into_split();
    let (outbox, writing) = Outbox::over_unix(writer);
    let writer = spawn_local(writing);
    let mut frames = FrameReader::new(reader);
    outbox.send(hello, None);
    let ended = match super::welcomed(&mut frames).await {
        Err(Unwelcome::Lost(why) | Unwelcome::Refused(why)) => LinkEvent::Down(why),
        Err(Unwelcome::Replaced(why)) => LinkEvent::Replaced(why),
        Ok(granted) => {
            // The owner is gone only when the runner ends.
            let _ = events.send(Event::Link(LinkEvent::Up(outbox.clone(), granted))).await;
            LinkEvent::Down(tokio::select! {
                why = pass_on(frames, events) => why,
                () = outbox.closed() => super::CLOSED.into(),
            })
        }
    };
    writer.abort();
    ended
}

async fn pass_on(
    mut frames: FrameReader<tokio::net::unix::OwnedReadHalf>,
    events: &Events,
) -> String {
    loop {
        match frames.next().await {
            Ok(Some(frame)) => {
                if events.send(Event::Link(LinkEvent::Frame(frame))).await.is_err() {
                    return "the runner ends".into();
                }
            }
            Ok(None) => return "it closed the connection".into(),
            Err(error) => return error.to_string(),
        }
    }
}
