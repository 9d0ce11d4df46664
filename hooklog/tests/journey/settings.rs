//! A process whose settings are wrong says so before it does anything.

use std::net::TcpStream;

use test_bed::TestBed;

use crate::running::command;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_ends_the_process_with_64_before_a_port_is_bound() {
    let bed = TestBed::start("settings").await;
    let variables = bed.variables(&[("HOOKLOG_MAX_IN_FLIGHT", "many")]);
    let output = command(&variables).output().expect("start hooklog");
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("HOOKLOG_MAX_IN_FLIGHT: expected a whole number"), "{said}");
    for (name, address) in &variables {
        if name.ends_with("LISTEN") {
            assert!(TcpStream::connect(address).is_err(), "{name} was bound");
        }
    }
}
