//! Other implementations accept what the lab forges: the `sev` crate and OpenSSL.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use std::path::Path;
use std::process::Command;

use lab::amd::{Guest, Hierarchy, Product, ReportSpec, Vek, VekKind, VekSpec, crl_spec};
use lab::google;
use lab::keys::Pkcs1;
use lab::time::utc_day;
use sev::certs::snp::{Certificate, Chain, Verifiable, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

fn chain(hierarchy: &Hierarchy, issuer: &[u8], vek: &Vek) -> Chain {
    let certificate = |der: &[u8]| Certificate::from_der(der).unwrap();
    Chain {
        ca: ca::Chain { ark: certificate(hierarchy.ark()), ask: certificate(issuer) },
        vek: certificate(&vek.der),
    }
}

#[test]
fn the_sev_crate_verifies_a_forged_report() {
    for product in Product::ALL {
        for version in 2..=5 {
            let hierarchy = Hierarchy::new(product);
            let vek = VekSpec::vcek(product).issue(&hierarchy);
            let spec = ReportSpec {
                measurement: [7; 48],
                report_data: [8; 64],
                ..ReportSpec::new(product, version)
            };
            let bytes = spec.sign(&vek);
            let report = AttestationReport::from_bytes(&bytes).unwrap();

            assert_eq!(report.version, version);
            assert_eq!(report.measurement[..], [7; 48]);
            assert_eq!(report.report_data[..], [8; 64]);
            assert_eq!(report.chip_id[..], spec.chip_id);
            assert_eq!(report.reported_tcb.microcode, spec.reported_tcb.ucode);
            assert_eq!(report.reported_tcb.snp, spec.reported_tcb.snp);
            assert_eq!(report.reported_tcb.bootloader, spec.reported_tcb.bl);
            assert_eq!(report.committed.build, spec.committed_version.build);
            assert_eq!(report.launch_mit_vector, spec.launch_mit_vector);
            (&chain(&hierarchy, hierarchy.ask(), &vek), &report).verify().unwrap();
        }
    }
}

#[test]
fn the_sev_crate_verifies_a_report_under_a_vlek() {
    let hierarchy = Hierarchy::new(Product::Genoa);
    let vek = VekSpec::vlek(Product::Genoa).issue(&hierarchy);
    let report = ReportSpec::new_vlek(Product::Genoa, 5).sign(&vek);
    let report = AttestationReport::from_bytes(&report).unwrap();
    (&chain(&hierarchy, hierarchy.asvk(), &vek), &report).verify().unwrap();
}

#[test]
fn the_sev_crate_refuses_forged_defects() {
    let hierarchy = Hierarchy::new(Product::Milan);
    let vek = VekSpec::vcek(Product::Milan).issue(&hierarchy);
    let damaged = ReportSpec { patches_after: vec![(0x90, vec![1])], ..ReportSpec::new(Product::Milan, 3) };
    let report = AttestationReport::from_bytes(&damaged.sign(&vek)).unwrap();
    assert!((&chain(&hierarchy, hierarchy.ask(), &vek), &report).verify().is_err());

    // The same certificate under a foreign key of the same name.
    let stranger = Vek { der: hierarchy.ask_spec().sign(hierarchy.asvk_key()), key: vek.key.clone() };
    let report = AttestationReport::from_bytes(&ReportSpec::new(Product::Milan, 3).sign(&vek)).unwrap();
    assert!((&chain(&hierarchy, &stranger.der, &vek), &report).verify().is_err());

    // The anchors of the lab are not AMD's.
    let amd =
        Chain { ca: ca::Chain::from(sev::Generation::Milan), vek: Certificate::from_der(&vek.der).unwrap() };
    assert!((&amd, &report).verify().is_err());
}

#[test]
fn a_guest_verifies() {
    let guest = Guest::new(Product::Milan);
    let report = AttestationReport::from_bytes(&guest.report_for(&[9; 64])).unwrap();
    assert_eq!(report.measurement[..], guest.measurement());
    assert_eq!(report.host_data[..], guest.host_data());
    (&chain(&guest.hierarchy, guest.hierarchy.ask(), &guest.vek), &report).verify().unwrap();
}

/// Runs `openssl` in `folder`; `None` where there is no such program.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

fn openssl_is_missing(test: &str) -> bool {
    let missing = openssl(Path::new("."), &["version"]).is_none();
    if missing {
        lab::vectors::skipped(test, "no openssl");
    }
    missing
}

/// Writes DER files under their names, as PEM files made by OpenSSL.
fn write_pem(folder: &Path, kind: &str, files: &[(&str, &[u8])]) {
    for (name, der) in files {
        std::fs::write(folder.join("in.der"), der).unwrap();
        let (ok, text) = openssl(folder, &[kind, "-inform", "DER", "-in", "in.der", "-out", name]).unwrap();
        assert!(ok, "{text}");
    }
}

#[test]
fn openssl_verifies_the_chains() {
    if openssl_is_missing("openssl_verifies_the_chains") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let time = utc_day(2026, 6, 1).to_string();
    for product in Product::ALL {
        let hierarchy = Hierarchy::new(product);
        for kind in [VekKind::Vcek, VekKind::Vlek] {
            let (spec, issuer) = match kind {
                VekKind::Vcek => (VekSpec::vcek(product), hierarchy.ask()),
                VekKind::Vlek => (VekSpec::vlek(product), hierarchy.asvk()),
            };
            let vek = spec.issue(&hierarchy);
            let files = [("ark.pem", hierarchy.ark()), ("issuer.pem", issuer), ("vek.pem", &vek.der)];
            write_pem(folder, "x509", &files);
            let arguments = ["-CAfile", "ark.pem", "-untrusted", "issuer.pem", "-attime", &time, "vek.pem"];
            let (ok, text) =
                openssl(folder, &[&["verify", "-check_ss_sig"], &arguments[..]].concat()).unwrap();
            assert!(ok, "{product:?} {kind:?}: {text}");
        }
    }
}

#[test]
fn openssl_verifies_google_s_chains() {
    if openssl_is_missing("openssl_verifies_google_s_chains") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let time = utc_day(2026, 6, 1).to_string();
    let (hierarchy, authority) = (google::Hierarchy::new(), google::EndorsementAuthority::new());
    let ak = hierarchy.ak_spec(&google::InstanceSpec::default()).sign(&Pkcs1::Sha256(hierarchy.ca_key()));
    let ak = [("root.pem", hierarchy.root()), ("ca.pem", hierarchy.ca()), ("leaf.pem", &ak)];
    let signer =
        [("root.pem", authority.root()), ("ca.pem", authority.root()), ("leaf.pem", authority.signer())];
    for files in [ak, signer] {
        write_pem(folder, "x509", &files);
        let arguments = ["-CAfile", "root.pem", "-untrusted", "ca.pem", "-attime", &time, "leaf.pem"];
        let (ok, text) = openssl(folder, &[&["verify", "-check_ss_sig"], &arguments[..]].concat()).unwrap();
        assert!(ok, "{text}");
    }
}

#[test]
fn openssl_verifies_the_crl_and_finds_the_revoked_ask() {
    if openssl_is_missing("openssl_verifies_the_crl_and_finds_the_revoked_ask") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let time = utc_day(2026, 6, 1).to_string();
    let hierarchy = Hierarchy::new(Product::Genoa);
    write_pem(folder, "x509", &[("ark.pem", hierarchy.ark()), ("ask.pem", hierarchy.ask())]);
    let clean = crl_spec(&hierarchy);
    let revoking = crl_spec(&hierarchy).revoke(&hierarchy.ask_serial());
    for (spec, expected) in [(clean, "ask.pem: OK"), (revoking, "certificate revoked")] {
        write_pem(folder, "crl", &[("list.pem", &spec.sign(hierarchy.ark_key()))]);
        let (ok, text) =
            openssl(folder, &["crl", "-in", "list.pem", "-noout", "-CAfile", "ark.pem"]).unwrap();
        assert!(ok && text.contains("verify OK"), "{text}");
        let arguments = [
            "verify",
            "-CAfile",
            "ark.pem",
            "-crl_check",
            "-CRLfile",
            "list.pem",
            "-attime",
            &time,
            "ask.pem",
        ];
        let (_, text) = openssl(folder, &arguments).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}
