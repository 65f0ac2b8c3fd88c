//! What the schedules of a crontab are called: by the comment above a line, or by what it runs, and the same each time.

use std::collections::{BTreeMap, BTreeSet};

use ostler_cron_module::crontab::Entry;

/// Letters of a comment that go into a name.
const LENGTH: usize = 40;
/// Letters of a command that are looked at: one may be a shell within a shell, and so on for as long as a file is.
const LOOKED_AT: usize = 1_000;
/// The most of a name, with room for a number.
const WHOLE: usize = 60;
/// Those that run what is named after them, and which of their options have a value.
const WRAPPERS: [(&str, &str); 18] = [
    ("env", "u"),
    ("nice", "n"),
    ("ionice", "cn"),
    ("nohup", ""),
    ("sudo", "ugp"),
    ("time", ""),
    ("timeout", "ks"),
    ("flock", "wE"),
    ("chronic", ""),
    ("exec", ""),
    ("command", ""),
    ("setsid", ""),
    ("chrt", ""),
    ("systemd-cat", "t"),
    ("envdir", ""),
    ("runuser", "u"),
    ("bundle", ""),
    ("docker", "ewu"),
];
/// Those of them that have a word of their own before it: a lock, a folder.
const WITH_A_WORD: [&str; 2] = ["flock", "envdir"];
/// Those that make ready for what is meant, or say something of it.
const BEFORE: [&str; 17] = [
    "cd", "test", "[", "[[", "true", ":", "export", "set", "umask", ".", "source", "sleep", "echo",
    "printf", "grep", "logger", "date",
];
/// Words of the shell itself.
const GRAMMAR: [&str; 8] = ["if", "then", "else", "fi", "while", "do", "done", "!"];
/// Those that are given what to run as one word, after `-c`.
const INLINE: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "su"];
/// What the names of those begin with that run a program of their own language; two letters and a version may follow.
const LANGUAGES: [&str; 5] = ["php", "pyth", "node", "ruby", "perl"];
/// What a script ends with.
const SCRIPTS: [&str; 9] = [".sh", ".bash", ".py", ".pl", ".php", ".rb", ".js", ".mjs", ".ts"];

/// What the fields are called.
const HEAD: [&str; 14] = [
    "m", "h", "dom", "mon", "dow", "min", "minute", "hour", "mday", "day", "month", "wday",
    "command", "weekday",
];

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The next number of each name that there is already.
    numbers: BTreeMap<String, usize>,
}

impl Names {
    /// The next one; `owner` is the file's name or the user whose table it is, `alone` says that it is its only line.
    pub(super) fn next(
        &mut self,
        prefix: &str,
        owner: Option<&str>,
        entry: &Entry,
        alone: bool,
    ) -> String {
        let says = |it: &&str| {
            !super::disable::is_ours(it) && !is_head(it) && !it.contains("generated tasks")
        };
        let said = entry.comment.as_deref().filter(says).map(slug_of_comment);
        let said = said.filter(|it| !it.is_empty());
        let owner = owner.map(|it| slug_of_file(it, LENGTH)).filter(|it| !it.is_empty());
        let name = match (owner, said) {
            (Some(owner), None) if alone => owner,
            (owner, said) => {
                let head = || entry.command.chars().take(LOOKED_AT).collect::<String>();
                let rest = said.unwrap_or_else(|| program(&head()));
                match owner {
                    // Also where the file's name has signs that a word of a command does not keep.
                    Some(owner) if rest == slug(&owner) => owner,
                    Some(owner) if rest.starts_with(&format!("{}-", slug(&owner))) => rest,
                    Some(owner) => format!("{owner}-{rest}"),
                    None => rest,
                }
            }
        };
        let name = format!("{prefix}{name}");
        let name: String = name.chars().take(WHOLE).collect();
        let mut free = name.trim_end_matches(['-', '.']).to_owned();
        let base = free.clone();
        while !self.taken.insert(free.clone()) {
            let number = self.numbers.entry(base.clone()).or_insert(2);
            free = format!("{base}-{number}");
            *number += 1;
        }
        free
    }
}

/// Whether a comment says what the fields are, as the one that a new crontab begins with.
fn is_head(comment: &str) -> bool {
    let words = comment.split(|it: char| !it.is_ascii_alphanumeric());
    words.filter(|it| HEAD.contains(&it.to_ascii_lowercase().as_str())).count() > 3
}

/// One that is a name already, as an export writes it, stays as it is.
fn slug_of_comment(comment: &str) -> String {
    let good = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it);
    let is_name = comment.len() <= WHOLE && comment.chars().all(good);
    if is_name { slug_of_file(comment, WHOLE) } else { slug(comment) }
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
fn slug_of_file(text: &str, length: usize) -> String {
    let good = |it: char| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '-' };
    let name: String = text.chars().map(good).collect();
    name.trim_matches(['.', '_', '-']).chars().take(length).collect()
}

/// What a command line is about: the program, without what makes ready for it, and the first word after it.
fn program(command: &str) -> String {
    let parts = parts(command);
    let meant = parts.iter().find_map(|it| of_part(it));
    // Better what makes ready than nothing.
    let first =
        || parts.iter().find_map(|it| it.split_whitespace().next().map(|it| slug(stem(base(it)))));
    meant.or_else(first).filter(|it| !it.is_empty()).unwrap_or_else(|| "job".to_owned())
}

/// Its commands, as far as quotes let one see them, and without those whose output is a word.
fn parts(command: &str) -> Vec<String> {
    let ends = |it: char| "&|;{}()\n".contains(it);
    let (mut parts, mut quote, mut within) = (vec![String::new()], None, 0_usize);
    let mut chars = command.chars().peekable();
    while let Some(it) = chars.next() {
        let opens = it == '$' && chars.peek().is_some_and(|it| "([".contains(*it));
        if quote != Some('\'') && (opens || within > 0) {
            within += usize::from("([".contains(it));
            within -= usize::from(")]".contains(it) && within > 0);
            if opens {
                within += 1;
                chars.next();
            }
            continue;
        }
        match quote {
            None if ends(it) => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(it),
        }
        quote = match quote {
            None if it == '"' || it == '\'' => Some(it),
            Some(begun) if begun == it => None,
            other => other,
        };
    }
    parts
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
        if let Some((_, valued)) = WRAPPERS.iter().find(|it| it.0 == base) {
            skip_options(&mut words, valued);
            if WITH_A_WORD.contains(&base) {
                words.next();
                skip_options(&mut words, valued);
            }
            if base == "docker" && words.next_if(|it| ["exec", "run"].contains(it)).is_some() {
                skip_options(&mut words, valued);
                words.next();
            }
            continue;
        }
        if INLINE.contains(&base) && words.clone().any(|it| it == "-c") {
            return Some(program(&given(part)?)).filter(|it| it != "job");
        }
        let rest: Vec<&str> = words.collect();
        let has_inline = rest.iter().any(|it| ["-e", "-c", "-r"].contains(it));
        return (!is_language(base) || !has_inline).then(|| called(base, &rest));
    }
}

fn skip_options<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>, valued: &str) {
    let is_number = |it: &str| it.starts_with(|it: char| it.is_ascii_digit());
    while let Some(option) = words.next_if(|it| it.starts_with('-') || is_number(it)) {
        if option.strip_prefix('-').is_some_and(|it| it.len() == 1 && valued.contains(it)) {
            words.next();
        }
    }
}

/// The word after `-c`, which is in quotes.
fn given(part: &str) -> Option<String> {
    let (_, rest) = part.split_once(" -c ")?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|it| "\"'".contains(*it))?;
    let end = rest[1..].rfind(quote)?;
    Some(rest[1..=end].to_owned())
}

fn is_language(base: &str) -> bool {
    let rest = LANGUAGES.iter().find_map(|it| base.strip_prefix(it));
    let letters = |it: &str| it.chars().filter(char::is_ascii_alphabetic).count();
    rest.is_some_and(|it| letters(it) <= 2 && !it.contains(['-', '_']))
}

/// A script rather than what reads it; a program with the word that says what it does.
fn called(base: &str, rest: &[&str]) -> String {
    let is_script = |it: &str| {
        let it = it.split('?').next().unwrap_or(it);
        SCRIPTS.iter().any(|end| it.len() > end.len() && it.ends_with(end))
    };
    let is_word = |it: &(usize, &str)| !it.1.starts_with(['-', '>', '<']) && !it.1.contains('=');
    let mut words = rest.iter().copied().enumerate().filter(is_word);
    let first = words.clone().next();
    if is_language(base) || INLINE.contains(&base) {
        let script = words.find(|it| is_script(it.1)).or(first);
        let Some((at, script)) = script else { return slug(base) };
        let script = script.split('?').next().unwrap_or(script);
        return with_verb(slug(stem(self::base(script))), rest.get(at + 1));
    }
    if base == "run-parts" {
        let folder = words.next_back().map_or("", |it| self::base(it.1));
        return slug(&format!("{base} {folder}"));
    }
    with_verb(slug(stem(base)), rest.first())
}

fn with_verb(program: String, word: Option<&&str>) -> String {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ":_-".contains(it);
    match word {
        Some(verb)
            if verb.len() <= 24
                && verb.starts_with(|it: char| it.is_ascii_lowercase())
                && verb.chars().all(plain) =>
        {
            format!("{program}-{}", slug(verb))
        }
        _ => program,
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
            ("if [ -d /x ]; then run-parts /y; fi", "run-parts-y"),
            ("cd / && run-parts --report /etc/cron.hourly", "run-parts-cron-hourly"),
            ("cd /var/www && php artisan schedule:run >> /dev/null 2>&1", "artisan-schedule-run"),
            (
                "/bin/bash -l -c 'cd /srv && bundle exec rake reports:daily --silent'",
                "rake-reports-daily",
            ),
            ("su - deploy -c \"cd /app && python3 lead.py\" >> log 2>&1", "lead"),
            ("sudo -u deploy -g www /srv/app/bin/report", "report"),
            ("docker exec -t web php artisan queue:restart", "artisan-queue-restart"),
            ("/usr/bin/envdir /etc/wal-e.d/env /usr/local/bin/backup-wale.sh", "backup-wale"),
            ("flock -n -w 5 /tmp/lock restic forget --prune", "restic-forget"),
            (
                "if [ -x /x ] && [ $(date +%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron; fi",
                "checkarray",
            ),
            ("sleep $[(RANDOM%10)+10]; $HOME/tools/watch.sh balance", "watch-balance"),
            ("php -q -d memory_limit=256M wp-cron.php?doing_wp_cron >/dev/null", "wp-cron"),
            ("/usr/bin/python3.11 -u -m app.report", "app-report"),
            ("phpunit --all", "phpunit"),
            ("node --import tsx scripts/sync.ts", "sync"),
            ("echo tea", "echo"),
            ("date >> days", "date"),
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
