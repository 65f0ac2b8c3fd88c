//! Heads that two readers could read differently are refused, and nothing of them reaches an app.
use ostler_tests::{App, Setup};

#[test]
fn smoke() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    assert_eq!(gateway.get("/x").text(), "hello /x");
    assert_eq!(gateway.connect_tls().get("/y").text(), "hello /y");
    gateway.assert_ended("/x", "ok");
}
