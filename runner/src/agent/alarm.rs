//! A timer for the agent's sleep that wakes this process once: the runtime's own timers take two or three
//! wake-ups for a second.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Duration,
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::sleep,
};

/// A timer of the kernel.
#[derive(Debug)]
pub(super) struct Alarm(AsyncFd<Timer>);

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// One that does not ring. Must be called within the runtime.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        // SAFETY: the descriptor is owned, nobody else closes it, and it is the same one until the AsyncFd is dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) }?))
    }

    /// Waits for so long; `exact` by the kernel's timer.
    pub(super) async fn sleep(&self, pause: Duration, exact: bool) {
        if !exact || self.ring(pause).await.is_err() {
            sleep(pause).await;
        }
    }

    async fn ring(&self, pause: Duration) -> io::Result<()> {
        let timer = &self.0.get_ref().0;
        // Nothing at all would switch it off.
        let pause = TimeSpec::from_duration(pause.max(Duration::from_millis(1)));
        timer.set(Expiration::OneShot(pause), TimerSetTimeFlags::empty())?;
        loop {
            let mut ready = self.0.readable().await?;
            // It may have rung for whoever went on before.
            if timer.wait().is_ok() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_rings_when_the_time_is_over_also_after_one_that_nobody_heard() {
        let alarm = Alarm::new().unwrap();
        let pause = Duration::from_millis(20);
        for _ in 0..3 {
            let begun = Instant::now();
            alarm.ring(pause).await.unwrap();
            assert!(begun.elapsed() >= pause);
            // Set, and given up before it rings.
            tokio::select! {
                biased;
                rung = alarm.ring(pause) => rung.unwrap(),
                () = std::future::ready(()) => {}
            }
            std::thread::sleep(pause * 2);
        }
    }
}
