//! The simulated Azure: a guest on each technology, the keys that stand above its quotes, and what a verifier holds.

use std::sync::LazyLock;

use backend_api::{Endorsement, Endorsements, TrustAnchors};
use backend_azure::{hcl::HclReport, v1_extra_data};
use evidence_tpm::{BoundAk, Public};
use lab::{
    azure::{Guest, guest::AK_ATTRIBUTES},
    tpm::{AttestSpec, ak_public, qualified_name, rsassa_sha256},
};

/// A guest on SEV-SNP, made once in a process.
pub static SNP: LazyLock<Lab> = LazyLock::new(|| Lab::of(Guest::snp()));

/// A guest on TDX, made once in a process.
pub static TDX: LazyLock<Lab> = LazyLock::new(|| Lab::of(Guest::tdx()));

/// What the lab's own quotes commit to.
pub const CHALLENGE: [u8; 64] = [7; 64];

/// One guest, and what there is of it that no input changes.
#[derive(Debug)]
pub struct Lab {
    /// The guest.
    pub guest: Guest,
    /// The report of its paravisor, of [`CHALLENGE`].
    pub hcl_report: Vec<u8>,
    /// The quote of the TD report in it.
    pub td_quote: Option<Vec<u8>>,
    /// The certificate of the attestation key, as the vTPM keeps it.
    pub ak_certificate: Vec<u8>,
    /// The certificates that the guest sends.
    pub certificates: Vec<Vec<u8>>,
    /// The attestation key, of which the lab knows that it is its own.
    pub ak: BoundAk,
    /// The lab's roots, which the vendors' are not.
    pub anchors: TrustAnchors,
    /// What AMD, Intel and Azure say.
    pub endorsements: Endorsements,
}

impl Lab {
    fn of(mut guest: Guest) -> Self {
        guest.runtime_data.user_data = Some(CHALLENGE.to_vec());
        let parts = guest.parts(|_| Vec::new());
        let public = Public::parse(&ak_public(AK_ATTRIBUTES, &guest.ak.modulus())).expect("a sound key");
        Self {
            hcl_report: parts.hcl_report,
            td_quote: parts.td_quote,
            ak_certificate: parts.ak_certificate,
            certificates: parts.certificates,
            ak: BoundAk::assertion(public.key),
            anchors: guest.pins().into_iter().collect(),
            endorsements: guest
                .endorsements()
                .into_iter()
                .map(|(kind, bytes)| Endorsement::new(kind, bytes))
                .collect(),
            guest,
        }
    }

    /// A sound quote of these values of the registers of the profile v1, and its signature.
    pub fn quote(&self, pcrs: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
        let signer = qualified_name(&ak_public(AK_ATTRIBUTES, &self.guest.ak.modulus()));
        let mut quote = AttestSpec::new(signer, self.guest.selection.clone(), pcrs);
        let hcl = HclReport::parse(&self.hcl_report).expect("a sound report");
        quote.extra_data = v1_extra_data(&CHALLENGE, hcl.without_padding).to_vec();
        let quote = quote.bytes();
        let signature = rsassa_sha256(&self.guest.ak, &quote);
        (quote, signature)
    }
}
