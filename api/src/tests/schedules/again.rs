//! Names that were another tenant's schedule before.

use super::*;

#[tokio::test]
async fn a_token_of_a_tenant_sees_nothing_of_what_was_anothers_before_by_that_name() {
    let rig = Rig::new();
    let job = async |tenant: &str| {
        let body = format!(r#"{{"command":"true","tenant":"{tenant}"}}"#);
        rig.json("POST /v1/jobs", &body).await.json()["id"].as_u64().unwrap()
    };
    let (theirs, ours) = (job("other").await, job("ours").await);
    let token = rig.token("ours", &["submit", "read"], Some("ours"));
    rig.with(&token, "PUT /v1/schedules/s", PLAIN).await;
    let missed = |due| Firing { fate: Fate::Missed, job: None, ..fired(due, 0) };
    let after = NOW.0 + 1_000;
    let all =
        vec![missed(after), fired(after - 1, theirs), fired(5, ours), missed(4), fired(3, 99)];
    rig.fake.state().firings.insert(name("s"), all);
    let jobs = |told: &Value, field: &str| {
        let firings = told[field].as_array().unwrap().clone();
        firings.into_iter().map(|it| it["job"].clone()).collect::<Vec<_>>()
    };
    let told = rig.with(&token, "GET /v1/schedules/s/firings", "").await.json();
    assert_eq!(jobs(&told, "firings"), [Value::Null, json!(ours)]);
    // Page by page there are the same, whatever each of the pages has.
    let (mut before, mut all) = (String::new(), Vec::new());
    loop {
        let page = format!("GET /v1/schedules/s/firings?limit=1{before}");
        let told = rig.with(&token, &page, "").await.json();
        all.extend(jobs(&told, "firings"));
        let Some(next) = told["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(all, [Value::Null, json!(ours)]);
    let told = rig.with(&token, "GET /v1/schedules/s", "").await.json();
    assert_eq!(jobs(&told, "last"), [Value::Null, json!(ours)]);
    let told = rig.ask("GET /v1/schedules/s/firings").await.json();
    assert_eq!(jobs(&told, "firings").len(), 5, "whoever is bound to no tenant sees all");
}
