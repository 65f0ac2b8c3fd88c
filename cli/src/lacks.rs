//! What a configuration names and this host has not: each would only be told when something needs it.

use std::{collections::BTreeSet, path::Path};

use nix::unistd::User;

use crate::config::Settings;

/// One line for each.
pub(crate) fn notes(settings: &Settings) -> Vec<String> {
    let runner = &settings.runner;
    let mut users = BTreeSet::new();
    for app in &runner.apps {
        users.extend(app.user.iter().map(|user| (format!("app.{}.user", app.name), user)));
    }
    let jobs = &runner.job_users;
    users.extend(jobs.default.iter().map(|user| ("runner.job_user".to_owned(), user)));
    users.extend(jobs.more.iter().map(|user| ("runner.job_users".to_owned(), user)));
    let of = |(tenant, user)| (format!("runner.tenant_users.{tenant}"), user);
    users.extend(jobs.tenants.iter().map(of));
    let mut notes: Vec<String> = users
        .into_iter()
        .filter(|(_, user)| is_nobody(user))
        .map(|(key, user)| format!("{key}: this host has no user {user:?}; make it first"))
        .collect();
    let unread = |path: &&std::path::PathBuf| !path.is_file();
    notes.extend(runner.secrets.iter().filter(unread).map(|path| {
        format!(
            "runner.secrets: there is no file {}; jobs that name secrets will fail",
            path.display()
        )
    }));
    notes
}

fn is_nobody(user: &str) -> bool {
    // What cannot be asked for is not known to be missing.
    matches!(User::from_name(user), Ok(None))
}

/// Why a file for the access log cannot be there.
pub(crate) fn log_trouble(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() {
        return Some(format!("log.access: {} is a folder; name a file", path.display()));
    }
    folder
        .filter(|folder| !folder.is_dir())
        .map(|folder| format!("log.access: there is no folder {}; make it first", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Ground, Source, settings};

    #[test]
    fn what_this_host_has_not_is_told_by_its_key() {
        let text = "[app.shop]\nserve = \"wsgi:a:b\"\nuser = \"no-such-user\"\n[runner]\njob_user = \"root\"\n\
                    job_users = [\"no-such-either\"]\ntenant_users = { acme = \"none-such\" }\nsecrets = \"/no/such/file\"\n";
        let source = Source { name: "o".into(), folder: "/".into(), text: text.into() };
        let settings = settings(&source, &Ground { cpus: 1, given: None }).unwrap();
        let told = notes(&settings);
        let keys: Vec<_> = told.iter().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(
            keys,
            ["app.shop.user", "runner.job_users", "runner.tenant_users.acme", "runner.secrets"]
        );
    }

    #[test]
    fn an_access_log_is_a_file_in_a_folder_that_is_there() {
        assert!(log_trouble(Path::new("/no/such/folder/access.log")).unwrap().contains("/no/such"));
        assert!(log_trouble(Path::new("/")).unwrap().contains("is a folder"));
        assert_eq!(log_trouble(&std::env::temp_dir().join("access.log")), None);
        assert_eq!(log_trouble(Path::new("access.log")), None);
    }
}
