//! What the simulated Intel forges is Intel's in every byte but keys, dates and signatures: with the values
//! of a real certificate, list, document or quote put in, the forged one is the real one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

mod vectors;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_SUBJECT_KEY_IDENTIFIER};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::quote::Quote;
use der::asn1::{Any, OctetStringRef};
use der::{Decode as _, DecodePem as _, Encode as _};
use lab::intel::hierarchy::ROOT_CRL_URL;
use lab::intel::pck::oid;
use lab::intel::quote::QE_VENDOR_INTEL;
use lab::intel::tcb::{IsvTcb, PlatformTcb, TdxModule, TdxModuleIdentity, platform_tcb};
use lab::intel::{
    BodyType, Configuration, Hierarchy, PckCa, PckSpec, QeIdentity, QuoteSpec, TcbInfo, TcbLevel, TdBody,
    pck_crl_spec, root_crl_spec,
};
use lab::x509::{
    CertSpec, CrlSpec, SignatureAlgorithm, authority_key_identifier, crl_distribution_point,
    subject_key_identifier,
};
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

use vectors::vectors;

/// Puts the key, its identifiers, the serial number and the dates of a real certificate into a forged one.
fn adopt(spec: CertSpec, real: &Certificate) -> CertSpec {
    let tbs = real.tbs_certificate();
    let mut spec = CertSpec {
        serial: unsigned(tbs.serial_number().as_bytes()),
        spki: tbs.subject_public_key_info().to_der().unwrap(),
        not_before: tbs.validity().not_before.to_unix_duration().as_secs(),
        not_after: tbs.validity().not_after.to_unix_duration().as_secs(),
        ..spec
    };
    let (_, subject) = tbs.get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
    spec.set_extension(subject_key_identifier(subject.0.as_bytes().try_into().unwrap()));
    let (_, authority) = tbs.get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
    let authority = authority.key_identifier.unwrap();
    spec.set_extension(authority_key_identifier(authority.as_bytes().try_into().unwrap()));
    spec
}

/// A serial number without the zero byte that keeps it positive.
fn unsigned(serial: &[u8]) -> Vec<u8> {
    serial.strip_prefix(&[0]).unwrap_or(serial).to_vec()
}

#[test]
fn authorities_have_the_bytes_of_intels() {
    let Some(vectors) = vectors("authorities_have_the_bytes_of_intels") else { return };
    let hierarchy = Hierarchy::new();
    for (file, spec) in [
        ("Root_CA", hierarchy.root_spec()),
        ("PCK_Platform_CA", hierarchy.pck_ca_spec(PckCa::Platform)),
        ("PCK_Processor_CA_0", hierarchy.pck_ca_spec(PckCa::Processor)),
        ("PCK_Processor_CA_1", hierarchy.pck_ca_spec(PckCa::Processor)),
        ("TCB_Signing_2018_0", hierarchy.tcb_signing_spec()),
        ("TCB_Signing_2025_1", hierarchy.tcb_signing_spec()),
    ] {
        let pem = std::fs::read(vectors.join(format!("roots/intel/Intel_SGX_{file}.pem"))).unwrap();
        let real = Certificate::from_pem(pem).unwrap();
        assert_eq!(spec.serial, key_identifier(&spec), "the serial number is the key identifier");
        let mut spec = adopt(spec, &real);
        assert_eq!(spec.serial, key_identifier(&spec), "{file}");
        if file == "PCK_Processor_CA_0" {
            // The first certificate of this authority has a form of the URL that Intel gave up.
            spec.set_extension(crl_distribution_point(&ROOT_CRL_URL.replace(".der", ".crl")));
        }
        assert_eq!(hex::encode(spec.tbs()), hex::encode(real.tbs_certificate().to_der().unwrap()), "{file}");
        let algorithm = real.signature_algorithm();
        assert_eq!((algorithm.parameters.as_ref(), spec.algorithm), (None, SignatureAlgorithm::EcdsaSha256));
    }
}

/// The subject key identifier, 20 bytes.
fn key_identifier(spec: &CertSpec) -> Vec<u8> {
    let value = spec.extensions.iter().find(|e| e.extn_id == ID_CE_SUBJECT_KEY_IDENTIFIER).unwrap();
    <&OctetStringRef>::from_der(value.extn_value.as_bytes()).unwrap().as_bytes().to_vec()
}

/// Folders of real quotes.
fn quotes(vectors: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for (folder, file) in [("tdx", "quote.bin"), ("azure", "td_quote.bin"), ("gcp", "quote.bin")] {
        for entry in std::fs::read_dir(vectors.join(folder)).unwrap() {
            let path = entry.unwrap().path().join(file);
            paths.extend(path.is_file().then_some(path));
        }
    }
    paths.sort();
    paths
}

/// The pairs of identifier and value in a SEQUENCE.
fn pairs(value: &Any) -> Vec<(ObjectIdentifier, Any)> {
    let pairs = Vec::<Any>::from_der(&value.to_der().unwrap()).unwrap();
    let pair = |pair: Any| {
        let [id, value]: [Any; 2] = Vec::from_der(&pair.to_der().unwrap()).unwrap().try_into().unwrap();
        (id.decode_as().unwrap(), value)
    };
    pairs.into_iter().map(pair).collect()
}

fn value_of(pairs: &[(ObjectIdentifier, Any)], id: ObjectIdentifier) -> Option<Any> {
    pairs.iter().find(|(present, _)| *present == id).map(|(_, value)| value.clone())
}

/// The specification of a real PCK certificate.
fn pck_spec(real: &Certificate) -> PckSpec {
    let extensions = real.tbs_certificate().extensions().unwrap();
    let sgx = extensions.iter().find(|extension| extension.extn_id == oid::SGX).unwrap();
    let sgx = pairs(&Any::from_der(sgx.extn_value.as_bytes()).unwrap());
    let tcb = pairs(&value_of(&sgx, oid::TCB).unwrap());
    let bytes = |id| value_of(&sgx, id).map(|value| value.value().to_vec());
    let issuer = real.tbs_certificate().issuer().to_string();
    let ca = PckCa::ALL.into_iter().find(|ca| issuer.contains(ca.common_name())).unwrap();
    let configuration = value_of(&sgx, oid::CONFIGURATION).map(|value| {
        let flags = pairs(&value);
        let flag = |id| value_of(&flags, id).unwrap().decode_as().unwrap();
        Configuration {
            dynamic_platform: flag(oid::DYNAMIC_PLATFORM),
            cached_keys: flag(oid::CACHED_KEYS),
            smt_enabled: flag(oid::SMT_ENABLED),
        }
    });
    let components: Vec<u8> = tcb[..16].iter().map(|(_, svn)| svn.decode_as().unwrap()).collect();
    PckSpec {
        ppid: bytes(oid::PPID).unwrap(),
        components: components.try_into().unwrap(),
        pce_svn: value_of(&tcb, oid::PCE_SVN).unwrap().decode_as().unwrap(),
        cpu_svn: value_of(&tcb, oid::CPU_SVN).unwrap().value().to_vec(),
        pce_id: bytes(oid::PCE_ID).unwrap(),
        fmspc: bytes(oid::FMSPC).unwrap(),
        sgx_type: bytes(oid::SGX_TYPE).unwrap()[0],
        platform_instance_id: bytes(oid::PLATFORM_INSTANCE_ID),
        configuration,
        ..PckSpec::new(ca)
    }
}

#[test]
fn pck_certificates_have_the_bytes_of_intels() {
    let Some(vectors) = vectors("pck_certificates_have_the_bytes_of_intels") else { return };
    let quotes = quotes(&vectors);
    for path in &quotes {
        let quote = Quote::parse(&std::fs::read(path).unwrap()).unwrap();
        let der = dcap_qvl::intel::extract_cert_chain(&quote).unwrap().remove(0);
        let real = Certificate::from_der(&der).unwrap();
        let spec = pck_spec(&real);
        assert_eq!(spec.cpu_svn, spec.components);
        let mut forged = adopt(spec.cert_spec(&Hierarchy::new()), &real);
        let present = real.tbs_certificate().extensions().unwrap();
        let url = present.iter().find(|e| e.extn_id == ID_CE_CRL_DISTRIBUTION_POINTS).unwrap();
        if url.extn_value.as_bytes().windows(4).any(|part| part == b"/v3/") {
            // Issued when the service was at version 3, in a certificate of 2023.
            forged.set_extension(crl_distribution_point(
                "https://api.trustedservices.intel.com/sgx/certification/v3/pckcrl?ca=platform&encoding=der",
            ));
        }
        assert_eq!(
            hex::encode(forged.tbs()),
            hex::encode(real.tbs_certificate().to_der().unwrap()),
            "{}",
            path.display()
        );
    }
    assert!(quotes.len() >= 14, "{}", quotes.len());
}

/// Every real quote's collateral.
fn collateral(vectors: &Path) -> Vec<(PathBuf, QuoteCollateralV3)> {
    let files = quotes(vectors).into_iter().map(|path| path.with_file_name("collateral.json"));
    files
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()))
        .collect()
}

fn adopt_list(spec: CrlSpec, real: &CertificateList) -> CrlSpec {
    let real = &real.tbs_cert_list;
    let extensions = real.crl_extensions.clone().unwrap();
    assert_eq!(extensions[0], spec.extensions[0], "the CRL's number is the real one's");
    let revoked = real.revoked_certificates.iter().flatten();
    CrlSpec {
        this_update: real.this_update.to_unix_duration().as_secs(),
        next_update: real.next_update.map(|time| time.to_unix_duration().as_secs()),
        revoked: revoked
            .map(|entry| {
                let date = entry.revocation_date.to_unix_duration().as_secs();
                (entry.serial_number.as_bytes().to_vec(), date)
            })
            .collect(),
        extensions,
        ..spec
    }
}

#[test]
fn crls_have_the_bytes_of_intels() {
    let Some(vectors) = vectors("crls_have_the_bytes_of_intels") else { return };
    let hierarchy = Hierarchy::new();
    let (mut count, mut revoked) = (0, 0);
    for (path, collateral) in collateral(&vectors) {
        for (der, spec) in [
            (&collateral.root_ca_crl, root_crl_spec(&hierarchy)),
            (&collateral.pck_crl, pck_crl_spec(&hierarchy, PckCa::Platform)),
        ] {
            let real = <CertificateList>::from_der(der).unwrap();
            let spec = adopt_list(spec, &real);
            assert_eq!(
                hex::encode(spec.tbs()),
                hex::encode(real.tbs_cert_list.to_der().unwrap()),
                "{}",
                path.display()
            );
            count += 1;
            revoked += spec.revoked.len();
        }
    }
    assert!(count >= 20 && revoked > 0, "{count} {revoked}");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn levels<T>(levels: &Value, tcb: impl Fn(&Value) -> T) -> Vec<TcbLevel<T>> {
    let advisories = |level: &Value| -> Vec<String> {
        level.get("advisoryIDs").into_iter().flat_map(|ids| ids.as_array().unwrap()).map(text).collect()
    };
    let level = |level: &Value| TcbLevel {
        tcb: tcb(&level["tcb"]),
        tcb_date: text(&level["tcbDate"]),
        tcb_status: text(&level["tcbStatus"]),
        advisory_ids: advisories(level),
    };
    levels.as_array().unwrap().iter().map(level).collect()
}

fn isv(tcb: &Value) -> IsvTcb {
    IsvTcb { isv_svn: number(&tcb["isvsvn"]).try_into().unwrap() }
}

fn platform(tcb: &Value) -> PlatformTcb {
    let svns = |field: &str| -> [u8; 16] {
        let components = tcb[field].as_array().unwrap().iter();
        components
            .map(|component| number(&component["svn"]).try_into().unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    };
    let [module, version, microcode, rest @ ..] = svns("tdxtcbcomponents");
    assert_eq!(rest, [0; 13]);
    let pce_svn = number(&tcb["pcesvn"]).try_into().unwrap();
    platform_tcb(svns("sgxtcbcomponents"), pce_svn, [module, version, microcode])
}

fn module(value: &Value) -> TdxModule {
    TdxModule {
        mrsigner: text(&value["mrsigner"]),
        attributes: text(&value["attributes"]),
        attributes_mask: text(&value["attributesMask"]),
    }
}

#[test]
fn documents_have_the_bytes_of_intels() {
    let Some(vectors) = vectors("documents_have_the_bytes_of_intels") else { return };
    let mut platforms = BTreeSet::new();
    for (path, collateral) in collateral(&vectors) {
        let real: Value = serde_json::from_str(&collateral.tcb_info).unwrap();
        let identities = real["tdxModuleIdentities"].as_array().unwrap().iter();
        let forged = TcbInfo {
            id: text(&real["id"]),
            version: number(&real["version"]),
            issue_date: text(&real["issueDate"]),
            next_update: text(&real["nextUpdate"]),
            fmspc: text(&real["fmspc"]),
            pce_id: text(&real["pceId"]),
            tcb_type: number(&real["tcbType"]),
            tcb_evaluation_data_number: number(&real["tcbEvaluationDataNumber"]),
            tdx_module: Some(module(&real["tdxModule"])),
            tdx_module_identities: identities
                .map(|identity| TdxModuleIdentity {
                    id: text(&identity["id"]),
                    module: module(identity),
                    tcb_levels: levels(&identity["tcbLevels"], isv),
                })
                .collect(),
            tcb_levels: levels(&real["tcbLevels"], platform),
        };
        assert_eq!(serde_json::to_string(&forged).unwrap(), collateral.tcb_info, "{}", path.display());
        platforms.insert(forged.fmspc.to_uppercase());

        let real: Value = serde_json::from_str(&collateral.qe_identity).unwrap();
        let forged = QeIdentity {
            issue_date: text(&real["issueDate"]),
            next_update: text(&real["nextUpdate"]),
            tcb_evaluation_data_number: number(&real["tcbEvaluationDataNumber"]),
            tcb_levels: levels(&real["tcbLevels"], isv),
            ..QeIdentity::default()
        };
        assert_eq!(serde_json::to_string(&forged).unwrap(), collateral.qe_identity, "{}", path.display());
    }
    assert_eq!(platforms.len(), 4, "{platforms:?}");
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().unwrap()
}

fn long(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(bytes, offset))
}

/// The specification of a real quote. The test reads it at offsets of its own.
fn respecify(quote: &[u8]) -> QuoteSpec {
    let version = u16::from_le_bytes(array(quote, 0));
    let (body_type, body) = match (version, array(quote, 48)) {
        (4, _) => (BodyType::Td10, &quote[48..48 + 584]),
        (5, [2, 0]) => (BodyType::Td10, &quote[54..54 + 584]),
        (5, [3, 0]) => (BodyType::Td15, &quote[54..54 + 648]),
        other => panic!("{other:?}"),
    };
    let mut td = TdBody {
        tee_tcb_svn: array(body, 0),
        mr_seam: array(body, 16),
        mr_signer_seam: array(body, 64),
        seam_attributes: long(body, 112),
        td_attributes: long(body, 120),
        xfam: long(body, 128),
        mrtd: array(body, 136),
        mr_config_id: array(body, 184),
        mr_owner: array(body, 232),
        mr_owner_config: array(body, 280),
        rtmr0: array(body, 328),
        rtmr1: array(body, 376),
        rtmr2: array(body, 424),
        rtmr3: array(body, 472),
        report_data: array(body, 520),
        ..TdBody::default()
    };
    if body_type == BodyType::Td15 {
        td.tee_tcb_svn2 = array(body, 584);
        td.mr_service_td = array(body, 600);
    }
    QuoteSpec { user_data: array(quote, 28), body: td, ..QuoteSpec::new(version, body_type) }
}

#[test]
fn quotes_have_the_bytes_of_intels() {
    let Some(vectors) = vectors("quotes_have_the_bytes_of_intels") else { return };
    for path in quotes(&vectors) {
        let name = path.display();
        let real = std::fs::read(&path).unwrap();
        let mut spec = respecify(&real);
        let layout = spec.layout();
        assert_eq!(
            hex::encode(spec.signed_part()),
            hex::encode(&real[..layout.signature_data_length]),
            "{name}"
        );
        assert_eq!(spec.qe_vendor_id, QE_VENDOR_INTEL);

        // The signed report of the QE: what the lab leaves zero is zero, and what the lab sets is Intel's.
        let qe = &real[layout.qe_report..layout.qe_report + 384];
        spec.qe_report.cpu_svn = array(qe, 0);
        spec.qe_report.mr_enclave = array(qe, 64);
        spec.qe_report.isv_svn = u16::from_le_bytes(array(qe, 258));
        // GCE's authentication data are zeros.
        spec.qe_auth_data = real[layout.qe_auth_data_length + 2..][..32].to_vec();
        assert!(spec.qe_auth_data == [0; 32] || spec.qe_auth_data.iter().copied().eq(0..32));
        spec.qe_report.report_data = Some(array(qe, 320));
        // The chain, with its NUL, where GCE's has none.
        spec.cert_data = Some(real[layout.cert_data..].to_vec());
        let forged = spec.sign(&PckSpec::default().issue(&Hierarchy::new()));
        assert_eq!(forged.len(), real.len(), "{name}");
        for range in [
            layout.signature_data_length..layout.signature,
            layout.certification_type..layout.qe_report_signature,
            layout.qe_auth_data_length..real.len(),
        ] {
            assert_eq!(hex::encode(&forged[range.clone()]), hex::encode(&real[range]), "{name}");
        }
        let pem = String::from_utf8(spec.cert_data.unwrap()).unwrap();
        let chain = dcap_qvl::intel::extract_cert_chain(&Quote::parse(&real).unwrap()).unwrap();
        let written = lab::x509::pem_chain(chain.iter().map(Vec::as_slice));
        assert!(pem == written || pem == format!("{written}\0"), "{name}");
    }
}
