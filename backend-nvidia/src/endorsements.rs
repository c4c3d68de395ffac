//! What the verification of devices needs beyond their Evidence.

use backend_api::{EndorsementKind, EndorsementRequest, Endorsements, Evidence, Failed, Result};
use evidence_nvidia::{Chain, Report, RimIds};
use evidence_x509::{Certificate, ocsp_get_path, ocsp_request};

use crate::{
    Error, checks,
    rims::candidates,
    verify::{payload, refused},
};

/// Where NVIDIA has reference values.
const RIM_SERVICE: &str = "https://rim.attestation.nvidia.com/v1/rim";

/// Where NVIDIA publishes revocation lists, of authorities alone; not read from certificates, because the attester sends those.
const CRL_SERVICE: &str = "http://crl.ndis.nvidia.com";

/// Where NVIDIA's authorities answer what is revoked: what their certificates have as authorityInfoAccess, and not read from them.
const OCSP_SERVICE: &str = "http://ocsp.ndis.nvidia.com";

/// The manifests of every device, and the status of every certificate between a leaf and a root: of the devices at once, of the manifests'
/// signers as soon as the manifests are at hand.
pub(crate) fn endorsements_for(evidence: &Evidence, have: &Endorsements) -> Result<Vec<EndorsementRequest>> {
    let (evidence, _) =
        payload(evidence).map_err(|error| refused(Failed { check: checks::payload::PAYLOAD, error }))?;
    let mut requests = Vec::new();
    for (index, device) in evidence.devices.iter().enumerate() {
        let failed = |check, error| refused(Failed { check, error: Error::Device { index, error } });
        let report = Report::parse(&device.report)
            .map_err(|error| failed(evidence_nvidia::checks::device::SPDM_REPORT, error))?;
        let certificates: Vec<&[u8]> = device.certificates.iter().map(|der| der.as_slice()).collect();
        let chain = Chain::parse(&certificates)
            .map_err(|error| failed(evidence_nvidia::checks::device::DEVICE_CERTIFICATES, error))?;
        // Certificates of no known chip are refused soon enough.
        if let Ok((chip, architecture)) = chain.chip() {
            let ids = RimIds::of(&chip, architecture, &report.opaque.device);
            requests.extend(ids.driver.iter().chain([&ids.vbios]).map(|id| rim(id)));
        }
        requests.extend(chain.status_pairs().map(|(certificate, issuer)| status(certificate, issuer)));
        if let Some(family) = chain.family() {
            requests.extend([list("crl/l1-root.crl"), list(&format!("crl/l2-{family}.crl"))]);
        }
    }
    for candidate in candidates(have) {
        let chain = candidate.rim.certificates();
        let pairs = chain.iter().zip(chain.iter().skip(1));
        requests.extend(pairs.map(|(certificate, issuer)| status(certificate, issuer)));
        requests.push(list("crl-corim/l1-corim"));
    }
    // Devices of one machine share authorities and versions.
    let mut once = Vec::new();
    for request in requests {
        if !once.contains(&request) {
            once.push(request);
        }
    }
    Ok(once)
}

fn rim(id: &str) -> EndorsementRequest {
    EndorsementRequest::new(
        EndorsementKind::Document,
        format!("reference values {id}"),
        format!("{RIM_SERVICE}/{id}"),
    )
}

fn list(name: &str) -> EndorsementRequest {
    let location = format!("{CRL_SERVICE}/{name}");
    EndorsementRequest::new(EndorsementKind::RevocationList, format!("revocation list {name}"), location)
}

fn status(certificate: &Certificate, issuer: &Certificate) -> EndorsementRequest {
    let path = ocsp_get_path(&ocsp_request(certificate, issuer));
    EndorsementRequest::new(
        EndorsementKind::StatusResponse,
        format!("status of the certificate {}", certificate.subject()),
        format!("{OCSP_SERVICE}/{path}"),
    )
}
