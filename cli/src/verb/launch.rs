//! `ostler launch`: sets one child up and becomes it. For the runner only, so no help shows it.

/// Does not come back.
pub(crate) fn run() -> ! {
    ostler_runner::launch::main()
}
