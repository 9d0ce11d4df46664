//! Signals as messages, so that a command can stop in good order.

use std::io;
use std::sync::mpsc::{self, Receiver};

use signal_hook::iterator::Signals;

/// From now on the listed signals no longer act on this process; they arrive here.
pub fn watch(signals: &[i32]) -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new(signals)?;
    let (sender, inbox) = mpsc::channel();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(inbox)
}
