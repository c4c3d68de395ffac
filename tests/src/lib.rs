//! The suite that every backend runs, and the tests that span crates.
