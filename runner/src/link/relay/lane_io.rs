//! The two tasks of a lane: one writes requests, one reads answers; either may wait without holding up the other.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::spawn_local,
};

use super::{Relay, job::Progress, lane::Chunk};
use crate::{
    child_pool::ChildId,
    event::{ChildEvent, Event},
    frames::FrameReader,
};

/// From the end of a child to the end of a lane that somebody else holds open.
const LAST_READ: Duration = Duration::from_millis(100);

pub(super) fn open(lane: OwnedFd) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let stream = StdStream::from(lane);
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream)?.into_split())
}

pub(super) fn start(
    relay: &Rc<Relay>,
    id: ChildId,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    (wake, ended): (Rc<Notify>, Rc<Notify>),
) {
    spawn_local(write(Rc::clone(relay), id, writer, wake));
    let relay = Rc::clone(relay);
    spawn_local(async move {
        let reading = read(&relay, id, FrameReader::new(reader));
        let broken = tokio::select! {
            broken = reading => broken.err(),
            () = over(&ended) => None,
        };
        relay.lane_gone(id);
        // A child that breaks the protocol, or lives on without its lane, is of no use: its owner sees to its end.
        let lost = ChildEvent::LaneLost(broken);
        let _ = relay.events.send(Event::Child(id, lost)).await;
    });
}

/// The child's process is gone, and what it wrote has had the time to be read.
async fn over(ended: &Notify) {
    ended.notified().await;
    tokio::time::sleep(LAST_READ).await;
}

/// Writes until the lane is gone; the reader notices when the child is.
async fn write(relay: Rc<Relay>, id: ChildId, mut socket: OwnedWriteHalf, wake: Rc<Notify>) {
    loop {
        let taken = match relay.inner.borrow_mut().lanes.get_mut(&id) {
            None => return,
            Some(lane) => lane.take_out(),
        };
        match taken {
            None => wake.notified().await,
            Some(Chunk { bytes, body, link }) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
                if let Some(stream) = link.filter(|_| body > 0) {
                    relay.body_written(stream, body);
                }
            }
        }
    }
}

/// Reads until the lane ends; the error says which rule the child broke.
async fn read(
    relay: &Rc<Relay>,
    id: ChildId,
    mut frames: FrameReader<OwnedReadHalf>,
) -> Result<(), String> {
    loop {
        let frame = match frames.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let Some(mut answer) = relay.handle_lane(id, frame).map_err(|e| e.to_string())? else {
            continue;
        };
        let room = relay.inner.borrow().lanes.get(&id).map(|lane| Rc::clone(&lane.room));
        let Some(room) = room else { return Ok(()) };
        while relay.send_answer(id, &mut answer) == Progress::Blocked {
            room.notified().await;
        }
    }
}
