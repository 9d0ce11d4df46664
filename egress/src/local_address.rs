//! Whether an address is this machine's own.
//!
//! A listener on `0.0.0.0` or `[::]` is reached by every address of the machine, and which
//! those are changes while a process runs, so the operating system is asked each time. That
//! is only for an address whose port is such a listener's, which is rare.

use std::net::{IpAddr, UdpSocket};

/// Whether this machine has the address: a datagram socket can be bound to it then. Nothing
/// is sent.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_local_and_a_documentation_address_is_not() {
        for (ip, local) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("0.0.0.0", true), ("192.0.2.1", false)]
        {
            assert_eq!(is_local(ip.parse().unwrap()), local, "{ip}");
        }
    }
}
