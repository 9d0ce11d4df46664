//! Fault runs against real processes, on a schedule drawn from a printed seed.
