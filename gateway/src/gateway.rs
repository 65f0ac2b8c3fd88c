//! A gateway from start to end: opens every listener, serves on all threads, drains.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use ostler_durable::{Opened, StartFault, retention, set_back};
use ostler_machine::{shutdown::Shutdown, vital::vital};
use ostler_notices::{GatewayEvent, OnEvent};
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    assembly::Assembly,
    config::Config,
    connection_budget::ConnectionClass,
    link::{
        admission::RunnerAdmission,
        demand, head_of_line,
        local::{self, LocalLinks},
        remote, timeouts,
    },
    listen::{
        accept,
        api::{self, ApiListener},
        health::Health,
        tls::{self, Certificates},
    },
    request::ServerState,
    start_error::StartError,
};

/// For runners to read what was said to them last, and the same in a hurry. One may stand still.
const LAST_WORD: Duration = Duration::from_secs(1);
const LAST_WORD_HURRIED: Duration = Duration::from_millis(50);
/// Threads that read and write spool files for a serving thread, and nothing else. Each keeps memory of its own.
const FILE_THREADS: usize = 4;

/// Where a gateway listens, with the ports that the system chose.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Cleartext HTTP.
    pub http: Vec<SocketAddr>,
    /// HTTPS.
    pub https: Vec<SocketAddr>,
    /// Metrics and health.
    pub api: Vec<SocketAddr>,
    /// Runners of other hosts.
    pub runners: Vec<SocketAddr>,
}

/// A gateway whose listeners are open and which does not serve yet.
pub struct Gateway {
    config: Config,
    http: Vec<StdListener>,
    https: Vec<StdListener>,
    api: Vec<StdListener>,
    runners: Vec<StdListener>,
    local: std::os::unix::net::UnixListener,
    certificates: Option<(Arc<Certificates>, TlsAcceptor)>,
    runner_admission: Option<Arc<RunnerAdmission>>,
    jobs: Option<Opened>,
    on_event: OnEvent,
    on_drained: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Whether the certificates that the config names can be used, before anything opens.
    pub fn look(config: &Config) -> Result<(), StartError> {
        tls::look(&config.certificates).map_err(|e| StartError::Certificate(e.path, e.problem))
    }

    /// Opens everything that the config names, or says what cannot be opened.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let state = |error| StartError::State(config.state.clone(), error);
        let run = config.state.join("run");
        ostler_private::folder(&config.state)
            .and_then(|_| ostler_private::folder(&run))
            .map_err(state)?;
        let http = listen_all(&config.listen.http)?;
        let https = listen_all(&config.listen.https)?;
        let api = listen_all(&config.listen.api)?;
        let runners = listen_all(&config.listen.runners)?;
        let certificates = match https.is_empty() {
            true => None,
            false => {
                let loaded = Certificates::load(&config.certificates, &config.state)
                    .map_err(|e| StartError::Certificate(e.path, e.problem))?;
                let loaded = Arc::new(loaded);
                let acceptor = loaded.acceptor().map_err(|e| state(io::Error::other(e)))?;
                Some((loaded, acceptor))
            }
        };
        let jobs = Opened::open(&config.state, config.jobs.driver()).map_err(jobs_error)?;
        let runner_admission = match runners.is_empty() {
            true => None,
            false => Some(Arc::new(
                RunnerAdmission::open(config.state.clone(), jobs.members.clone()).map_err(state)?,
            )),
        };
        let local = local::listen(&run.join("gateway.sock")).map_err(state)?;
        Ok(Self {
            config,
            http,
            https,
            api,
            runners,
            local,
            certificates,
            runner_admission,
            jobs: Some(jobs),
            on_event: Arc::new(|_| {}),
            on_drained: None,
        })
    }

    /// Calls back when something happens that a person would want to know.
    pub fn on_event(&mut self, call: impl Fn(GatewayEvent) + Send + Sync + 'static) {
        self.on_event = Arc::new(call);
    }

    /// Calls, on a thread that may block, when clients have been drained and before the links to runners go: the time to
    /// end a runner of one's own, so that what it says of its jobs is still heard. Not called when all ends at once.
    pub fn on_drained(&mut self, call: impl FnOnce() + Send + 'static) {
        self.on_drained = Some(Box::new(call));
    }

    /// Where the gateway listens.
    pub fn addresses(&self) -> Addresses {
        let all = |listeners: &[StdListener]| {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
        };
        Addresses {
            http: all(&self.http),
            https: all(&self.https),
            api: all(&self.api),
            runners: all(&self.runners),
        }
    }

    /// Serves until it is told to end and has drained. Blocks.
    pub fn run(mut self, shutdown: &Shutdown) -> Result<(), StartError> {
        let mut runtimes = Vec::new();
        for _ in 0..self.config.threads.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(FILE_THREADS)
                .build();
            runtimes.push(runtime.map_err(StartError::Runtime)?);
        }
        let handles = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
        let opened = self.jobs.take().expect("a gateway is run once");
        let on_event = self.on_event.clone();
        let parts = Assembly::start(&self.config, handles, opened, on_event, shutdown)?;
        let first = runtimes.remove(0);
        let others = runtimes
            .into_iter()
            .map(|runtime| self.start_thread(&parts, runtime, shutdown))
            .collect::<Result<Vec<_>, _>>()?;
        let drain = self.config.drain;
        let ended = first.block_on(self.lead(&parts, drain, shutdown));
        shutdown.finish();
        for thread in others {
            // A thread that panicked has said so on stderr.
            let _ = thread.join();
        }
        parts.jobs.stop();
        // Requests that were cut off write their lines when their tasks are dropped.
        drop(first);
        parts.server.log.close();
        ended
    }

    fn start_thread(
        &self,
        parts: &Assembly,
        runtime: Runtime,
        shutdown: &Shutdown,
    ) -> Result<std::thread::JoinHandle<()>, StartError> {
        let listeners = self.client_listeners().map_err(StartError::Runtime)?;
        let (server, shutdown) = (parts.server.clone(), shutdown.clone());
        std::thread::Builder::new()
            .name("gateway".into())
            .spawn(move || {
                runtime.block_on(async {
                    serve_clients(&server, listeners, &shutdown);
                    shutdown.over().await;
                });
            })
            .map_err(StartError::Runtime)
    }

    /// Every thread accepts from every client listener.
    fn client_listeners(&self) -> io::Result<Vec<(StdListener, Option<TlsAcceptor>)>> {
        let mut listeners = Vec::new();
        for listener in &self.http {
            listeners.push((listener.try_clone()?, None));
        }
        for listener in &self.https {
            let acceptor = self.certificates.as_ref().map(|(_, acceptor)| acceptor.clone());
            listeners.push((listener.try_clone()?, acceptor));
        }
        Ok(listeners)
    }

    /// What the first thread does: serve like the others, keep the time, and see the end through.
    async fn lead(
        mut self,
        parts: &Assembly,
        drain: Duration,
        shutdown: &Shutdown,
    ) -> Result<(), StartError> {
        let runtime = StartError::Runtime;
        let Assembly { pools, jobs, server, hub, notices, service } = parts;
        serve_clients(server, self.client_listeners().map_err(runtime)?, shutdown);
        let api = Arc::new(ApiListener {
            server: server.clone(),
            service: service.clone(),
            health: Health { scrape: parts.scrape(), shutdown: shutdown.clone() },
            hosts: self.config.listen.api_hosts.clone(),
        });
        for listener in self.api {
            let listener = TcpListener::from_std(listener).map_err(runtime)?;
            vital(api::accept(api.clone(), listener, shutdown.clone()));
        }
        let links = Arc::new(LocalLinks::default());
        let local = UnixListener::from_std(self.local).map_err(runtime)?;
        vital(local::accept(hub.clone(), links.clone(), local));
        if let Some(runner_admission) = self.runner_admission {
            for listener in self.runners {
                let listener = TcpListener::from_std(listener).map_err(runtime)?;
                vital(remote::accept(hub.clone(), runner_admission.clone(), listener));
            }
        }
        if let Some((certificates, _)) = self.certificates {
            vital(certificates.watch(notices.clone()));
        }
        // The listeners that were only cloned from must not outlive the drain's beginning.
        drop((self.http, self.https));
        for (index, pool) in pools.values().enumerate() {
            vital(demand::run(pool.clone(), index, hub.clone()));
            vital(timeouts::run(pool.clone(), links.clone()));
            vital(head_of_line::run(pool.clone(), links.clone()));
        }
        let (log, buffers) = (server.clone(), server.clone());
        vital(async move { log.log.hand_over_in_time().await });
        vital(async move { buffers.reply_buffers.keep().await });
        vital(retention::run(jobs.clone(), self.config.jobs.keep()));
        vital(set_back::run(jobs.clone()));
        shutdown.draining().await;
        let hurried = tokio::select! {
            () = server.connections.emptied(ConnectionClass::Web) => false,
            () = tokio::time::sleep(drain) => false,
            () = shutdown.hurried() => true,
        };
        jobs.rest().await;
        if let Some(call) = self.on_drained.take().filter(|_| !hurried) {
            // It panicked, and has said so on stderr.
            let _ = tokio::task::spawn_blocking(call).await;
        }
        let patience = if hurried { LAST_WORD_HURRIED } else { LAST_WORD };
        tokio::select! {
            () = hub.last_words.heard() => {}
            () = tokio::time::sleep(patience) => {}
            () = shutdown.hurried(), if !hurried => {}
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn jobs_error(fault: StartFault) -> StartError {
    StartError::Jobs(fault.to_string())
}

fn listen_all(addresses: &[SocketAddr]) -> Result<Vec<StdListener>, StartError> {
    let open = |address: &SocketAddr| {
        accept::listen(*address).map_err(|error| StartError::Listen(*address, error))
    };
    addresses.iter().map(open).collect()
}

fn serve_clients(
    server: &Arc<ServerState>,
    listeners: Vec<(StdListener, Option<TlsAcceptor>)>,
    shutdown: &Shutdown,
) {
    for (listener, tls) in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                vital(accept::accept(server.clone(), listener, tls, shutdown.clone()));
            }
            Err(error) => {
                server
                    .notices
                    .tell(GatewayEvent::Warning(format!("a listener cannot be served: {error}")));
            }
        }
    }
}
