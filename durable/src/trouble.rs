//! Why durable jobs are refused.

use super::{Shared, Unavailable};

/// Reasons that are told of one trouble, so that one that changes its words with every look fills no log.
const TOLD_MAX: usize = 8;

/// Why nothing is accepted.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// `None`: all is well.
    pub(super) why: Option<String>,
    /// What the operator was told since all was well.
    told: Vec<String>,
}

impl Trouble {
    /// What is so now; what is new of it is for the operator.
    fn set(&mut self, why: Option<String>) -> Option<String> {
        self.why.clone_from(&why);
        let Some(why) = why else {
            let was_told = !std::mem::take(&mut self.told).is_empty();
            return was_told.then(|| "durable jobs are accepted again".to_owned());
        };
        if self.told.len() >= TOLD_MAX || self.told.contains(&why) {
            return None;
        }
        let line = format!("durable jobs are refused: {why}");
        self.told.push(why);
        Some(line)
    }
}

impl Shared {
    /// Notes why durable jobs are refused, or that they are not any more, and tells the operator what is new of it.
    pub(super) fn set_trouble(&self, why: Option<String>) {
        let line = self.trouble.lock().expect("nobody panics with the trouble").set(why);
        if let Some(line) = line {
            self.warn(line);
        }
    }

    pub(super) fn unavailable(&self) -> Unavailable {
        let why = self.trouble.lock().expect("nobody panics with the trouble").why.clone();
        Unavailable(why.unwrap_or_else(|| "the gateway ends".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_until_all_is_well() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.set(None), None);
        for _ in 0..2 {
            let mut told = Vec::new();
            for why in ["full", "full", "locked", "full", "locked"] {
                told.extend(trouble.set(Some(why.into())));
            }
            assert_eq!(
                told,
                ["durable jobs are refused: full", "durable jobs are refused: locked"]
            );
            assert!((0..100).filter_map(|n| trouble.set(Some(n.to_string()))).count() < TOLD_MAX);
            assert_eq!(trouble.set(None).as_deref(), Some("durable jobs are accepted again"));
        }
    }
}
