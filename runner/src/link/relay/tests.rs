//! What is taken back from children, and children that refuse what they are given.

mod slots;

use ostler_wire::{Builder, Decoder, FRAME_MAX, FieldsWriter, flags};

use super::*;
use crate::event::EVENTS_MAX;

const CHILD: ChildId = ChildId(1);

struct Rig {
    relay: Rc<Relay>,
    /// Of the gateway's side.
    streams: Streams,
}

fn decode(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(bytes);
    std::iter::from_fn(|| decoder.poll_frame().expect("what is written can be read")).collect()
}

fn made(
    (kind, stream, code, flags): (Kind, u32, u16, u8),
    fields: impl FnOnce(&mut FieldsWriter<'_>),
) -> Frame {
    let mut out = BytesMut::new();
    if !kind.has_head() {
        put_frame(&mut out, Header { len: 0, kind, flags, code, stream, aux: 0 }, b"");
        return decode(&out).remove(0);
    }
    Builder::new(&mut out, kind, stream).flags(flags).code(code).fields(fields).body(b"");
    decode(&out).remove(0)
}

impl Rig {
    /// One child of an app, and a gateway.
    fn new() -> Self {
        Self::of(1)
    }

    /// The same with a child that takes so many streams at once.
    fn of(streams: u32) -> Self {
        let (events, _) = tokio::sync::mpsc::channel(EVENTS_MAX);
        let relay = Relay::new(events);
        relay.inner.borrow_mut().lanes.insert(CHILD, Lane::new("app".into(), streams));
        relay.link_up();
        let rig = Self { relay, streams: Streams::opener(Some(WINDOW)) };
        assert_eq!(rig.said(), ["CREDIT 1"]);
        rig
    }

    /// A request of the gateway. Answers its stream.
    fn ask(&mut self) -> u32 {
        let stream = self.streams.open().expect("there are many");
        let request = made((Kind::Req, stream, 0, flags::END), |f| {
            f.put(b":app", b"app").put(b":method", b"GET");
        });
        assert!(self.relay.handle_link(request).expect("it is in order").is_none());
        stream
    }

    /// What the gateway was told since.
    fn said(&self) -> Vec<String> {
        let out = self.relay.with(|inner| {
            inner.link.as_mut().map(|link| std::mem::take(&mut link.out)).unwrap_or_default()
        });
        let tell = |frame: Frame| {
            let header = frame.header;
            match frame.fields().ok().and_then(|it| it.number(":slots")) {
                Some(slots) if header.kind == Kind::Credit => format!("CREDIT {slots}"),
                _ => format!("{:?} {} {}", header.kind, header.stream, header.code),
            }
        };
        decode(&out).into_iter().map(tell).collect()
    }

    /// The stream of the request that the child has been written since, if there is one.
    fn given(&self) -> Option<u32> {
        let chunk = self.relay.with(|inner| inner.lanes.get_mut(&CHILD)?.take_out())?;
        let is_request = |frame: &Frame| frame.header.kind == Kind::Req;
        decode(&chunk.bytes).into_iter().find(is_request).map(|frame| frame.header.stream)
    }

    /// The child refuses a request, or speaks of it for the last time.
    fn refuse(&self, lane: u32) -> Result<(), WireError> {
        let refusal = made((Kind::Reset, lane, Reset::NotStarted as u16, 0), |_| {});
        self.relay.handle_lane(CHILD, refusal).map(|answer| assert!(answer.is_none()))
    }

    /// The child answers a request whole.
    fn answer(&self, lane: u32) {
        let answer = made((Kind::Rsp, lane, 200, flags::END), |_| {});
        let answer = self.relay.handle_lane(CHILD, answer).expect("it is in order");
        let mut answer = answer.expect("it is for the gateway");
        assert_eq!(self.relay.send_answer(CHILD, &mut answer), job::Progress::Done);
    }
}

const NOT_STARTED: u16 = Reset::NotStarted as u16;

#[test]
fn the_streams_of_a_child_that_takes_several_have_windows_although_it_is_given_one_at_a_time() {
    let mut rig = Rig::of(8);
    let stream = rig.streams.open().expect("there are many");
    let request = made((Kind::Req, stream, 0, 0), |f| {
        f.put(b":app", b"app").put(b":method", b"POST");
    });
    assert!(rig.relay.handle_link(request).expect("it is in order").is_none());
    let lane = rig.given().expect("it is written");
    // The gateway gives credit as the child takes the body, so that more than a window may wait here.
    let taken = |rig: &Rig| {
        rig.relay.with(|inner| {
            let lane = inner.lanes.get_mut(&CHILD).expect("it is there");
            std::iter::from_fn(|| lane.take_out()).map(|chunk| chunk.body).sum::<usize>()
        })
    };
    rig.relay.with(|inner| {
        let lane = inner.lanes.get_mut(&CHILD).expect("it is there");
        lane.queue_body(&vec![b'x'; WINDOW as usize + 5], None);
    });
    assert_eq!(taken(&rig), WINDOW as usize);
    let win = Header { len: 0, kind: Kind::Win, flags: 0, code: 0, stream: lane, aux: 9 };
    let win = Frame { header: win, head: Bytes::new(), body: Bytes::new() };
    assert!(rig.relay.handle_lane(CHILD, win).expect("it is in order").is_none());
    assert_eq!(taken(&rig), 5);
    // What of its answer has gone on is granted again.
    let half = Bytes::from(vec![b'y'; WINDOW as usize / 2]);
    let header = Header { len: 0, kind: Kind::Rsp, flags: 0, code: 200, stream: lane, aux: 0 };
    let answer = Frame { header, head: Bytes::new(), body: half };
    let answer = rig.relay.handle_lane(CHILD, answer).expect("it is in order");
    let mut answer = answer.expect("it is one");
    assert!(rig.relay.send_answer(CHILD, &mut answer) == job::Progress::Done);
    let out = rig.relay.with(|inner| inner.lanes.get_mut(&CHILD).and_then(Lane::take_out));
    let out = decode(&out.expect("it is granted").bytes);
    assert_eq!((out[0].header.kind, out[0].header.aux), (Kind::Win, WINDOW / 2));
    // One that takes one at a time has none.
    let rig = Rig::new();
    let credit = rig.relay.with(|inner| {
        let lane = inner.lanes.get_mut(&CHILD).expect("it is there");
        let stream = lane.streams.open().expect("there are many");
        lane.streams.credit(stream)
    });
    assert!(credit > WINDOW as usize);
}

#[test]
fn what_a_child_does_not_begin_goes_back_and_it_gets_nothing_before_it_speaks() {
    let mut rig = Rig::new();
    let first = rig.ask();
    let lane = rig.given().expect("it is written to the child");
    for other in [(lane + 1, lane + 9), (0, lane - 1)] {
        rig.relay.withdraw(CHILD, other);
        assert_eq!(rig.said(), [""; 0], "{other:?} is not its stream");
    }
    rig.relay.withdraw(CHILD, (1, lane));
    let back = ["CREDIT 0".to_owned(), format!("Reset {first} {NOT_STARTED}")];
    assert_eq!(rig.said(), back, "the lost slot first, or the next would be given to it");
    rig.relay.withdraw(CHILD, (1, lane));
    assert_eq!(rig.said(), [""; 0]);
    let second = rig.ask();
    assert_eq!((rig.given(), rig.said()), (None, vec![format!("Reset {second} {NOT_STARTED}")]));
    rig.refuse(lane).expect("it heard of it");
    assert_eq!(rig.said(), ["CREDIT 1"]);
    let third = rig.ask();
    let lane = rig.given().expect("it is there again");
    rig.answer(lane);
    assert_eq!(rig.said(), [format!("Rsp {third} 200")]);
}

#[test]
fn what_is_answered_is_not_taken_back() {
    let mut rig = Rig::new();
    let stream = rig.ask();
    let lane = rig.given().expect("it is written to the child");
    let head = made((Kind::Rsp, lane, 200, 0), |_| {});
    let mut head = rig.relay.handle_lane(CHILD, head).ok().flatten().expect("it is an answer");
    assert_eq!(rig.relay.send_answer(CHILD, &mut head), job::Progress::Done);
    assert_eq!(rig.said(), [format!("Rsp {stream} 200")]);
    rig.relay.withdraw(CHILD, (1, lane));
    assert_eq!(rig.said(), [""; 0]);
}

#[test]
fn a_child_that_refuses_one_after_the_other_is_given_up_and_one_that_serves_between_is_not() {
    let refuse = |rig: &mut Rig| {
        rig.ask();
        let lane = rig.given().expect("it is written to the child");
        rig.refuse(lane)
    };
    let mut rig = Rig::new();
    let taken = (0..100).take_while(|_| refuse(&mut rig).is_ok()).count();
    assert_eq!(taken, 10);
    let mut rig = Rig::new();
    for n in 0..100 {
        if n % 10 == 9 {
            rig.ask();
            let lane = rig.given().expect("it is written to the child");
            rig.answer(lane);
        }
        refuse(&mut rig).expect("it serves now and then");
    }
}

#[test]
fn a_link_that_is_over_tells_why_itself_and_one_that_is_stuck_is_said_to_be() {
    let (events, _) = tokio::sync::mpsc::channel(EVENTS_MAX);
    let relay = Relay::new(events);
    let outbox = relay.outbox(relay.link_up());
    assert!(outbox.send(Bytes::from_static(b"a frame"), None));
    assert!(!outbox.send(Bytes::from(vec![0; OUT_STUCK]), None));
    assert_eq!(outbox.refusal(), Some("it reads nothing any more"));
    relay.link_down();
    assert!(!outbox.send(Bytes::from_static(b"a frame"), None));
    assert_eq!(outbox.refusal(), None);
    // Nor is the next link the same one.
    relay.link_up();
    assert!(!outbox.send(Bytes::from_static(b"a frame"), None));
    assert_eq!(outbox.refusal(), None);
}
