//! Two ends that only follow the rules never disagree, whatever they do and whenever their frames arrive.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};

use ostler_wire::{Event, Frame, Kind, Reset, Streams, flags};
use proptest::{collection::vec, prelude::*};
use support::Plan;

mod support;

/// What one end does next, as far as it may: numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Step {
    Open { bytes: usize, end: bool },
    Interim { which: usize },
    Answer { which: usize, bytes: usize, end: bool },
    Send { at_opener: bool, which: usize, bytes: usize, end: bool },
    Trail { at_opener: bool, which: usize },
    Reset { at_opener: bool, which: usize },
    Consume { at_opener: bool, which: usize },
    Deliver { at_opener: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![0usize..40, Just(1000)];
    let which = any::<usize>();
    let at_opener = any::<bool>();
    prop_oneof![
        3 => (bytes.clone(), any::<bool>()).prop_map(|(bytes, end)| Step::Open { bytes, end }),
        1 => which.prop_map(|which| Step::Interim { which }),
        3 => (which, bytes.clone(), any::<bool>()).prop_map(|(which, bytes, end)| Step::Answer { which, bytes, end }),
        6 => (at_opener, which, bytes, any::<bool>())
            .prop_map(|(at_opener, which, bytes, end)| Step::Send { at_opener, which, bytes, end }),
        1 => (at_opener, which).prop_map(|(at_opener, which)| Step::Trail { at_opener, which }),
        1 => (at_opener, which).prop_map(|(at_opener, which)| Step::Reset { at_opener, which }),
        4 => (at_opener, which).prop_map(|(at_opener, which)| Step::Consume { at_opener, which }),
        12 => at_opener.prop_map(|at_opener| Step::Deliver { at_opener }),
    ]
}

/// What an end knows of a stream beside its `Streams`.
#[derive(Debug, Default)]
struct Seen {
    sending: bool,
    answered: bool,
    unconsumed: usize,
}

#[derive(Debug)]
struct End {
    streams: Streams,
    seen: BTreeMap<u32, Seen>,
    /// Frames on their way to this end.
    inbox: VecDeque<Frame>,
}

impl End {
    fn new(streams: Streams) -> Self {
        Self { streams, seen: BTreeMap::new(), inbox: VecDeque::new() }
    }

    /// One of the open streams that `may` says yes to.
    fn pick(&self, which: usize, may: impl Fn(&Seen) -> bool) -> Option<u32> {
        let open: Vec<u32> = self.streams.ids().filter(|id| may(&self.seen[id])).collect();
        (!open.is_empty()).then(|| open[which % open.len()])
    }

    /// Accounts for a frame and returns it for the other end.
    fn send(&mut self, plan: Plan, end: bool) -> Frame {
        let bytes = plan.body.len();
        self.streams.sent(plan.stream, bytes, end);
        self.seen.get_mut(&plan.stream).unwrap().sending &= !end;
        plan.flags(if end { flags::END } else { 0 }).frame()
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        let Some(frame) = self.inbox.pop_front() else { return Ok(()) };
        let stream = frame.header.stream;
        let before = self.streams.credit(stream);
        let event = self.streams.handle(&frame).map_err(|e| TestCaseError::fail(e.to_string()))?;
        match event {
            Event::Opened { .. } => {
                self.seen.insert(
                    stream,
                    Seen { sending: true, unconsumed: frame.body.len(), ..Seen::default() },
                );
            }
            Event::Deliver { .. } => {
                self.seen.get_mut(&stream).unwrap().unconsumed += frame.body.len()
            }
            Event::Credited if self.seen[&stream].sending => {
                prop_assert!(self.streams.credit(stream) > before, "a grant is worth something");
            }
            Event::Closed | Event::Late | Event::Credited => {}
            Event::GoAway { .. } | Event::Free { .. } | Event::Connection => {
                prop_assert!(false, "nobody sent that")
            }
        }
        Ok(())
    }

    fn consume(&mut self, stream: u32) -> Option<Frame> {
        let bytes = std::mem::take(&mut self.seen.get_mut(&stream).unwrap().unconsumed);
        let grant = self.streams.consumed(stream, bytes)?;
        Some(Plan::new(Kind::Win, stream).aux(grant).frame())
    }
}

struct Pair {
    opener: End,
    answerer: End,
}

impl Pair {
    fn new(window: Option<u32>) -> Self {
        let (opener, answerer) = (Streams::opener(window), Streams::answerer(window));
        Self { opener: End::new(opener), answerer: End::new(answerer) }
    }

    /// An end and the other's inbox.
    fn end(&mut self, at_opener: bool) -> (&mut End, &mut VecDeque<Frame>) {
        if at_opener {
            (&mut self.opener, &mut self.answerer.inbox)
        } else {
            (&mut self.answerer, &mut self.opener.inbox)
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Open { bytes, end } => self.open(bytes, end),
            Step::Interim { which } => {
                let Some(stream) = self.answerer.pick(which, |s| s.sending && !s.answered) else {
                    return Ok(());
                };
                let frame = self.answerer.send(Plan::new(Kind::Rsp, stream).code(103), false);
                self.opener.inbox.push_back(frame);
            }
            Step::Answer { which, bytes, end } => {
                let Some(stream) = self.answerer.pick(which, |s| s.sending && !s.answered) else {
                    return Ok(());
                };
                self.answerer.seen.get_mut(&stream).unwrap().answered = true;
                let bytes = bytes.min(self.answerer.streams.credit(stream));
                let plan = Plan::new(Kind::Rsp, stream).code(200).body(&vec![b'x'; bytes]);
                let frame = self.answerer.send(plan, end);
                self.opener.inbox.push_back(frame);
            }
            Step::Send { at_opener, which, bytes, end } => {
                let (this, other) = self.end(at_opener);
                let Some(stream) = this.pick(which, |s| s.sending && (at_opener || s.answered))
                else {
                    return Ok(());
                };
                let bytes = bytes.min(this.streams.credit(stream));
                let plan = Plan::new(Kind::Data, stream).body(&vec![b'x'; bytes]);
                other.push_back(this.send(plan, end));
            }
            Step::Trail { at_opener, which } => {
                let (this, other) = self.end(at_opener);
                let Some(stream) = this.pick(which, |s| s.sending && (at_opener || s.answered))
                else {
                    return Ok(());
                };
                other.push_back(this.send(Plan::new(Kind::Trail, stream), true));
            }
            Step::Reset { at_opener, which } => {
                let (this, other) = self.end(at_opener);
                let Some(stream) = this.pick(which, |_| true) else { return Ok(()) };
                this.streams.reset(stream);
                other.push_back(
                    Plan::new(Kind::Reset, stream).code(Reset::ClientGone as u16).frame(),
                );
            }
            Step::Consume { at_opener, which } => {
                let (this, other) = self.end(at_opener);
                let Some(stream) = this.pick(which, |s| s.unconsumed > 0) else { return Ok(()) };
                other.extend(this.consume(stream));
            }
            Step::Deliver { at_opener } => self.end(at_opener).0.take()?,
        }
        Ok(())
    }

    fn open(&mut self, bytes: usize, end: bool) {
        let stream = self.opener.streams.open().unwrap();
        self.opener.seen.insert(stream, Seen { sending: true, answered: true, ..Seen::default() });
        let bytes = bytes.min(self.opener.streams.credit(stream));
        let plan = Plan::new(Kind::Req, stream).body(&vec![b'x'; bytes]);
        let frame = self.opener.send(plan, end);
        self.answerer.inbox.push_back(frame);
    }

    /// Delivers and consumes everything that is under way.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        loop {
            for at_opener in [true, false] {
                let (this, other) = self.end(at_opener);
                for stream in this.streams.ids().collect::<Vec<_>>() {
                    other.extend(this.consume(stream));
                }
            }
            if self.opener.inbox.is_empty() && self.answerer.inbox.is_empty() {
                return Ok(());
            }
            self.opener.take()?;
            self.answerer.take()?;
        }
    }

    /// Both ends finish all that they began.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for which in self.answerer.streams.ids().collect::<Vec<_>>() {
            if !self.answerer.seen[&which].answered {
                self.answerer.seen.get_mut(&which).unwrap().answered = true;
                let frame = self.answerer.send(Plan::new(Kind::Rsp, which).code(200), false);
                self.opener.inbox.push_back(frame);
            }
        }
        for at_opener in [true, false] {
            let (this, other) = self.end(at_opener);
            while let Some(stream) = this.pick(0, |s| s.sending) {
                other.push_back(this.send(Plan::new(Kind::Data, stream), true));
            }
        }
        self.settle()
    }
}

fn any_window() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), Just(Some(2)), (2u32..200).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn two_ends_that_keep_the_rules_never_disagree(window in any_window(), steps in vec(any_step(), 0..200)) {
        let mut pair = Pair::new(window);
        for step in &steps {
            pair.step(step)?;
        }
        pair.settle()?;
        let ids = |end: &End| end.streams.ids().collect::<Vec<_>>();
        prop_assert_eq!(ids(&pair.opener), ids(&pair.answerer), "with nothing under way, both know the same streams");
        for end in [&pair.opener, &pair.answerer] {
            for stream in end.streams.ids().filter(|stream| end.seen[stream].sending) {
                let credit = end.streams.credit(stream);
                let enough = window.map_or(usize::MAX, |window| window as usize / 2);
                prop_assert!(credit >= enough, "stream {} has credit {} of {:?}", stream, credit, window);
                prop_assert!(window.is_none_or(|window| credit <= window as usize));
            }
        }
        pair.finish()?;
        prop_assert!(pair.opener.streams.is_empty() && pair.answerer.streams.is_empty(), "all streams close");
    }
}
