//! A job as the API shows it.

use std::{collections::BTreeMap, str::FromStr as _};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::plain;
use crate::terminal::Tone;

/// What lists show first, in this order; what else the API says follows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct JobView {
    pub(crate) id: u64,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    /// Why it waits, in a sentence.
    pub(crate) why: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) command: Option<String>,
    pub(crate) argv: Option<Vec<String>>,
    pub(crate) tenant: Option<String>,
    pub(crate) identity: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) queue: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) runner: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) crashes: u32,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) exit_status: Option<i32>,
    pub(crate) signal: Option<Value>,
    pub(crate) delivery: Option<String>,
    pub(crate) submitted_at: Option<String>,
    pub(crate) not_before: Option<String>,
    pub(crate) due_at: Option<String>,
    pub(crate) expires_at: Option<String>,
    pub(crate) leased_at: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    pub(crate) run_seconds: Option<f64>,
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

/// A page of the list.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct Page {
    pub(crate) jobs: Vec<JobView>,
    #[serde(default)]
    pub(crate) next: Option<String>,
    /// The gateway came back before the page was full: there is more to look at.
    #[serde(default)]
    pub(crate) partial: bool,
}

impl JobView {
    /// Nothing happens to it any more by itself.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "succeeded" | "dead" | "cancelled" | "expired")
    }

    /// What it runs, for one line of a table.
    pub(crate) fn title(&self) -> String {
        let command = self.command.as_deref().or(self.module.as_deref()).unwrap_or_default();
        let tags = self.tags.iter().fold(String::new(), |tags, tag| format!("{tags} #{tag}"));
        plain(&match &self.name {
            Some(name) => format!("{name}: {command}{tags}"),
            None => format!("{command}{tags}"),
        })
    }

    /// The signal's number, however the API writes it.
    fn signal_number(&self) -> Option<i32> {
        match self.signal.as_ref()? {
            Value::Number(number) => number.as_i64().and_then(|n| i32::try_from(n).ok()),
            Value::String(name) => {
                let name =
                    if name.starts_with("SIG") { name.clone() } else { format!("SIG{name}") };
                Signal::from_str(&name).ok().map(|signal| signal as i32)
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// What it waits for, in one word.
    pub(crate) fn waits_for(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| !self.is_finished())
    }

    /// What it waits for or how it ended, in one word. Of one that waits to be tried again the end of its last attempt says more.
    pub(crate) fn reason(&self) -> String {
        let ending = self.ending();
        match self.waits_for() {
            Some(word) if self.state != "retrying" || ending.is_empty() => word.to_owned(),
            Some(_) | None => ending,
        }
    }

    /// How it ended, in one word: an exit status, a signal, or the reason.
    pub(crate) fn ending(&self) -> String {
        // What it waits for is no end.
        let reason = self.reason.as_deref().filter(|_| self.is_finished()).unwrap_or_default();
        match (reason, self.exit_status, self.signal_number()) {
            ("ok" | "exit_status", Some(status), _) => status.to_string(),
            ("signal", _, Some(number)) => match Signal::try_from(number) {
                Ok(signal) => signal.as_str().to_owned(),
                Err(_) => format!("signal {number}"),
            },
            ("", Some(status), _) => status.to_string(),
            (reason, ..) => reason.to_owned(),
        }
    }

    /// The exit code of somebody who waited for it.
    pub(crate) fn exit_code(&self) -> u8 {
        let reason = self.reason.as_deref().unwrap_or_default();
        match (self.state.as_str(), reason) {
            ("succeeded", _) => 0,
            (_, "timeout") => 124,
            ("dead", "exit_status") => {
                let status = self.exit_status.and_then(|status| u8::try_from(status).ok());
                status.filter(|status| *status != 0).unwrap_or(1)
            }
            (_, "signal" | "killed") => {
                let number = self.signal_number().and_then(|number| u8::try_from(number).ok());
                number.map_or(NOT_RUN, |number| 128_u8.saturating_add(number))
            }
            _ => NOT_RUN,
        }
    }
}

/// The exit code for a job that could not be run to an end.
const NOT_RUN: u8 = 125;

/// The tone of a state.
pub(crate) fn tone(state: &str) -> Option<Tone> {
    match state {
        "succeeded" => Some(Tone::Good),
        "dead" | "expired" => Some(Tone::Bad),
        "running" | "leased" => Some(Tone::Strong),
        "cancelled" | "paused" | "stopped" => Some(Tone::Faint),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    fn ended(state: &str, reason: &str, exit: Option<i32>, signal: Option<i32>) -> JobView {
        JobView {
            state: state.to_owned(),
            reason: Some(reason.to_owned()),
            exit_status: exit,
            signal: signal.map(Value::from),
            ..JobView::default()
        }
    }

    #[test]
    fn who_waited_ends_as_the_job_did() {
        let codes = [
            (ended("succeeded", "ok", Some(0), None), 0),
            (ended("dead", "exit_status", Some(3), None), 3),
            (ended("dead", "signal", None, Some(9)), 137),
            (ended("cancelled", "killed", None, Some(15)), 143),
            (ended("cancelled", "killed", None, None), 125),
            (ended("dead", "timeout", None, Some(15)), 124),
            (ended("dead", "unstartable", None, None), 125),
            (ended("dead", "lost", None, None), 125),
            (ended("cancelled", "cancelled", None, None), 125),
            (ended("expired", "expired", None, None), 125),
        ];
        for (job, code) in codes {
            assert_eq!(job.exit_code(), code, "{job:?}");
        }
    }

    #[test]
    fn endings_are_one_word() {
        assert_eq!(ended("succeeded", "ok", Some(0), None).ending(), "0");
        assert_eq!(ended("dead", "signal", None, Some(9)).ending(), "SIGKILL");
        assert_eq!(ended("dead", "timeout", None, Some(15)).ending(), "timeout");
        assert_eq!(JobView::default().ending(), "");
        let waits = |state, word, exit| ended(state, word, exit, None);
        assert_eq!(waits("pending", "slots_busy", None).ending(), "", "it waits");
        assert_eq!(waits("pending", "slots_busy", Some(75)).reason(), "slots_busy");
        assert_eq!(waits("retrying", "retry", Some(75)).reason(), "75", "of its last attempt");
        assert_eq!(ended("dead", "timeout", None, Some(15)).reason(), "timeout");
    }

    #[test]
    fn what_is_not_known_here_is_passed_on() {
        let job: JobView = serde_json::from_str(r#"{"id":1,"state":"dead","novel":[1]}"#).unwrap();
        let text = serde_json::to_string(&job).unwrap();
        assert!(text.starts_with(r#"{"id":1,"state":"dead","reason":null"#), "{text}");
        assert!(text.contains(r#""novel":[1]"#), "{text}");
    }

    #[test]
    fn jobs_are_read_by_the_names_that_the_api_gives_their_fields() {
        agree::<JobView>("JobView", &[]);
        agree::<Page>("JobPage", &[]);
    }
}
