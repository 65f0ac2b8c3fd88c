//! What an app's children begin with, and what they wait for as long as they cannot.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use ostler_wire::VERSION;
use tokio::task::{spawn_blocking, spawn_local};

use super::{Agent, App, REPORT};
use crate::{
    apps::Failure,
    child_pool::ChildId,
    config::AppSpec,
    event::Event,
    launch::{BOARD_FD, CODE_FD, CTL_FD, LANE_FD, LaunchSpec},
    runtime::{Launch, Look, NotYet},
};

/// Children of one runner share one set of app specs.
const GENERATION: u32 = 1;

/// Where the children's own code is.
#[derive(Clone, Debug)]
pub(super) struct CodePath {
    /// As they see it.
    path: String,
    /// The folder above it, for those who get it by descriptor.
    handed: Option<PathBuf>,
}

impl CodePath {
    /// The state folder is the runner's alone, so another user's child gets its code by descriptor.
    pub(super) fn of(spec: &AppSpec, folder: &Path) -> Self {
        let handed = spec.user.as_ref().and_then(|_| folder.parent());
        let path = match (handed, folder.file_name()) {
            (Some(_), Some(name)) => format!("/proc/self/fd/{CODE_FD}/{}", name.to_string_lossy()),
            _ => folder.to_string_lossy().into_owned(),
        };
        Self { path, handed: handed.map(Into::into) }
    }

    /// How children begin with it.
    pub(super) fn launch(&self, spec: &AppSpec) -> Result<Launch, NotYet> {
        spec.app().launch(&self.path)
    }
}

impl App {
    /// What a launch is told to make one child.
    pub(super) fn launch_spec(
        &self,
        id: ChildId,
        umask: Option<u32>,
    ) -> Result<LaunchSpec, NotYet> {
        let Launch { argv, env: of_language } = self.launch.clone()?;
        let spec = &self.spec;
        let contract = [
            ("OSTLER_PROTO", VERSION.to_string()),
            ("OSTLER_CTL_FD", CTL_FD.to_string()),
            ("OSTLER_LANE_FDS", LANE_FD.to_string()),
            ("OSTLER_BOARD_FD", BOARD_FD.to_string()),
            ("OSTLER_CHILD", id.to_string()),
            ("OSTLER_APP", spec.name.clone()),
            ("OSTLER_GENERATION", GENERATION.to_string()),
            ("OSTLER_ENTRY", spec.serve.text().to_owned()),
            ("OSTLER_GRACE_MS", spec.grace.as_millis().to_string()),
        ];
        let mut env: BTreeMap<String, String> = spec.env.clone();
        env.extend(contract.map(|(name, value)| (name.to_owned(), value)));
        env.extend(of_language);
        Ok(LaunchSpec {
            argv,
            key: spec.serve.runtime().about().name.to_owned(),
            code: self.code.handed.clone(),
            env,
            root: spec.root.clone(),
            user: spec.user.clone(),
            umask,
            rlimits: spec.rlimits.clone(),
        })
    }
}

impl Agent {
    /// While an app fails, its folder is looked at each second, so that a mended app is tried at once; so is what its children
    /// could not begin without.
    pub(super) fn look_for_changes(&mut self) {
        for (index, app) in self.apps.iter_mut().enumerate() {
            let due = app.look.is_none() || app.looked_at.elapsed() >= REPORT;
            if app.looking || !due || !app.pool.is_failing() {
                continue;
            }
            (app.looking, app.looked_at) = (true, Instant::now());
            let (events, spec) = (self.events.clone(), app.spec.clone());
            let wanting = app.launch.is_err().then(|| app.code.clone());
            spawn_local(async move {
                let looked = spawn_blocking(move || {
                    let launch = wanting.map(|code| code.launch(&spec));
                    (spec.serve.runtime().watch(&spec.root), launch)
                });
                // A look that panicked has found nothing, and the next one is made in a second.
                let nothing = (Look { fingerprint: 0, newest: None }, None);
                let (look, launch) = looked.await.unwrap_or(nothing);
                // The owner is gone only when the runner ends.
                let _ = events.send(Event::Looked(index, look, launch)).await;
            });
        }
    }

    pub(super) fn handle_looked(
        &mut self,
        app: usize,
        look: Look,
        launch: Option<Result<Launch, NotYet>>,
    ) {
        let app = &mut self.apps[app];
        app.looking = false;
        if !app.pool.is_failing() {
            return;
        }
        let is_complete = matches!(launch, Some(Ok(_)));
        if let Some(launch) = launch {
            app.launch = launch;
            app.failure = app.launch.as_ref().err().map(not_yet).or_else(|| app.failure.take());
        }
        let before = app.look.replace(look);
        if is_complete || before.is_some_and(|before| before.fingerprint != look.fingerprint) {
            app.pool.handle_app_changed();
        }
    }
}

/// What an app fails of until it comes.
pub(super) fn not_yet(NotYet { message, hint }: &NotYet) -> Failure {
    Failure::noticed("launch", message.clone(), hint)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tokio::{task::LocalSet, time::timeout};

    use super::*;
    use crate::{
        config::{Config, JobUsers, Link},
        host::Host,
        logs::Logger,
        runtime::{self, About, ChildBundles, Form, Missing, Runtime, Serve},
    };

    /// A language whose interpreter is the file `engine` of the app's folder, and whose apps need the file `bundle` there.
    #[derive(Debug)]
    struct Slow;

    static SLOW: About = About {
        name: "slow",
        title: "Slow",
        program: "engine",
        forms: &[Form { kind: "slow", written: "slow:file", example: "slow:main" }],
        folders: &[],
        looked_for: "nothing",
    };

    impl Runtime for Slow {
        fn about(&self) -> &'static About {
            &SLOW
        }

        fn read(&self, _: &Form, _: &str) -> Result<(), String> {
            Ok(())
        }

        fn of_file(&self, _: &Path) -> Option<String> {
            None
        }

        fn detect(&self, _: &Path) -> Result<Serve, Vec<String>> {
            Err(Vec::new())
        }

        fn find(&self, app: runtime::App<'_>) -> Result<PathBuf, Missing> {
            let engine = app.root.join("engine");
            let looked_for = vec![engine.clone()];
            let sentence = "there is no engine".to_owned();
            let missing = Missing { sentence, looked_for, may_come: true };
            engine.exists().then_some(engine).ok_or(missing)
        }

        fn resolve(&self, app: runtime::App<'_>, _: &Path) -> Result<Serve, String> {
            Ok(app.serve.clone())
        }

        fn launch(
            &self,
            app: runtime::App<'_>,
            engine: &Path,
            code: &str,
        ) -> Result<Launch, NotYet> {
            if !app.root.join("bundle").exists() {
                let message = "the bundle is not installed".to_owned();
                return Err(NotYet { message, hint: "bundle install".to_owned() });
            }
            let argv = vec![engine.display().to_string(), "-q".to_owned(), format!("{code}/main")];
            Ok(Launch { argv, env: BTreeMap::new() })
        }

        fn watch(&self, _: &Path) -> Look {
            Look { fingerprint: 1, newest: None }
        }
    }

    fn config(folder: &Path) -> Config {
        let app = AppSpec {
            name: "shop".into(),
            serve: Serve::new(&Slow, "slow:main".into()),
            root: folder.to_owned(),
            interpreter: None,
            env: BTreeMap::new(),
            children_min: 1,
            children_max: 1,
            boot_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(60),
            max_requests: 0,
            max_lifetime: None,
            user: None,
            rlimits: BTreeMap::new(),
        };
        Config {
            name: "here".into(),
            link: Link::Local(folder.join("gateway.sock")),
            apps: vec![app],
            state: folder.join("state"),
            orphan_grace: None,
            job_slots: 0,
            job_users: JobUsers::default(),
            secrets: None,
            umask: None,
            log_max: 1 << 20,
            sendmail: None,
            labels: Default::default(),
            job_drain: Duration::from_secs(1),
        }
    }

    /// What the app is said to fail of, after a try.
    fn failure(agent: &mut Agent) -> (String, String) {
        agent.spawn_wanted();
        let failure = agent.apps[0].failure.clone().expect("no child can begin");
        assert_eq!(failure.stage, "launch");
        (failure.message, failure.hint)
    }

    /// Looks as the runner does each second, now.
    async fn look(agent: &mut Agent) {
        agent.apps[0].look = None;
        agent.look_for_changes();
        let looked = timeout(Duration::from_secs(20), agent.inbox.recv()).await;
        agent.handle(looked.expect("a look ends").expect("the agent sends to itself"));
    }

    /// A runner with the app of this configuration, for a test.
    fn with_agent(config: &Config, test: impl AsyncFnOnce(Agent, ChildBundles)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let host = Host { launcher: "/nowhere/launcher".into(), cpus: 1 };
            let (logs, _thread) = Logger::start(Box::new(std::io::sink())).unwrap();
            crate::check::check(config).expect("the interpreter may come");
            let codes = ChildBundles::write(&config.state, [&config.apps[0].serve]).unwrap();
            let agent = Agent::new(host, config.clone(), &codes, logs).unwrap();
            test(agent, codes).await;
        });
    }

    #[test]
    fn an_app_waits_for_an_interpreter_and_a_bundle_that_may_come() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        with_agent(&config, async |mut agent, codes| {
            let engine = folder.path().join("engine");
            let places = format!("no Slow found, looked for {}", engine.display());
            assert_eq!(failure(&mut agent), (places, "install it or set `slow`".into()));

            fs::write(&engine, "").unwrap();
            look(&mut agent).await;
            // The next try is made when its time has come.
            let told = agent.apps[0].failure.clone().map(|it| (it.message, it.hint));
            let bundle = ("the bundle is not installed".to_owned(), "bundle install".to_owned());
            assert_eq!(told, Some(bundle));
            let now = agent.now();
            assert_eq!(agent.apps[0].pool.spawns_wanted(now), 0);

            fs::write(folder.path().join("bundle"), "").unwrap();
            look(&mut agent).await;
            let now = agent.now();
            assert_eq!(agent.apps[0].pool.spawns_wanted(now), 1, "nothing is missing any more");
            let spec = agent.apps[0].launch_spec(ChildId(1), None).unwrap();
            let code = codes.of(&config.apps[0].serve).display().to_string();
            assert_eq!(spec.argv[1..], ["-q".to_owned(), format!("{code}/main")]);
            assert_eq!((spec.key.as_str(), &*spec.env["OSTLER_ENTRY"]), ("slow", "slow:main"));
        });
    }

    #[test]
    fn only_an_app_that_fails_is_looked_at_and_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        with_agent(&config(folder.path()), async |mut agent, _| {
            let looks = |agent: &mut Agent| {
                agent.look_for_changes();
                agent.apps[0].looking
            };
            assert!(!looks(&mut agent), "nothing has failed yet");
            failure(&mut agent);
            assert!(looks(&mut agent));
            let first = agent.apps[0].looked_at;
            assert!(looks(&mut agent) && agent.apps[0].looked_at == first, "that is not over");
            let looked = timeout(Duration::from_secs(20), agent.inbox.recv()).await;
            agent.handle(looked.expect("a look ends").expect("the agent sends to itself"));
            // However slow this machine is.
            agent.apps[0].looked_at = Instant::now() + Duration::from_secs(3600);
            assert!(!looks(&mut agent), "its time has not come");
        });
    }

    #[test]
    fn what_children_begin_with_is_not_asked_for_again_once_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["engine", "bundle"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        with_agent(&config(folder.path()), async |mut agent, _| {
            let now = agent.now();
            agent.apps[0].pool.handle_spawn_failed(now);
            assert!(agent.apps[0].pool.is_failing());
            fs::remove_file(folder.path().join("bundle")).unwrap();
            look(&mut agent).await;
            assert!(agent.apps[0].launch.is_ok());
        });
    }
}
