//! Whatever is written as an expression: it is read or refused, in bounded time, and what was read goes ahead and never back.
//! `OSTLER_EXPRESSIONS` asks for another number of them.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]
#![allow(clippy::disallowed_methods, reason = "how many and how long is the tester's")]
#![allow(clippy::print_stdout, reason = "what took longest is for whoever asks for more")]

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ostler_cron_module::crontab::{Crontab, Table};
use ostler_cron_module::{Dialect, Expression, Fold, Gap, Timing, calendar, explain};
use ostler_job::Wall;

const EXPRESSIONS: usize = 1_000;
/// Much longer than any of it takes, on a machine that does other things too.
const LONG: Duration = Duration::from_secs(5);
/// As far as moments are written.
const YEAR_9999: u64 = 253_402_300_799_999;

const SEEDS: [&str; 24] = [
    "*/7 * * * *",
    "0 0 29 2 +MON",
    "0 0 31W 1 *",
    "0 0 29 2 * 2199",
    "59 59 23 31 12 * 2199",
    "0 0 1 1 * 1970",
    "H(0-29)/7 H * * H",
    "0~30 5~ ~6 * 1~3",
    "0 0 L * FRI#5",
    "0 0 LW,1W,15W 2 5L",
    "@every 1s",
    "@every 3660d",
    "@reboot",
    "@yearly",
    "* * * * * *",
    "0 0 30 2,4 +SAT#L",
    "30 2 29 2 +SUN",
    "0 0 */2 * */2",
    "1,2,3-5,7-50/11 0-23/5 1-31/30 JAN-DEC/11 sun-sat/6",
    "0 0 29W 2 +1#5",
    "0 0 29 2 +SUN#5",
    "0 0 13 * +FRI",
    "59 23 31 12 +L",
    "0 0 ? * ?",
];
const PIECES: [&str; 40] = [
    "*",
    "?",
    "/",
    "-",
    ",",
    "#",
    "L",
    "W",
    "LW",
    "H",
    "H(",
    ")",
    "~",
    "+",
    "@",
    " ",
    "\t",
    "0",
    "1",
    "7",
    "29",
    "31",
    "59",
    "60",
    "1970",
    "2199",
    "65535",
    "65536",
    "18446744073709551616",
    "MON",
    "feb",
    "\0",
    "\u{a0}",
    "é",
    "\u{1b}[2J",
    "\n",
    "@every ",
    "1h30m",
    "00000000000000000000",
    "%",
];

struct Rng(u64);

impl Rng {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.next(all.len())]
    }

    /// A text that is one of the seeds but for a few pieces, or pieces alone.
    fn text(&mut self) -> String {
        let mut chars: Vec<char> = match self.next(8) {
            0 => Vec::new(),
            _ => self.of(&SEEDS).chars().collect(),
        };
        for _ in 0..[1, 1, 1, 1, 2, 2, 3, 5][self.next(8)] {
            let at = self.next(chars.len() + 1);
            match self.next(4) {
                0 if at < chars.len() => drop(chars.remove(at)),
                1 if at < chars.len() => chars[at] = self.of(&PIECES).chars().next().unwrap(),
                2 => {
                    let other: Vec<char> = self.of(&SEEDS).chars().collect();
                    let (from, to) = (self.next(other.len()), self.next(other.len() + 1));
                    drop(chars.splice(at..at, other[from.min(to)..to].iter().copied()));
                }
                _ => drop(chars.splice(at..at, self.of(&PIECES).chars())),
            }
        }
        chars.into_iter().collect()
    }
}

/// What took longest of each kind.
type Longest = BTreeMap<&'static str, (Duration, String)>;

/// Does it, and not for long.
fn quickly<T>(what: &'static str, text: &str, longest: &mut Longest, it: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let answer = it();
    let took = since.elapsed();
    assert!(took < LONG, "{what} of {text:?} took {took:?}");
    let before = longest.entry(what).or_default();
    if took > before.0 {
        *before = (took, text.to_owned());
    }
    answer
}

#[test]
fn whatever_is_written_is_read_or_refused_in_bounded_time_and_goes_ahead_and_never_back() {
    let count = env::var("OSTLER_EXPRESSIONS").map_or(EXPRESSIONS, |it| it.parse().unwrap());
    let zones = [
        "UTC",
        "Europe/Berlin",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Antarctica/Troll",
        "America/Nuuk",
    ];
    let zones = zones.map(|it| TimeZone::get(it).unwrap());
    let (mut rng, mut longest, mut read) = (Rng(0x9e37_79b9_7f4a_7c15), Longest::default(), 0);
    let seeds = SEEDS.iter().map(|it| Some((*it).to_owned()));
    for seed in seeds.chain(std::iter::repeat(None)).take(count) {
        let text = seed.unwrap_or_else(|| rng.text());
        let dialect = if rng.next(2) == 0 { Dialect::Standard } else { Dialect::Vixie };
        let parsed =
            quickly("reading", &text, &mut longest, || Expression::parse(&text, "a", dialect));
        let expression = match parsed {
            Ok(expression) => expression,
            Err(fault) => {
                assert!(
                    fault.at.end <= text.len() + 1 && fault.at.start <= fault.at.end,
                    "{text:?}: {fault:?}"
                );
                assert!(
                    !fault.to_string().contains(|it: char| it.is_control() && it != '\t'),
                    "{text:?}: {fault}"
                );
                continue;
            }
        };
        read += 1;
        let _words = quickly("wording", &text, &mut longest, || expression.words());
        let timing = Timing {
            expression,
            zone: zones[rng.next(zones.len())].clone(),
            gap: if rng.next(2) == 0 { Gap::After } else { Gap::Skip },
            fold: if rng.next(2) == 0 { Fold::First } else { Fold::Both },
            anchor: Wall(1_700_000_000_000),
        };
        goes_ahead(&text, &timing, &mut rng, &mut longest);
    }
    println!("{read} of {count} were read; longest: {longest:#?}");
    assert!(read > count / 20);
}

fn goes_ahead(text: &str, timing: &Timing, rng: &mut Rng, longest: &mut Longest) {
    let anywhere = rng.next(7_300_000_000_000) as u64;
    let ends = [0, 1, 951_782_400_000, 7_258_118_399_000, YEAR_9999, i64::MAX as u64, u64::MAX];
    for from in [anywhere, ends[rng.next(ends.len())]] {
        let mut after = Wall(from);
        for _ in 0..3 {
            let next = quickly("next", text, longest, || timing.next(after));
            let Some(next) = next else { break };
            assert!(next.due > after, "{text:?} after {after:?}: {next:?}");
            let counted = quickly("counting", text, longest, || timing.count(after, next.due));
            assert_eq!(
                counted, 1,
                "{text:?} in {:?} after {after:?} until {:?}",
                timing.zone, next.due
            );
            assert_eq!(
                timing.count(after, Wall(next.due.0 - 1)),
                0,
                "{text:?} in {:?} after {after:?}",
                timing.zone
            );
            after = next.due;
        }
        quickly("counting all", text, longest, || timing.count(Wall(0), Wall(from)));
        let from = Wall(from.min(YEAR_9999));
        quickly("explaining", text, longest, || explain(timing, from, 10));
        let _calendar = quickly("the calendar", text, longest, || calendar(timing, from, 8));
    }
}

#[test]
fn a_table_of_any_bytes_is_read_line_by_line() {
    let mut rng = Rng(7);
    for _ in 0..2_000 {
        let mut table = String::new();
        for _ in 0..rng.next(12) {
            if rng.next(3) == 0 {
                table.push_str(rng.of(&[
                    "A=1",
                    "\u{feff}",
                    "\"B\"='x'",
                    "=",
                    "# c",
                    "-",
                    "%",
                    "\r",
                    "\\%",
                ]));
            }
            table.push_str(&rng.text());
            table.push_str(rng.of(&[" root echo a%b", " x", "", "\r\n", "\n", " \\%\\"]));
        }
        for of in [Table::User, Table::System] {
            let read = Crontab::read(&table, of, "t");
            let lines = table.lines().count();
            let numbers =
                read.entries.iter().map(|it| it.line).chain(read.broken.iter().map(|it| it.line));
            assert!(numbers.into_iter().all(|it| (1..=lines).contains(&it)), "{table:?}");
        }
    }
}
