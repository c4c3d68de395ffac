//! Intel's provisioning certification service: what a quote needs from it, and where that is (PCS API v4).

use evidence_ledger::Failed;

use evidence_x509::Certificate;

use crate::{Error, Quote, checks, dcap, platform::chain};

const PCS: &str = "https://api.trustedservices.intel.com";
const ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/// Something that the service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// A certificate, a document, or a revocation list.
    pub kind: ItemKind,
    /// What it is, for people: one line.
    pub what: String,
    /// Its address.
    pub url: String,
}

/// The form of an [`Item`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// One certificate. The service sends it in the header `TCB-Info-Issuer-Chain` of the answer at the address.
    Certificate,
    /// One signed JSON document.
    Document,
    /// One DER revocation list.
    RevocationList,
}

/// FMSPC of the platform that `quote` says it is of: its family, model and configuration, 6 bytes. Nothing is verified.
///
/// # Errors
///
/// The check that the quote would fail for not naming its platform.
pub fn fmspc(quote: &Quote<'_>) -> Result<[u8; 6], Failed<Error>> {
    platform(quote).map(|(_, fmspc)| fmspc)
}

/// The PCK certificate, and FMSPC in it.
fn platform(quote: &Quote<'_>) -> Result<(Certificate, [u8; 6]), Failed<Error>> {
    let failed = |check| move |error| Failed { check, error };
    let [pck, ..] = chain(quote).map_err(failed(checks::PCK_CHAIN))?;
    let extension = dcap::pck_extension(pck.der()).map_err(Error::PckExtension);
    let fmspc = extension.map_err(failed(checks::PCK_EXTENSION))?.fmspc;
    Ok((pck, fmspc))
}

/// What the verification of `quote` needs: TCB info of its platform, the identity of the quoting enclave, the certificate of
/// their signer, the revocation lists of the root and of the CA of its PCK certificate.
///
/// # Errors
///
/// [`checks::PCK_CHAIN`] or [`checks::PCK_EXTENSION`], with [`Error`], if the quote does not name its platform.
pub fn needed(quote: &Quote<'_>) -> Result<Vec<Item>, Failed<Error>> {
    let (pck, fmspc) = platform(quote)?;
    let fmspc = hex::encode(fmspc);
    let ca = if pck.issuer().contains("Processor") { "processor" } else { "platform" };
    let item = |kind, what: String, url: String| Item { kind, what, url };
    let tcb = format!("{PCS}/tdx/certification/v4/tcb?fmspc={fmspc}");
    Ok(vec![
        item(ItemKind::Document, format!("TCB info of the platform with FMSPC {fmspc}"), tcb.clone()),
        item(
            ItemKind::Document,
            "identity of the quoting enclave for TDX".to_owned(),
            format!("{PCS}/tdx/certification/v4/qe/identity"),
        ),
        item(ItemKind::Certificate, "certificate of Intel SGX TCB Signing".to_owned(), tcb),
        item(
            ItemKind::RevocationList,
            "revocation list of Intel SGX Root CA".to_owned(),
            ROOT_CRL.to_owned(),
        ),
        item(
            ItemKind::RevocationList,
            format!("revocation list of Intel SGX PCK {ca} CA"),
            format!("{PCS}/sgx/certification/v4/pckcrl?ca={ca}&encoding=der"),
        ),
    ])
}
