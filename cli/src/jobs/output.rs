//! What goes to standard output, in the format that was asked for.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{failure::Failure, terminal::put};

/// `-o`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people; plain lines in a pipe
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// One JSON document a line
    Ndjson,
}

/// How things are shown.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// How to show it
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}

fn json(value: &impl Serialize, pretty: bool) -> Result<String, Failure> {
    let text =
        if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.map_err(|error| Failure::broken(format!("cannot write JSON: {error}")))
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value)
        .map_err(|error| Failure::broken(format!("cannot write YAML: {error}")))?;
    Ok(text.trim_start_matches("---\n").trim_end().to_owned() + "\n")
}

/// Shows one thing; `table` draws it for people.
pub(crate) fn one<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    put(match format {
        Format::Table => table(value),
        Format::Json => json(value, true)? + "\n",
        Format::Yaml => yaml(value)?,
        Format::Ndjson => json(value, false)? + "\n",
    })
}

/// Shows a list that comes in pages as one list.
#[derive(Debug)]
pub(crate) struct Pages {
    format: Format,
    any: bool,
}

impl Pages {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, any: false }
    }

    /// Whether nothing has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Shows a page.
    pub(crate) fn page<T: Serialize>(
        &mut self,
        items: &[T],
        table: impl FnOnce(&[T]) -> String,
    ) -> Result<(), Failure> {
        if items.is_empty() {
            return Ok(());
        }
        let text = match self.format {
            Format::Table => table(items),
            Format::Yaml => yaml(&items)?,
            Format::Ndjson => self.lines(items)?,
            Format::Json => {
                let glue = if self.any { "," } else { "[" };
                let items: Result<Vec<String>, _> =
                    items.iter().map(|item| json(item, false)).collect();
                format!("{glue}\n{}", items?.join(",\n"))
            }
        };
        self.any = true;
        put(text)
    }

    fn lines<T: Serialize>(&self, items: &[T]) -> Result<String, Failure> {
        items.iter().map(|item| json(item, false).map(|line| line + "\n")).collect()
    }

    /// Ends the list.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match (self.format, self.any) {
            (Format::Json, true) => put("\n]\n"),
            (Format::Json | Format::Yaml, false) => put("[]\n"),
            (Format::Table | Format::Ndjson | Format::Yaml, _) => Ok(()),
        }
    }
}
