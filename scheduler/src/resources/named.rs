//! What a job names: nearly always one thing, which needs no memory of its own.

use super::Claim;

/// Some claims.
pub(super) enum Named {
    One([Claim; 1]),
    More(Box<[Claim]>),
}

impl Default for Named {
    fn default() -> Self {
        Self::More(Box::default())
    }
}

impl From<&[Claim]> for Named {
    fn from(claims: &[Claim]) -> Self {
        match *claims {
            [claim] => Self::One([claim]),
            ref claims => Self::More(claims.into()),
        }
    }
}

impl std::ops::Deref for Named {
    type Target = [Claim];

    fn deref(&self) -> &[Claim] {
        match self {
            Self::One(claims) => claims,
            Self::More(claims) => claims,
        }
    }
}
