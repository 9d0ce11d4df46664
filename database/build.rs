//! A new file in `migrations/` is embedded by the next build.

fn main() {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "cargo::rerun-if-changed=../migrations");
}
