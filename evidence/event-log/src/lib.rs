#![doc = include_str!("../README.md")]

mod algorithm;
mod ccel;
mod condensed;
mod error;
mod event_type;
mod hash;
mod header;
pub mod inspect;
pub mod launch;
mod reader;
pub mod replay;
pub mod runtime;
pub mod tcg;
mod tie;

pub use algorithm::{Bank, HashAlgorithm};
pub use ccel::{CCEL_TABLE_LEN, CcelTable, CcelTableError};
pub use error::EventLogError;
pub use event_type::EventType;
pub use header::SpecId;
pub use replay::Rtmrs;
pub use tcg::{Event, EventLog};
pub use tie::Tie;
