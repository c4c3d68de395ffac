//! What a launch endorsement says, to look at: nothing of it is verified.

use evidence_x509::{Certificate, Moment};
use serde_json::{Map, Value, json};

use super::{Golden, GoldenSnp, GoldenTdx, message};
use crate::Error;

/// The fields of a launch endorsement.
///
/// # Errors
///
/// [`Error::Endorsement`] for what is not in its format; [`Error::TooLarge`].
pub fn described(endorsement: &[u8]) -> Result<Value, Error> {
    let signed = message::parse(endorsement)?;
    let golden = Golden::parse(&signed.serialized_uefi_golden)?;
    let signer = match Certificate::parse(&golden.cert) {
        Ok(signer) => json!(signer.described()),
        Err(error) => json!({ "malformed": error.to_string() }),
    };
    let authorities: Vec<_> = golden.authorities().iter().map(Certificate::described).collect();
    Ok(json!({
        "firmware-sha384": hex::encode(golden.digest),
        "made": golden.timestamp.map(|made| Moment(made.seconds).to_string()),
        "changelist": golden.cl_spec,
        "commit": hex::encode(&golden.commit),
        "signer": signer,
        "authorities": authorities,
        "signature-bytes": signed.signature.len(),
        "sev-snp": golden.snp.as_ref().map(snp),
        "tdx": golden.tdx.as_ref().map(tdx),
    }))
}

fn snp(snp: &GoldenSnp) -> Value {
    let measurements: Map<String, Value> =
        snp.measurements.iter().map(|(vcpus, of)| (vcpus.to_string(), hex::encode(of).into())).collect();
    json!({
        "svn": snp.svn,
        "guest-policy": format!("{:#x}", snp.policy),
        "measurement-by-vcpus": measurements,
        "svsm-measurement": snp.svsm_measurement.map(hex::encode),
        "family-id": snp.family_id.map(hex::encode),
        "image-id": snp.image_id.map(hex::encode),
    })
}

fn tdx(tdx: &GoldenTdx) -> Value {
    let measurement = |of: &super::TdxMeasurement| json!({ "ram-gib": of.ram_gib, "early-accept": of.early_accept, "mrtd": hex::encode(of.mrtd) });
    json!({ "svn": tdx.svn, "measurements": tdx.measurements.iter().map(measurement).collect::<Vec<_>>() })
}
