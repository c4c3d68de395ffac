use backend_api::*;
use backend_baremetal_snp::*;
#[tokio::test]
async fn dstack() {
    let bytes = std::fs::read("../../shared/vectors/dstack/sev-snp-attestation.json").unwrap();
    let att = evidence_dstack::wire::Attestation::decode(&bytes).unwrap();
    let ev = SnpEvidence::from_dstack(&att).unwrap();
    let env = Envelope::of_cpu(Evidence::new(MEDIA_TYPE, ev.encode()));
    let policy = registry::AppraisalPolicy::from_toml(
        "version = 1\n[backend.baremetal-snp.report]\ndanger-accept-unknown-revocation = true\n",
    )
    .unwrap();
    let v = registry::Verifier::new(
        registry::Registry::linked().unwrap().accept(["baremetal-snp"]).unwrap(),
        std::sync::Arc::new(OfflineBundle::default()),
        policy,
    )
    .unwrap()
    .with_clock(registry::Clock::Fixed(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        1781744704,
    ))));
    let r = v.verify(&env.encode_cbor(), &Challenge::new(att.report_data)).await.unwrap();
    println!("{}", serde_json::to_string_pretty(&r).unwrap());
}
