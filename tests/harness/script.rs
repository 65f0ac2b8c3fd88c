//! Shell scripts as people paste them, with the binary under test as `ostler`.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    binary::ostler,
    gateway::end_all,
    process::{self, MARK},
};

/// A script that runs in a folder of its own. All that it started is gone when this is dropped.
#[derive(Debug)]
pub struct Script {
    child: Child,
    // Beside each other, so that the script's folder has nothing but what the script and the test put there.
    place: TempDir,
    mark: String,
}

impl Script {
    /// Starts it in a folder with these files; both streams are kept as one.
    pub fn start(text: &str, files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("script-{}-{number}", std::process::id());
        let place = tempfile::tempdir().expect("a temporary folder can be made");
        let at = |name: &str| place.path().join(name);
        for folder in ["bin", "work"] {
            fs::create_dir(at(folder)).expect("a temporary folder is writable");
        }
        symlink(ostler(), at("bin/ostler")).expect("a temporary folder is writable");
        for (name, content) in files {
            fs::write(at("work").join(name), content).expect("a temporary folder is writable");
        }
        fs::write(at("script"), text).expect("a temporary folder is writable");
        let out = File::create(at("told")).expect("a temporary folder is writable");
        let both = out.try_clone().expect("a descriptor can be copied");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.arg(at("script")).current_dir(at("work")).env(MARK, &mark);
        command.env("PATH", format!("{}:{path}", at("bin").display()));
        for name in ["STATE", "API", "TOKEN", "JOIN", "CA"] {
            command.env_remove(format!("OSTLER_{name}"));
        }
        command.stdin(Stdio::null()).stdout(out).stderr(both);
        let child = command.spawn().expect("there is bash");
        Self { child, place, mark }
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(begin.elapsed() < limit, "it hangs; it wrote:\n{}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote so far.
    pub fn told(&self) -> String {
        fs::read_to_string(self.place.path().join("told")).unwrap_or_default()
    }

    /// What it started and left running.
    pub fn left(&self) -> Vec<u32> {
        process::pids_of(&self.mark)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The shell first, or it goes on with its next line.
        process::kill(self.child.id());
        let _ = self.child.wait();
        end_all(&self.mark);
    }
}

/// The blocks of a document in one language, each with the heading that it stands below.
pub fn blocks_of(document: &Path, language: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(document).expect("the document is there");
    let (mut heading, mut block, mut found) = (String::new(), None, Vec::new());
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```"), line.strip_prefix("## ")) {
            (None, Some(named), _) => block = Some((named.to_owned(), String::new())),
            (Some(_), Some(_), _) => {
                let (named, lines) = block.take().unwrap_or_default();
                if named == language {
                    found.push((heading.clone(), lines));
                }
            }
            (Some((_, lines)), None, _) => {
                lines.push_str(line);
                lines.push('\n');
            }
            (None, None, Some(title)) => title.clone_into(&mut heading),
            (None, None, None) => {}
        }
    }
    found
}
