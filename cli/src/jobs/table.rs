//! Tables: aligned, no wider than the terminal, plain lines when nobody looks.

use std::io::IsTerminal as _;

use unicode_width::UnicodeWidthStr as _;

use crate::terminal::{self, Tone, painted};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) head: &'a str,
    pub(crate) right: bool,
    /// To how few places it gives way, where the terminal is narrow and the last column has but little; `None`: never.
    least: Option<usize>,
}

/// Places that the last column has before others give way.
const LAST: usize = 16;

/// A column of text.
pub(crate) const fn left(head: &str) -> Column<'_> {
    Column { head, right: false, least: None }
}

/// A column of numbers.
pub(crate) const fn right(head: &str) -> Column<'_> {
    Column { head, right: true, least: None }
}

/// A column of text that is cut to no fewer places than these.
pub(crate) const fn elastic(head: &str, least: usize) -> Column<'_> {
    Column { head, right: false, least: Some(least) }
}

/// One field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Option<Tone>) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: None }
    }
}

/// How a table is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// `None`: nobody looks; lines are whole and have no head.
    pub(crate) width: Option<usize>,
    pub(crate) colours: bool,
}

impl Look {
    /// For standard output as it is.
    pub(crate) fn of_stdout() -> Self {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        let width = size.map_or(80, |(width, _)| usize::from(width.0).max(40));
        Self {
            // Serial lines and some containers do not know their size.
            width: std::io::stdout().is_terminal().then_some(width),
            colours: terminal::stdout_colours(),
        }
    }
}

/// Draws rows; the last column gives way when the terminal is narrow, and then those that may, from the right.
pub(crate) fn draw(columns: &[Column<'_>], rows: &[Vec<Cell>], look: Look) -> String {
    let head: Vec<Cell> =
        columns.iter().map(|column| Cell::toned(column.head, Some(Tone::Faint))).collect();
    let shown = look.width.map(|_| &head).into_iter().chain(rows);
    let mut widths = vec![0; columns.len()];
    for row in shown.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.text.width().max(*width);
        }
    }
    if let Some(all) = look.width {
        shrink(columns, &mut widths, all);
    }
    let mut text = String::new();
    for row in shown {
        text.push_str(&line(columns, &widths, row, look));
        text.push('\n');
    }
    text
}

fn shrink(columns: &[Column<'_>], widths: &mut [usize], all: usize) {
    let Some((last, others)) = widths.split_last_mut() else { return };
    let used = others.iter().map(|it| it + 2).sum::<usize>() + LAST.min(*last);
    let mut over = used.saturating_sub(all);
    for (width, column) in others.iter_mut().zip(columns).rev() {
        let spare = column.least.map_or(0, |least| width.saturating_sub(least));
        let given = over.min(spare);
        *width -= given;
        over -= given;
    }
}

fn line(columns: &[Column<'_>], widths: &[usize], row: &[Cell], look: Look) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (index, ((column, width), cell)) in columns.iter().zip(widths).zip(row).enumerate() {
        let is_last = index + 1 == columns.len();
        let room = look.width.map_or(usize::MAX, |all| all.saturating_sub(used).max(8));
        let text = fit(&cell.text, if is_last { room } else { *width });
        let pad = " ".repeat(width.saturating_sub(text.width()));
        let text = match cell.tone.filter(|_| look.colours) {
            Some(tone) => painted(tone, &text),
            None => text,
        };
        match (column.right, is_last) {
            (true, _) => line.extend([pad.as_str(), text.as_str()]),
            (false, true) => line.push_str(&text),
            (false, false) => line.extend([text.as_str(), pad.as_str()]),
        }
        if !is_last {
            line.push_str("  ");
        }
        used += width + 2;
    }
    line.trim_end().to_owned()
}

/// The text in so many columns, with an ellipsis where it was longer.
fn fit(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    // What is put on top of a letter goes with it.
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let fits = ends.take_while(|&end| text[..end].width() < room).last().unwrap_or(0);
    format!("{}…", &text[..fits])
}

/// Text on one line, without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// What shows nothing and changes how the rest is read: the order of letters, where a line or a word ends, what is there at all
/// (general category Cf, and the two separators Zl and Zp).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<'_>; 3] = [right("ID"), left("STATE"), left("COMMAND")];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["7".into(), Cell::toned("dead", Some(Tone::Bad)), "sleep 5".into()],
            vec!["1234".into(), "succeeded".into(), "a command that is quite long".into()],
        ]
    }

    #[test]
    fn a_terminal_gets_a_head_and_lines_that_fit() {
        let look = Look { width: Some(40), colours: false };
        let expected = "  ID  STATE      COMMAND\n   7  dead       sleep 5\n\
                        1234  succeeded  a command that is quit…\n";
        let drawn = draw(&COLUMNS, &rows(), look);
        assert_eq!(drawn, expected);
        assert!(drawn.lines().all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn columns_that_may_give_way_before_a_line_is_longer_than_the_terminal() {
        let columns = [elastic("NAME", 12), elastic("WHEN", 8), left("NEXT"), left("COMMAND")];
        let row = ["a-name-of-twenty-two-l", "at 03:00 on Monday", "in 2d", "test -x /usr/bin/a"];
        let drawn = |width| {
            let rows = vec![row.iter().map(|it| Cell::from(*it)).collect()];
            let drawn = draw(&columns, &rows, Look { width, colours: false });
            drawn.lines().last().unwrap_or_default().to_owned()
        };
        assert_eq!(drawn(Some(68)), row.join("  ").replace("/usr/bin/a", "/usr/bin…"));
        assert_eq!(drawn(Some(60)), "a-name-of-twenty-two-l  at 03:00 o…  in 2d  test -x /usr/bi…");
        assert_eq!(drawn(Some(50)), "a-name-of-twen…  at 03:0…  in 2d  test -x /usr/bi…");
        assert_eq!(drawn(None), row.join("  "));
    }

    #[test]
    fn a_pipe_gets_whole_lines_and_no_head() {
        let look = Look { width: None, colours: false };
        let expected = "   7  dead       sleep 5\n1234  succeeded  a command that is quite long\n";
        assert_eq!(draw(&COLUMNS, &rows(), look), expected);
    }

    #[test]
    fn wide_letters_take_two_columns_and_accents_none() {
        let rows: Vec<Vec<Cell>> = ["東京", "abcd", "e\u{301}e\u{301}", "🐴"]
            .iter()
            .map(|state| {
                vec!["1".into(), (*state).into(), "漢字漢字漢字漢字漢字漢字漢字漢字漢字".into()]
            })
            .collect();
        let look = Look { width: Some(40), colours: false };
        for line in draw(&COLUMNS, &rows, look).lines().skip(1) {
            let (before, command) = line.split_once('漢').unwrap();
            assert_eq!(before.width(), 11, "{line:?}");
            assert!(line.width() <= 40 && command.ends_with('…'), "{line:?}");
        }
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(
            (fit("漢字", 4), fit("漢字", 3), fit("漢字", 2)),
            ("漢字".into(), "漢…".into(), "…".into())
        );
    }

    #[test]
    fn colours_do_not_move_what_follows() {
        let look = Look { width: Some(40), colours: true };
        let drawn = draw(&COLUMNS, &rows(), look);
        assert!(drawn.contains("\x1b[31mdead\x1b[0m       sleep 5"), "{drawn:?}");
    }

    #[test]
    fn commands_cannot_command_the_terminal() {
        assert_eq!(plain("a\nb\t\x1b[2Jc "), "a b \\u{1b}[2Jc");
        assert_eq!(plain("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(
            plain("a\u{200b}b\u{feff}\u{85}\u{2066}"),
            "a\\u{200b}b\\u{feff}\\u{85}\\u{2066}"
        );
        assert_eq!(plain("grüße 東京 🐴"), "grüße 東京 🐴");
    }
}
