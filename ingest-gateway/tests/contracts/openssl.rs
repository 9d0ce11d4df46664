//! Signatures by a tool that knows nothing of hooklog.

use std::io::Write;
use std::process::{Command, Stdio};

/// The HMAC of a message with `openssl dgst`; `hash` is its name there.
pub fn hmac(hash: &str, key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = format!("hexkey:{}", hex::encode(key));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-binary", &format!("-{hash}"), "-mac", "HMAC", "-macopt", &key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(message).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
