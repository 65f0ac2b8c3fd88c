//! A relay without sockets: what the gateway and the children send is handed in, what they are sent is looked at.

use bytes::Bytes;
use ostler_wire::{Decoder, FRAME_MAX, Fields, flags};
use tokio::{sync::mpsc, task::LocalSet};

use super::super::*;
use crate::event::{EVENTS_MAX, Event as AgentEvent};

const APP: &str = "shop";
const HEAD: &[u8] = b":app\0shop\0REQUEST_METHOD\0GET";
const ONE: ChildId = ChildId(1);
const TWO: ChildId = ChildId(2);

fn sent(kind: Kind, (flags, code): (u8, u16), stream: u32, head: &[u8], body: &[u8]) -> Frame {
    let aux = u32::try_from(head.len()).unwrap();
    let len = u32::try_from(head.len() + body.len()).unwrap();
    let header = Header { len, kind, flags, code, stream, aux };
    Frame { header, head: Bytes::copy_from_slice(head), body: Bytes::copy_from_slice(body) }
}

fn request(stream: u32, end: u8) -> Frame {
    sent(Kind::Req, (end, 0), stream, HEAD, b"")
}

fn answer(stream: u32, flags: u8) -> Frame {
    sent(Kind::Rsp, (flags, 200), stream, b"", b"hello")
}

fn reset(stream: u32, reason: Reset) -> Frame {
    sent(Kind::Reset, (0, reason as u16), stream, b"", b"")
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(bytes);
    std::iter::from_fn(|| decoder.poll_frame().unwrap()).collect()
}

/// A relay with its link up and two children.
struct World {
    relay: Rc<Relay>,
    events: mpsc::Receiver<AgentEvent>,
    link: u64,
}

impl World {
    fn new(children: &[ChildId]) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let relay = Relay::new(sender);
        for &id in children {
            relay.inner.borrow_mut().lanes.insert(id, Lane::new(APP.into(), 1));
        }
        let link = relay.link_up();
        Self { relay, events, link }
    }

    fn gateway(&self, frame: Frame) {
        assert!(self.relay.handle_link(frame).unwrap().is_none());
    }

    /// The child's frame, and what it answers passed on.
    fn child(&self, id: ChildId, frame: Frame) {
        if let Some(mut answer) = self.relay.handle_lane(id, frame).unwrap() {
            assert!(matches!(self.relay.send_answer(id, &mut answer), job::Progress::Done));
        }
    }

    /// What the gateway is sent, but for CREDIT.
    fn told(&self) -> Vec<(Kind, u32, u16)> {
        let mut inner = self.relay.inner.borrow_mut();
        let out = std::mem::take(&mut inner.link.as_mut().unwrap().out);
        let frames = frames(&out).into_iter().filter(|frame| frame.header.kind != Kind::Credit);
        frames.map(|Frame { header, .. }| (header.kind, header.stream, header.code)).collect()
    }

    /// The slots that the gateway was told of last.
    fn slots(&self) -> Option<u64> {
        let inner = self.relay.inner.borrow();
        let told = frames(&inner.link.as_ref().unwrap().out);
        let last = told.iter().rfind(|frame| frame.header.kind == Kind::Credit)?;
        Fields::parse(&last.head).unwrap().number(":slots")
    }

    /// What the child is written.
    fn written(&self, id: ChildId) -> Vec<(Kind, u32)> {
        let mut inner = self.relay.inner.borrow_mut();
        let lane = inner.lanes.get_mut(&id).unwrap();
        let chunks = std::iter::from_fn(|| lane.take_out());
        let frames = chunks.flat_map(|chunk| frames(&chunk.bytes));
        frames.map(|frame| (frame.header.kind, frame.header.stream)).collect()
    }

    /// Which streams the owner was told that nobody wants.
    async fn unwanted(&mut self) -> Vec<(ChildId, u32)> {
        tokio::task::yield_now().await;
        let mut found = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let AgentEvent::Child(id, ChildEvent::Unwanted(stream)) = event {
                found.push((id, stream));
            }
        }
        found
    }
}

#[test]
fn a_child_may_refuse_now_and_then_but_not_everything() {
    let world = World::new(&[ONE]);
    for stream in 1..=30 {
        world.gateway(request(stream, flags::END));
        match stream % 10 {
            0 => world.child(ONE, answer(stream, flags::END)),
            _ => world.child(ONE, reset(stream, Reset::NotStarted)),
        }
    }
    let mut refused = 0;
    for stream in 31..=45 {
        world.gateway(request(stream, flags::END));
        if world.relay.handle_lane(ONE, reset(stream, Reset::NotStarted)).is_err() {
            break;
        }
        refused += 1;
    }
    assert_eq!(refused, 10);
}

#[test]
fn a_child_that_left_its_work_is_no_slot_until_it_is_heard_of() {
    let world = World::new(&[ONE]);
    assert_eq!(world.slots(), Some(1));
    world.gateway(request(1, flags::END));
    world.relay.withdraw(ONE, (2, 9));
    assert_eq!(world.told(), [], "it is not among those");
    world.relay.withdraw(ONE, (1, 9));
    assert_eq!(world.slots(), Some(0));
    assert_eq!(world.told(), [(Kind::Reset, 1, Reset::NotStarted as u16)]);
    world.gateway(request(3, flags::END));
    assert_eq!(world.told(), [(Kind::Reset, 3, Reset::NotStarted as u16)], "nobody is free");
    world.child(ONE, reset(1, Reset::NotStarted));
    assert_eq!(world.slots(), Some(1));
    world.gateway(request(5, flags::END));
    assert_eq!(world.told(), []);
}

#[test]
fn what_has_been_answered_is_not_taken_back() {
    let world = World::new(&[ONE]);
    world.gateway(request(1, flags::END));
    world.child(ONE, answer(1, 0));
    world.relay.withdraw(ONE, (1, 9));
    assert_eq!(world.told(), [(Kind::Rsp, 1, 200)]);
}

#[test]
fn what_a_lost_child_was_never_written_was_not_started() {
    for is_written in [false, true] {
        let world = World::new(&[ONE]);
        world.gateway(request(1, flags::END));
        if is_written {
            assert_eq!(world.written(ONE), [(Kind::Req, 1)]);
        }
        world.relay.lane_gone(ONE);
        let reason = if is_written { Reset::ChildDied } else { Reset::NotStarted };
        assert_eq!(world.told(), [(Kind::Reset, 1, reason as u16)]);
    }
}

#[test]
fn only_a_missed_deadline_and_a_lost_link_are_the_owners_affair() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let mut world = World::new(&[ONE, TWO]);
        world.gateway(request(1, flags::END));
        world.gateway(request(3, flags::END));
        world.gateway(reset(1, Reset::ClientGone));
        assert_eq!(world.unwanted().await, [], "it may be in the middle of something");
        world.gateway(reset(3, Reset::Deadline));
        let late = world.unwanted().await;
        assert_eq!(late.len(), 1);
        world.relay.link_down();
        assert_eq!(world.unwanted().await.len(), 2);
    });
}

#[test]
fn a_child_that_works_for_a_former_gateway_becomes_a_slot_when_it_has_done() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = World::new(&[ONE, TWO]);
        world.gateway(request(1, flags::END));
        let busy =
            world.relay.inner.borrow().lanes.iter().find(|it| it.1.job.is_some()).map(|it| *it.0);
        world.relay.link_down();
        world.relay.link_up();
        assert_eq!(world.slots(), Some(1));
        world.child(busy.unwrap(), answer(1, flags::END));
        assert_eq!(world.slots(), Some(2));
        assert_eq!(world.told(), [], "nobody here asked for that answer");
    });
}

#[test]
fn a_link_that_has_gone_neither_ends_nor_speaks_for_the_one_that_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = World::new(&[ONE]);
        world.relay.link_down();
        let present = world.relay.link_up();
        world.relay.close(world.link);
        assert!(world.relay.inner.borrow().link.is_some());
        assert!(!world.relay.send(world.link, &Bytes::from_static(b"late")));
        assert!(!world.relay.has_room(world.link) && world.relay.has_room(present));
        world.relay.close(present);
        assert!(world.relay.inner.borrow().link.is_none());
    });
}

#[test]
fn a_link_that_takes_nothing_counts_as_stuck() {
    let world = World::new(&[]);
    let much = Bytes::from(vec![0; OUT_STUCK / 2]);
    assert!(world.relay.send(world.link, &much));
    assert!(!world.relay.has_room(world.link));
    assert!(!world.relay.send(world.link, &much));
}

#[test]
fn what_a_child_answers_before_its_body_is_whole_ends_the_body() {
    let world = World::new(&[ONE]);
    world.gateway(request(1, 0));
    world.gateway(sent(Kind::Data, (0, 0), 1, b"", b"half"));
    assert_eq!(world.written(ONE), [(Kind::Req, 1), (Kind::Data, 1)]);
    world.child(ONE, answer(1, flags::END));
    assert_eq!(world.written(ONE), [(Kind::Reset, 1)]);
    assert_eq!(world.told(), [(Kind::Rsp, 1, 200)]);
    world.gateway(request(3, flags::END));
    assert_eq!(world.told(), [], "it is as free as before");
}

#[test]
fn nothing_of_a_body_follows_the_word_that_it_was_given_up() {
    let world = World::new(&[ONE]);
    world.gateway(request(1, 0));
    world.written(ONE);
    world.gateway(sent(Kind::Data, (0, 0), 1, b"", b"half"));
    world.gateway(reset(1, Reset::ClientGone));
    world.relay.with(|inner| inner.lanes.get_mut(&ONE).unwrap().queue_body(b"late", None));
    assert_eq!(world.written(ONE), [(Kind::Reset, 1)]);
}
