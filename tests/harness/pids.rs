//! A gateway among few process ids, so that they come round again within a test.

use std::{
    fs::{self, File},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Api,
    binary::ostler,
    gateway::end_all,
    process::{self, MARK},
    wait::wait_for,
};

/// `ostler serve --no-app` in a process id namespace of its own, where this host allows that; else among all others.
#[derive(Debug)]
pub struct PidSpace {
    child: Child,
    state: TempDir,
    mark: String,
}

impl PidSpace {
    /// Starts it with so many ids.
    pub fn start(pid_max: u32) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        let mark = format!("pids-{}", std::process::id());
        let limit = format!("echo {pid_max} > /proc/sys/kernel/pid_max");
        let mut command = unshare(&format!("{limit} && exec \"$@\""));
        if !unshare(&limit).status().is_ok_and(|status| status.success()) {
            command = Command::new("sh");
            command.args(["-c", "exec \"$@\""]);
        }
        command.arg("sh").arg(ostler()).args(["serve", "--no-app", "--job-slots", "8"]);
        command.args(["--api", "127.0.0.1:0", "--runners", "off", "--state"]).arg(state.path());
        let log = File::create(state.path().join("log")).expect("a temporary folder is writable");
        let both = log.try_clone().expect("a file can be cloned");
        command.current_dir(state.path()).env(MARK, &mark).env_remove("OSTLER_STATE");
        command.stdin(Stdio::null()).stdout(log).stderr(both);
        let child = command.spawn().expect("the binary under test starts");
        Self { child, state, mark }
    }

    /// Its API.
    pub fn api(&self) -> Api {
        let file = self.state.path().join("run/addresses.json");
        let address: SocketAddr = wait_for("the gateway tells its addresses", || {
            let known: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
            known["api"][0].as_str()?.parse().ok()
        });
        Api::at(address, self.state.path(), &self.mark)
    }
}

impl Drop for PidSpace {
    fn drop(&mut self) {
        // With `unshare` goes its child, and with that everything in the namespace.
        process::kill(self.child.id());
        let _ = self.child.wait();
        end_all(&self.mark);
    }
}

/// A script in a namespace of its own.
fn unshare(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]);
    command.stderr(Stdio::null());
    command
}
