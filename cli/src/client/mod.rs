//! A small client of the gateway's API: one connection a request, JSON and streams.
//!
//! It deliberately keeps no pool, follows no redirect and repeats nothing: what is worth repeating
//! is the verb's to know. Separate from the verbs, so that they speak of jobs and not of HTTP.

mod address;
#[cfg(test)]
pub(crate) mod answers;
mod failing;
mod life;
mod problem;
mod sse;
mod tls;
mod upload;

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use address::{Address, encode};
pub(crate) use problem::{Problem, Wrong, code_of, for_people};
pub(crate) use sse::{Event, Parser};

use self::life::Life;
use crate::{args::StateArgs, failure::Failure, terminal::note};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take to begin, and each piece of it to come.
const ANSWER: Duration = Duration::from_secs(120);
/// A request's body.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Which API is asked, and by whose leave.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApiArgs {
    /// The gateway's API [default: the gateway that runs with the state folder]
    #[arg(long, value_name = "URL|HOST:PORT", env = "OSTLER_API")]
    pub(crate) api: Option<String>,
    /// The token to show it [default: `api.token` in the state folder, for an API on this host]
    #[arg(long, value_name = "TOKEN", env = "OSTLER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// PEM file of the authorities that an https API is trusted by [default: those of the system,
    /// and the development certificate in the state folder]
    #[arg(long, value_name = "FILE", env = "OSTLER_CA")]
    pub(crate) ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

impl ApiArgs {
    /// Finds the API and the token. A gateway that ran with the state folder may be starting again: it is looked for with
    /// each request.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let found = crate::state::locate(self.state.state.as_deref());
        let given = self.token.as_deref().filter(|text| !text.is_empty());
        let given = given.map(|token| token.trim().to_owned());
        let Some(text) = self.api.as_deref().filter(|text| !text.is_empty()) else {
            let folder = found?;
            let token = given.map_or_else(|| token_of_state(&folder), Ok);
            if let (Err(_), Err(failure)) = (&token, life::of_state(&folder)) {
                // None has ever run there.
                return Err(failure);
            }
            let keeper = Some(folder.clone());
            return Ok(Client { place: Place::State(folder), token: token?, keeper, tls: None });
        };
        let address = address::parse(text).map_err(Failure::usage)?;
        let folder = found.ok();
        let keeper = if given.is_none() { folder.clone() } else { None };
        let token = given.map_or_else(|| token_for(&address, folder.as_deref()), Ok)?;
        if !address.secure && !address.is_local() {
            note(&format!(
                "the token goes to {address} in clear text, where anybody on the way can read and use it; use https"
            ));
        }
        let tls = match address.secure {
            true => Some(tls::connector(self.ca.as_deref(), folder.as_deref())?),
            false => None,
        };
        Ok(Client { place: Place::Named(address), token, keeper, tls })
    }
}

/// The token of the state folder is for this host only: it may do everything.
fn token_for(address: &Address, folder: Option<&Path>) -> Result<String, Failure> {
    if !address.is_local() {
        return Err(Failure::denied(format!(
            "no token for the API at {address}; give one with --token or OSTLER_TOKEN, made there \
             by `ostler token create`"
        )));
    }
    token_of_state(folder.unwrap_or_else(|| Path::new("")))
}

fn token_of_state(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("api.token");
    match ostler_private::read_to_string(&file) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Failure::denied(format!(
            "no token for the API on this host: cannot read {error}, or give one with --token or \
             OSTLER_TOKEN"
        ))),
    }
}

/// Runs what a verb has to ask, on a small runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::broken(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(work);
    // A blocked read of stdin must not keep the program.
    runtime.shutdown_background();
    ended
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Client {
    place: Place,
    token: String,
    /// The state folder whose gateway alone is to see the token.
    keeper: Option<PathBuf>,
    tls: Option<tokio_rustls::TlsConnector>,
}

/// Where the API is.
#[derive(Clone, Debug)]
enum Place {
    Named(Address),
    /// Where the gateway that runs with this state folder listens, at each moment.
    State(PathBuf),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A request: method, path with its query, and what else differs.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    method: Method,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
    /// It takes as long as it takes.
    is_long: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, headers: Vec::new(), body: None, is_long: false }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, kind: &str, body: Body) -> Self {
        self.body = Some(body);
        self.header("content-type", kind)
    }

    /// The answer comes when a whole file has been sent or written.
    pub(crate) fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// Whether it takes as long as it takes.
    pub(crate) fn is_long(&self) -> bool {
        self.is_long
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.body("application/json", whole(value.to_string()))
    }
}

/// A body that is there already.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body that is read from a file as it is sent, after some bytes that were read from it before.
pub(crate) fn from_file(first: Vec<u8>, file: std::fs::File) -> Body {
    upload::Upload::new(first.into(), tokio::fs::File::from_std(file)).boxed()
}

/// What came back, with a status that is a success.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    body: Incoming,
}

impl Reply {
    /// The next bytes; `None` at the end. An error when the connection breaks before.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = timeout(ANSWER, self.body.frame()).await.map_err(|_| silent())? {
            let frame = frame.map_err(|error| Failure::unavailable(broken(&error)))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All of it.
    pub(crate) async fn bytes(mut self) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// All of it, as JSON.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, Failure> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::broken(format!("the API's answer is not what this program knows: {error}"))
        })
    }
}

fn silent() -> Failure {
    Failure::unavailable("the connection to the API fell silent in the middle of an answer")
}

fn broken(error: &hyper::Error) -> String {
    format!("the connection to the API broke: {error}")
}

impl Client {
    /// Whether only this host is asked.
    pub(crate) fn is_local(&self) -> bool {
        match &self.place {
            Place::Named(address) => address.is_local(),
            Place::State(_) => true,
        }
    }

    /// Whom it asks, for people.
    pub(crate) fn whom(&self) -> String {
        match &self.place {
            Place::Named(address) => format!("the API at {address}"),
            Place::State(folder) => format!("the gateway of {}", folder.display()),
        }
    }

    fn address(&self) -> Result<Address, Failure> {
        match &self.place {
            Place::Named(address) => Ok(address.clone()),
            Place::State(folder) => life::of_state(folder),
        }
    }

    /// Asks; an answer that is no success becomes the failure it describes.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, Failure> {
        match self.answer(ask).await? {
            Ok(reply) => Ok(reply),
            Err(problem) => Err(problem.failure()),
        }
    }

    /// Asks, and tells problems apart from not having been answered.
    pub(crate) async fn answer(&self, ask: Ask<'_>) -> Result<Result<Reply, Problem>, Failure> {
        let reply = self.send(ask).await?;
        if reply.status.is_success() {
            return Ok(Ok(reply));
        }
        let status = reply.status;
        let bytes = reply.bytes().await.unwrap_or_default();
        Ok(Err(Problem::read(status, &bytes)))
    }

    /// Reads a JSON document.
    pub(crate) async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, Failure> {
        self.ask(Ask::new(Method::GET, path)).await?.json().await
    }

    /// Sends a JSON document and reads another.
    pub(crate) async fn post(&self, path: &str, value: &Value) -> Result<Value, Failure> {
        self.ask(Ask::new(Method::POST, path).json(value)).await?.json().await
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Reply, Failure> {
        let address = self.address()?;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{}{}", address.prefix, ask.path))
            .header(header::HOST, address.authority())
            .header(header::USER_AGENT, concat!("ostler/", env!("CARGO_PKG_VERSION")))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(ask.body.unwrap_or_else(|| whole(Bytes::new())))
            .map_err(|error| Failure::usage(format!("this cannot be sent: {error}")))?;
        let exchange = self.exchange(&address, request);
        let reply = match ask.is_long {
            true => exchange.await?,
            false => timeout(ANSWER, exchange).await.map_err(|_| address.no_answer())??,
        };
        let (parts, body) = reply.into_parts();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    async fn exchange(
        &self,
        address: &Address,
        request: Request<Body>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let place = (address.host.as_str(), address.port);
        let life =
            self.keeper.as_deref().map(|folder| Life::for_token(folder, address)).transpose()?;
        let socket = match timeout(CONNECT, ostler_runner::connect(place)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Err(address.unreachable(&error)),
            Err(_) => return Err(address.unreachable(&io::ErrorKind::TimedOut.into())),
        };
        if let Some(life) = &life {
            let peer = socket.peer_addr().map_err(|error| address.unreachable(&error))?;
            life.vouch(peer, address)?;
        }
        // Best effort: it only saves milliseconds.
        let _ = socket.set_nodelay(true);
        match &self.tls {
            None => speak(address, socket, request).await,
            Some(tls) => {
                let name = tls::name(&address.host)?;
                let stream =
                    tls.connect(name, socket).await.map_err(|error| address.no_tls(&error))?;
                speak(address, stream, request).await
            }
        }
    }

    /// One for an API that the tests play.
    #[cfg(test)]
    pub(crate) fn for_tests(address: &str) -> Self {
        let address = address::parse(address).expect("tests know addresses");
        Self {
            place: Place::Named(address),
            token: "for tests".to_owned(),
            keeper: None,
            tls: None,
        }
    }
}

async fn speak<S>(
    address: &Address,
    stream: S,
    request: Request<Body>,
) -> Result<http::Response<Incoming>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let no_answer = |error: &hyper::Error| {
        Failure::unavailable(format!("the API at {address} does not answer: {error}"))
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_answer(&error))?;
    // It ends with the reply's body, or with the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender.send_request(request).await.map_err(|error| no_answer(&error))
}
