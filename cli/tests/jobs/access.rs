//! Where the API is found, with which token, and what is said when it is not there.

use std::{fs, net::TcpListener};

use serde_json::json;

use crate::fake::{Fake, Reply, TOKEN, known};

fn empty() -> Fake {
    Fake::start(|_| Reply::json(200, &json!({"jobs": [], "next": null})))
}

#[test]
fn the_state_folder_says_where_the_api_is_and_holds_the_token() {
    let fake = empty();
    fake.ostler(&["list"]).with(0, "", "note: no jobs\n");
    assert_eq!(fake.asked()[0].headers["authorization"], format!("Bearer {TOKEN}"));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_state_folder() {
    let fake = empty();
    let address = fake.address.to_string();
    let ended = fake
        .command(&["list", "--state", "/nowhere", "--api", &address, "--token", TOKEN])
        .env("OSTLER_API", "127.0.0.1:1")
        .env("OSTLER_TOKEN", "wrong")
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let ended = fake
        .command(&["list", "--state", "/nowhere"])
        .env("OSTLER_API", format!("http://{address}/jobs/"))
        .env("OSTLER_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(fake.asked()[1].line(), "GET /jobs/v1/jobs?limit=1000");
}

#[test]
fn without_a_gateway_one_sentence_says_how_to_start_one() {
    let fake = empty();
    let state = fake.path().join("other");
    let words = ["list", "--state", state.to_str().unwrap()];
    let says = format!(
        "ostler: no gateway runs with the state folder {}; start one with `ostler serve`, or name \
         one with --api\n",
        state.display()
    );
    fake.ostler(&words).with(69, "", &says);

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(fake.path().join("state/run/addresses.json"), known(free)).unwrap();
    let says = format!(
        "ostler: no gateway answers at http://{free}; start one with `ostler serve` (or `ostler \
         gateway`), or name another with --api\n"
    );
    fake.ostler(&["list"]).with(69, "", &says);
}

#[test]
fn a_token_that_is_wrong_or_missing_ends_with_77() {
    let fake = empty();
    let wrong = fake.ostler(&["list", "--token", "wrong"]);
    wrong.with(77, "", "ostler: this token is not known\n");
    // The token of this host's gateway may do everything there, and is nobody else's business.
    let ended = fake.ostler(&["list", "--api", "gateway.example"]);
    assert_eq!(ended.code, Some(77));
    assert!(ended.err.contains("no token for the API at http://gateway.example:2691"), "{ended:?}");
    fs::remove_file(fake.path().join("state/api.token")).unwrap();
    assert_eq!(fake.ostler(&["list"]).code, Some(77));
}

#[test]
fn whoever_took_the_address_of_a_gateway_that_is_gone_gets_no_token_of_its_folder() {
    let mut fake = empty();
    let address = fake.address.to_string();
    assert_eq!(fake.ostler(&["list", "--api", &address]).code, Some(0));
    fake.orphan();
    let listed = fake.ostler(&["list"]);
    assert!(listed.code == Some(69) && listed.err.contains("no gateway runs"), "{listed:?}");
    let named = fake.ostler(&["list", "--api", &address]);
    assert!(named.code == Some(69) && named.err.contains("no gateway runs"), "{named:?}");
    let submitted = fake.ostler(&["submit", "--patience", "200ms", "--", "true"]);
    assert_eq!(submitted.code, Some(69), "{submitted:?}");
    assert_eq!(fake.asked().len(), 1, "nobody is shown it");
    // One that a person chose goes where he says.
    assert_eq!(fake.ostler(&["list", "--api", &address, "--token", TOKEN]).code, Some(0));
}

#[test]
fn the_token_of_a_folder_goes_to_no_door_but_its_gateways() {
    let (fake, other) = (empty(), empty());
    let ended = fake.ostler(&["list", "--api", &other.address.to_string()]);
    assert_eq!(ended.code, Some(77), "{ended:?}");
    assert!(ended.err.contains("is for its own gateway"), "{ended:?}");
    assert_eq!(other.asked().len(), 0, "nobody is shown it");
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    let ended = empty().ostler(&["list", "--api", "ftp://x"]);
    ended.with(
        64,
        "",
        "ostler: \"ftp://x\" is not an API's address; write https://host or host:2691\n",
    );
}

#[test]
fn a_token_that_leaves_this_host_in_clear_text_is_sent_with_a_warning() {
    let fake = empty();
    let list = |api: &str| fake.ostler(&["list", "--token", "secret", "--api", api]);
    // Nobody has this address, and no packet is sent to it.
    let ended = list("http://255.255.255.255:1");
    assert_eq!(ended.code, Some(69));
    let says = "note: the token goes to http://255.255.255.255:1 in clear text, where anybody on \
                the way can read and use it; use https\n";
    assert!(ended.err.starts_with(says), "{ended:?}");
    assert!(!ended.err.contains("secret"), "{ended:?}");
    for api in ["https://255.255.255.255:1", "http://127.0.0.1:1", "http://[::1]:1", "localhost:1"]
    {
        let ended = list(api);
        assert!(ended.code == Some(69) && !ended.err.contains("clear text"), "{api}: {ended:?}");
    }
}
