//! `dcap-qvl` accepts what the simulated Intel forges, and refuses each forged defect.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::config::{Config, CryptoProvider};
use dcap_qvl::quote::Quote;
use dcap_qvl::signature::DerSigEncoder;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use dcap_qvl::x509::X509CertBackend;
use lab::intel::body::{ATTRIBUTE_DEBUG, ATTRIBUTE_MIGRATABLE};
use lab::intel::hierarchy::ROOT_NAME;
use lab::intel::pck::oid;
use lab::intel::quote::FORMS;
use lab::intel::tcb::{IsvTcb, rfc3339};
use lab::intel::{BodyType, Collateral, PckCa, PckSpec, SignedDocument, TcbLevel, TdGuest};
use lab::keys::P256Key;
use lab::time::utc_day;
use lab::x509::{SignatureAlgorithm, basic_constraints};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

const CHALLENGE: [u8; 64] = [0xc4; 64];

#[derive(Debug)]
struct EcdsaP256;

impl SignatureVerificationAlgorithm for EcdsaP256 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }
}

struct AwsLc;

impl CryptoProvider for AwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        &EcdsaP256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        digest(&SHA256, data).as_ref().try_into().unwrap()
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        digest(&SHA384, data).as_ref().try_into().unwrap()
    }
}

impl Config for AwsLc {
    type X509 = X509CertBackend;
    type SigEncoder = DerSigEncoder;
    type Crypto = Self;
}

/// The verdict of `dcap-qvl` at 2026-06-01, with the causes of an error in one line.
fn verdict(root: &[u8], quote: &[u8], collateral: &Collateral) -> Result<VerifiedReport, String> {
    let collateral: QuoteCollateralV3 = serde_json::from_str(&collateral.dcap_qvl_json()).unwrap();
    QuoteVerifier::<AwsLc>::new_with_config(root.to_vec())
        .verify(quote, &collateral, utc_day(2026, 6, 1))
        .map_err(|error| format!("{error:#}"))
}

fn judge(guest: &TdGuest) -> Result<VerifiedReport, String> {
    verdict(guest.hierarchy.root(), &guest.quote_for(&CHALLENGE), &guest.collateral())
}

fn status(guest: &TdGuest) -> String {
    judge(guest).unwrap().status
}

/// The guest differs from an accepted one in what `change` does, and is refused for `reason`.
fn refused(reason: &str, change: impl FnOnce(&mut TdGuest)) {
    let mut guest = TdGuest::new();
    change(&mut guest);
    let error = judge(&guest).unwrap_err();
    assert!(error.contains(reason), "{reason}: {error}");
}

/// As [`refused`], where the defect is in the signed collateral.
fn refused_collateral(reason: &str, change: impl FnOnce(&TdGuest, &mut Collateral)) {
    let guest = TdGuest::new();
    let mut collateral = guest.collateral();
    change(&guest, &mut collateral);
    let error = verdict(guest.hierarchy.root(), &guest.quote_for(&CHALLENGE), &collateral).unwrap_err();
    assert!(error.contains(reason), "{reason}: {error}");
}

#[test]
fn quotes_of_every_form_are_accepted() {
    for (version, body_type) in FORMS {
        let mut guest = TdGuest::new().with_form(version, body_type);
        guest.quote.body.mrtd = [1; 48];
        guest.quote.body.rtmr3 = [3; 48];
        guest.quote.body.td_id = [4; 32];
        guest.quote.body.cur_servtd_attr = 0x0102_0304_0506_0708;
        let report = judge(&guest).unwrap();
        assert_eq!((report.status.as_str(), report.advisory_ids.len()), ("UpToDate", 0));
        let td = report.report.as_td10().unwrap();
        assert_eq!((td.mr_td, td.rt_mr3, td.report_data), ([1; 48], [3; 48], CHALLENGE));
        assert_eq!(report.report.as_td15().is_some(), body_type != BodyType::Td10);
        if let Some(extended) = report.report.as_td15_ex() {
            assert_eq!(extended.td_id, [4; 32]);
            assert_eq!(extended.cur_service_td_attributes, [8, 7, 6, 5, 4, 3, 2, 1]);
        }
        assert_eq!(report.report.as_td15_ex().is_some(), body_type == BodyType::Td15Ex);
        assert_eq!(report.ppid, guest.pck_spec.ppid);
    }
}

#[test]
fn both_authorities_issue_pck_certificates() {
    for ca in PckCa::ALL {
        let mut guest = TdGuest::new();
        guest.pck_spec = PckSpec::new(ca);
        guest.issue_pck();
        assert!(judge(&guest).is_ok() == (ca == PckCa::Platform), "the CRL is the Platform CA's");
        guest.seal_collateral();
        assert_eq!(status(&guest), "UpToDate");
    }
}

#[test]
fn the_root_of_intel_does_not_vouch_for_the_lab() {
    let Some(vectors) = lab::vectors::root("the_root_of_intel_does_not_vouch_for_the_lab") else { return };
    let pem = std::fs::read(vectors.join("roots/intel/Intel_SGX_Root_CA.pem")).unwrap();
    let intel = <x509_cert::Certificate as der::DecodePem>::from_pem(pem).unwrap();
    let intel = der::Encode::to_der(&intel).unwrap();
    let guest = TdGuest::new();
    assert!(verdict(&intel, &guest.quote_for(&CHALLENGE), &guest.collateral()).is_err());
}

#[test]
fn pins_are_of_the_root() {
    use der::Decode as _;
    let guest = TdGuest::new();
    let root = x509_cert::Certificate::from_der(guest.hierarchy.root()).unwrap();
    let spki = der::Encode::to_der(root.tbs_certificate().subject_public_key_info()).unwrap();
    assert_eq!(guest.pins(), [(ROOT_NAME.to_owned(), AwsLc::sha256(&spki))]);
}

#[test]
fn every_status_can_be_forged() {
    for status in [
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
    ] {
        let mut guest = TdGuest::new();
        guest.collateral.tcb_info.set_status(status, &["INTEL-SA-00001"]);
        let report = judge(&guest).unwrap();
        assert_eq!(report.status, status);
        assert_eq!(report.advisory_ids, ["INTEL-SA-00001"]);
    }
    refused("Revoked", |guest| guest.collateral.tcb_info.set_status("Revoked", &[]));
}

#[test]
fn lower_security_versions_are_out_of_date() {
    // The processor.
    let mut guest = TdGuest::new();
    let mut components = guest.pck_spec.components;
    components[0] -= 1;
    guest.pck_spec.set_components(components);
    guest.issue_pck();
    assert_eq!(status(&guest), "OutOfDate");
    // The PCE.
    let mut guest = TdGuest::new();
    guest.pck_spec.pce_svn -= 1;
    guest.issue_pck();
    assert_eq!(status(&guest), "OutOfDate");
    // The late microcode update, and the TDX module.
    for index in [2, 0] {
        let mut guest = TdGuest::new();
        guest.quote.body.tee_tcb_svn[index] = 3;
        assert_eq!(status(&guest), "OutOfDate");
    }
    // The Quoting Enclave.
    let mut guest = TdGuest::new();
    guest.collateral.qe_identity.tcb_levels =
        vec![TcbLevel::up_to_date(IsvTcb { isv_svn: 8 }), TcbLevel::out_of_date(IsvTcb { isv_svn: 7 })];
    assert_eq!(status(&guest), "OutOfDate");
}

#[test]
fn a_td_that_outlived_its_module_is_advised_to_relaunch() {
    for body_type in [BodyType::Td15, BodyType::Td15Ex] {
        let mut guest = TdGuest::new().with_form(5, body_type);
        guest.quote.body.tee_tcb_svn[0] = 4;
        assert_eq!(status(&guest), "TDRelaunchAdvised");
        guest.collateral.tcb_info.set_status("ConfigurationNeeded", &[]);
        assert_eq!(status(&guest), "TDRelaunchAdvisedConfigurationNeeded");
    }
}

#[test]
fn defects_of_the_header_are_refused() {
    for (offset, bytes, reason) in [
        (0, vec![6], "Unsupported quote version"),
        (2, vec![3], "attestation key type"),
        (4, vec![0x82], "Invalid TEE type"),
        (12, vec![0], "Unknown QE vendor ID"),
    ] {
        refused(reason, |guest| guest.quote.patches = vec![(offset, bytes)]);
    }
    // A report of an enclave is shorter than a TD's, so the parser loses its way.
    refused("Failed to decode quote", |guest| guest.quote.patches = vec![(4, vec![0])]);
    for (offset, byte, reason) in [(48, 5, "Unsupported body type"), (50, 0x89, "Invalid body size")] {
        refused(reason, |guest| {
            *guest = guest.clone().with_form(5, BodyType::Td15);
            guest.quote.patches = vec![(offset, vec![byte])];
        });
    }
}

#[test]
fn defects_of_the_signatures_are_refused() {
    let layout = TdGuest::new().quote.layout();
    let isv = "ISV enclave report signature is invalid";
    refused(isv, |guest| guest.quote.signing_key_label = Some("another key".to_owned()));
    refused(isv, |guest| guest.quote.patches_after = vec![(layout.body, vec![0xff])]);
    refused(isv, |guest| guest.quote.patches_after = vec![(layout.signature + 1, vec![0, 0, 0])]);
    refused("QE report hash mismatch", |guest| guest.quote.qe_report.report_data = Some([0; 64]));
    refused("QE report hash mismatch", |guest| {
        let other = P256Key::from_label("another key").public_point()[1..].to_vec();
        guest.quote.patches_after = vec![(layout.attestation_key, other)];
    });
    refused("QE report hash mismatch", |guest| {
        guest.quote.patches_after = vec![(layout.qe_auth_data_length + 2, vec![0xff])];
    });
    refused("Invalid QE auth data length", |guest| guest.quote.qe_auth_data.push(0));
    let qe = "Signature is invalid for qe_report";
    refused(qe, |guest| guest.pck.key = P256Key::from_label("another platform"));
    refused(qe, |guest| guest.quote.patches_after = vec![(layout.qe_report, vec![0xff])]);
    refused(qe, |guest| guest.quote.patches_after = vec![(layout.qe_report_signature + 1, vec![0, 0, 0])]);
}

#[test]
fn defects_of_the_quoting_enclave_are_refused() {
    refused("QE MRSIGNER mismatch", |guest| guest.quote.qe_report.mr_signer = [1; 32]);
    refused("QE ISVPRODID mismatch", |guest| guest.quote.qe_report.isv_prod_id = 1);
    refused("QE MISCSELECT mismatch", |guest| guest.quote.qe_report.misc_select = 1);
    refused("QE ATTRIBUTES mismatch", |guest| guest.quote.qe_report.attributes[1] = 1);
    refused("Debug mode is enabled", |guest| guest.quote.qe_report.attributes[0] |= 2);
    refused("QE ISVSVN 3 is below", |guest| guest.quote.qe_report.isv_svn = 3);
    refused("QE ISVPRODID mismatch", |guest| guest.quote.qe_report.patches = vec![(256, vec![9])]);
}

#[test]
fn defects_of_the_td_are_refused() {
    refused("Debug mode is enabled", |guest| guest.quote.body.td_attributes |= ATTRIBUTE_DEBUG);
    refused("TD migration is enabled", |guest| guest.quote.body.td_attributes |= ATTRIBUTE_MIGRATABLE);
    refused("SEPT_VE_DISABLE is not enabled", |guest| guest.quote.body.td_attributes = 0);
    refused("Reserved bits", |guest| guest.quote.body.td_attributes |= 1 << 40);
    refused("MRSIGNER mismatch", |guest| guest.quote.body.mr_signer_seam = [1; 48]);
    refused("SEAMATTRIBUTES mismatch", |guest| guest.quote.body.seam_attributes = 1);
    refused("No TDX module identity", |guest| guest.quote.body.tee_tcb_svn[1] = 2);
    refused("below minimum required from TDX module", |guest| guest.quote.body.tee_tcb_svn[0] = 1);
    refused("No matching TCB level", |guest| guest.quote.body.tee_tcb_svn[2] = 1);
    refused("Invalid MR service TD", |guest| {
        *guest = guest.clone().with_form(5, BodyType::Td15);
        guest.quote.body.mr_service_td = [1; 48];
    });
}

#[test]
fn defects_of_the_certification_data_are_refused() {
    for cert_type in [1, 2, 3, 4, 6, 7] {
        refused("Unsupported DCAP PCK cert format", |guest| guest.quote.cert_type = cert_type);
    }
    refused("Certificate chain is too short", |guest| guest.quote.cert_data = Some(Vec::new()));
    refused("UnknownIssuer", |guest| drop(guest.pck.chain.remove(1)));
    refused("CaUsedAsEndEntity", |guest| guest.pck.chain.swap(0, 1));
    // A length that passes the end of the quote.
    for offset in [
        TdGuest::new().quote.layout().signature_data_length + 2,
        TdGuest::new().quote.layout().certification_type + 4,
        TdGuest::new().quote.layout().cert_type + 4,
    ] {
        refused("Failed to decode quote", |guest| guest.quote.patches_after = vec![(offset, vec![0xf])]);
    }
}

/// `dcap-qvl` ignores trailing bytes and the type of the outer certification data, so this reads the bytes.
#[test]
fn what_dcap_qvl_ignores_is_forged_as_asked() {
    let mut guest = TdGuest::new();
    let sound = guest.quote_for(&CHALLENGE);
    let layout = guest.quote.layout();
    let long = |quote: &[u8], offset: usize| {
        usize::try_from(u32::from_le_bytes(quote[offset..offset + 4].try_into().unwrap())).unwrap()
    };
    let lengths = |quote: &[u8]| {
        [layout.signature_data_length, layout.certification_type + 2, layout.cert_type + 2]
            .map(|offset| (long(quote, offset), quote.len() - offset - 4))
    };
    assert!(lengths(&sound).iter().all(|(length, rest)| length == rest), "{:?}", lengths(&sound));
    assert!(sound.ends_with(b"-----END CERTIFICATE-----\n\0"));
    assert!(sound[layout.cert_data..].starts_with(b"-----BEGIN CERTIFICATE-----\n"));

    guest.quote.after_quote = vec![0; 3];
    guest.quote.after_certification_data = vec![0; 5];
    guest.quote.after_cert_data = vec![0; 7];
    guest.quote.certification_type = 5;
    let quote = guest.quote_for(&CHALLENGE);
    let [signature_data, certification, cert] = lengths(&quote);
    assert_eq!(signature_data.1 - signature_data.0, 3);
    assert_eq!(certification.1 - certification.0, 5 + 3);
    assert_eq!(cert.1 - cert.0, 7 + 5 + 3);
    assert_eq!(quote.len(), sound.len() + 15);
    assert_eq!(quote[layout.certification_type], 5);
    assert_eq!(Quote::parse(&quote).unwrap().inner_cert_type(), 5);
}

#[test]
fn defects_of_certificates_are_refused() {
    let chain = "Failed to verify certificate chain";
    refused(chain, |guest| {
        guest.pck_spec.not_after = utc_day(2026, 5, 1);
        guest.issue_pck();
    });
    // A PCK CA by a key that is not the root's, expired, or no authority.
    let ca = PckCa::Platform;
    refused(chain, |guest| {
        let spec = guest.hierarchy.pck_ca_spec(ca);
        guest.pck.chain[1] = spec.sign(guest.hierarchy.tcb_signing_key());
    });
    refused(chain, |guest| {
        let mut spec = guest.hierarchy.pck_ca_spec(ca);
        spec.not_after = utc_day(2026, 5, 1);
        guest.pck.chain[1] = spec.sign(guest.hierarchy.root_key());
    });
    refused(chain, |guest| {
        let mut spec = guest.hierarchy.pck_ca_spec(ca);
        spec.set_extension(basic_constraints(false, None));
        guest.pck.chain[1] = spec.sign(guest.hierarchy.root_key());
    });
    refused("SignatureAlgorithmMismatch", |guest| {
        let mut spec = guest.pck_spec.cert_spec(&guest.hierarchy);
        spec.outer_algorithm = Some(SignatureAlgorithm::RsaPssSha384(lab::x509::PssEncoding::Default));
        guest.pck.chain[0] = spec.sign(guest.hierarchy.pck_ca_key(ca));
    });
    refused("Fmspc mismatch", |guest| {
        guest.pck_spec.fmspc[0] ^= 1;
        guest.issue_pck();
    });
    refused("Intel extension not found", |guest| {
        let mut spec = guest.pck_spec.cert_spec(&guest.hierarchy);
        spec.remove_extension(oid::SGX);
        guest.pck.chain[0] = spec.sign(guest.hierarchy.pck_ca_key(ca));
    });
    for value in [oid::PPID, oid::TCB, oid::FMSPC, oid::PCE_SVN, oid::CPU_SVN, oid::PCE_ID, oid::SGX_TYPE] {
        refused("missing", |guest| {
            guest.pck_spec.omit = vec![value];
            guest.issue_pck();
        });
    }
}

/// `dcap-qvl` takes the first of two values.
#[test]
fn values_of_the_sgx_extension_can_come_twice() {
    for (value, length) in [(oid::FMSPC, 22), (oid::PCE_SVN, 18), (oid::SMT_ENABLED, 18)] {
        let once = PckSpec::default().sgx_extension();
        let twice = PckSpec { duplicate: Some(value), ..PckSpec::default() }.sgx_extension();
        let encoded = |extension: &x509_cert::ext::Extension| extension.extn_value.as_bytes().to_vec();
        assert_eq!(encoded(&twice).len(), encoded(&once).len() + length);
        let count =
            |bytes: &[u8]| bytes.windows(value.as_bytes().len()).filter(|w| *w == value.as_bytes()).count();
        assert_eq!((count(&encoded(&once)), count(&encoded(&twice))), (1, 2));
    }
}

#[test]
fn revoked_certificates_are_refused() {
    let revoked = "CertRevoked";
    refused(revoked, |guest| {
        guest.collateral.pck_crl = guest.collateral.pck_crl.clone().revoke(&guest.pck_spec.serial);
    });
    for serial in [
        TdGuest::new().hierarchy.pck_ca_spec(PckCa::Platform).serial,
        TdGuest::new().hierarchy.tcb_signing_spec().serial,
    ] {
        refused(revoked, |guest| {
            guest.collateral.root_ca_crl = guest.collateral.root_ca_crl.clone().revoke(&serial);
        });
    }
    refused("CrlExpired", |guest| guest.collateral.pck_crl.next_update = Some(utc_day(2026, 5, 1)));
    refused_collateral("Failed to parse root CA CRL", |guest, collateral| {
        let spec = &guest.collateral.root_ca_crl;
        collateral.root_ca_crl = spec.sign(guest.hierarchy.pck_ca_key(PckCa::Platform));
    });
    refused_collateral("Failed to verify certificate chain", |guest, collateral| {
        collateral.pck_crl = guest.collateral.pck_crl.sign(guest.hierarchy.root_key());
    });
}

#[test]
fn defects_of_documents_are_refused() {
    let early = rfc3339(utc_day(2026, 7, 1));
    let late = rfc3339(utc_day(2026, 5, 1));
    refused("TCBInfo issue date is in the future", |guest| {
        guest.collateral.tcb_info.issue_date = early.clone()
    });
    refused("TCBInfo expired", |guest| guest.collateral.tcb_info.next_update = late.clone());
    refused("QE Identity issue date", |guest| guest.collateral.qe_identity.issue_date = early);
    refused("QE Identity expired", |guest| guest.collateral.qe_identity.next_update = late);
    refused("non-TDX TCB info", |guest| guest.collateral.tcb_info.id = "SGX".to_owned());
    refused("Unsupported QE Identity", |guest| guest.collateral.qe_identity.id = "QE".to_owned());
    refused("missing tdxModule", |guest| guest.collateral.tcb_info.tdx_module = None);
    refused("Unrecognized TCB status", |guest| {
        guest.collateral.tcb_info.set_status("TDRelaunchAdvised", &[]);
    });
    // Signed by a key that the root vouches for, but for something else.
    let platform = |guest: &TdGuest| guest.hierarchy.pck_ca_key(PckCa::Platform).clone();
    refused_collateral("Signature is invalid for tcb_info", |guest, collateral| {
        collateral.tcb_info = SignedDocument::tcb_info(&guest.collateral.tcb_info, &platform(guest));
    });
    refused_collateral("Signature is invalid for qe_identity", |guest, collateral| {
        collateral.qe_identity = SignedDocument::qe_identity(&guest.collateral.qe_identity, &platform(guest));
    });
    // Signed, then changed.
    refused_collateral("Signature is invalid for tcb_info", |_, collateral| {
        collateral.tcb_info.body = collateral.tcb_info.body.replace("OutOfDate", "UpToDate");
    });
    refused_collateral("issued directly by the root", |guest, collateral| {
        // Signed under the PCK chain: a platform owner's key is no signer of documents.
        let key = guest.pck.key.clone();
        collateral.tcb_info = SignedDocument::tcb_info(&guest.collateral.tcb_info, &key);
        collateral.tcb_info_issuer_chain = guest.pck.pem_chain();
    });
}

#[test]
fn documents_have_the_form_in_which_intel_serves_them() {
    let collateral = TdGuest::new().collateral();
    for (document, field) in [(&collateral.tcb_info, "tcbInfo"), (&collateral.qe_identity, "enclaveIdentity")]
    {
        let served = document.json();
        let start = format!("{{\"{field}\":{{\"id\":\"TD");
        assert!(served.starts_with(&start), "{served}");
        let (body, signature) = served.rsplit_once(",\"signature\":\"").unwrap();
        assert_eq!(&body[field.len() + 4..], document.body);
        let signature = hex::decode(signature.strip_suffix("\"}").unwrap()).unwrap();
        assert_eq!(signature.len(), 64);
    }
}
