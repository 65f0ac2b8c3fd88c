//! What a developer and everybody else read when an app fails.

use http::StatusCode;
use ostler_job::Termination;
use ostler_pool::{AppState, Pool};

use crate::request::{
    Refusal, RequestRecord,
    page::{escape, html},
};

/// An app that raised an error before it answered.
pub(super) fn app_error(record: &RequestRecord, traceback: &[u8]) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Termination::AppError)
        .because("the app failed on this request");
    if record.sees_details && !traceback.is_empty() {
        let trace = escape(&String::from_utf8_lossy(traceback));
        let body = format!("<h2>Traceback</h2><pre>{trace}</pre>{SEEN_BY}");
        refusal.page =
            Some(html(refusal.status, "The app raised an error before it answered.", &body));
    }
    refusal
}

/// An app that does not boot.
pub(super) fn boot_failure(
    record: &RequestRecord,
    pool: &Pool,
    state: &AppState,
    refusal: &mut Refusal,
) {
    let Some(failure) = &state.failure else { return };
    refusal.detail = bytes::Bytes::from(format!("{}: {}", failure.stage, failure.message));
    if !record.sees_details {
        return;
    }
    refusal.reason =
        format!("the app {} does not boot ({}): {}", pool.app, failure.stage, failure.message)
            .into();
    let section = |name: &str, text: &str| match text.trim().is_empty() {
        true => String::new(),
        false => format!("<h2>{name}</h2><pre>{}</pre>", escape(text.trim_end())),
    };
    let body = format!(
        "<p class=what>{}</p>{}{}{}<p>Ostler tries again by itself: mend the app and reload this page.</p>{SEEN_BY}",
        escape(&failure.message),
        section("What may help", &failure.hint),
        section("Backtrace", &failure.backtrace),
        section("Its last lines on stderr", &failure.stderr),
    );
    let lead = format!(
        "The app <b>{}</b> does not boot. It stopped at: <b>{}</b>.",
        escape(&pool.app),
        escape(&failure.stage)
    );
    refusal.page = Some(html(refusal.status, &lead, &body));
}

const SEEN_BY: &str = "<p class=note>Only clients on this host see these details.</p>";
