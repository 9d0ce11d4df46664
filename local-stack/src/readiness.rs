//! Asks a role's operations port whether it is ready.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const ASK_BOUND: Duration = Duration::from_secs(2);

/// Whether `GET /readyz` answers 200.
pub fn is_ready(listen: SocketAddr) -> bool {
    ask(reachable(listen)).is_ok_and(|line| line.starts_with(b"HTTP/1.1 200"))
}

/// Where a listener of this address is reached from this machine.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        return (IpAddr::from(Ipv4Addr::LOCALHOST), listen.port()).into();
    }
    listen
}

fn ask(address: SocketAddr) -> io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, ASK_BOUND)?;
    stream.set_read_timeout(Some(ASK_BOUND))?;
    stream.set_write_timeout(Some(ASK_BOUND))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(line)
}
