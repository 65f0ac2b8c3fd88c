//! Whose rights jobs have, and who may submit them.

use nix::unistd::geteuid;
use ostler_tests::{Api, Gateway, Setup};
use serde_json::{Value, json};

fn start(keys: &str) -> Gateway {
    Setup::bare().more(keys).args(&["--no-app"]).start()
}

fn tenant_token(gateway: &Gateway) -> ostler_tests::Response {
    let asked = json!({ "name": "shop", "scopes": ["submit", "read"], "tenant": "shop" });
    Api::of(gateway).post("/v1/tokens", &asked)
}

/// How a job ended, what it wrote, and why not if it did not start.
fn ran(api: &Api, job: &Value) -> (Value, String, String) {
    let id = api.submit(job);
    let done = api.wait_finished(id);
    let detail = done["attempts_list"][0]["detail"].as_str().unwrap_or_default().to_owned();
    let text = |attempt: &Value| attempt["head"].as_str().unwrap_or_default().trim().to_owned();
    (done["reason"].clone(), text(&done["attempts_list"][0]), detail)
}

#[test]
fn jobs_are_their_users_and_their_tenants_and_not_the_runners() {
    if !geteuid().is_root() {
        // Only root can become somebody else; the unit tests of the rules have the rest.
        return;
    }
    let gateway = start(
        "[runner]\njob_slots = 2\njob_user = \"nobody\"\njob_users = [\"bin\"]\ntenant_users = { shop = \"daemon\" }\njob_no_new_privs = true\n",
    );
    assert!(!gateway.stderr().contains("ROOT serves"), "{}", gateway.stderr());
    let api = Api::of(&gateway);
    let whoami = |more: Value| {
        let mut job = json!({ "argv": ["id", "-un"] });
        job.as_object_mut()
            .expect("it is one")
            .extend(more.as_object().expect("it is one").clone());
        ran(&api, &job)
    };
    assert_eq!(whoami(json!({})).1, "nobody");
    assert_eq!(whoami(json!({ "user": "bin" })).1, "bin");
    assert_eq!(whoami(json!({ "tenant": "shop" })).1, "daemon");
    for refused in [
        json!({ "user": "root" }),
        json!({ "user": "daemon" }),
        json!({ "tenant": "shop", "user": "nobody" }),
    ] {
        let (reason, out, detail) = whoami(refused.clone());
        assert_eq!((reason, out.as_str()), (json!("unstartable"), ""), "{refused}: {detail}");
        assert!(detail.contains("user"), "{refused}: {detail}");
    }
    let secret = json!({ "command": "cat $OSTLER_RUNNER_STATE/api.token; grep NoNewPrivs /proc/self/status" });
    let (_, out, _) = ran(&api, &secret);
    assert!(!out.contains("ostler_") && out.ends_with('1'), "{out}");
    // Tenants are apart, so that one may have a token.
    let made = tenant_token(&gateway);
    assert_eq!(made.status, 201, "{}", made.text());
    let shop = api.with_token(made.json()["token"].as_str().expect("a token is text"));
    assert_eq!(ran(&shop, &json!({ "argv": ["id", "-un"] })).1, "daemon");
}

#[test]
fn a_tenants_token_is_not_made_where_its_jobs_would_be_the_gateways_own() {
    let gateway = start("[runner]\njob_slots = 1\n");
    let refused = tenant_token(&gateway);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("jobs.shared_user"), "{}", refused.text());
    assert_eq!(
        gateway.stderr().contains("ROOT serves"),
        geteuid().is_root(),
        "{}",
        gateway.stderr()
    );
    let meant = start("[runner]\njob_slots = 1\n[jobs]\nshared_user = true\n");
    assert_eq!(tenant_token(&meant).status, 201);
    let elsewhere = start("[runner]\njob_slots = 0\n");
    assert_eq!(tenant_token(&elsewhere).status, 201, "no job runs here");
}

#[test]
fn no_job_gets_more_than_its_runner() {
    let gateway = start("[runner]\njob_slots = 1\n");
    let api = Api::of(&gateway);
    let most = "awk '/open files/ { print $5 }' /proc/self/limits";
    let (_, most, _) = ran(&api, &json!({ "command": most }));
    let most: u64 = most.parse().expect("it is limited");
    let asks = |nofile: u64| json!({ "command": "ulimit -Hn", "limits": { "nofile": nofile } });
    assert_eq!(ran(&api, &asks(most)).1, most.to_string());
    assert_eq!(ran(&api, &asks(64)).1, "64");
    let (reason, _, detail) = ran(&api, &asks(most + 1));
    assert_eq!(reason, json!("unstartable"), "{detail}");
    assert!(detail.contains(&most.to_string()), "{detail}");
}
