//! Where the real Evidence is.

pub(crate) use lab::vectors::root as vectors;
