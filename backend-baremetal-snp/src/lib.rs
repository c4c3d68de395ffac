//! Bare-metal AMD SEV-SNP: VCEK-signed reports, launch measurement recomputed.
