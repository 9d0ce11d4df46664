//! Load, programmable receivers, floors, and reports of ratios.
