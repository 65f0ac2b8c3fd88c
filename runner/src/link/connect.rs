//! Connects to a name that may have several addresses, of which some may lead nowhere, as RFC 8305 (happy eyeballs) has it: the next is
//! tried beside one that does not answer.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, ToSocketAddrs, lookup_host},
    task::JoinSet,
    time::timeout,
};

/// The next address is tried as well when the one before has not answered for this long.
const NEXT: Duration = Duration::from_millis(500);
/// More addresses than this are not tried.
const ADDRESSES_MAX: usize = 16;

/// Connects to the first of the name's addresses that answers. One that swallows everything, as a host's IPv6 may, does
/// not keep the others waiting. Has no limit of its own: the system's resolver may take seconds for each name server that
/// is gone.
pub async fn connect(place: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host(place).await?.take(ADDRESSES_MAX).collect();
    first(addresses, NEXT, TcpStream::connect::<SocketAddr>).await
}

/// The first try that succeeds; the error of the last one where none does. Those that are left are given up.
async fn first<A, T, F>(addresses: Vec<A>, next: Duration, reach: impl Fn(A) -> F) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut tries = JoinSet::new();
    let mut addresses = addresses.into_iter();
    loop {
        let limit = addresses.next().map(|address| {
            tries.spawn(reach(address));
            next
        });
        let ended = match limit {
            None => tries.join_next().await,
            Some(limit) => match timeout(limit, tries.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            None => return Err(error),
            Some(Ok(Ok(reached))) => return Ok(reached),
            Some(Ok(Err(why))) => error = why,
            Some(Err(why)) => error = io::Error::other(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// What an address does.
    #[derive(Clone, Copy)]
    enum Way {
        Nowhere,
        Refused,
        There(u32),
    }

    async fn reach(way: Way) -> io::Result<u32> {
        match way {
            Way::Nowhere => pending().await,
            Way::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Way::There(number) => Ok(number),
        }
    }

    fn reached(ways: &[Way]) -> Result<u32, io::ErrorKind> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let trying = first(ways.to_vec(), Duration::from_millis(1), reach);
        runtime.block_on(trying).map_err(|error| error.kind())
    }

    #[test]
    fn an_address_that_leads_nowhere_does_not_hide_the_next() {
        let (nowhere, refused) = (Way::Nowhere, Way::Refused);
        assert_eq!(reached(&[nowhere, nowhere, refused, nowhere, Way::There(5)]), Ok(5));
        assert_eq!(reached(&[refused, Way::There(2), nowhere]), Ok(2));
        assert_eq!(reached(&[Way::There(1), nowhere]), Ok(1));
        assert_eq!(reached(&[refused, refused]), Err(io::ErrorKind::ConnectionRefused));
        assert_eq!(reached(&[]), Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn an_address_that_answers_late_is_not_given_up_for_one_that_refuses() {
        let late = |way| async move {
            if way == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Ok(way);
            }
            Err(io::ErrorKind::ConnectionRefused.into())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let trying = first(vec![0, 1], Duration::from_millis(1), late);
        assert_eq!(runtime.block_on(trying).unwrap(), 0);
    }
}
