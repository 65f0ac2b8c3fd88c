//! Threads for what may block, in a pool for each kind of work, so that none of it holds up another.
//!
//! Work waits in one line for each asker and the lines take turns: whoever asks for much waits for his own. What nobody
//! waits for any more is not begun. A piece of work never waits for a peer; it is one read, one write, one look.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use tokio::sync::oneshot;

/// Looks at single jobs: short, and asked for by every submit.
pub static READS: Threads = Threads::new("api reads", 2, 0);
/// Pages of jobs.
pub static LISTS: Threads = Threads::new("api lists", 1, 5);
/// Pages of jobs that are found by a text: they look at everything, and give way to all else.
pub static SEARCHES: Threads = Threads::new("api searches", 1, 15);
/// Logs and payloads on their way out.
pub static FILES: Threads = Threads::new("api files", 2, 0);
/// Payloads on their way in.
pub static UPLOADS: Threads = Threads::new("api uploads", 2, 5);
/// What takes as long as it takes: copies of the store, sweeps.
pub static CHORES: Threads = Threads::new("chores", 1, 5);

/// Work of one asker that may wait.
const WAITING_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Threads {
    name: &'static str,
    max: usize,
    nice: i32,
    state: Mutex<State>,
    came: Condvar,
}

struct State {
    /// Lines by asker; those that are not empty have a turn.
    lines: BTreeMap<String, VecDeque<Work>>,
    turns: VecDeque<String>,
    threads: usize,
    idle: usize,
}

type Work = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// Too much of this asker waits.
    #[error("too many requests of this token wait already; wait for some of them")]
    TooMuch,
    /// The system gives no thread, or the work broke down.
    #[error("a thread for it cannot be had, or broke down")]
    Broken,
}

/// Notes that nobody waits any more when it is dropped.
struct Asker(Arc<AtomicBool>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Threads {
    const fn new(name: &'static str, max: usize, nice: i32) -> Self {
        let state = State { lines: BTreeMap::new(), turns: VecDeque::new(), threads: 0, idle: 0 };
        Self { name, max, nice, state: Mutex::new(state), came: Condvar::new() }
    }

    /// Does work for an asker and waits for it. The work is told when nobody waits any more, which is when this future is
    /// dropped.
    pub async fn run<T: Send + 'static>(
        &'static self,
        who: &str,
        work: impl FnOnce(&Arc<AtomicBool>) -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let unwanted = Arc::new(AtomicBool::new(false));
        let _asker = Asker(unwanted.clone());
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move || {
            if !unwanted.load(Relaxed) {
                // Whoever asked may have gone meanwhile.
                let _ = answer.send(work(&unwanted));
            }
        });
        self.put(who, work)?;
        answered.await.map_err(|_| Undone::Broken)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&'static self, who: &str, work: Work) -> Result<(), Undone> {
        let mut state = self.lock();
        let begin = state.idle == 0 && state.threads < self.max;
        if begin {
            let thread = thread::Builder::new().name(self.name.into());
            match thread.spawn(|| self.serve()) {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads == 0 => return Err(Undone::Broken),
                Err(_) => {}
            }
        }
        let line = state.lines.entry(who.to_owned()).or_default();
        if line.len() >= WAITING_MAX {
            return Err(Undone::TooMuch);
        }
        line.push_back(work);
        if line.len() == 1 {
            state.turns.push_back(who.to_owned());
        }
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    fn serve(&self) {
        give_way(self.nice);
        loop {
            let work = self.next();
            // It has said so on stderr; whoever waits for it hears that it broke down.
            let _panicked = catch_unwind(AssertUnwindSafe(work));
        }
    }

    fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.next() {
                return work;
            }
            state.idle += 1;
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl State {
    fn next(&mut self) -> Option<Work> {
        let who = self.turns.pop_front()?;
        let line = self.lines.get_mut(&who)?;
        let work = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&who);
        } else {
            self.turns.push_back(who);
        }
        work
    }
}

/// This thread runs when others leave it a processor.
#[expect(unsafe_code, reason = "no safe wrapper of setpriority is at hand")]
fn give_way(nice: i32) {
    if nice > 0 {
        // SAFETY: plain numbers. 0 is the calling thread; a refusal changes nothing that matters.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    static ONE: Threads = Threads::new("test", 1, 0);
    static FULL: Threads = Threads::new("test", 1, 0);
    static GONE: Threads = Threads::new("test", 1, 0);

    /// Keeps the only thread until the sender is used or dropped.
    async fn hold(threads: &'static Threads) -> mpsc::Sender<()> {
        let (go, held) = mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        tokio::spawn(async move {
            threads
                .run("holder", move |_| {
                    let _ = begun.send(());
                    let _ = held.recv();
                })
                .await
        });
        begins.await.unwrap();
        go
    }

    #[tokio::test]
    async fn askers_take_turns_whoever_asks_for_more() {
        let go = hold(&ONE).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let ask = |who: &'static str| {
            let order = order.clone();
            tokio::spawn(ONE.run(who, move |_| order.lock().unwrap().push(who)))
        };
        let mut asked = Vec::new();
        for who in ["much", "much", "much", "much", "other"] {
            asked.push(ask(who));
            tokio::task::yield_now().await;
        }
        drop(go);
        for done in asked {
            done.await.unwrap().unwrap();
        }
        assert_eq!(order.lock().unwrap()[1], "other", "{order:?}");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_begun_and_what_is_begun_is_told() {
        let go = hold(&GONE).await;
        let (begun, ran) = mpsc::channel();
        let asked = tokio::spawn(GONE.run("gone", move |_| begun.send(())));
        tokio::task::yield_now().await;
        asked.abort();
        let _ = asked.await;
        drop(go);
        GONE.run("next", |_| ()).await.unwrap();
        assert!(ran.try_recv().is_err(), "it was begun");
        let (told, is_told) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let asked = tokio::spawn(GONE.run("leaves", move |unwanted| {
            let _ = begun.send(());
            while !unwanted.load(Relaxed) {
                thread::yield_now();
            }
            told.send(()).unwrap();
        }));
        begins.await.unwrap();
        asked.abort();
        let _ = asked.await;
        is_told.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[tokio::test]
    async fn one_asker_has_room_for_so_much_and_others_have_theirs() {
        let go = hold(&FULL).await;
        let mut asked = Vec::new();
        for _ in 0..WAITING_MAX {
            asked.push(tokio::spawn(FULL.run("much", |_| ())));
        }
        while FULL.lock().lines.get("much").is_none_or(|line| line.len() < WAITING_MAX) {
            tokio::task::yield_now().await;
        }
        assert_eq!(FULL.run("much", |_| ()).await, Err(Undone::TooMuch));
        asked.push(tokio::spawn(FULL.run("other", |_| ())));
        drop(go);
        for done in asked {
            assert_eq!(done.await.unwrap(), Ok(()));
        }
        let broken = FULL.run("much", |_| panic!("on purpose")).await;
        assert_eq!(broken, Err(Undone::Broken));
        assert_eq!(FULL.run("much", |_| ()).await, Ok(()), "the thread lives on");
    }
}
