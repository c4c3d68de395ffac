//! The check ledger: every named check, and whether it was performed.
