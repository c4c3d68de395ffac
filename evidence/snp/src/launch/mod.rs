//! The launch measurement.
