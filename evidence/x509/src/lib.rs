//! Certificates, pins, paths and revocation lists, as attestation evidence needs them.
