//! What is one of a few words: each word beside what it means.

use ostler_gateway::{Discipline, ErrorDetails, LogFormat, QueueDiscipline};

/// A type whose values are words of the file.
pub(crate) trait Words: Copy + PartialEq + 'static {
    /// Each word and its value, the preset first.
    const ALL: &'static [(&'static str, Self)];
    /// The words alone.
    const WORDS: &'static [&'static str];
}

macro_rules! words {
    ($($of:ty { $($word:literal => $value:expr),+ })+) => {
        $(impl Words for $of {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, $value)),+];
            const WORDS: &'static [&'static str] = &[$($word),+];
        })+
    };
}

words! {
    Discipline { "promise" => Self::Promise, "fifo" => Self::Fifo }
    QueueDiscipline {
        "promise" => Self::Promise, "fifo" => Self::Fifo, "sfq" => Self::Sfq, "drr" => Self::Drr,
        "htb" => Self::Htb
    }
    LogFormat { "json" => Self::Json, "combined" => Self::Combined }
    ErrorDetails { "off" => Self::Off, "loopback" => Self::Loopback }
}
