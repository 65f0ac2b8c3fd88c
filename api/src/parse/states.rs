//! The words for states and reasons that conditions take, and what each of them means.

use ostler_job::durable::{JobState, Reason, WaitReason};

use super::text;

/// The states of jobs that have not started, which have a reason to wait.
pub(crate) const NOT_STARTED: &[JobState] = &[
    JobState::Scheduled,
    JobState::Pending,
    JobState::Paused,
    JobState::Retrying,
    JobState::Leased,
];

/// Names for several states at once.
const GROUPS: &[(&str, &[JobState])] = &[
    ("waiting", &[JobState::Scheduled, JobState::Pending, JobState::Paused, JobState::Retrying]),
    ("active", &[JobState::Leased, JobState::Running, JobState::Stopped]),
    (
        "unfinished",
        &[
            JobState::Scheduled,
            JobState::Pending,
            JobState::Paused,
            JobState::Retrying,
            JobState::Leased,
            JobState::Running,
            JobState::Stopped,
        ],
    ),
    ("finished", &[JobState::Succeeded, JobState::Dead, JobState::Cancelled, JobState::Expired]),
    ("failed", &[JobState::Dead, JobState::Retrying]),
];

/// Every word that `state` takes.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    JobState::ALL.iter().map(|it| it.code()).chain(GROUPS.iter().map(|(name, _)| *name))
}

pub(crate) fn states(value: &str) -> Result<Vec<JobState>, String> {
    let mut states = Vec::new();
    for word in value.split(',') {
        match (JobState::from_code(word), GROUPS.iter().find(|(name, _)| *name == word)) {
            (Some(state), _) => states.push(state),
            (None, Some((_, group))) => states.extend(*group),
            (None, None) => {
                let words: Vec<_> = words().collect();
                return Err(format!(
                    "{} is not a state; there are {}",
                    text::quoted(word),
                    words.join(", ")
                ));
            }
        }
    }
    Ok(states)
}

/// A word for why jobs ended, or for what they wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasonWord {
    Ended(Reason),
    Waits(WaitReason),
}

pub(crate) fn reasons(value: &str) -> Result<Vec<ReasonWord>, String> {
    let one = |word| {
        let ended = Reason::from_code(word).map(ReasonWord::Ended);
        ended.or_else(|| WaitReason::from_code(word).map(ReasonWord::Waits)).ok_or_else(|| {
            let ended = Reason::ALL.iter().map(|reason| reason.code());
            let words: Vec<_> = ended.chain(WaitReason::ALL.iter().map(|it| it.code())).collect();
            format!("{} is not a reason; there are {}", text::quoted(word), words.join(", "))
        })
    };
    value.split(',').map(one).collect()
}
