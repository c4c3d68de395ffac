//! Bare-metal SNP: every named check has a forged case that fails it alone, and every real report gives the verdict that
//! its catalogue states.

mod appraisal;
mod cert_table;
mod flips;
mod named_checks;
mod scene;
mod table;
mod vectors;
mod vlek;
