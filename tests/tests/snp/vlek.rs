//! Reports that a provider's VLEK signed, as `evidence-snp` verifies them for a backend that accepts them.

use evidence_ledger::Failed;
use evidence_snp::{Anchors, ChainCache, Error, Pin, Policy, VerifiedReport, VerifyReport, amd_anchors};
use lab::amd::{Hierarchy, Product, ReportSpec, VekSpec};

use crate::{
    scene::{june_2026, time},
    vectors::{Vector, vectors},
};

struct Provider {
    hierarchy: Hierarchy,
    vek: VekSpec,
    report: ReportSpec,
    policy: Policy,
}

impl Provider {
    fn new(product: Product) -> Self {
        Self {
            hierarchy: Hierarchy::new(product),
            vek: VekSpec::vlek(product),
            report: ReportSpec::new_vlek(product, 5),
            policy: Policy { danger_accept_unknown_revocation: true, ..Policy::default() },
        }
    }

    fn verify(&self) -> Result<VerifiedReport, Failed<Error>> {
        let pins = self.hierarchy.pins().into_iter();
        let vek = self.vek.issue(&self.hierarchy);
        VerifyReport {
            report: &self.report.sign(&vek),
            certificates: &[&vek.der, self.hierarchy.asvk(), self.hierarchy.ask(), self.hierarchy.ark()],
            endorsements: &[],
            revocation_lists: &[],
            anchors: &Anchors::new(
                pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }),
            ),
            profile: &evidence_snp::AWS,
            report_data: &[0; 64],
            policy: &self.policy,
            at: time(june_2026()),
        }
        .verify(&ChainCache::default())
    }

    fn failed_check(&self) -> &'static str {
        self.verify().map_or_else(|failed| failed.check.name(), |_| "accepted")
    }
}

#[test]
fn a_vlek_is_accepted_where_it_is_asked_for_on_every_product() {
    for product in Product::ALL {
        assert_eq!(Provider::new(product).failed_check(), "accepted");
    }
}

#[test]
fn the_provider_is_pinned_by_its_id() {
    let mut provider = Provider::new(Product::Milan);
    let id = provider.vek.csp_id.clone().unwrap();
    provider.policy.csp_ids = Some([id].into());
    assert_eq!(provider.failed_check(), "accepted");
    provider.policy.csp_ids = Some(["CN=cc-eu-west-1.example.com".to_owned()].into());
    assert_eq!(provider.failed_check(), "csp-id");
}

#[test]
fn a_vlek_has_a_provider_and_no_chip() {
    let mut provider = Provider::new(Product::Milan);
    provider.vek.csp_id = None;
    assert_eq!(provider.failed_check(), "vek-extensions");
    let mut provider = Provider::new(Product::Milan);
    provider.vek.hwid = Some(vec![7; 64]);
    assert_eq!(provider.failed_check(), "vek-extensions");
}

#[test]
fn a_vcek_s_report_is_refused_where_a_vlek_is_asked_for() {
    let mut provider = Provider::new(Product::Milan);
    provider.report.signer_info = 0;
    assert_eq!(provider.failed_check(), "signing-key");
    // The report says VLEK, the certificate is a chip's.
    let mut provider = Provider::new(Product::Milan);
    provider.vek = VekSpec { key_label: provider.vek.key_label.clone(), ..VekSpec::vcek(Product::Milan) };
    assert_eq!(provider.failed_check(), "vek-kind");
}

/// AWS's reports at the times of their capture: the one at VMPL 0 is accepted, those at VMPL 1 are refused by default.
#[test]
fn real_vlek_reports_give_their_stated_verdicts() {
    let Some(root) = vectors("real_vlek_reports_give_their_stated_verdicts") else { return };
    let pem = std::fs::read(root.join("roots/amd/asvk_milan.pem")).unwrap();
    let asvk = evidence_x509::Certificate::parse_der_or_pem(&pem).unwrap().remove(0);
    for (folder, vmpl) in [
        ("aws/vlek-v5-useast2-2026-geoar", 0),
        ("aws/vlek-v3-useast2-2025-trustee", 1),
        ("aws/vlek-v2-useast2-2024-trustee-history", 1),
    ] {
        let vector = Vector::read(&root.join(folder), "vlek.der");
        let judge = |vmpl| {
            let csp_ids = Some(["CN=cc-us-east-2.amazonaws.com".to_owned()].into());
            let policy =
                Policy { vmpl, csp_ids, danger_accept_unknown_revocation: true, ..Policy::default() };
            VerifyReport {
                report: &vector.evidence.report,
                certificates: &[&vector.evidence.certificates[0], asvk.der()],
                endorsements: &[],
                revocation_lists: &[],
                anchors: &amd_anchors(),
                profile: &evidence_snp::AWS,
                report_data: &vector.report_data,
                policy: &policy,
                at: time(vector.at),
            }
            .verify(&ChainCache::default())
            .map_or_else(|failed| failed.check.name(), |_| "accepted")
        };
        assert_eq!(judge(vmpl), "accepted", "{folder}");
        assert_eq!(judge(1 - vmpl), "vmpl", "{folder}");
    }
}

#[test]
fn the_host_s_certificate_table_of_a_real_capture_is_read() {
    let Some(root) = vectors("the_host_s_certificate_table_of_a_real_capture_is_read") else { return };
    let folder = root.join("aws/vlek-v5-useast2-2026-geoar");
    let table = std::fs::read(folder.join("auxblob.bin")).unwrap();
    let vlek = std::fs::read(folder.join("vlek.der")).unwrap();
    assert_eq!(evidence_snp::read_certificates(&[table]).unwrap(), [vlek]);
}

/// One cache, one bag of certificates, two chips and a provider: each report is judged under its own key, whatever was judged
/// before it.
#[test]
fn one_cache_serves_reports_of_several_keys() {
    let hierarchy = Hierarchy::new(Product::Milan);
    let first = VekSpec::vcek(Product::Milan);
    let mut second =
        VekSpec { key_label: "second chip".to_owned(), hwid: Some(vec![0xB2; 64]), ..first.clone() };
    second.tcb.ucode += 1;
    let vlek = VekSpec::vlek(Product::Milan).issue(&hierarchy);
    let (first, second) = (first.issue(&hierarchy), second.issue(&hierarchy));

    let of_first = ReportSpec::new(Product::Milan, 3);
    let mut of_second = ReportSpec { chip_id: [0xB2; 64], ..of_first.clone() };
    for tcb in [&mut of_second.reported_tcb, &mut of_second.current_tcb] {
        tcb.ucode += 1;
    }
    let of_vlek = ReportSpec::new_vlek(Product::Milan, 3);
    let reports = [
        (of_first.sign(&first), evidence_snp::BARE_METAL, "accepted"),
        (of_second.sign(&second), evidence_snp::BARE_METAL, "accepted"),
        (of_vlek.sign(&vlek), evidence_snp::AWS, "accepted"),
        (of_first.sign(&second), evidence_snp::BARE_METAL, "report-signature"),
        (of_second.sign(&first), evidence_snp::BARE_METAL, "report-signature"),
        (of_vlek.sign(&vlek), evidence_snp::BARE_METAL, "signing-key"),
    ];
    let certificates =
        [&first.der[..], &second.der, &vlek.der, hierarchy.asvk(), hierarchy.ask(), hierarchy.ark()];
    let pins = hierarchy.pins().into_iter();
    let anchors =
        Anchors::new(pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }));
    let policy = Policy { danger_accept_unknown_revocation: true, ..Policy::default() };
    let chains = ChainCache::default();
    let judge = |report: &[u8], profile: &evidence_snp::Profile, anchors: &Anchors, at| {
        VerifyReport {
            report,
            certificates: &certificates,
            endorsements: &[],
            revocation_lists: &[],
            anchors,
            profile,
            report_data: &[0; 64],
            policy: &policy,
            at: time(at),
        }
        .verify(&chains)
        .map_or_else(|failed| failed.check.name(), |_| "accepted")
    };
    for round in 0..3 {
        for (report, profile, verdict) in &reports {
            assert_eq!(judge(report, profile, &anchors, june_2026()), *verdict, "round {round}");
        }
        // A chain that was verified under one set of roots, or at one time, was not verified under others.
        let (report, profile, _) = &reports[0];
        assert_eq!(judge(report, profile, &amd_anchors(), june_2026()), "chain-signatures");
        let late = lab::time::utc_day(2034, 1, 1);
        assert_eq!(judge(report, profile, &anchors, late), "chain-validity");
    }
}

/// Variants of a public chain take no place in the cache: only a chain whose key signed a report is kept.
#[test]
fn refused_reports_leave_no_chain_behind() {
    let hierarchy = Hierarchy::new(Product::Milan);
    let vek = VekSpec::vcek(Product::Milan).issue(&hierarchy);
    let report = ReportSpec::new(Product::Milan, 3).sign(&vek);
    let pins = hierarchy.pins().into_iter();
    let anchors =
        Anchors::new(pins.map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 }));
    let policy = Policy { danger_accept_unknown_revocation: true, ..Policy::default() };
    let chains = ChainCache::default();
    let judge = |report: &[u8], copies: usize| {
        let mut certificates = vec![&vek.der[..], hierarchy.ask(), hierarchy.ark()];
        certificates.extend(std::iter::repeat_n(hierarchy.ask(), copies));
        let input = VerifyReport {
            report,
            certificates: &certificates,
            endorsements: &[],
            revocation_lists: &[],
            anchors: &anchors,
            profile: &evidence_snp::BARE_METAL,
            report_data: &[0; 64],
            policy: &policy,
            at: time(june_2026()),
        };
        input.verify(&chains).is_ok()
    };
    let mut forged = report.clone();
    forged[0x90] ^= 1;
    for copies in 0..10 {
        assert!(!judge(&forged, copies));
    }
    assert_eq!(chains.entry_count(), 0);
    assert!(judge(&report, 0));
    assert_eq!(chains.entry_count(), 1);
}
