//! A network with several hosts: namespaces of the kernel where this process may make them, else loopback.
//!
//! The namespaces have no names: each lives as long as a thread, a process or a descriptor of the test is in it, so that
//! nothing is left behind however the test ends.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::signal::Signal,
};

use crate::process;

/// The gateway's address in the network; the addresses are set aside for tests (RFC 2544).
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The network. The thread that made it is in the gateway's place until this is dropped.
#[derive(Debug)]
pub struct Net {
    fabric: Fabric,
}

#[derive(Debug)]
enum Fabric {
    /// Where the thread came from, and the namespace of each host.
    Namespaces(File, Vec<File>),
    /// Everything in one place; the gateway's door there.
    Loopback(SocketAddr),
}

impl Net {
    /// A gateway's place and so many hosts, which all reach it.
    pub fn new(hosts: usize) -> Self {
        let fabric = namespaces(hosts).unwrap_or_else(|_| Fabric::Loopback(own_address()));
        Self { fabric }
    }

    /// Where the gateway's door for runners can be.
    pub fn gateway(&self) -> SocketAddr {
        match self.fabric {
            Fabric::Namespaces(..) => (GATEWAY, 2692).into(),
            Fabric::Loopback(door) => door,
        }
    }

    /// Starts a program on a host.
    pub fn spawn(&self, host: usize, command: &mut Command) -> Child {
        let spawned = match &self.fabric {
            Fabric::Namespaces(_, hosts) => inside(&hosts[host], || command.spawn()),
            Fabric::Loopback(_) => command.spawn(),
        };
        spawned.expect("the binary under test starts")
    }

    /// Takes a host off the network. Where there is only one place, its runner stands still, which looks the same.
    pub fn cut(&self, host: usize, runner: u32) {
        match self.fabric {
            Fabric::Namespaces(..) => {
                ip(&["link", "set", &port(host), "down"]).expect("a link can be cut")
            }
            Fabric::Loopback(_) => process::signal(runner, Signal::SIGSTOP),
        }
    }

    /// Puts a host back.
    pub fn mend(&self, host: usize, runner: u32) {
        match self.fabric {
            Fabric::Namespaces(..) => {
                ip(&["link", "set", &port(host), "up"]).expect("a link can be mended")
            }
            Fabric::Loopback(_) => process::signal(runner, Signal::SIGCONT),
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Fabric::Namespaces(outside, _) = &self.fabric {
            // The thread ends next, and with it its stay in the namespace.
            let _ = setns(outside, CloneFlags::CLONE_NEWNET);
        }
    }
}

/// A loopback address that no other process uses, nor another call of this one: it is made of the process id. The system
/// chooses a port; a door there can be opened again after a crash, without another program in its place.
pub fn own_address() -> SocketAddr {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    // Process ids have 22 bits at most, so the upper two of `a` are free.
    let number = u8::try_from(NUMBER.fetch_add(1, Ordering::Relaxed) & 3).expect("two bits");
    SocketAddr::from(([127, a | number << 6, b, c], 0))
}

/// The link of a host, at the gateway's end.
fn port(host: usize) -> String {
    format!("host{host}")
}

/// A bridge in a new namespace for this thread, and a namespace for each host with one foot on the bridge.
fn namespaces(count: usize) -> io::Result<Fabric> {
    if std::env::var_os("OSTLER_TEST_LOOPBACK").is_some() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    ip(&["-V"])?;
    let outside = here()?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let mut hosts = Vec::new();
    let built = build(count, &mut hosts);
    let fabric = Fabric::Namespaces(outside, hosts);
    match built {
        Ok(()) => Ok(fabric),
        Err(error) => {
            drop(Net { fabric });
            Err(error)
        }
    }
}

fn build(count: usize, hosts: &mut Vec<File>) -> io::Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", "bridge0", "type", "bridge"])?;
    ip(&["addr", "add", &format!("{GATEWAY}/24"), "dev", "bridge0"])?;
    ip(&["link", "set", "bridge0", "up"])?;
    for number in 0..count {
        let host = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(Into::into).and_then(|()| here())
        });
        let host = host.join().expect("the thread does not panic")?;
        let place =
            format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&host));
        let port = port(number);
        ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &place])?;
        ip(&["link", "set", &port, "master", "bridge0", "up"])?;
        let address = format!(
            "{}/24",
            IpAddr::from([198, 18, 0, 10 + u8::try_from(number).expect("few hosts")])
        );
        inside(&host, || {
            ip(&["addr", "add", &address, "dev", "eth0"])?;
            ip(&["link", "set", "lo", "up"])?;
            ip(&["link", "set", "eth0", "up"])
        })?;
        hosts.push(host);
    }
    Ok(())
}

/// The network namespace of this thread.
fn here() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

/// Does something in a namespace, on a thread of its own: a process that it starts stays there.
fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            work()
        });
        worker.join().expect("the thread does not panic")
    })
}

fn ip(words: &[&str]) -> io::Result<()> {
    let out = Command::new("ip").args(words).output()?;
    let told = String::from_utf8_lossy(&out.stderr);
    if out.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("ip {words:?}: {told}")))
    }
}
