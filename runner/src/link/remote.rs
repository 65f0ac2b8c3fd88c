//! The link to a gateway on another host: joined once by token, then mutual TLS, kept alive by pings.

use std::{
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use ostler_wire::Kind;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    net::TcpStream,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Token, relay::Relay, tls, welcomed};
use crate::{
    event::{Event, Events, LinkEvent},
    frames::{FrameReader, Outbox, frame, plain},
};

/// The pause after the first failure to reach the gateway, and the longest.
const REDIAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// For a connection, its handshake, and the answer to JOIN.
const PATIENCE: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A gateway that was not heard of for this long is gone.
const SILENCE: Duration = Duration::from_secs(5);

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
        };
        let is_over = matches!(event, LinkEvent::Refused(_));
        // The owner is gone only when the runner ends, which the loop notices.
        let _ = events.send(Event::Link(event)).await;
        if is_over {
            return;
        }
        sleep(pause).await;
    }
}

async fn attempt(dial: &Dial, relay: &Rc<Relay>, events: &Events) -> Ended {
    let identity = match tls::load(&dial.state, &dial.name, &dial.token.fingerprint) {
        Some(identity) => identity,
        None => {
            if let Err(ended) = join(dial).await {
                return ended;
            }
            match tls::load(&dial.state, &dial.name, &dial.token.fingerprint) {
                Some(identity) => identity,
                None => {
                    return Ended::Refused("the certificate that it gave cannot be used".into());
                }
            }
        }
    };
    let stream = match connect(&dial.token, Some(identity)).await {
        Ok(stream) => stream,
        Err(error) => return Ended::Lost(error.to_string(), false),
    };
    serve(dial, relay, events, stream).await
}

/// Gets a certificate for a fresh key.
async fn join(dial: &Dial) -> Result<(), Ended> {
    let lost = |what: String| Ended::Lost(what, false);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if dial.token.expires <= now.as_secs() {
        return Err(Ended::Refused("the join token has expired; make a new one".into()));
    }
    let (key, request) = tls::request().map_err(|e| Ended::Refused(e.to_string()))?;
    let stream = connect(&dial.token, None).await.map_err(|e| lost(e.to_string()))?;
    let (reader, mut writer) = tokio::io::split(stream);
    let asked = frame(
        Kind::Join,
        0,
        0,
        |f| {
            f.put(b":secret", dial.token.secret.as_bytes()).put(b":name", dial.name.as_bytes());
        },
        request.as_bytes(),
    );
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
        return keep(&dial.state, &dial.name, &key, &answer.body);
    }
    if kind == Kind::Fail {
        let fields = answer.fields().ok();
        let message = fields.as_ref().and_then(|f| f.text(":message"));
        return Err(Ended::Refused(message.unwrap_or("it gives no reason").to_owned()));
    }
    Err(lost(format!("it answered JOIN with {kind:?}")))
}

fn keep(state: &Path, name: &str, key: &str, chain: &[u8]) -> Result<(), Ended> {
    let chain = std::str::from_utf8(chain)
        .map_err(|_| Ended::Refused("the certificate that it gave is not PEM".into()))?;
    let refused = |e| Ended::Refused(format!("its certificate cannot be kept: {e}"));
    tls::keep(state, name, key, chain).map_err(refused)
}

async fn connect(
    token: &Token,
    identity: Option<tls::Identity>,
) -> io::Result<TlsStream<TcpStream>> {
    let config = tls::client(&token.fingerprint, identity).map_err(io::Error::other)?;
    let name = ServerName::try_from(tls::SERVER_NAME).expect("a plain DNS name");
    let connecting = async {
        let stream = TcpStream::connect(&token.address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(config).connect(name, stream).await
    };
    timeout(PATIENCE, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
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
        writer.write_all(&dial.hello).await.map_err(|e| e.to_string())?;
        writer.flush().await.map_err(|e| e.to_string())?;
        welcomed(&mut frames).await
    };
    if let Err(why) = greeting.await {
        return Ended::Lost(why, false);
    }
    relay.link_up();
    let up = LinkEvent::Up(Outbox::over_relay(Rc::clone(relay)));
    // The owner is gone only when the runner ends.
    let _ = events.send(Event::Link(up)).await;
    let why = tokio::select! {
        why = listen(relay, events, &mut frames) => why,
        error = write(relay, writer) => error.to_string(),
        () = beat(relay) => "the heart stopped".into(),
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
        let received = match timeout(SILENCE, frames.next()).await {
            Err(_) => return format!("nothing heard for {} s", SILENCE.as_secs()),
            Ok(Err(error)) => return error.to_string(),
            Ok(Ok(None)) => return "it closed the connection".into(),
            Ok(Ok(Some(received))) => received,
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

async fn write(relay: &Relay, mut writer: WriteHalf<TlsStream<TcpStream>>) -> io::Error {
    loop {
        let Some(out) = relay.take_out().await else { return io::ErrorKind::NotConnected.into() };
        let written = async {
            writer.write_all(&out).await?;
            writer.flush().await
        };
        if let Err(error) = written.await {
            return error;
        }
    }
}

async fn beat(relay: &Relay) {
    let mut beats = interval(HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while relay.send(&plain(Kind::Ping, 0, 0)) {
        beats.tick().await;
    }
}
