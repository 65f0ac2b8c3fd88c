//! From a forked process to the command. Each step that fails says what is wrong and what helps.

use std::{
    collections::BTreeMap, convert::Infallible, ffi::CString, fs::File, io::Write, os::fd::OwnedFd,
    process::exit,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        stat::{Mode, umask},
    },
    unistd::{
        AccessFlags, User, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setsid,
    },
};

use ostler_process::{
    identity::{self, Denied},
    launch::c_strings,
    limits, signals,
};

use super::failure::Failure;
use crate::message::Task;

/// Exit status of a command that could not be executed; the reason goes through the pipe.
const EXIT_UNSTARTABLE: i32 = 127;

/// Executes the task, or tells why not.
pub(super) fn become_command(task: &Task, fds: &[OwnedFd], told: OwnedFd) -> ! {
    let Err(mut why) = attempt(task, fds);
    // Within limits of its own, the job had no room; the host may have plenty.
    if why == Failure::NoRoom && !task.limits.is_empty() {
        why = "there is no room for its process within its own limits; raise them".into();
    }
    // Without the supervisor there is nobody to tell.
    let _ = File::from(told).write_all(why.text().as_bytes());
    exit(EXIT_UNSTARTABLE)
}

/// Order matters: limits and niceness while still root, the folder as the command's user.
fn attempt(task: &Task, fds: &[OwnedFd]) -> Result<Infallible, Failure> {
    // A session is a process group too. A child that was just forked leads neither.
    let _ = setsid();
    signals::reset();
    limit(&task.limits)?;
    renice(task.nice)?;
    let user = become_user(task.user.as_deref(), fds)?;
    if task.no_new_privs {
        prctl::set_no_new_privs().map_err(|e| format!("the kernel refuses no_new_privs: {e}"))?;
    }
    if let Some(mask) = task.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    enter(task.cwd.as_deref())?;
    let env = environment(task, user);
    let argv = c_strings(&task.argv).map_err(|_| contains_nul("an argument"))?;
    let path = env.get("PATH").cloned().unwrap_or_default();
    let env = c_strings(env.into_iter().map(|(name, value)| format!("{name}={value}")))
        .map_err(|_| contains_nul("a variable"))?;
    install(fds)?;
    let program = task.argv.first().ok_or("no command is named")?;
    execute(program, &path, &argv, &env)
}

fn limit(wanted: &BTreeMap<String, u64>) -> Result<(), String> {
    for (name, &value) in wanted {
        let resource = limits::resource(name)
            .ok_or_else(|| format!("there is no limit {name}; known are {}", limits::KNOWN))?;
        // Root could: whoever may submit would take more of the host than the runner itself was given.
        let (_, most) =
            getrlimit(resource).map_err(|e| format!("cannot read the limit {name}: {e}"))?;
        if value > most {
            return Err(format!(
                "cannot set the limit {name} to {value}: the runner's own is {most}, and no command gets more; raise that, or ask for less"
            ));
        }
        // Processor time beyond the limit is told by SIGXCPU, a second before the kernel kills without a word.
        let hard = if resource == Resource::RLIMIT_CPU {
            value.saturating_add(1).min(most)
        } else {
            value
        };
        setrlimit(resource, value, hard)
            .map_err(|e| format!("cannot set the limit {name} to {value}: {e}"))?;
    }
    Ok(())
}

fn renice(nice: Option<i32>) -> Result<(), String> {
    let Some(nice) = nice else { return Ok(()) };
    Errno::clear();
    // SAFETY: the call takes an integer. -1 may be a niceness too, so errno decides.
    let now = unsafe { libc::nice(nice) };
    match (now, Errno::last()) {
        (-1, error) if error != Errno::UnknownErrno => {
            Err(format!("cannot add {nice} to the niceness: {error}; only root may lower it"))
        }
        _ => Ok(()),
    }
}

fn enter(cwd: Option<&str>) -> Result<(), String> {
    let Some(cwd) = cwd else { return Ok(()) };
    chdir(cwd).map_err(|error| {
        if error == Errno::ENOENT {
            format!("there is no folder {cwd}; make it or name another")
        } else if error == Errno::ENOTDIR {
            format!("{cwd} is not a folder; name one to run in")
        } else if error == Errno::EACCES {
            format!("the folder {cwd} may not be entered by the command's user")
        } else {
            format!("cannot enter the folder {cwd}: {error}")
        }
    })
}

/// Becomes the user; `None` when none is asked for.
fn become_user(name: Option<&str>, fds: &[OwnedFd]) -> Result<Option<User>, Failure> {
    let Some(name) = name else { return Ok(None) };
    // Standard input may be a file that others read too; the pipes are this command's alone.
    let outputs = &fds[..fds.len().min(2)];
    identity::become_user(name, outputs).map(Some).map_err(|denied| match denied {
        Denied::Lookup(e) => Failure::of(e, || format!("cannot look up the user {name}: {e}")),
        Denied::Unknown => {
            format!("there is no user {name} on this host; make it or name another").into()
        }
        Denied::NotRoot(own) => {
            format!("cannot become {name}: the runner is uid {own}; run it as root or as that user")
                .into()
        }
        Denied::Nul => "the user's name has a NUL".into(),
        Denied::Refused(e) => Failure::of(e, || format!("cannot become {name}: {e}")),
    })
}

/// What was sent; a user's own variables where the job does not say otherwise.
fn environment(task: &Task, user: Option<User>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    if let Some(user) = user {
        env.extend(identity::variables(&user));
        env.insert("SHELL".to_owned(), user.shell.to_string_lossy().into_owned());
    }
    env.extend(task.env.clone());
    env
}

fn contains_nul(what: &str) -> String {
    format!("{what} contains a NUL")
}

/// The three standard descriptors in place; everything else closes at exec.
fn install(fds: &[OwnedFd]) -> Result<(), Failure> {
    let cannot = |e| Failure::of(e, || format!("cannot place the standard descriptors: {e}"));
    let [stdout, stderr, stdin @ ..] = fds else { return Err("no output is given".into()) };
    match stdin.first() {
        Some(stdin) => dup2_stdin(stdin).map_err(cannot)?,
        None => {
            let null = open("/dev/null", OFlag::O_RDONLY, Mode::empty())
                .map_err(|e| Failure::of(e, || format!("cannot open /dev/null: {e}")))?;
            dup2_stdin(&null).map_err(cannot)?;
        }
    }
    dup2_stdout(stdout).map_err(cannot)?;
    dup2_stderr(stderr).map_err(cannot)?;
    // SAFETY: with CLOSE_RANGE_CLOEXEC the call only sets a flag on open descriptors and touches no memory.
    let done = unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    Errno::result(done).map(drop).map_err(|e| format!("cannot close descriptors: {e}").into())
}

/// What a shell does itself, where there is mostly no program of that name.
const SHELL_WORDS: [&str; 30] = [
    ".", ":", "alias", "bg", "case", "cd", "command", "declare", "eval", "exec", "exit", "export",
    "fg", "for", "function", "if", "jobs", "local", "read", "set", "shift", "source", "trap",
    "type", "ulimit", "umask", "until", "wait", "while", "{",
];

/// As execvpe, but with reasons.
fn execute(
    program: &str,
    path: &str,
    argv: &[CString],
    env: &[CString],
) -> Result<Infallible, Failure> {
    if program.contains('/') {
        let Err(error) = try_execute(program, argv, env);
        return Err(explain(program, error));
    }
    let mut denied = None;
    for folder in path.split(':') {
        let folder = if folder.is_empty() { "." } else { folder };
        let place = format!("{folder}/{program}");
        match try_execute(&place, argv, env) {
            Err(Errno::ENOENT | Errno::ENOTDIR) if !is_there(&place) => {}
            Err(Errno::EACCES) => denied = denied.or(Some(place)),
            Err(error) => return Err(explain(&place, error)),
        }
    }
    match denied {
        Some(place) => Err(explain(&place, Errno::EACCES)),
        None => Err(format!(
            "command not found: {program} is in no folder of PATH ({path}); {}",
            cure(program, "install it or name its path")
        )
        .into()),
    }
}

fn try_execute(place: &str, argv: &[CString], env: &[CString]) -> Result<Infallible, Errno> {
    let place = CString::new(place).map_err(|_| Errno::EINVAL)?;
    execve(&place, argv, env)
}

fn explain(place: &str, error: Errno) -> Failure {
    Failure::of(error, || reason(place, error))
}

fn reason(place: &str, error: Errno) -> String {
    let is_missing = matches!(error, Errno::ENOENT | Errno::ENOTDIR);
    if is_missing && is_there(place) {
        format!("{place} cannot be executed: the interpreter that it names does not exist")
    } else if is_missing {
        let cure = cure(place, "install it or mend the path");
        format!("command not found: {place} does not exist; {cure}")
    } else if error == Errno::EACCES {
        format!("{place} may not be executed by the command's user; make it executable")
    } else if error == Errno::ENOEXEC {
        format!("{place} is neither a program nor a script with #! in its first line")
    } else if error == Errno::ETXTBSY {
        format!("{place} cannot be executed while somebody has it open to write; close it first")
    } else if error == Errno::E2BIG {
        "the arguments and the environment are too long; use standard input".to_owned()
    } else {
        format!("{place} cannot be executed: {error}")
    }
}

/// What helps with a command that is not there.
fn cure<'a>(program: &str, usual: &'a str) -> &'a str {
    if SHELL_WORDS.contains(&program) {
        "it is a word of the shell and no program: run it by sh -c"
    } else if program.contains(|c: char| c.is_whitespace() || ";|&<>$`".contains(c)) {
        "it looks like a command line: run it by sh -c"
    } else {
        usual
    }
}

fn is_there(place: &str) -> bool {
    access(place, AccessFlags::F_OK).is_ok()
}
