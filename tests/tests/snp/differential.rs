//! Beside the `sev` crate: what it refuses, we refuse; on what both accept, both read the same.

use evidence_snp::Report;
use sev::{
    certs::snp::{Certificate, Chain, Verifiable, builtin, ca},
    firmware::guest::AttestationReport,
    parser::ByteParser,
};

use crate::vectors::{VERDICTS, Vector, vectors};

/// Chain and signature by the `sev` crate, under AMD's roots of `product`.
fn sev_accepts(vector: &Vector, product: &str) -> bool {
    let (ark, ask) = match product {
        "milan" => (builtin::milan::ark(), builtin::milan::ask()),
        "genoa" => (builtin::genoa::ark(), builtin::genoa::ask()),
        _ => (builtin::turin::ark(), builtin::turin::ask()),
    };
    let (Ok(ark), Ok(ask)) = (ark, ask) else { panic!("the built-in certificates are sound") };
    let Ok(vek) = Certificate::from_der(&vector.evidence.certificates[0]) else { return false };
    let Ok(report) = AttestationReport::from_bytes(&vector.evidence.report) else { return false };
    (&Chain { ca: ca::Chain { ark, ask }, vek }, &report).verify().is_ok()
}

fn product(folder: &str) -> &'static str {
    ["milan", "turin"].into_iter().find(|name| folder.contains(name)).unwrap_or("genoa")
}

#[test]
fn real_reports_that_we_accept_it_accepts_and_reads_alike() {
    let Some(root) = vectors("real_reports_that_we_accept_it_accepts_and_reads_alike") else { return };
    for (folder, certificate, _) in VERDICTS.iter().filter(|(.., verdict)| *verdict == "accepted") {
        let vector = Vector::read(&root.join(folder), certificate);
        assert!(sev_accepts(&vector, product(folder)), "{folder}");

        let theirs = AttestationReport::from_bytes(&vector.evidence.report).unwrap();
        let ours = Report::parse(&vector.evidence.report).unwrap();
        assert_eq!(ours.version, theirs.version);
        assert_eq!(ours.guest_svn, theirs.guest_svn);
        assert_eq!(ours.vmpl, theirs.vmpl);
        assert_eq!(ours.report_data, theirs.report_data);
        assert_eq!(ours.measurement, theirs.measurement);
        assert_eq!(ours.host_data, theirs.host_data);
        assert_eq!(ours.chip_id, theirs.chip_id);
        assert_eq!(ours.id_key_digest, theirs.id_key_digest);
        assert_eq!(ours.policy.debug_allowed(), theirs.policy.debug_allowed());
        assert_eq!(ours.policy.smt_allowed(), theirs.policy.smt_allowed());
        assert_eq!(ours.platform_info.smt_enabled(), theirs.plat_info.smt_enabled());
        assert_eq!(ours.platform_info.alias_check_complete(), theirs.plat_info.alias_check_complete());
        assert_eq!(ours.launch_mitigations, theirs.launch_mit_vector);
        let cpuid = ours.cpuid.map(|cpuid| (cpuid.family, cpuid.model, cpuid.stepping));
        assert_eq!(cpuid.map(|cpuid| cpuid.0), theirs.cpuid_fam_id);
        assert_eq!(cpuid.map(|cpuid| cpuid.1), theirs.cpuid_mod_id);
        assert_eq!(cpuid.map(|cpuid| cpuid.2), theirs.cpuid_step);
        let tcb = |raw| {
            evidence_snp::Tcb::from_bytes(
                if product(folder) == "turin" {
                    evidence_snp::Product::Turin
                } else {
                    evidence_snp::Product::Milan
                },
                raw,
            )
        };
        for (ours, theirs) in [
            (tcb(ours.reported_tcb), theirs.reported_tcb),
            (tcb(ours.current_tcb), theirs.current_tcb),
            (tcb(ours.committed_tcb), theirs.committed_tcb),
            (tcb(ours.launch_tcb), theirs.launch_tcb),
        ] {
            assert_eq!(
                (ours.fmc, ours.bootloader, ours.tee, ours.snp, ours.microcode),
                (theirs.fmc, theirs.bootloader, theirs.tee, theirs.snp, theirs.microcode)
            );
        }
    }
}

/// One changed byte at a time, in report and certificate: whatever the `sev` crate refuses is refused here.
#[test]
fn what_it_refuses_we_refuse() {
    let Some(root) = vectors("what_it_refuses_we_refuse") else { return };
    let mut both_accept = 0;
    for folder in ["snp/milan-v3-dstack-e2e", "snp/turin-v5-oak"] {
        let good = Vector::read(&root.join(folder), "vcek.der");
        let (report_len, vek_len) = (good.evidence.report.len(), good.evidence.certificates[0].len());
        for at in (0..report_len + vek_len).step_by(7) {
            let mut changed = Vector { evidence: good.evidence.clone(), ..good };
            match at.checked_sub(report_len) {
                None => changed.evidence.report[at] ^= 0x10,
                Some(at) => changed.evidence.certificates[0][at] ^= 0x10,
            }
            let ours = changed.verdict() == "accepted";
            let theirs = sev_accepts(&changed, product(folder));
            assert!(theirs || !ours, "{folder} with byte {at:#x} changed: only we accept it");
            both_accept += usize::from(ours);
        }
    }
    assert_eq!(both_accept, 0);
}
