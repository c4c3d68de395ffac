//! What another reader of the same reports says, on every one that we accept.

use az_cvm_vtpm::hcl::{HclReport as Other, ReportType};
use backend_azure::{RuntimeData, Tee, hcl::HclReport};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{real::Real, scene::Scene};

/// `az-cvm-vtpm` reads the same technology, the same runtime data and the same attestation key.
fn agree(name: &str, bytes: &[u8]) {
    let ours = HclReport::parse(bytes).unwrap();
    let other = Other::new(bytes.to_vec()).unwrap();
    let tee = match other.report_type() {
        ReportType::Snp => Tee::Snp,
        ReportType::Tdx => Tee::Tdx,
    };
    assert_eq!(ours.tee(), Some(tee), "{name}");
    assert_eq!(ours.runtime_data, other.var_data(), "{name}");
    let key = RuntimeData::parse(ours.runtime_data).unwrap().attestation_key().unwrap();
    let jwk: Value = serde_json::from_str(&other.ak_pub().unwrap().to_string()).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    assert_eq!(key.modulus(), Some(modulus.as_slice()), "{name}");
}

#[test]
fn reports_of_a_paravisor_read_the_same_elsewhere() {
    for real in Real::all("reports_of_a_paravisor_read_the_same_elsewhere") {
        agree(&real.name, &real.evidence.hcl_report);
    }
    for scene in [Scene::snp(), Scene::tdx()] {
        agree(scene.tee().name(), &scene.payload().hcl_report);
    }
}
