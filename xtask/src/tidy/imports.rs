//! Which modules of its own crate a text names.

use std::collections::BTreeMap;

/// What the head of a crate passes on, by name, with the module that it is of.
pub(crate) fn passed_on(head: &str) -> BTreeMap<String, String> {
    let uses = head.match_indices("use ").filter(|(at, _)| {
        let before = head[..*at].chars().next_back();
        before.is_none_or(char::is_whitespace)
    });
    let trees = uses.filter_map(|(at, word)| head[at + word.len()..].split(';').next());
    let passed = trees.flat_map(leaves).filter_map(|path| {
        let path = path.trim_start_matches("self::").trim_start_matches("crate::");
        let (module, name) = (path.split("::").next()?, path.rsplit("::").next()?);
        let name = name.rsplit(" as ").next()?;
        (module != name).then(|| (name.trim().to_owned(), module.to_owned()))
    });
    passed.collect()
}

/// Every path of a tree of imports.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, group)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut begins, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = leaves(&group[begins..at]).into_iter().filter(|leaf| !leaf.is_empty());
                found.extend(part.map(|leaf| format!("{before}{leaf}")));
                begins = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The modules at the top of the crate that a text names, with their lines. `depth`: how far below the top it lies.
pub(crate) fn used(text: &str, depth: usize) -> Vec<(usize, String)> {
    let top = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", top.as_str()] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = text[..at].matches('\n').count();
            let rest = &text[at + prefix.len()..];
            found.extend(names(rest).into_iter().map(|(below, name)| (line + below + 1, name)));
        }
    }
    found
}

/// The name that a path begins with, or those of a group, each with how many lines below it stands.
fn names(path: &str) -> Vec<(usize, String)> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    if !path.starts_with('{') {
        return vec![(0, word(path))];
    }
    let (mut depth, mut starts, mut line, mut found) = (0, true, 0, Vec::new());
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' => starts |= depth == 1,
            '\n' => line += 1,
            c if depth == 1 && starts && !c.is_whitespace() => {
                found.push((line, word(&path[at..])));
                starts = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}
