//! Ports on loopback: is a wanted one free, and which free ones to take for a test.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Below every system's range of ports for outgoing connections (Linux 32768, macOS 49152),
/// so no client's socket can take a port while its service is away for a moment.
const FIRST_TEST_PORT: u16 = 20_000;
const TEST_PORTS: u16 = 9_000;
const TRIES: usize = 200;

/// Whether a listener can bind this loopback port right now. A connection that lingers in TIME_WAIT does not
/// count as busy (the standard library sets `SO_REUSEADDR`), and neither Kafka nor
/// PostgreSQL minds it.
pub fn is_free(port: u16) -> bool {
    is_free_at((Ipv4Addr::LOCALHOST, port).into())
}

/// The same for any address of this machine.
pub fn is_free_at(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// `N` different free ports, picked at random so that stacks started at the same time do
/// not want the same; `None` if hundreds of tries found none.
pub fn free<const N: usize>() -> Option<[u16; N]> {
    // All are held until the last is found: that makes them different.
    let mut held = Vec::with_capacity(N);
    for _ in 0..TRIES {
        let random = RandomState::new().build_hasher().finish();
        let port = FIRST_TEST_PORT + (random % u64::from(TEST_PORTS)) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
        if held.len() == N {
            break;
        }
    }
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    ports.try_into().ok()
}
