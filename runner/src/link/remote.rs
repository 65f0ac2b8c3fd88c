//! The link to a gateway on another host: joined once by token, then mutual TLS, kept alive by heartbeats.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    io,
    path::PathBuf,
    rc::Rc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use ostler_wire::{
    Kind,
    message::{Join, Message as _},
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    CLOSED, Token, Unwelcome,
    known_gateway::{KnownGateway, joined_as},
    reason,
    relay::Relay,
    tls, welcomed,
};
use crate::{
    event::{Event, Events, LinkEvent},
    frames::FrameReader,
};

/// The pause after the first failure to reach the gateway, and the longest, give or take a half.
const REDIAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// For a name and a connection: a name server that is gone costs the system's resolver five seconds.
const REACH: Duration = Duration::from_secs(30);
/// For a handshake, and for the answer to JOIN.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at the age of the certificate, at least and at most.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What it takes to dial.
#[derive(Debug)]
pub(crate) struct Dial {
    pub token: Token,
    pub name: String,
    pub state: PathBuf,
    pub hello: Bytes,
}

/// Why an attempt ended.
enum Ended {
    /// The gateway does not want this runner.
    Refused(String),
    /// It could not be reached, or is gone; `true` when it had answered.
    Lost(String, bool),
    /// Another process has this runner's name there.
    Replaced(String),
}

/// Connects, relays, and connects again, until the owner of state is gone or the gateway refuses.
pub(crate) async fn run(dial: Dial, relay: Rc<Relay>, events: Events) {
    let mut pause = REDIAL.0;
    while !events.is_closed() {
        let event = match attempt(&dial, &relay, &events).await {
            Ended::Refused(why) => LinkEvent::Refused(why),
            Ended::Lost(why, answered) => {
                pause = if answered { REDIAL.0 } else { (pause * 2).min(REDIAL.1) };
                LinkEvent::Down(why)
            }
            Ended::Replaced(why) => {
                pause = REDIAL.1;
                LinkEvent::Replaced(why)
            }
        };
        let is_over = matches!(event, LinkEvent::Refused(_));
        // The owner is gone only when the runner ends, which the loop notices.
        let _ = events.send(Event::Link(event)).await;
        if is_over {
            return;
        }
        sleep(jittered(pause)).await;
    }
}

async fn attempt(dial: &Dial, relay: &Rc<Relay>, events: &Events) -> Ended {
    let identity = match load(dial) {
        Some(identity) => identity,
        None => match join(dial, false).await {
            Ok(identity) => identity,
            Err(ended) => return ended,
        },
    };
    // A runner that was removed comes back with another token, under another key, and never by itself.
    let may_come_anew = !identity.came_with(&dial.token.secret) && !is_expired(&dial.token);
    match serve_as(dial, relay, events, identity).await {
        Ended::Refused(_) if may_come_anew => match join(dial, true).await {
            Ok(identity) => serve_as(dial, relay, events, identity).await,
            Err(ended) => ended,
        },
        ended @ (Ended::Refused(_) | Ended::Lost(..) | Ended::Replaced(_)) => ended,
    }
}

fn load(dial: &Dial) -> Option<tls::Identity> {
    tls::load(&dial.state, &dial.name, &dial.token.fingerprint)
}

/// Without a token only the name that it joined with leads in.
fn lacks_certificate(dial: &Dial) -> String {
    let name = &dial.name;
    match joined_as(&dial.state).filter(|joined| joined != name) {
        Some(joined) => format!(
            "it joined as {joined} and has no certificate for the name {name}; start it with --name {joined}, or with a token of \
             `ostler token join`"
        ),
        None => format!(
            "it has no certificate for the name {name} that holds; start it with a token of `ostler token join`"
        ),
    }
}

fn is_expired(token: &Token) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    token.expires <= now.as_secs()
}

async fn serve_as(
    dial: &Dial,
    relay: &Rc<Relay>,
    events: &Events,
    identity: tls::Identity,
) -> Ended {
    match connect(&dial.token, Some(identity)).await {
        Ok(stream) => serve(dial, relay, events, stream).await,
        Err(error) => Ended::Lost(error.to_string(), false),
    }
}

/// Gets a certificate by the token.
async fn join(dial: &Dial, anew: bool) -> Result<tls::Identity, Ended> {
    if is_expired(&dial.token) {
        let why = match dial.token.secret.is_empty() {
            true => lacks_certificate(dial),
            false => "the join token has expired; make a new one with `ostler token join`".into(),
        };
        return Err(Ended::Refused(why));
    }
    let secret = &dial.token.secret;
    let chain = ask(dial, None, secret, anew).await?;
    let hash = tls::sha256_hex(secret.as_bytes());
    keep(dial, Some(&hash), &chain)?;
    load(dial).ok_or_else(|| {
        Ended::Refused("the certificate that it gave cannot be used; is the clock right?".into())
    })
}

/// Asks for a certificate, by a token or by the one that still holds.
async fn ask(
    dial: &Dial,
    identity: Option<tls::Identity>,
    secret: &str,
    anew: bool,
) -> Result<Bytes, Ended> {
    let lost = |what: String| Ended::Lost(what, false);
    let request = tls::request(&dial.state, anew)
        .map_err(|e| Ended::Refused(format!("its key cannot be kept: {e}")))?;
    let stream = connect(&dial.token, identity).await.map_err(|e| lost(e.to_string()))?;
    let (reader, mut writer) = tokio::io::split(stream);
    let asked = Join { secret, name: &dial.name, request: request.as_bytes() }.to_bytes();
    let mut frames = FrameReader::new(reader);
    let answer = async {
        writer.write_all(&asked).await.map_err(|e| e.to_string())?;
        writer.flush().await.map_err(|e| e.to_string())?;
        frames.next().await.map_err(|e| e.to_string())
    };
    let answer = timeout(PATIENCE, answer).await.map_err(|_| lost("no answer to JOIN".into()))?;
    let answer = answer.map_err(lost)?.ok_or_else(|| lost("it closed the connection".into()))?;
    let kind = answer.header.kind;
    if kind == Kind::Joined {
        return Ok(answer.body);
    }
    if kind == Kind::Fail {
        return Err(Ended::Refused(reason(&answer)));
    }
    Err(lost(format!("it answered JOIN with {kind:?}")))
}

fn keep(dial: &Dial, joined_with: Option<&str>, chain: &[u8]) -> Result<(), Ended> {
    let chain = std::str::from_utf8(chain)
        .map_err(|_| Ended::Refused("the certificate that it gave is not PEM".into()))?;
    let refused = |e| Ended::Refused(format!("its certificate cannot be kept: {e}"));
    tls::keep(&dial.state, &dial.name, joined_with, chain).map_err(refused)
}

/// Asks for another certificate in time, for as long as the link lives. The present link does not need it: the next one does.
async fn renew(dial: &Dial) {
    loop {
        let Some(identity) = load(dial) else {
            sleep(LOOK.1).await;
            continue;
        };
        // By the wall clock, which may be set meanwhile.
        match identity.renew_at().duration_since(SystemTime::now()) {
            Ok(left) if !left.is_zero() => sleep(left.clamp(LOOK.0, LOOK.1)).await,
            Ok(_) | Err(_) => {
                let joined_with = identity.joined_with().map(str::to_owned);
                let kept = ask(dial, Some(identity), "", false)
                    .await
                    .and_then(|chain| keep(dial, joined_with.as_deref(), &chain));
                // There is a third of its life to try again in.
                sleep(if kept.is_ok() { LOOK.0 } else { LOOK.1 }).await;
            }
        }
    }
}

async fn connect(
    token: &Token,
    identity: Option<tls::Identity>,
) -> io::Result<TlsStream<TcpStream>> {
    let config = tls::client(&token.fingerprint, identity).map_err(io::Error::other)?;
    let name = ServerName::try_from(tls::SERVER_NAME).expect("a plain DNS name");
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    // By its name each time: the gateway may have moved.
    let stream = timeout(REACH, super::connect::connect(&token.address)).await.map_err(late)??;
    stream.set_nodelay(true)?;
    let greeting = TlsConnector::from(config).connect(name, stream);
    timeout(PATIENCE, greeting).await.map_err(late)?
}

/// Not for all runners alike: those that lost the same gateway do not come back in the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    pause / 2 + Duration::from_millis(random % millis.max(1))
}

/// One connection's life.
async fn serve(
    dial: &Dial,
    relay: &Rc<Relay>,
    events: &Events,
    stream: TlsStream<TcpStream>,
) -> Ended {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut frames = FrameReader::new(reader);
    let greeting = async {
        let lost = |error: io::Error| Unwelcome::Lost(error.to_string());
        writer.write_all(&dial.hello).await.map_err(lost)?;
        writer.flush().await.map_err(lost)?;
        welcomed(&mut frames).await
    };
    let granted = match greeting.await {
        Ok(granted) => granted,
        Err(Unwelcome::Refused(why)) => return Ended::Refused(why),
        Err(Unwelcome::Replaced(why)) => return Ended::Replaced(why),
        Err(Unwelcome::Lost(why)) => return Ended::Lost(why, false),
    };
    // Without it the next start needs the token again, and no more than that.
    let _ = KnownGateway::of(&dial.token, &dial.name).keep(&dial.state);
    let number = relay.link_up();
    let up = LinkEvent::Up(relay.outbox(number), granted);
    // The owner is gone only when the runner ends.
    let _ = events.send(Event::Link(up)).await;
    let why = tokio::select! {
        why = listen(relay, events, &mut frames) => why,
        why = write(relay, writer) => why,
        () = renew(dial) => "nobody renews".into(),
    };
    relay.link_down();
    Ended::Lost(why, true)
}

/// Reads until the link is over, and says why.
async fn listen(
    relay: &Rc<Relay>,
    events: &Events,
    frames: &mut FrameReader<tokio::io::ReadHalf<TlsStream<TcpStream>>>,
) -> String {
    loop {
        let received = match frames.next_heard(|| relay.hear()).await {
            Err(error) => return error.to_string(),
            Ok(None) => return "it closed the connection".into(),
            Ok(Some(received)) => received,
        };
        match relay.handle_link(received) {
            Err(error) => return error.to_string(),
            Ok(None) => {}
            Ok(Some(own)) => {
                if events.send(Event::Link(LinkEvent::Frame(own))).await.is_err() {
                    return "the runner ends".into();
                }
            }
        }
    }
}

async fn write(relay: &Relay, mut writer: WriteHalf<TlsStream<TcpStream>>) -> String {
    loop {
        let Some(out) = relay.take_out().await else { return CLOSED.into() };
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error.to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_that_lost_the_same_gateway_come_back_one_by_one() {
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|_| jittered(REDIAL.1)).collect();
        assert!(pauses.len() > 50, "{pauses:?}");
        let (least, most) = (REDIAL.1 / 2, REDIAL.1 * 3 / 2);
        assert!(pauses.iter().all(|pause| (least..most).contains(pause)), "{pauses:?}");
    }

    #[test]
    fn a_token_holds_until_its_time() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let token = |expires| Token {
            address: String::new(),
            fingerprint: String::new(),
            secret: String::new(),
            expires,
        };
        assert!(is_expired(&token(0)) && is_expired(&token(now)));
        assert!(!is_expired(&token(now + 1000)) && !is_expired(&token(u64::MAX)));
    }
}
