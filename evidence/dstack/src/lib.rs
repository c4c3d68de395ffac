//! dstack's documents: attestation wire formats, image identity, application configuration.
