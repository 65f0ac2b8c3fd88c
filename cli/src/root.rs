//! A word for those who serve as root.

use nix::unistd::geteuid;
use ostler_runner::{AppSpec, JobUsers};

/// Keeps capabilities that a service manager gave for low ports to this process: what it starts, and so apps and jobs, has none.
/// To be called before there is another thread.
pub(crate) fn keep_capabilities() {
    // A kernel that knows none of this gives nothing on.
    let _ = rustix::thread::clear_ambient_capability_set();
}

/// What runs as root although it need not, if anything does.
pub(crate) fn word(apps: &[AppSpec], job_slots: u32, users: &JobUsers) -> Option<String> {
    geteuid().is_root().then(|| of_root(apps, job_slots, users)).flatten()
}

fn of_root(apps: &[AppSpec], job_slots: u32, users: &JobUsers) -> Option<String> {
    let mut who: Vec<String> = Vec::new();
    let mut cures: Vec<String> = Vec::new();
    for app in apps.iter().filter(|app| app.user.is_none()) {
        who.push(format!("whoever breaks into app {}", app.name));
        cures.push(format!("app.{}.user", app.name));
    }
    if job_slots > 0 && users.may_be_own() {
        who.push("whoever may submit a job".to_owned());
        cures.push("runner.job_user".to_owned());
    }
    let (who, cures) = (who.join(", or "), cures.join(" and "));
    (!who.is_empty()).then(|| {
        format!(
            "ROOT serves here: {who} is root on this machine; set {cures}, or serve as another user"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_told_who_else_is_root() {
        let own = JobUsers::default();
        let told = of_root(&[], 2, &own).unwrap();
        assert!(told.contains("may submit a job") && told.contains("runner.job_user"), "{told}");
        assert_eq!(of_root(&[], 0, &own), None);
        let apart = JobUsers { default: Some("nobody".into()), ..own };
        assert_eq!(of_root(&[], 2, &apart), None);
    }
}
