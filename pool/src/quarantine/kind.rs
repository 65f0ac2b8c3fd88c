//! What makes two requests the same kind.

/// Parts of a path that are told apart; what is deeper is one.
const DEPTH_MAX: usize = 8;
/// A part with a digit in it that is at least this long is an id, as is one of hexadecimal digits alone.
const ID_LEN: usize = 16;
/// See [`ID_LEN`].
const HEX_LEN: usize = 8;

/// A request's kind, then the paths above it, nearest first, to the root; and who asks.
#[derive(Debug)]
pub struct Kinds {
    levels: Vec<(u64, u64)>,
    by: By,
}

/// Keys of the client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct By {
    /// Of what it asks of this kind.
    pub(super) kind: u64,
    /// Of all that it asks of the route.
    pub(super) route: u64,
}

impl Kinds {
    /// The kinds by their keys; `hash` makes a key of the text that it is told.
    pub(super) fn new(path: &[u8], query: Option<&str>, hash: impl Fn(&[u8]) -> u64) -> Self {
        let mut kinds = Vec::with_capacity(DEPTH_MAX + 2);
        kinds.push((hash(b"/"), 0));
        let mut text = Vec::with_capacity(path.len());
        let parts = path.split(|&b| b == b'/').filter(|part| !part.is_empty());
        for (depth, part) in parts.enumerate() {
            if depth < DEPTH_MAX {
                text.push(b'/');
            }
            let start = text.len();
            level(&mut text, part);
            let part = hash(&text[start..]);
            if depth >= DEPTH_MAX {
                kinds.pop();
            }
            kinds.push((hash(&text), part));
        }
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            text.push(b'?');
            let start = text.len();
            level(&mut text, query.as_bytes());
            kinds.push((hash(&text), hash(&text[start..])));
        }
        kinds.reverse();
        Self { levels: kinds, by: By::default() }
    }

    /// The same with who asks.
    pub(super) fn by(mut self, key: impl Fn(u64) -> u64) -> Self {
        let root = self.levels.last().map_or(0, |(key, _)| *key);
        // The root is a kind of its own, too.
        self.by = By { kind: key(self.own()), route: key(!root) };
        self
    }

    /// Who asks.
    pub(super) fn client(&self) -> By {
        self.by
    }

    /// The key of the kind itself.
    pub(super) fn own(&self) -> u64 {
        self.levels[0].0
    }

    /// The keys, the kind's own first.
    pub(super) fn all(&self) -> impl Iterator<Item = u64> + '_ {
        self.levels.iter().enumerate().map(|(index, (key, _))| {
            // A path is two things: a kind of its own, and what is above others.
            if index == 0 { *key } else { key.rotate_left(1) ^ 1 }
        })
    }

    /// What stands directly below the path of this index, towards the kind.
    pub(super) fn below(&self, index: usize) -> Option<u64> {
        index.checked_sub(1).map(|below| self.levels[below].1)
    }
}

/// Copies a part with its numbers made one, and all of it when it is an id.
fn level(out: &mut Vec<u8>, part: &[u8]) {
    let is_word = part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let has_digit = part.iter().any(u8::is_ascii_digit);
    let is_hex = part.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    let is_id = (part.len() >= ID_LEN && has_digit) || (part.len() >= HEX_LEN && is_hex);
    if is_word && is_id {
        return out.push(b'*');
    }
    let mut in_number = false;
    for &b in part {
        match (b.is_ascii_digit(), in_number) {
            (true, true) => {}
            (true, false) => out.push(b'0'),
            (false, _) => out.push(b),
        }
        in_number = b.is_ascii_digit();
    }
}
