//! Stand-ins until gateway and runner have theirs.
use std::{fmt, net::SocketAddr, path::Path, time::Duration};
pub(crate) struct Gateway;
#[derive(Debug)]
pub(crate) struct StartError;
impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not there")
    }
}
#[derive(Clone)]
pub(crate) struct Shutdown;
impl Shutdown {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn drain(&self) {}
    pub(crate) fn now(&self) {}
}
pub(crate) struct Addresses {
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    pub(crate) api: Vec<SocketAddr>,
    pub(crate) runners: Vec<SocketAddr>,
}
#[allow(dead_code)]
pub(crate) enum GatewayEvent {
    AppReady {
        app: String,
        host: String,
        children: u32,
    },
    AppFailed {
        app: String,
        host: String,
        message: String,
        stage: String,
        backtrace: String,
        stderr: String,
    },
    RunnerJoined {
        name: String,
    },
    RunnerLost {
        name: String,
    },
}
impl Gateway {
    pub(crate) fn bind(_: ostler_gateway::Config) -> Result<Self, StartError> {
        Ok(Self)
    }
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses { http: vec![], https: vec![], api: vec![], runners: vec![] }
    }
    pub(crate) fn on_event(&mut self, _: Box<dyn Fn(GatewayEvent) + Send + Sync>) {}
    pub(crate) fn run(self, _: Shutdown) -> Result<(), StartError> {
        Ok(())
    }
}
pub(crate) mod token {
    use super::*;
    pub(crate) fn create(_: &Path, _: SocketAddr, _: Duration) -> Result<String, StartError> {
        Ok("ostler1.x".into())
    }
}
