//! Server-sent events, as the HTML standard defines their text. Bytes go in, events come out.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The last id that was given, for `Last-Event-ID`.
    pub(crate) id: String,
    /// Its kind; empty for none.
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes bytes and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_of_line()),
                other => self.line.push(*other),
            }
        }
        events
    }

    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = self.event.clone();
            self.event.kind.clear();
            self.event.data.clear();
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments, which keep connections alive, and what we do not know.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_are_cut() {
        let text =
            ": hello\r\n\r\nid: 5.1\nevent: output\ndata: a\ndata: b\n\ndata:c\r\rid: 6.1\n\n";
        let event = |id: &str, kind: &str, data: &str| Event {
            id: id.to_owned(),
            kind: kind.to_owned(),
            data: data.to_owned(),
        };
        let expected = [event("5.1", "output", "a\nb"), event("5.1", "", "c")];
        assert_eq!(Parser::default().push(text.as_bytes()), expected);
        let mut parser = Parser::default();
        let found: Vec<Event> = text.bytes().flat_map(|byte| parser.push(&[byte])).collect();
        assert_eq!(found, expected);
    }
}
