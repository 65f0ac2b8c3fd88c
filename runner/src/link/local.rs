//! The link to a gateway on this host: frames over a Unix socket, lanes handed over as descriptors.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use tokio::{net::UnixStream, task::spawn_local, time::sleep};

use crate::{
    event::{Event, Events, LinkEvent},
    frames::{FrameReader, Outbox},
};

/// Between two attempts to reach a gateway: short, since requests wait while it restarts.
const REDIAL: Duration = Duration::from_millis(50);

/// Connects, passes frames on, and connects again, until the owner of state is gone.
pub(crate) async fn run(socket: &Path, hello: Bytes, events: Events) {
    while !events.is_closed() {
        if let Ok(stream) = UnixStream::connect(socket).await {
            let why = serve(stream, hello.clone(), &events).await;
            // The owner is gone only when the runner ends, which the loop notices.
            let _ = events.send(Event::Link(LinkEvent::Down(why))).await;
        }
        sleep(REDIAL).await;
    }
}

/// One connection's life. Returns why it ended.
async fn serve(stream: UnixStream, hello: Bytes, events: &Events) -> String {
    let (reader, writer) = stream.into_split();
    let (outbox, writing) = Outbox::over_unix(writer);
    let writer = spawn_local(writing);
    let mut frames = FrameReader::new(reader);
    outbox.send(hello, None);
    let why = match super::welcomed(&mut frames).await {
        Err(why) => why.to_string(),
        Ok(()) => {
            // The owner is gone only when the runner ends.
            let _ = events.send(Event::Link(LinkEvent::Up(outbox))).await;
            pass_on(frames, events).await
        }
    };
    writer.abort();
    why
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
