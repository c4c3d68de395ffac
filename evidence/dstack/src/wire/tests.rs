use super::*;
use crate::events::{EventVersion, RUNTIME_EVENT_TYPE};
use crate::vectors;
use evidence_json::JsonError;

mod oracle;
mod round_trips;

/// Every binary attestation that dstack published, by file.
fn real(test: &str) -> Option<Vec<(&'static str, Vec<u8>)>> {
    let binary = [
        "dstack/sev_snp_attestation.bin",
        "dstack/simulator-attestation.bin",
        "dstack/nitro_attestation.bin",
        "dstack/nitro_attestation_dbg.bin",
    ];
    let json = ["dstack/sev-snp-attestation.json", "dstack/tdx-lite-attestation.json"];
    let binary = binary.map(|path| Some((path, vectors::read(test, path)?)));
    let json = json.map(|path| Some((path, vectors::attestation_in_json(test, path)?)));
    binary.into_iter().chain(json).collect()
}

fn runtime_event(version: EventVersion) -> RuntimeEvent {
    RuntimeEvent { name: "app-id".to_owned(), payload: vec![0x42, 0xff], version }
}

fn tdx_event() -> TdxEvent {
    TdxEvent {
        imr: 3,
        event_type: RUNTIME_EVENT_TYPE,
        digest: vec![0xaa; 48],
        event: "app-id".to_owned(),
        event_payload: vec![0x42; 300],
        version: EventVersion::V1,
        preimage: None,
    }
}

fn attestation(platform: Platform) -> Attestation {
    Attestation {
        platform,
        runtime_events: vec![runtime_event(EventVersion::V1)],
        report_data: std::array::from_fn(|i| u8::try_from(i).unwrap().wrapping_mul(3)),
        config: "{}".repeat(40),
        pod_payload: None,
    }
}

/// One attestation of each platform that fits both encodings.
fn samples() -> Vec<Attestation> {
    let tpm_quote = TpmQuote {
        message: vec![1; 117],
        signature: vec![2; 300],
        pcr_values: vec![PcrValue { index: 14, algorithm: "sha256".to_owned(), value: vec![3; 32] }],
        ak_cert: vec![4; 70_000],
        platform: HostPlatform::Gcp,
        event_log: vec![TpmEvent { pcr_index: 2, digest: vec![5; 32] }; 17],
    };
    let (quote, event_log) = (vec![0xc8; 5006], vec![tdx_event(); 20]);
    vec![
        attestation(Platform::Tdx { quote: quote.clone(), event_log: event_log.clone() }),
        attestation(Platform::GcpTdx { quote, event_log, tpm_quote }),
        attestation(Platform::NitroEnclave { nsm_quote: vec![0x7f; 15] }),
        attestation(Platform::AmdSevSnp {
            report: vec![0x80; 1184],
            cert_chain: vec![vec![1, 2], Vec::new()],
            mr_config: "x".repeat(70_000),
        }),
        attestation(Platform::AwsNitroTpm { attestation_doc: vec![0xff; 70_000] }),
    ]
}

/// A pod with events of both versions and a preimage: only V1 carries it.
fn pod() -> Attestation {
    let plain = tdx_event();
    let v2 = TdxEvent { version: EventVersion::V2, ..tdx_event() };
    let explained = TdxEvent { preimage: Some("00".to_owned()), ..tdx_event() };
    let both = TdxEvent { version: EventVersion::V2, ..explained.clone() };
    Attestation {
        runtime_events: vec![runtime_event(EventVersion::V1), runtime_event(EventVersion::V2)],
        pod_payload: Some(r#"{"hello":"world"}"#.to_owned()),
        ..attestation(Platform::Tdx { quote: vec![1], event_log: vec![plain, v2, explained, both] })
    }
}

#[test]
fn real_snp_attestation() {
    let Some(bytes) = vectors::read("wire::real_snp_attestation", "dstack/sev_snp_attestation.bin") else {
        return;
    };
    let attestation = Attestation::decode(&bytes).unwrap();
    assert_eq!(attestation.platform.tee_variant(), "dstack-amd-sev-snp");
    assert_eq!(&attestation.report_data[..24], b"attest-test-fixture-2026");
    assert_eq!(attestation.runtime_events.len(), 9);
    let Platform::AmdSevSnp { report, cert_chain, .. } = attestation.platform else { panic!("snp") };
    let expected = vectors::read("", "snp/milan-v3-dstack-e2e/report.bin").unwrap();
    assert_eq!((report, cert_chain.len()), (expected, 0));
}

#[test]
fn every_truncation_of_real_attestations_is_an_error() {
    let Some(all) = real("wire::every_truncation_of_real_attestations_is_an_error") else { return };
    for (path, v0) in all {
        let v1 = Attestation::decode(&v0).unwrap().encode_v1().unwrap();
        // V1 spells a quote as thousands of integers; its every cut is tried on small samples below.
        for (bytes, step) in [(v0, 1), (v1, 17)] {
            for length in (0..bytes.len()).step_by(step) {
                let error = Attestation::decode(&bytes[..length]).unwrap_err();
                assert!(is_truncation(&error), "{path} cut at {length}: {error}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(Attestation::decode(&longer), Err(WireError::Trailing { left: 1 }));
        }
    }
}

#[test]
fn every_truncation_of_v1_is_an_error() {
    let small = attestation(Platform::AmdSevSnp {
        report: vec![0x80; 40],
        cert_chain: vec![vec![1, 2], Vec::new()],
        mr_config: "{}".to_owned(),
    });
    for bytes in [pod().encode_v1().unwrap(), small.encode_v1().unwrap()] {
        for length in 0..bytes.len() {
            assert!(is_truncation(&Attestation::decode(&bytes[..length]).unwrap_err()));
        }
    }
}

fn is_truncation(error: &WireError) -> bool {
    matches!(error, WireError::Truncated { .. } | WireError::Empty)
}

#[test]
fn both_encodings_carry_every_platform() {
    for sample in samples() {
        let (v0, v1) = (sample.encode_v0().unwrap(), sample.encode_v1().unwrap());
        assert_eq!(Attestation::decode(&v0).as_ref(), Ok(&sample));
        assert_eq!(Attestation::decode(&v1).as_ref(), Ok(&sample));
        assert_eq!(Attestation::decode(&v0).unwrap().encode_v1().unwrap(), v1);
        assert_eq!(Attestation::decode(&v1).unwrap().encode_v0().unwrap(), v0);
    }
}

#[test]
fn discriminants_are_frozen() {
    for (discriminant, sample) in samples().into_iter().enumerate() {
        assert_eq!(usize::from(sample.encode_v0().unwrap()[1]), discriminant);
    }
    let error = WireError::UnknownDiscriminant { what: "platform", found: 5 };
    assert_eq!(Attestation::decode(&[0, 5]), Err(error));
}

#[test]
fn v0_refuses_what_it_has_no_place_for() {
    let refused = |attestation: Attestation| attestation.encode_v0().unwrap_err();
    let not_in_v0 = |loss| WireError::NotInV0 { loss };
    assert_eq!(refused(pod()), not_in_v0(V0Loss::PodPayload));
    let plain = samples().remove(0);
    let events = vec![runtime_event(EventVersion::V2)];
    assert_eq!(refused(Attestation { runtime_events: events, ..plain.clone() }), not_in_v0(V0Loss::EventV2));
    let with = |event| Attestation {
        platform: Platform::Tdx { quote: Vec::new(), event_log: vec![event] },
        ..plain.clone()
    };
    assert_eq!(
        refused(with(TdxEvent { version: EventVersion::V2, ..tdx_event() })),
        not_in_v0(V0Loss::EventV2)
    );
    assert_eq!(
        refused(with(TdxEvent { preimage: Some(String::new()), ..tdx_event() })),
        not_in_v0(V0Loss::Preimage)
    );
}

#[test]
fn hostile_lengths_are_refused_before_allocation() {
    // V0: a quote of 2^30 - 1 bytes, a certificate chain of as many certificates.
    let error = WireError::Truncated { offset: 6, needed: (1 << 30) - 1, left: 0 };
    assert_eq!(Attestation::decode(&[0, 0, 0xfe, 0xff, 0xff, 0xff]), Err(error));
    let error = WireError::TooMany { what: "certificates", limit: 16, found: (1 << 30) - 1 };
    assert_eq!(Attestation::decode(&[0, 3, 0, 0xfe, 0xff, 0xff, 0xff]), Err(error));
    let big = vec![0; MAX_ATTESTATION + 1];
    assert_eq!(Attestation::decode(&big), Err(WireError::TooLarge { found: big.len() }));
    let huge = attestation(Platform::NitroEnclave { nsm_quote: big });
    assert!(matches!(huge.encode_v0(), Err(WireError::TooLarge { .. })));
    assert!(matches!(huge.encode_v1(), Err(WireError::TooLarge { .. })));
    let many =
        Attestation { runtime_events: vec![runtime_event(EventVersion::V1); 4097], ..samples().remove(0) };
    let error = WireError::TooMany { what: "runtime events", limit: 4096, found: 4097 };
    assert_eq!((many.encode_v0(), many.encode_v1()), (Err(error.clone()), Err(error)));

    // V1: each head of an array, string or binary that claims 2^32 - 1 elements.
    let v1 = pod().encode_v1().unwrap();
    for (offset, _) in v1.iter().enumerate() {
        for marker in [0xdb, 0xc6, 0xdd, 0xdf] {
            let hostile = [&v1[..offset], &[marker, 0xff, 0xff, 0xff, 0xff], &v1[offset..]].concat();
            assert!(Attestation::decode(&hostile).is_err());
        }
    }
}

#[test]
fn v1_accepts_one_form_only() {
    let v1 = samples()[2].encode_v1().unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = v1.windows(from.len()).position(|window| window == from).unwrap();
        Attestation::decode(&[&v1[..at], to, &v1[at + from.len()..]].concat()).unwrap_err()
    };
    assert_eq!(v1[..10], *b"\x83\xa7version\x01");
    assert_eq!(replaced(b"\x01", b"\x02"), WireError::Version { what: "attestation", found: 2 });
    assert_eq!(replaced(b"\x01", b"\xcc\x01"), WireError::NotMinimal { offset: 9 });
    assert_eq!(replaced(b"\x01", b"\xcf\0\0\0\0\0\0\0\x01"), WireError::NotMinimal { offset: 9 });
    assert_eq!(replaced(b"\xa7version", b"\xd9\x07version"), WireError::NotMinimal { offset: 1 });
    assert_eq!(replaced(b"\x83", b"\xde\0\x03"), WireError::NotMinimal { offset: 0 });
    assert_eq!(replaced(b"\x83", b"\x84"), WireError::MapLength { offset: 0, expected: 3, found: 4 });
    assert_eq!(replaced(b"\xa7version", b"\xa7verszon"), WireError::Key { offset: 1, expected: "version" });
    let twice = WireError::Key { offset: 10, expected: "platform" };
    assert_eq!(replaced(b"\xa8platform", b"\xa7version\x01"), twice);
    let kind = |what, found: &str| WireError::UnknownKind { what, found: found.to_owned() };
    assert_eq!(replaced(b"\xadnitro-enclave", b"\xa3sgx"), kind("platform", "sgx"));
    assert_eq!(replaced(b"\xa6dstack", b"\xa3pod"), kind("stack", "pod"));
    // A quote as binary instead of integers, and an integer that is no byte.
    let marker = WireError::Marker { offset: 55, expected: "array", found: 0xc4 };
    assert_eq!(replaced(b"\x9f\x7f", b"\xc4\x0f\x7f"), marker);
    assert_eq!(
        replaced(b"\x9f\x7f", b"\x9f\xcd\x01\x00"),
        WireError::Range { offset: 56, limit: 255, found: 256 }
    );
    assert_eq!(replaced(b"\x9f\x7f", b"\x9f\xcc\x7f"), WireError::NotMinimal { offset: 56 });
    // Entry 0 of `report_data` moved out: 63 bytes.
    assert_eq!(replaced(b"\xdc\0\x40\0", b"\xdc\0\x3f"), WireError::ReportDataLength { found: 63 });
    assert_eq!(replaced(b"{}{}", b"{}\xff}"), WireError::Utf8 { offset: v1.len() - 78 });
}

#[test]
fn json_requests() {
    let test = "wire::json_requests";
    let Some(text) = vectors::read(test, "dstack/tdx-lite-attestation.json") else { return };
    let wire = vectors::attestation_in_json(test, "dstack/tdx-lite-attestation.json").unwrap();
    let encoded = Attestation::decode(&text).unwrap();
    assert_eq!(encoded.encode_v0().unwrap(), wire);

    let raw = Attestation::decode(&vectors::read(test, "dstack/tdx-lite-getquote.json").unwrap()).unwrap();
    assert_eq!(raw.runtime_events, encoded.runtime_events);
    assert_eq!((&raw.report_data, &raw.config), (&encoded.report_data, &encoded.config));
    let (Platform::Tdx { quote, event_log }, Platform::Tdx { quote: same, .. }) =
        (&raw.platform, &encoded.platform)
    else {
        panic!("tdx attestations")
    };
    assert!(quote == same);
    assert_eq!(event_log.len(), 29);
    assert_eq!(Attestation::decode(&raw.encode_v0().unwrap()), Ok(raw));

    let legacy = Attestation::decode(&vectors::read(test, "dstack/quote-report.json").unwrap()).unwrap();
    let Platform::Tdx { event_log, .. } = &legacy.platform else { panic!("a tdx attestation") };
    assert_eq!(
        (event_log.len(), legacy.runtime_events.last().unwrap().name.as_str()),
        (28, "LIUM_MINER_HOTKEY")
    );

    let snp = Attestation::decode(&vectors::read(test, "dstack/sev-snp-attestation.json").unwrap()).unwrap();
    let Platform::AmdSevSnp { cert_chain, .. } = snp.platform else { panic!("an snp attestation") };
    let pem = ["dstack/sev_snp_ask.pem", "dstack/sev_snp_vcek.pem"];
    assert_eq!(cert_chain, pem.map(|path| vectors::read(test, path).unwrap()));
}

#[test]
fn json_requests_are_strict() {
    let parse = |text: &str| Request::parse(text).unwrap_err();
    let raw = r#"{"quote":"00","event_log":"[]","vm_config":"{}"}"#;
    let Ok(Request::Quote(request)) = Request::parse(raw) else { panic!("a raw request") };
    assert_eq!(request.report_data, None);
    let (document, key) = (request_document(), "report_data");
    let missing = WireError::Json(JsonError::MissingKey { document, key });
    assert_eq!(Attestation::decode(raw.as_bytes()), Err(missing));
    assert_eq!(parse("{}"), WireError::RequestMode);
    assert_eq!(parse(&raw.replacen('{', r#"{"attestation":"00","#, 1)), WireError::RequestMode);
    let key = "pccs".to_owned();
    let unknown = WireError::Json(JsonError::UnknownKey { document, key });
    assert_eq!(parse(&raw.replacen('{', r#"{"pccs":"","#, 1)), unknown);
    let key = "quote".to_owned();
    let duplicate = WireError::Json(JsonError::DuplicateKey { document, key });
    assert_eq!(parse(&raw.replacen('{', r#"{"quote":"","#, 1)), duplicate);
    assert_eq!(parse(r#"{"attestation":"7b7d"}"#), WireError::UnknownEncoding { first: b'{' });
    assert_eq!(parse(r#"{"attestation":""}"#), WireError::Empty);
    assert!(Request::parse(&raw.replacen('{', r#"{"debug":true,"#, 1)).is_ok());
    let event = r#"[{\"imr\":3,\"event_type\":1,\"event\":\"\",\"event_payload\":\"\",\"version\":3}]"#;
    assert_eq!(parse(&raw.replace("[]", event)), WireError::Version { what: "event", found: 3 });
    assert!(matches!(parse(&raw.replace("[]", &event.replace("version", "extra"))), WireError::Json(_)));
}

fn request_document() -> &'static str {
    "verification request"
}

#[test]
fn first_bytes() {
    assert_eq!(Attestation::decode(&[]), Err(WireError::Empty));
    assert_eq!(Attestation::decode(&[1]), Err(WireError::UnknownEncoding { first: 1 }));
    assert_eq!(Encoding::sniff(&[0xde]), Ok(Encoding::V1));
    assert_eq!(Encoding::sniff(&[0x90]), Err(WireError::UnknownEncoding { first: 0x90 }));
}
