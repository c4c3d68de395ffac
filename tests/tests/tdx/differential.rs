//! Beside the `dcap-qvl` crate: what it refuses, we refuse; on what both accept, both say the same; and each
//! thing that we alone refuse is named, with the reason.

use std::{collections::BTreeSet, fmt, path::Path};

use aws_lc_rs::{
    digest::{SHA256, SHA384, digest},
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use dcap_qvl::{
    QuoteCollateralV3, QuotePolicy,
    config::{Config, CryptoProvider},
    signature::DerSigEncoder,
    verify::{QuoteVerifier, VerifiedReport},
    x509::X509CertBackend,
};
use evidence_ledger::Failed;
use evidence_tdx::{
    Anchors, BARE_METAL, Collateral, Error, PlatformCache, Policy, Quote, TcbStatus, UnixTime, VerifiedQuote,
    VerifyQuote, intel_anchors,
};
use evidence_x509::{Certificate, Pin};
use lab::intel::{BodyType, TdGuest, quote::FORMS};
use pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use crate::{
    real::{ACCEPTED, Real},
    scene::{Bundle, june_2026},
    vectors::vectors,
};

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

/// One quote with its collateral in both verifiers' forms, and the root that both trust.
struct Sides {
    name: String,
    quote: Vec<u8>,
    theirs: QuoteCollateralV3,
    ours: Bundle,
    root: Vec<u8>,
    anchors: Anchors,
    at: u64,
}

impl Sides {
    fn of_lab(name: impl fmt::Display, guest: &TdGuest) -> Self {
        let pins = guest.pins().into_iter();
        Self {
            name: name.to_string(),
            quote: guest.quote_for(&[0xC4; 64]),
            theirs: serde_json::from_str(&guest.collateral().dcap_qvl_json()).unwrap(),
            ours: Bundle::of(guest),
            root: guest.hierarchy.root().to_vec(),
            anchors: Anchors::new(pins.map(|(name, spki_sha256)| Pin { subject: name.into(), spki_sha256 })),
            at: june_2026(),
        }
    }

    fn of_real(root: &Path, real: &Real) -> Self {
        use backend_api::EndorsementKind::{Certificate as Cert, Document, RevocationList};
        let of = |kind| real.endorsements.of(kind).map(<[u8]>::to_vec).collect();
        let quote = real.evidence.quote.to_vec();
        let chain = Quote::parse(&quote).unwrap().pck_chain().to_vec();
        let file = std::fs::read(root.join(real.name).join("collateral.json")).unwrap();
        Self {
            name: real.name.to_owned(),
            theirs: serde_json::from_slice(&file).unwrap(),
            ours: Bundle {
                certificates: of(Cert),
                documents: of(Document),
                revocation_lists: of(RevocationList),
            },
            root: Certificate::parse_der_or_pem(&chain).unwrap()[2].der().to_vec(),
            anchors: intel_anchors(),
            at: real.at,
            quote,
        }
    }

    fn they_say(&self, quote: &[u8]) -> Result<VerifiedReport, String> {
        QuoteVerifier::<AwsLc>::new_with_config(self.root.clone())
            .verify(quote, &self.theirs, self.at)
            .map_err(|error| format!("{error:#}"))
    }

    fn their_fmspc(&self, quote: &[u8]) -> [u8; 6] {
        let verifier = QuoteVerifier::<AwsLc>::new_with_config(self.root.clone());
        let policy = QuotePolicy::claims_only(self.at);
        verifier.verify_with_policy(quote, &self.theirs, self.at, &policy).unwrap().platform.pck.fmspc
    }

    /// Under a policy that takes every status, with whatever REPORTDATA the quote has.
    fn we_say(&self, quote: &[u8], platforms: &PlatformCache) -> Result<VerifiedQuote, Failed<Error>> {
        fn slices(all: &[Vec<u8>]) -> Vec<&[u8]> {
            all.iter().map(Vec::as_slice).collect()
        }
        let report_data = Quote::parse(quote).map_or([0; 64], |quote| quote.report.report_data);
        VerifyQuote {
            quote,
            collateral: Collateral {
                certificates: &slices(&self.ours.certificates),
                documents: &slices(&self.ours.documents),
                revocation_lists: &slices(&self.ours.revocation_lists),
            },
            anchors: &self.anchors,
            report_data: &report_data,
            profile: &BARE_METAL,
            policy: &any_status(),
            at: UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.at)),
        }
        .verify(platforms)
    }

    /// Both verdicts agree on `quote`, or they accept and we refuse: then the check that refuses.
    fn compare(&self, quote: &[u8], platforms: &PlatformCache) -> Option<&'static str> {
        match (self.we_say(quote, platforms), self.they_say(quote)) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours.tcb().status.name(), theirs.status, "{}", self.name);
                let mut advisories = theirs.advisory_ids;
                advisories.sort_unstable();
                assert_eq!(ours.tcb().advisory_ids, advisories, "{}", self.name);
                assert_eq!(ours.ppid().as_slice(), theirs.ppid, "{}", self.name);
                assert_eq!(ours.fmspc(), self.their_fmspc(quote), "{}", self.name);
                let td = theirs.report.as_td10().unwrap();
                let report = ours.report();
                assert_eq!(
                    (report.mr_td, report.rtmrs, report.report_data, report.mr_config_id, report.mr_seam),
                    (
                        td.mr_td,
                        [td.rt_mr0, td.rt_mr1, td.rt_mr2, td.rt_mr3],
                        td.report_data,
                        td.mr_config_id,
                        td.mr_seam
                    ),
                    "{}",
                    self.name
                );
                None
            }
            (Err(_), Err(_)) => None,
            (Err(failed), Ok(_)) => Some(failed.check.name()),
            (Ok(_), Err(theirs)) => panic!("{}: only we accept it: {theirs}", self.name),
        }
    }
}

fn any_status() -> Policy {
    use TcbStatus::{
        ConfigurationAndSWHardeningNeeded, ConfigurationNeeded, OutOfDate, OutOfDateConfigurationNeeded,
        SWHardeningNeeded, TDRelaunchAdvised, TDRelaunchAdvisedConfigurationNeeded, UpToDate,
    };
    let all = [
        UpToDate,
        SWHardeningNeeded,
        ConfigurationNeeded,
        ConfigurationAndSWHardeningNeeded,
        OutOfDate,
        OutOfDateConfigurationNeeded,
        TDRelaunchAdvised,
        TDRelaunchAdvisedConfigurationNeeded,
    ];
    Policy { accept_tcb_status: Some(all.into()), ..Policy::default() }
}

fn every_lab_form() -> Vec<Sides> {
    let form = |(version, body_type)| {
        let guest = TdGuest::new().with_form(version, body_type);
        Sides::of_lab(format!("version {version}, {body_type:?}"), &guest)
    };
    FORMS.map(form).into()
}

fn every_real_quote(test: &str) -> Vec<Sides> {
    let Some(root) = vectors(test) else { return Vec::new() };
    Real::all(test).iter().map(|real| Sides::of_real(&root, real)).collect()
}

#[test]
fn both_accept_and_say_the_same() {
    let test = "both_accept_and_say_the_same";
    let all: Vec<Sides> = every_lab_form().into_iter().chain(every_real_quote(test)).collect();
    assert!([FORMS.len(), FORMS.len() + ACCEPTED.len()].contains(&all.len()));
    for sides in all {
        let platforms = PlatformCache::default();
        assert!(sides.they_say(&sides.quote).is_ok(), "{}", sides.name);
        // The second time from the cache.
        for _ in 0..2 {
            assert_eq!(sides.compare(&sides.quote, &platforms), None, "{}", sides.name);
        }
    }
}

#[test]
fn both_give_every_status_alike() {
    for status in
        ["SWHardeningNeeded", "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"]
    {
        for svn in [0xB, 5, 4, 2, 1] {
            let mut guest = TdGuest::new().with_form(5, BodyType::Td15);
            guest.collateral.tcb_info.set_status(status, &["INTEL-SA-00002", "INTEL-SA-00001"]);
            guest.quote.body.tee_tcb_svn[0] = svn;
            let sides = Sides::of_lab(format!("{status}, TDX module at {svn}"), &guest);
            assert_eq!(sides.compare(&sides.quote, &PlatformCache::default()), None, "{}", sides.name);
        }
    }
}

/// Marsaglia's xorshift generator (2003, triple 13, 7, 17): the same changes in every run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Parts of a quote at which `dcap-qvl` does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unseen {
    /// It has the root from elsewhere. Here the quote's own must be the pinned one.
    Root,
    /// PEM: it reads labels, line ends, and bits of the last digits that mean nothing loosely.
    Pem,
    /// The type of the outer certification data: it takes any for the one that there is.
    CertificationType,
    /// Lengths: what a shorter one leaves over is not looked at.
    Length,
}

impl Unseen {
    /// Which of them byte `at` of `quote` belongs to, where no signature covers it.
    fn at(quote: &[u8], at: usize) -> Option<Self> {
        let chain = Quote::parse(quote).unwrap().pck_chain().to_vec();
        let start = quote.windows(chain.len()).position(|part| part == chain).unwrap();
        let begin = b"-----BEGIN";
        let root = quote.windows(begin.len()).rposition(|part| part == begin).unwrap();
        // Behind the chain's type and length, QE authentication data, QE report and its signature.
        let certification = start - 6 - 34 - 64 - 384 - 6;
        let signed = Quote::parse(quote).unwrap().signed_bytes().len();
        let lengths = [signed, certification + 2, start - 4];
        let line_start = quote[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let armour = quote[line_start..].starts_with(b"-----");
        // The last four digits of a certificate, whose last bits may mean nothing.
        let last_digits = quote[at..].iter().take(5).position(|byte| *byte == b'\n');
        let last_digits = last_digits.is_some_and(|end| quote[at + end + 1..].starts_with(b"-----END"));
        match at {
            _ if at >= root => Some(Self::Root),
            _ if at >= start && (quote[at] == b'\n' || armour || last_digits) => Some(Self::Pem),
            _ if (certification..certification + 2).contains(&at) => Some(Self::CertificationType),
            _ if lengths.iter().any(|length| (*length..*length + 4).contains(&at)) => Some(Self::Length),
            _ => None,
        }
    }
}

/// One changed byte at a time. What they accept and we refuse lies where they do not look.
#[test]
fn on_changed_quotes_only_we_are_stricter_and_only_where_they_do_not_look() {
    let test = "on_changed_quotes_only_we_are_stricter_and_only_where_they_do_not_look";
    let mut noise = Noise(0x7D5E_ED01);
    let mut seen = BTreeSet::new();
    for sides in every_lab_form().into_iter().chain(every_real_quote(test)) {
        let platforms = PlatformCache::default();
        for _ in 0..400 {
            let (at, mask) = (noise.below(sides.quote.len()), 1 << noise.below(8));
            let mut changed = sides.quote.clone();
            changed[at] ^= mask;
            if let Some(check) = sides.compare(&changed, &platforms) {
                let unseen = Unseen::at(&sides.quote, at);
                let unseen = unseen.unwrap_or_else(|| {
                    panic!("{}: byte {at:#x} changed by {mask:#x}: only we refuse it, by {check}", sides.name)
                });
                seen.insert(unseen);
            }
        }
    }
    println!("{seen:?}");
}

/// A defect with what is wrong about it, the check that refuses it, and what makes it.
type Stricter = (&'static str, &'static str, fn(&mut TdGuest));

/// What only we refuse, beside changes of single bytes.
const WE_ALONE: &[Stricter] = &[
    ("bytes after the quote, which nobody signed", "quote-format", |guest| guest.quote.after_quote = vec![0]),
    ("bytes after the certification data, which nobody signed", "quote-format", |guest| {
        guest.quote.after_certification_data = vec![0];
    }),
    ("bytes after the PCK chain, which nobody signed", "quote-format", |guest| {
        guest.quote.after_cert_data = vec![0];
    }),
    ("a type of certification data that is not the one that follows", "quote-format", |guest| {
        guest.quote.certification_type = 5;
    }),
    ("a chain without its root", "pck-chain", |guest| _ = guest.pck.chain.pop()),
    ("a chain with another root", "root-pinned", |guest| {
        guest.pck.chain[2] = guest.hierarchy.tcb_signing().to_vec();
    }),
    ("a PCK certificate of another name", "pck-issuer", |guest| {
        guest.pck_spec.common_name = "Another".to_owned();
        guest.issue_pck();
    }),
    (
        "a CPUSVN that is not made of the components, which are what Intel compares",
        "pck-extension",
        |guest| {
            guest.pck_spec.components[0] = 1;
            guest.issue_pck();
        },
    ),
    ("a feature that TDX does not know", "xfam", |guest| guest.quote.body.xfam |= 1 << 3),
    ("performance counters, which the profile does not allow", "attributes", |guest| {
        guest.quote.body.td_attributes |= 1 << 63;
    }),
    ("Key Locker, which the profile does not allow", "attributes", |guest| {
        guest.quote.body.td_attributes |= 1 << 31;
    }),
    ("an MROWNER, which the profile does not have", "host-fields", |guest| guest.quote.body.mr_owner[0] = 1),
];

#[test]
fn what_only_we_refuse_has_a_reason() {
    for (what, check, change) in WE_ALONE {
        let mut guest = TdGuest::new();
        change(&mut guest);
        let sides = Sides::of_lab(what, &guest);
        assert_eq!(sides.compare(&sides.quote, &PlatformCache::default()), Some(*check), "{what}");
    }
}
