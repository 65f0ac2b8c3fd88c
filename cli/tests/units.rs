//! The systemd units that are shipped: systemd understands them, and the program understands what they start.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const OSTLER: &str = env!("CARGO_BIN_EXE_ostler");

fn units() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let units: Vec<_> =
        files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    assert_eq!(units.len(), 3);
    units
}

fn line<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.next().unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn the_program_knows_every_flag_that_a_unit_gives_it() {
    for (path, unit) in units() {
        let start = line(&unit, "ExecStart");
        let mut words = start.split(' ');
        assert_eq!(words.next(), Some("/usr/bin/ostler"), "{}", path.display());
        let verb = words.next().unwrap();
        let help = Command::new(OSTLER).args([verb, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(&format!("{flag} ")), "{verb} {flag}");
        }
    }
}

#[test]
fn a_unit_runs_as_its_own_user_and_ends_its_jobs_by_the_runner() {
    for (path, unit) in units() {
        assert_eq!(line(&unit, "User"), "ostler", "{}", path.display());
        assert_eq!(line(&unit, "KillMode"), "mixed", "{}", path.display());
    }
}

#[test]
fn systemd_finds_nothing_wrong() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        // A host without systemd cannot tell.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (path, unit) in units() {
        let copy = folder.path().join(path.file_name().unwrap());
        // It looks whether the program is there.
        fs::write(&copy, unit.replace("=/usr/bin/ostler ", &format!("={OSTLER} "))).unwrap();
        paths.push(copy);
    }
    let out = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output();
    let out = out.unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && told.trim().is_empty(), "{told}");
}
