//! A CPU of the lab's, accepted, beside which devices are judged.

use std::time::Duration;

use backend_api::{
    BindInput, Challenge, Endorsement, EndorsementKind, Endorsements, Evidence, Limits, ReferenceValues,
    TrustAnchors, UnixTime, VerifyInput,
};
use backend_nvidia::{GpuAttestation, Profile, v1_commitment};
use conformance::Cpu;
use lab::{events::measure_devices, intel::TdGuest, nvidia::Machine};
use serde_json::json;

use crate::tdx_payload;

/// A TD that was verified and bound, and that commits to a payload of devices.
pub(crate) fn cpu_for(challenge: &[u8; 64], profile: Profile, devices: usize, payload: &[u8]) -> Cpu {
    let mut guest = TdGuest::new();
    let mut challenge = Challenge::new(*challenge);
    match profile {
        Profile::V1 => challenge = v1_commitment(&challenge, payload).challenge(),
        Profile::Boot => {
            let event = GpuAttestation::of(devices, payload).encode();
            measure_devices(&mut guest.launch.events, &event);
            guest.seal_events();
        }
        Profile::Raw => {}
    }
    let quote = guest.quote_for(challenge.as_bytes());
    let evidence = Evidence::new(backend_tdx::MEDIA_TYPE, tdx_payload::payload(&guest, quote).encode());
    let backend = backend_tdx::REGISTRATION.backend;
    let collateral = guest.collateral();
    let endorsements: Endorsements = [
        (EndorsementKind::Certificate, guest.collateral.tcb_signing_chain[0].clone()),
        (EndorsementKind::Document, collateral.tcb_info.json().into_bytes()),
        (EndorsementKind::Document, collateral.qe_identity.json().into_bytes()),
        (EndorsementKind::RevocationList, collateral.root_ca_crl),
        (EndorsementKind::RevocationList, collateral.pck_crl),
    ]
    .into_iter()
    .map(|(kind, bytes)| Endorsement::new(kind, bytes))
    .collect();
    let anchors: TrustAnchors = guest.pins().into_iter().collect();
    let policy = backend.policy(&json!({})).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(Machine::now()));
    let limits = Limits::default();
    let input =
        VerifyInput::new(&evidence, &challenge, &endorsements, &anchors, &policy, at, &limits).unwrap();
    let verified = backend.verify(&input).unwrap();
    let binding = backend.bind_runtime(&verified, &BindInput::new(&ReferenceValues::new(), &policy)).unwrap();
    Cpu { verified, binding }
}
