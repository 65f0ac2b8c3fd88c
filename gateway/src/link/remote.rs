//! Links to runners of other hosts: mutual TLS, frames of many jobs at once, slots told as credits.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use ostler_durable::{
    Hello,
    link::JobLink,
    members::{Members, authority::key_of, token::Scope},
};
use ostler_job::{Mono, Span, Termination};
use ostler_machine::clock;
use ostler_pool::{
    Pool,
    carrier::{Carrier, Concurrency, Ended, Transport},
    drive::drive,
    passing::Failure,
};
use ostler_wire::{Decoder, FRAME_MAX, Frame, Header, Kind, message::Refusal, put_frame};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::server::TlsStream;

use super::{
    admission::RunnerAdmission,
    control::{RunnerControl, Suppliers},
    demand::Demand,
    heartbeat,
    hub::Hub,
    join::{self, RunnerCertificate},
    last_word::LastWord,
    local, send_queue,
    welcome::welcome,
};
use crate::connection_budget::{ConnectionClass, ConnectionPermit};

/// A runner that was not heard of for this long is gone.
const HEARTBEAT_TIMEOUT: Span = Span::from_secs(5);
/// Time for a TLS handshake and the first frame.
const GREETING: Duration = Duration::from_secs(10);
/// Why a greeting is over when the other side ends it.
const ENDED: &str = "it closed the connection";
/// The longest first frame, from whoever it may come.
const GREETING_MAX: u32 = 64 << 10;

/// Serves every runner that dials; each on the next thread.
pub(crate) async fn accept(hub: Arc<Hub>, admission: Arc<RunnerAdmission>, listener: TcpListener) {
    loop {
        hub.connections.await_evictions().await;
        let stream = match listener.accept().await {
            Ok((stream, peer)) => stream.into_std().map(|stream| (stream, peer)),
            Err(error) => Err(error),
        };
        match stream {
            Ok((stream, peer)) => {
                let Some(permit) = hub.connections.enter(ConnectionClass::Greeting, peer.ip())
                else {
                    continue;
                };
                let (serving, admission) = (hub.clone(), admission.clone());
                hub.next_thread().spawn(async move {
                    let activity = permit.activity.clone();
                    let ended = tokio::select! {
                        ended = greet(&serving, &admission, stream, permit) => ended,
                        () = activity.evicted() => Err(io::Error::other("others needed its place")),
                    };
                    if let Err(error) = ended {
                        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
                        let why = if is_end { ENDED.to_owned() } else { error.to_string() };
                        let told = format!("a runner was refused: {why} (from {peer})");
                        serving.notices.warn_seldom("runner", &told);
                    }
                });
            }
            Err(error) => {
                hub.notices.warn_seldom("accept", &format!("cannot accept a runner: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn greet(
    hub: &Arc<Hub>,
    admission: &Arc<RunnerAdmission>,
    stream: std::net::TcpStream,
    mut permit: ConnectionPermit,
) -> io::Result<()> {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let mut decoder = Decoder::new(GREETING_MAX);
    let greeting = async {
        let mut stream = admission.acceptor.accept(stream).await?;
        let frame = read_frame(&mut stream, &mut decoder).await?;
        io::Result::Ok((stream, frame))
    };
    let (mut stream, frame) = tokio::time::timeout(GREETING, greeting).await??;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| shown(&chain[0]));
    match (frame.header.kind, shown) {
        (Kind::Join, shown) => {
            let (out, refused) = join::answer(hub, admission, shown, &frame).await?;
            part(&mut stream, &out, refused).await
        }
        (Kind::Hello, Some(shown)) => {
            let scope = match admission.members.check(&shown.name, &shown.key) {
                Ok(scope) => scope,
                Err(stranger) => {
                    let mut out = BytesMut::new();
                    join::refuse(&mut out, Refusal::HELLO, stranger.told());
                    let why = format!("{}: {}", shown.name, stranger.told());
                    return part(&mut stream, &out, Some(why)).await;
                }
            };
            decoder.allow(FRAME_MAX);
            permit.is_runner();
            let hello = Hello::of(&frame, Some(shown.name.clone()))?;
            let member = Member { shown, scope, members: admission.members.clone() };
            serve(hub, stream, decoder, hello, member).await
        }
        (Kind::Hello, None) => Err(io::Error::other("it shows no certificate and does not join")),
        (kind, _) => Err(io::Error::other(format!("its first frame is {kind:?}"))),
    }
}

/// The runner's name, which we signed ourselves, and its key, from its certificate.
fn shown(certificate: &CertificateDer<'_>) -> Option<RunnerCertificate> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some(RunnerCertificate { name, key: key_of(certificate)? })
}

/// The last word to a runner that has no link.
async fn part(
    stream: &mut TlsStream<TcpStream>,
    out: &[u8],
    refused: Option<String>,
) -> io::Result<()> {
    let said = async {
        stream.write_all(out).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(GREETING, said).await??;
    refused.map_or(Ok(()), |message| Err(io::Error::other(message)))
}

/// A runner that was let in.
struct Member {
    shown: RunnerCertificate,
    scope: Scope,
    members: Arc<Members>,
}

async fn read_frame(stream: &mut TlsStream<TcpStream>, decoder: &mut Decoder) -> io::Result<Frame> {
    loop {
        if let Some(frame) = decoder.poll_frame().map_err(io::Error::other)? {
            return Ok(frame);
        }
        if stream.read_buf(decoder.buffer()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

pub(super) const fn plain() -> Header {
    Header { len: 0, kind: Kind::Ping, flags: 0, code: 0, stream: 0, aux: 0 }
}

async fn serve(
    hub: &Arc<Hub>,
    stream: TlsStream<TcpStream>,
    decoder: Decoder,
    hello: Hello,
    member: Member,
) -> io::Result<()> {
    let Member { shown: RunnerCertificate { name, key }, scope, members } = member;
    let carrier =
        Arc::new(Carrier::new(format!("runner {name}"), Transport::Link, Concurrency::LINK, false));
    carrier.send(|out| welcome(out, hub, &scope));
    let stuck = Arc::new(Notify::new());
    let way = send_queue::job_sender(&carrier, &stuck);
    let jobs = match JobLink::up(&hub.jobs, &hello, way, false) {
        Ok(jobs) => jobs,
        Err(taken) => return local::refuse_name(hub, stream, &name, &taken).await,
    };
    hub.runner_joined(&name);
    let heard = Mutex::new(clock::now());
    let last = hub.last_words.of_link();
    let runner = RunnerControl::new(hub, &carrier, &name, &scope, &jobs);
    let (reader, writer) = tokio::io::split(stream);
    let reader = runner.pace.reader(reader);
    let driving = drive(&carrier, decoder, reader, Some(writer), |ended, control| {
        let now = clock::now();
        *heard.lock().expect("one task holds it") = now;
        jobs.heard(now);
        settle(ended);
        control.iter().for_each(|frame| last.hear(frame));
        if !control.is_empty() {
            runner.handle_frames(control, now);
        }
    });
    let reason = tokio::select! {
        over = driving => over.to_string(),
        reason = watch(hub, &carrier, &heard, (&jobs, &last)) => reason,
        stranger = members.gone(&name, &key) => stranger.told().into(),
        () = jobs.replaced() => local::REPLACED.into(),
        () = stuck.notified() => send_queue::UNREAD.into(),
        why = runner.broken() => why,
    };
    let suppliers = runner.suppliers.into_inner().expect("one task held it");
    drop(jobs);
    close(hub, &carrier, suppliers, &reason);
    hub.runner_lost(name, reason);
    Ok(())
}

/// One link has jobs of several apps.
fn settle(ended: Ended) {
    let mut by_pool: Vec<(Arc<Pool>, Ended)> = Vec::new();
    let mut of = |pool: &Arc<Pool>| {
        by_pool.iter().position(|(p, _)| Arc::ptr_eq(p, pool)).unwrap_or_else(|| {
            by_pool.push((pool.clone(), Ended::default()));
            by_pool.len() - 1
        })
    };
    let finished: Vec<_> = ended.finished.into_iter().map(|f| (of(&f.0.pool), f)).collect();
    let returned: Vec<_> = ended.returned.into_iter().map(|r| (of(&r.pool), r)).collect();
    let held: Vec<_> = ended.held.into_iter().map(|h| (of(&h.pool), h)).collect();
    finished.into_iter().for_each(|(at, f)| by_pool[at].1.finished.push(f));
    returned.into_iter().for_each(|(at, r)| by_pool[at].1.returned.push(r));
    held.into_iter().for_each(|(at, h)| by_pool[at].1.held.push(h));
    by_pool.into_iter().for_each(|(pool, ended)| pool.settle(ended, clock::now()));
}

/// Tells demand, and notices when the runner falls silent. The runner beats by itself: it is asked only when it is late.
async fn watch(
    hub: &Hub,
    carrier: &Arc<Carrier>,
    heard: &Mutex<Mono>,
    (jobs, last): (&JobLink, &LastWord),
) -> String {
    let heard = || heard.lock().expect("one task holds it");
    let mut mute = pin!(heartbeat::missed(|| jobs.mute_after(), |now| jobs.excuse(now), || {}));
    let mut silent = pin!(heartbeat::missed(
        || *heard() + HEARTBEAT_TIMEOUT,
        |now| *heard() = now,
        || carrier.send(|link| put_frame(link, plain(), &[])),
    ));
    let mut demand = Demand::new(&hub.demand);
    loop {
        let mut out = BytesMut::new();
        tokio::select! {
            () = demand.changes() => demand.update(hub.pools.keys(), &mut out),
            ping = last.due() => put_frame(&mut out, ping, &[]),
            () = &mut mute => return local::MUTE.to_owned(),
            () = &mut silent => return format!("nothing heard for {} s", HEARTBEAT_TIMEOUT.as_secs_f64()),
        }
        if !out.is_empty() {
            carrier.send(|link| link.extend_from_slice(&out));
        }
    }
}

/// Everything on the link goes where its retry rule says.
fn close(hub: &Hub, carrier: &Arc<Carrier>, suppliers: Suppliers, reason: &str) {
    let (mut unstarted, mut started) = carrier.close();
    let detail = Bytes::from(format!("{}: {reason}", carrier.label));
    let failure = Failure { termination: Termination::ChildDied, detail };
    for (app, supplier) in suppliers {
        let Some(pool) = hub.pools.get(&app) else { continue };
        let of_app = |job: &mut Arc<ostler_pool::carrier::Passing>| Arc::ptr_eq(&job.pool, pool);
        let unstarted = unstarted.extract_if(.., of_app).collect();
        let started = started.extract_if(.., of_app).collect();
        pool.supply_gone(supplier, unstarted, started, &failure);
    }
}
