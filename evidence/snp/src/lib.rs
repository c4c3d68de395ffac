//! AMD SEV-SNP: attestation reports, VCEK and VLEK certificates, launch measurement.

pub mod launch;
