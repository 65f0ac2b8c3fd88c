//! A runner asks for its certificate: with a token for the first time, with the one it has before that ends.

use std::{io, sync::Arc};

use bytes::BytesMut;
use ostler_durable::members::{Stranger, authority::key_of_request, token};
use ostler_job::name;
use ostler_machine::secret::sha256_hex;
use ostler_wire::{
    Frame, Header, Kind,
    message::{Join, Message as _, Refusal},
    put_frame,
};

use super::{admission::RunnerAdmission, hub::Hub};

/// The refusal of a name that is none.
const NO_NAME: &str = "a runner's name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or \
                       digit; give another with --name";

const JOINED: Header = Header { len: 0, kind: Kind::Joined, flags: 0, code: 0, stream: 0, aux: 0 };

/// Whoever showed a certificate of ours: its name and its key.
#[derive(Clone, Debug)]
pub(super) struct RunnerCertificate {
    pub(super) name: String,
    pub(super) key: String,
}

/// The answer to a JOIN, and why it is a refusal if it is one.
pub(super) async fn answer(
    hub: &Hub,
    admission: &Arc<RunnerAdmission>,
    shown: Option<RunnerCertificate>,
    frame: &Frame,
) -> io::Result<(BytesMut, Option<String>)> {
    let Join { secret, name, request } = Join::of(frame).map_err(io::Error::other)?;
    let (secret, name) = (secret.to_owned(), name.to_owned());
    let request = String::from_utf8_lossy(request).into_owned();
    let (admission, linked) = (admission.clone(), hub.jobs.is_linked(&name));
    let who = shown_name(&name);
    let newcomer = (shown.is_none() || !secret.is_empty()).then(|| name.clone());
    let key = key_of_request(&request).unwrap_or_default();
    // The lists are files.
    let decide = move || match shown {
        Some(shown) if secret.is_empty() => renew(&admission, &shown, &request),
        _ => admit(&admission, &secret, &name, linked, &request),
    };
    let decided = tokio::task::spawn_blocking(decide).await.map_err(io::Error::other)??;
    if let (Some(name), Ok(_)) = (newcomer, &decided) {
        hub.jobs.note_join(&name, &key);
    }
    let mut out = BytesMut::new();
    Ok(match decided {
        Ok(chain) => {
            put_frame(&mut out, JOINED, chain.as_bytes());
            (out, None)
        }
        Err(why) => {
            refuse(&mut out, Refusal::JOIN, why);
            (out, Some(format!("{who}: {why}")))
        }
    })
}

/// The name that somebody asks for, for the log.
fn shown_name(name: &str) -> String {
    match name::is_good(name) {
        true => name.to_owned(),
        false => format!("{:?}", name.chars().take(64).collect::<String>()),
    }
}

/// FAIL, which says who refuses what, and why.
pub(super) fn refuse(out: &mut BytesMut, stage: &str, why: &str) {
    Refusal { code: 0, stage, message: Some(why) }.put(out);
}

type Decided = io::Result<Result<String, &'static str>>;

/// The same key gets a certificate for another while.
fn renew(admission: &RunnerAdmission, shown: &RunnerCertificate, request: &str) -> Decided {
    if let Err(stranger) = admission.members.check(&shown.name, &shown.key) {
        return Ok(Err(stranger.told()));
    }
    if key_of_request(request).as_deref() != Some(&*shown.key) {
        return Ok(Err("a certificate is renewed for the same key only"));
    }
    sign(admission, request, &shown.name)
}

/// A token lets a name and a key in.
fn admit(
    admission: &RunnerAdmission,
    secret: &str,
    name: &str,
    linked: bool,
    request: &str,
) -> Decided {
    if !name::is_good(name) {
        return Ok(Err(NO_NAME));
    }
    let Some(key) = key_of_request(request) else {
        return Ok(Err("the certificate request cannot be read"));
    };
    let secret = sha256_hex(secret.as_bytes());
    if admission.members.has_joined(name, &key, &secret) {
        // The answer to its first question got lost.
        return sign(admission, request, name);
    }
    if let Err(stranger) = admission.members.may_join(name, &key) {
        return Ok(Err(stranger.told()));
    }
    if linked && admission.members.check(name, &key).is_err() {
        // Two under one name would take each other's place, and each other's jobs with it.
        return Ok(Err("a runner of this name is connected; choose another name with --name"));
    }
    let signed = match sign(admission, request, name)? {
        Ok(signed) => signed,
        Err(why) => return Ok(Err(why)),
    };
    let scope = match token::take(&admission.state, &secret, name)? {
        Ok(scope) => scope,
        Err(why) => return Ok(Err(why)),
    };
    let joined = admission.members.join(name, &key, &secret, scope)?;
    Ok(joined.map(|()| signed).map_err(Stranger::told))
}

fn sign(admission: &RunnerAdmission, request: &str, name: &str) -> Decided {
    let signed = admission.authority.sign_runner(request, name);
    Ok(signed.map_err(|_| "the certificate request cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_durable::members::Members;

    #[test]
    fn what_is_no_name_does_not_join_whatever_token_it_has() {
        let state = tempfile::tempdir().unwrap();
        let members = Arc::new(Members::open(state.path()).unwrap());
        let admission = RunnerAdmission::open(state.path().to_path_buf(), members).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        let request = params.serialize_request(&key).unwrap().pem().unwrap();
        let ask = |name: &str| admit(&admission, "secret", name, false, &request).unwrap();
        for bad in ["", "-x", ".", "..", "a/b", "a\n", "\u{202e}a", &"a".repeat(1 << 20)] {
            assert_eq!(ask(bad), Err(NO_NAME), "{:?}", bad.get(..8));
        }
        assert!(ask("web-1").is_err_and(|why| why.contains("unknown")), "its token is looked at");
    }
}
