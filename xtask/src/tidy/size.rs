//! No file grows past what a reader can hold.

use super::{Finding, Source};

/// Lines of a production file, without its tests.
const LINES_MAX: usize = 400;
/// Lines of a test file.
const TEST_LINES_MAX: usize = 600;
/// Files that may be longer for now, each with its limit and the reason. A limit only ever goes down.
const LONGER: &[(&str, usize, &str)] = &[];

pub(crate) fn check(source: &Source) -> Option<Finding> {
    if ![".rs", ".py"].iter().any(|ending| source.path.ends_with(ending)) {
        return None;
    }
    let (lines, max) = if source.is_test() {
        (source.text.lines().count(), TEST_LINES_MAX)
    } else {
        (source.tests_begin() - 1, LINES_MAX)
    };
    let max =
        LONGER.iter().find(|(path, ..)| *path == source.path).map_or(max, |(_, longer, _)| *longer);
    (lines > max).then(|| {
        let cure =
            format!("{lines} lines, at most {max}: split it where its head needs the word `and`");
        Finding::new(&source.path, max + 1, cure)
    })
}
