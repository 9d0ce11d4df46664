//! status-projector
