//! Asks a PostgreSQL server whether it accepts sessions, without a client library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ASK_BOUND: Duration = Duration::from_millis(1_000);
const PROTOCOL_3_0: i32 = 196_608;
const LARGEST_MESSAGE_BYTES: usize = 64 * 1024;

/// Opens a session as `user` in `database` and closes it. `Ok(true)` once the server says
/// ReadyForQuery; `Ok(false)` while it refuses, for example because it still starts.
///
/// A port that accepts connections is not enough: the postmaster listens before recovery
/// has ended. Messages: PostgreSQL's manual, "Frontend/Backend Protocol", start-up.
pub fn serves(address: SocketAddr, user: &str, database: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, ASK_BOUND)?;
    stream.set_read_timeout(Some(ASK_BOUND))?;
    stream.set_write_timeout(Some(ASK_BOUND))?;

    let mut startup = PROTOCOL_3_0.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        startup.extend(text.as_bytes());
        startup.push(0);
    }
    stream.write_all(&(startup.len() as i32 + 4).to_be_bytes())?;
    stream.write_all(&startup)?;

    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let body = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        if kind == b'E' || body > LARGEST_MESSAGE_BYTES {
            return Ok(false);
        }
        stream.read_exact(&mut vec![0; body])?;
        if kind == b'Z' {
            stream.write_all(&[b'X', 0, 0, 0, 4])?; // Terminate
            return Ok(true);
        }
    }
}
