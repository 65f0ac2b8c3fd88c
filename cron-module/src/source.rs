//! Makes plans of what schedules say, and refuses what contradicts itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::tz::TimeZone;
use ostler_job::durable::{FoldPolicy, GapPolicy, MissedPolicy, ScheduleName, ScheduleShape};
use ostler_job::{Span, Wall};
use ostler_module::{Plan, Source};

use crate::expression::{Dialect, Expression};
use crate::plan::CronPlan;
use crate::timing::{Fold, Gap, Timing};

/// More than this has no jitter: what waits longer is another schedule.
const JITTER_MAX: Span = Span::from_secs(7 * 86_400);
/// Nor is there more than this between firings.
const EVERY_MAX: Span = Span::from_secs(10 * 366 * 86_400);
/// Parts of the world that a city may be in.
const AREAS: [&str; 11] = [
    "Africa",
    "America",
    "America/Argentina",
    "America/Indiana",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];

/// Where zones come from: their data by name. It opens no files here; whoever hands it in may.
type Lookup = Box<dyn Fn(&str) -> Option<TimeZone> + Send + Sync>;

/// The source of firings.
pub struct Cron {
    boot: String,
    lookup: Lookup,
    /// Names of zones, to tell those that are like one that there is not.
    names: Vec<String>,
    /// The zones in use, so that all schedules of one share its data.
    zones: Mutex<BTreeMap<String, TimeZone>>,
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cron").field("boot", &self.boot).finish_non_exhaustive()
    }
}

impl Cron {
    /// With zone data, and the start of the host that it is now.
    pub fn new(
        boot: impl Into<String>,
        lookup: impl Fn(&str) -> Option<TimeZone> + Send + Sync + 'static,
    ) -> Self {
        Self {
            boot: boot.into(),
            lookup: Box::new(lookup),
            names: Vec::new(),
            zones: Mutex::default(),
        }
    }

    /// Tells near ones of these names where a zone is unknown.
    #[must_use]
    pub fn with_names(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// A zone by its name.
    ///
    /// # Errors
    /// When there is none: what is wrong, and the cure.
    pub fn zone(&self, name: &str) -> Result<TimeZone, String> {
        let Some(found) = self.look(name) else { return Err(self.unknown(name)) };
        let key = found.iana_name().unwrap_or(name).to_owned();
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = zones.entry(key).or_insert_with(|| found.clone());
        if *kept != found {
            // The data are newer.
            *kept = found;
        }
        Ok(kept.clone())
    }

    fn look(&self, name: &str) -> Option<TimeZone> {
        let is_utc = ["UTC", "Etc/UTC"].iter().any(|it| it.eq_ignore_ascii_case(name));
        let found = if is_zone_name(name) { (self.lookup)(name) } else { None };
        found.filter(|it| !it.is_unknown()).or_else(|| is_utc.then_some(TimeZone::UTC))
    }

    fn unknown(&self, name: &str) -> String {
        let short: String = name.chars().take(64).collect();
        let cure = "write one by its IANA name, such as Europe/Berlin or UTC";
        if name.trim().is_empty() {
            return format!("there is no time zone; {cure}");
        }
        if name.contains([',', '<']) || TimeZone::posix(name).is_ok() {
            return format!(
                "the time zone {short:?} is a rule of POSIX, which knows no past changes of clocks; {cure}"
            );
        }
        match self.near(name) {
            Some(near) => format!("there is no time zone {short:?}; did you mean {near}?"),
            None => format!("there is no time zone {short:?}; {cure}"),
        }
    }

    /// One that is meant, perhaps.
    fn near(&self, name: &str) -> Option<String> {
        let name: String = name.trim().chars().take(64).collect::<String>().replace(' ', "_");
        let city = name.rsplit('/').next().unwrap_or(&name);
        let of_areas = AREAS.iter().map(|area| format!("{area}/{city}"));
        let mut tried = [name.clone()].into_iter().chain(of_areas);
        if let Some(zone) = tried.find_map(|it| self.look(&it)) {
            return zone.iana_name().map(str::to_owned);
        }
        let lower = name.to_ascii_lowercase();
        let steps = |it: &&String| (distance(&lower, &it.to_ascii_lowercase()), it.len());
        let near = self.names.iter().min_by_key(steps)?;
        (steps(&near).0 <= 1 + near.len() / 6).then(|| near.clone())
    }
}

/// Whether it is the form of a name, so that nobody takes it for a path.
fn is_zone_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"/_+-".contains(&it))
}

/// How many letters are to be put in, left out or changed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

impl Source for Cron {
    fn plan(
        &self,
        name: &ScheduleName,
        shape: &ScheduleShape,
        since: Wall,
    ) -> Result<Box<dyn Plan>, String> {
        let dialect = if shape.vixie { Dialect::Vixie } else { Dialect::Standard };
        let expression = Expression::parse(&shape.cron, name.as_str(), dialect)
            .map_err(|fault| format!("{}: {fault}", quoted(&shape.cron)))?;
        check_lengths(shape)?;
        check_by_kind(&expression, shape)?;
        let timing = Timing {
            expression,
            zone: self.zone(&shape.zone)?,
            gap: match shape.gap {
                GapPolicy::AfterGap => Gap::After,
                GapPolicy::Skip => Gap::Skip,
            },
            fold: match shape.fold {
                FoldPolicy::First => Fold::First,
                FoldPolicy::Both => Fold::Both,
            },
            anchor: since,
        };
        let plan = CronPlan::new(name, shape, timing);
        check_bounds(&plan, shape, since)?;
        Ok(Box::new(plan))
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

/// What was written, as far as it is told.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    if short.len() == text.len() { format!("{short:?}") } else { format!("{short:?}…") }
}

/// Numbers that mean nothing.
fn check_lengths(shape: &ScheduleShape) -> Result<(), String> {
    if shape.jitter > JITTER_MAX {
        return Err("jitter is longer than 7d; write at most that".to_owned());
    }
    let lengths = [
        ("expect_within", shape.expect_within),
        ("max_run", shape.max_run),
        ("expires_in", shape.expires_in),
    ];
    if let Some((name, _)) = lengths.iter().find(|(_, it)| *it == Some(Span::ZERO)) {
        return Err(format!("{name} is no time at all; write one, such as 1h, or leave it out"));
    }
    let MissedPolicy::All { limit, window } = shape.missed else { return Ok(()) };
    if !(1..=MissedPolicy::LIMIT_MAX).contains(&limit) {
        let max = MissedPolicy::LIMIT_MAX;
        return Err(format!(
            "missed makes up for {limit} firings; write a limit from 1 to {max}, or missed = skip for none"
        ));
    }
    if window.0 < 1_000_000 {
        return Err("missed makes up for firings of no time at all; write a window such as 1d, or missed = skip for none".to_owned());
    }
    Ok(())
}

/// What has no meaning with that kind of expression.
fn check_by_kind(expression: &Expression, shape: &ScheduleShape) -> Result<(), String> {
    let (kind, why) = match expression {
        Expression::Fields(_) => return Ok(()),
        Expression::Every(span) if *span > EVERY_MAX => {
            let cure = "write at most 3660d, or the day in five fields";
            return Err(format!("{}: that is longer than ten years; {cure}", quoted(&shape.cron)));
        }
        Expression::Every(_) => ("@every", "counts time and not what clocks show"),
        Expression::Reboot => ("@reboot", "fires at starts of the host and at no time of its own"),
    };
    let is_reboot = *expression == Expression::Reboot;
    let all = matches!(shape.missed, MissedPolicy::All { .. });
    let settings = [
        ("gap", shape.gap != GapPolicy::default()),
        ("fold", shape.fold != FoldPolicy::default()),
        ("jitter", is_reboot && shape.jitter > Span::ZERO),
        ("starts", is_reboot && shape.starts.is_some()),
        ("ends", is_reboot && shape.ends.is_some()),
        ("missed = all", is_reboot && all),
    ];
    match settings.iter().find(|it| it.1) {
        Some((setting, _)) => {
            Err(format!("{setting} has no meaning with {kind}, which {why}; leave it out"))
        }
        None => Ok(()),
    }
}

/// From when on and until when: that something is left between them.
fn check_bounds(plan: &CronPlan, shape: &ScheduleShape, since: Wall) -> Result<(), String> {
    let Some(ends) = shape.ends else { return Ok(()) };
    let shown = |it| plan.shown(it);
    if plan.starts > ends {
        return Err(format!(
            "ends ({}) is before starts ({}); write them the other way round",
            shown(ends),
            shown(plan.starts)
        ));
    }
    // A length of time is counted from `since`: that one has ended already says nothing against it.
    let is_over = matches!(plan.timing.expression, Expression::Every(_)) && ends < since;
    if is_over || plan.is_for_boots() || plan.first(Wall(0)).is_some() {
        return Ok(());
    }
    let between = match shape.starts {
        Some(starts) => format!("from starts ({}) to ends ({})", shown(starts), shown(ends)),
        None => format!("until ends ({})", shown(ends)),
    };
    let next = plan.timing.next(ends);
    let next = next.map_or_else(String::new, |it| format!(": the next one is {}", shown(it.due)));
    Err(format!("{} never fires {between}; write a later end{next}", quoted(&shape.cron)))
}
