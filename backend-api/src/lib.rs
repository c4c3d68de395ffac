//! The contract of an attestation backend.
