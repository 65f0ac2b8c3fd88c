//! What a gateway says and hears of durable jobs, in few words.

use ostler_wire::{Frame, Kind};
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, RunnerLink},
    runner::{Place, Runner},
};

/// A place without apps, its gateway and its runner.
pub(crate) struct Jobs {
    pub(crate) place: Place,
    pub(crate) gateway: Gateway,
    pub(crate) runner: Runner,
}

impl Jobs {
    pub(crate) fn start() -> (Self, RunnerLink) {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(
        change: impl FnOnce(&mut ostler_runner::Config),
    ) -> (Self, RunnerLink) {
        let place = Place::new();
        let gateway = Gateway::listen(&place.path("gateway.sock"));
        let mut config = place.config();
        config.apps.clear();
        change(&mut config);
        let runner = place.start(&config);
        let link = gateway.accept();
        (Self { place, gateway, runner }, link)
    }
}

/// The key of the first attempt of a job.
pub(crate) fn key(job: u64) -> Value {
    json!({ "job": job, "attempt": 1, "fence": 1000 + job })
}

/// A shell job, first attempt.
pub(crate) fn shell(job: u64, line: &str) -> Value {
    shell_with(job, line, &json!({}))
}

/// The same with more fields of its command.
pub(crate) fn shell_with(job: u64, line: &str, more: &Value) -> Value {
    let mut work = json!({ "module": "shell", "argv": ["/bin/sh", "-c", line] });
    for (name, value) in more.as_object().unwrap() {
        work[name] = value.clone();
    }
    json!({ "key": key(job), "spec": { "work": work, "identity": "test" } })
}

/// A noop job.
pub(crate) fn noop(job: u64) -> Value {
    json!({ "key": key(job), "spec": { "work": { "module": "noop" }, "identity": "noop" } })
}

/// What a frame's body says.
pub(crate) fn body(frame: &Frame) -> Value {
    serde_json::from_slice(&frame.body).expect("the body is JSON")
}

impl RunnerLink {
    pub(crate) fn run(&mut self, starts: &[Value]) {
        self.send_json(Kind::Run, 0, &json!(starts));
    }

    pub(crate) fn settle(&mut self, code: u16, keys: &[Value]) {
        self.send_json(Kind::Settle, code, &json!(keys));
    }

    pub(crate) fn steer(&mut self, key: &Value, order: &str) {
        self.send_json(Kind::Steer, 0, &json!([[key, order]]));
    }

    /// The next BEAT that fits: its slots, and the keys of its attempts.
    pub(crate) fn beat(&mut self, fits: impl Fn(u64, &Value) -> bool) -> (String, u64, Value) {
        let of = |frame: &Frame| {
            let fields = frame.fields().unwrap();
            let incarnation = fields.text(":incarnation").unwrap().to_owned();
            (incarnation, fields.number(":slots").unwrap(), body(frame))
        };
        let frame = self.expect(Kind::Beat, |frame| {
            let (_, slots, keys) = of(frame);
            fits(slots, &keys)
        });
        of(&frame)
    }

    /// The next report of this kind on this attempt. Others are kept: those of two attempts come in any order.
    pub(crate) fn report(&mut self, what: &str, key: &Value) -> Value {
        self.report_that(|report| report["report"] == what && report["key"] == *key)
    }

    /// The next report that fits.
    pub(crate) fn report_that(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(at) = self.reports.iter().position(&fits) {
                return self.reports.remove(at);
            }
            let frame = self.expect(Kind::Report, |_| true);
            let more: Vec<Value> = serde_json::from_slice(&frame.body).unwrap();
            self.reports.extend(more);
        }
    }

    pub(crate) fn finished(&mut self, job: u64) -> Value {
        self.report("finished", &key(job))
    }

    /// Part of a log or an answer about it: the bytes, whether it is the end, whether there is none.
    pub(crate) fn pull_log(&mut self, id: &str, offset: u64) -> (Vec<u8>, bool, bool) {
        self.send(Kind::Pull, 0, |f| {
            f.put(b":what", b"log").put(b":id", id.as_bytes());
            f.put(b":offset", offset.to_string().as_bytes()).put(b":max", b"262144");
        });
        let piece = self.expect(Kind::Piece, |_| true);
        let fields = piece.fields().unwrap();
        assert_eq!((fields.text(":id"), fields.number(":offset")), (Some(id), Some(offset)));
        let has = |name: &[u8]| fields.value(name).is_some();
        (piece.body.to_vec(), has(b":end"), has(b":gone"))
    }
}
