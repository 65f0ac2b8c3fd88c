//! What the schedules of a crontab are called: by the comment above a line, or by what it runs, and the same each time.

use std::collections::BTreeSet;

use ostler_cron_module::crontab::Entry;

/// Letters of a comment that go into a name.
const LENGTH: usize = 40;
/// The most of a name, with room for a number.
const WHOLE: usize = 60;
/// Those that run what is named after them.
const WRAPPERS: [&str; 14] = [
    "env",
    "nice",
    "ionice",
    "nohup",
    "sudo",
    "time",
    "timeout",
    "flock",
    "chronic",
    "exec",
    "command",
    "setsid",
    "chrt",
    "systemd-cat",
];
/// Those that make ready for what is meant.
const BEFORE: [&str; 12] =
    ["cd", "test", "[", "[[", "true", ":", "export", "set", "umask", ".", "source", "sleep"];
/// Words of the shell itself.
const GRAMMAR: [&str; 8] = ["if", "then", "else", "fi", "while", "do", "done", "!"];
/// Those that are given what to run as a word, which has no name.
const INLINE: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "perl", "ruby"];
/// What a script ends with.
const SCRIPTS: [&str; 7] = [".sh", ".bash", ".py", ".pl", ".php", ".rb", ".js"];

/// What the fields are called.
const HEAD: [&str; 14] = [
    "m", "h", "dom", "mon", "dow", "min", "minute", "hour", "mday", "day", "month", "wday",
    "command", "weekday",
];

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The next one; `owner` is the file's name or the user whose table it is, `alone` says that it is its only line.
    pub(super) fn next(
        &mut self,
        prefix: &str,
        owner: Option<&str>,
        entry: &Entry,
        alone: bool,
    ) -> String {
        let says = |it: &&str| !super::disable::is_ours(it) && !is_head(it);
        let said = entry.comment.as_deref().filter(says).map(slug);
        let said = said.filter(|it| !it.is_empty());
        let owner = owner.map(slug_of_file).filter(|it| !it.is_empty());
        let name = match (owner, said) {
            (Some(owner), None) if alone => owner,
            (owner, said) => {
                let rest = said.unwrap_or_else(|| program(&entry.command));
                match owner {
                    Some(owner) if rest == owner || rest.starts_with(&format!("{owner}-")) => rest,
                    Some(owner) => format!("{owner}-{rest}"),
                    None => rest,
                }
            }
        };
        let name = format!("{prefix}{name}");
        let name: String = name.chars().take(WHOLE).collect();
        let mut free = name.trim_end_matches(['-', '.']).to_owned();
        let base = free.clone();
        let mut number = 2;
        while !self.0.insert(free.clone()) {
            free = format!("{base}-{number}");
            number += 1;
        }
        free
    }
}

/// Whether a comment says what the fields are, as the one that a new crontab begins with.
fn is_head(comment: &str) -> bool {
    let words = comment.split(|it: char| !it.is_ascii_alphanumeric());
    words.filter(|it| HEAD.contains(&it.to_ascii_lowercase().as_str())).count() > 3
}

/// Small letters and digits with dashes between them, whole words as far as they fit.
fn slug(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()) {
        if !name.is_empty() && name.len() + 1 + word.len() > LENGTH {
            break;
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.extend(word.chars().take(LENGTH).map(|it| it.to_ascii_lowercase()));
    }
    name
}

/// A file's name stays as it is, as far as it may.
fn slug_of_file(text: &str) -> String {
    let good = |it: char| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '-' };
    let name: String = text.chars().map(good).collect();
    name.trim_matches(['.', '_', '-']).chars().take(LENGTH).collect()
}

/// What a command line is about: the program, without what makes ready for it.
fn program(command: &str) -> String {
    let mut quote = None;
    let ends = |it: char| "&|;{}()\n".contains(it);
    let mut parts = vec![String::new()];
    for it in command.chars() {
        match quote {
            None if ends(it) => parts.push(String::new()),
            Some(_) if ends(it) => {}
            _ => parts.last_mut().expect("there is one").push(it),
        }
        quote = match quote {
            None if it == '"' || it == '\'' => Some(it),
            Some(begun) if begun == it => None,
            other => other,
        };
    }
    parts.iter().find_map(|it| of_part(it)).unwrap_or_else(|| "job".to_owned())
}

fn of_part(part: &str) -> Option<String> {
    let mut words = part.split_whitespace().map(|it| it.trim_matches(['"', '\''])).peekable();
    loop {
        let word = words.next()?;
        let base = base(word);
        if BEFORE.contains(&base) {
            return None;
        }
        if GRAMMAR.contains(&base) {
            continue;
        }
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
        if is_assignment || word.starts_with(['-', '>', '<', '#']) || slug(base).is_empty() {
            continue;
        }
        if WRAPPERS.contains(&base) {
            let is_of_wrapper =
                |it: &&str| it.starts_with('-') || it.starts_with(|it: char| it.is_ascii_digit());
            while words.next_if(is_of_wrapper).is_some() {}
            if base == "flock" {
                words.next();
                while words.next_if(is_of_wrapper).is_some() {}
            }
            continue;
        }
        if INLINE.contains(&base) && words.clone().any(|it| ["-e", "-c"].contains(&it)) {
            return None;
        }
        let script = words.find(|it| !it.starts_with('-')).map(self::base);
        let is_script =
            |it: &&str| SCRIPTS.iter().any(|end| it.len() > end.len() && it.ends_with(end));
        if let Some(script) = script.filter(is_script) {
            return Some(slug(stem(script)));
        }
        return Some(slug(stem(base)));
    }
}

fn base(word: &str) -> &str {
    word.trim_end_matches('/').rsplit('/').next().unwrap_or(word)
}

/// Without what says the language.
fn stem(name: &str) -> &str {
    SCRIPTS.iter().find_map(|it| name.strip_suffix(it)).filter(|it| !it.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_called_by_what_it_is_about() {
        for (command, name) in [
            ("/opt/backup --all", "backup"),
            ("cd /srv/shop && ./bin/report.sh >/dev/null 2>&1", "report"),
            (
                "test -x /usr/bin/certbot -a \\! -d /run && perl -e 'sleep int(rand(43200))' && certbot -q renew",
                "certbot",
            ),
            (
                "test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/e2fsprogs/e2scrub_all_cron",
                "e2scrub-all-cron",
            ),
            ("FOO=1 nice -n 19 ionice -c3 /usr/local/bin/index-all", "index-all"),
            ("flock -n /tmp/lock timeout 5m perl -w /srv/sync.pl --fast", "sync"),
            ("php -q /var/www/cron.php", "cron"),
            ("\"/opt/my tools/run\"", "my"),
            ("if [ -d /x ]; then run-parts /y; fi", "run-parts"),
            ("$HOME/bin/thing", "thing"),
            ("...", "job"),
            ("", "job"),
        ] {
            assert_eq!(program(command), name, "{command}");
        }
    }

    #[test]
    fn a_comment_is_a_name_by_its_whole_words() {
        assert_eq!(slug("Rotate the logs, nightly!"), "rotate-the-logs-nightly");
        let long = slug("Look for and purge old sessions every 30 minutes of each hour");
        assert_eq!(long, "look-for-and-purge-old-sessions-every-30");
        assert_eq!(slug("東京"), "");
        assert_eq!(slug(&"x".repeat(99)), "x".repeat(40));
    }
}
