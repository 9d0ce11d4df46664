//! Asks a Kafka broker whether it serves, without a client library.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ASK_BOUND: Duration = Duration::from_millis(1_000);
const LARGEST_ANSWER_BYTES: usize = 64 * 1024;

/// One Metadata v1 request (key 3) for no topics. `Ok(true)` when the answer lists a broker.
///
/// ApiVersions is answered some hundred milliseconds too early: while the only broker is
/// still fenced, topics cannot be created. Metadata lists unfenced brokers only.
/// Layout: <https://kafka.apache.org/protocol>.
pub fn serves(address: SocketAddr) -> io::Result<bool> {
    const CORRELATION: [u8; 4] = *b"hook";
    let mut stream = TcpStream::connect_timeout(&address, ASK_BOUND)?;
    stream.set_read_timeout(Some(ASK_BOUND))?;
    stream.set_write_timeout(Some(ASK_BOUND))?;

    let mut request = Vec::new();
    request.extend(3_i16.to_be_bytes()); // api key
    request.extend(1_i16.to_be_bytes()); // version
    request.extend(CORRELATION);
    request.extend((-1_i16).to_be_bytes()); // no client id
    request.extend(0_i32.to_be_bytes()); // no topics
    stream.write_all(&(request.len() as i32).to_be_bytes())?;
    stream.write_all(&request)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; (u32::from_be_bytes(length) as usize).min(LARGEST_ANSWER_BYTES)];
    stream.read_exact(&mut answer)?;
    // Correlation id, then the array of brokers with its count in front.
    let is_ours = answer.get(..4) == Some(&CORRELATION);
    let brokers = answer.get(4..8).map_or([0; 4], |count| [count[0], count[1], count[2], count[3]]);
    Ok(is_ours && i32::from_be_bytes(brokers) > 0)
}
