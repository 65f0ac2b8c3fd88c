//! Who has a share of what runs out.

use std::net::IpAddr;

/// Who has a share: an address, or with IPv6 the network that one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(u64);

impl Peer {
    /// The one that an address belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // No IPv6 network that is in use begins with zeros.
            IpAddr::V4(v4) => Self(u32::from(v4).into()),
            IpAddr::V6(v6) => {
                let network: [u8; 8] = v6.octets()[..8].try_into().expect("8 of 16 bytes");
                Self(u64::from_be_bytes(network))
            }
        }
    }
}
