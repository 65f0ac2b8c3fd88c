//! `ostler launch job` alone, for the tests.

fn main() {
    ostler_shell_module::supervise()
}
