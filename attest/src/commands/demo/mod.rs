//! `attest demo`: a verification from beginning to end, on evidence that the lab forges.

mod tampered;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Error, Evidence, OfflineBundle, Result,
    TrustAnchor, TrustAnchors, UnixTime,
};
use backend_baremetal_snp::{ID, ImageDocuments, LaunchEvidence, LaunchSource, MEDIA_TYPE, SnpEvidence};
use lab::amd::{Guest, Product};
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_json::{Value, json};

use super::verify::{block_on, identity};
use crate::output::{Answer, Exit, section, table};
use tampered::CHANGES;

/// What the relying party asked the guest to commit to.
const CHALLENGE: [u8; 64] = [0x2a; 64];

/// Everything that one verification starts from.
#[derive(Debug, Clone)]
struct Trial {
    evidence: SnpEvidence,
    challenge: [u8; 64],
    revocation_list: Option<Vec<u8>>,
}

impl Trial {
    /// The undamaged evidence of `guest`.
    fn of(guest: &Guest) -> Self {
        let mut evidence = SnpEvidence::new(guest.report_for(&CHALLENGE), guest.chain());
        evidence.mr_config = Some(guest.mr_config.clone());
        evidence.launch = Some(LaunchEvidence {
            source: image(guest),
            append: None,
            vcpus: guest.vcpus,
            vcpu_type: guest.vcpu_type.clone(),
            guest_features: guest.guest_features,
        });
        Self { evidence, challenge: CHALLENGE, revocation_list: Some(guest.crl()) }
    }

    fn envelope(&self) -> Vec<u8> {
        Envelope::of_cpu(Evidence::new(MEDIA_TYPE, self.evidence.encode())).encode_cbor()
    }

    /// The verdict, under other roots than AMD's if some are given. The outer error is that there is none.
    fn judge(&self, anchors: Option<&TrustAnchors>) -> Result<Result<AttestationResult>> {
        let list = self.revocation_list.iter();
        let bundle: Endorsements =
            list.map(|der| Endorsement::new(EndorsementKind::RevocationList, der.clone())).collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
        let accepted = Registry::linked()?.accept([ID.as_str()])?;
        let source = Arc::new(OfflineBundle::new(bundle));
        let mut verifier =
            Verifier::new(accepted, source, AppraisalPolicy::default())?.with_clock(Clock::Fixed(at));
        if let Some(anchors) = anchors {
            verifier = verifier.danger_replace_trust_anchors(ID, anchors.clone())?;
        }
        block_on(verifier.verify(&self.envelope(), &Challenge::new(self.challenge)))
    }
}

/// The documents of the image that `guest` runs.
fn image(guest: &Guest) -> LaunchSource {
    LaunchSource::Image(ImageDocuments {
        checksum_file: guest.checksum_file.clone().into(),
        measurement: guest.measurement_cbor.clone().into(),
    })
}

/// What became of evidence that must be refused.
#[derive(Debug)]
struct Refusal {
    change: &'static str,
    expected: &'static str,
    /// The check that failed; `accepted`, or the kind of an error that no check made.
    found: String,
    message: String,
}

impl Refusal {
    fn new(change: &'static str, expected: &'static str, verdict: &Result<AttestationResult>) -> Self {
        let (found, message) = match verdict {
            Ok(_) => ("accepted".to_owned(), String::new()),
            Err(error) => {
                let found = error.check().filter(|_| error.kind().is_refusal());
                let found = found.map_or_else(|| super::name(error.kind()), |check| check.name().to_owned());
                (found, why(error))
            }
        };
        Self { change, expected, found, message }
    }

    fn is_as_expected(&self) -> bool {
        self.found == self.expected
    }

    fn row(&self) -> [String; 3] {
        let deviation = format!("{}  DEVIATES, expected {}", self.found, self.expected);
        let found = if self.is_as_expected() { self.found.clone() } else { deviation };
        [self.change.to_owned(), found, shortened(&self.message)]
    }

    fn json(&self) -> Value {
        json!({
            "change": self.change,
            "expected-check": self.expected,
            "check": self.found,
            "message": self.message,
            "as-expected": self.is_as_expected(),
        })
    }
}

/// Shows it, and ends with an error if anything is other than it must be.
pub(crate) fn run() -> Result<Answer> {
    let guest = Guest::new(Product::Milan);
    let trial = Trial::of(&guest);
    let anchors = lab_anchors(&guest);

    let foreign = Refusal::new("judged under AMD's roots", "chain-signatures", &trial.judge(None)?);
    let verdict = trial.judge(Some(&anchors))?;
    let mut refusals = Vec::with_capacity(CHANGES.len());
    for (change, expected, apply) in CHANGES {
        let mut tampered = trial.clone();
        apply(&guest, &mut tampered);
        refusals.push(Refusal::new(change, expected, &tampered.judge(Some(&anchors))?));
    }

    let mut text = introduction(&guest, &trial);
    text.push_str("\n2. Under AMD's roots it is refused, as any forgery must be.\n");
    text.push_str(&table([
        ["refused by".to_owned(), foreign.found.clone()],
        ["because".to_owned(), foreign.message.clone()],
    ]));
    text.push_str(&acceptance(&guest, &verdict));
    text.push_str("\n4. Copies with one change each are refused, each by the check that is there for it.\n");
    text.push_str(&section("changed, failed check, and why", refusals.iter().map(Refusal::row)));

    refusals.insert(0, foreign);
    let accepted = usize::from(verdict.is_ok());
    let refused = refusals.iter().filter(|refusal| refusal.is_as_expected()).count();
    let complete = accepted == 1 && refused == refusals.len();
    let summary = if complete {
        format!("demo complete: {accepted} accepted, {refused} refused, as they must be")
    } else {
        format!(
            "demo failed: {accepted} of 1 accepted, {refused} of {} refused as they must be",
            refusals.len()
        )
    };
    // Writing to memory does not fail.
    let _ = writeln!(text, "\n{summary}");
    let json = json!({
        "simulated": true,
        "complete": complete,
        "summary": summary,
        "accepted": verdict.as_ref().ok(),
        "error": verdict.as_ref().err(),
        "refused": refusals.iter().map(Refusal::json).collect::<Vec<_>>(),
    });
    Ok(Answer::done(text, json).with_exit(if complete { Exit::Done } else { Exit::Refused }))
}

fn introduction(guest: &Guest, trial: &Trial) -> String {
    let rows = [
        ("processor", format!("{}, simulated", guest.product.name())),
        ("command line", guest.cmdline.clone()),
        ("vCPUs", format!("{} of type {}", guest.vcpus, guest.vcpu_type)),
        ("HOST_DATA document", shortened(&guest.mr_config)),
        ("challenge", format!("{} (64 bytes)", shortened(&hex::encode(trial.challenge)))),
        ("evidence", format!("{} bytes, {MEDIA_TYPE}", trial.envelope().len())),
    ];
    format!(
        "SIMULATED: no hardware takes part. The lab plays AMD and the guest with public test keys, so that what follows\n\
         says nothing about any real machine; the code that judges is the one that judges real evidence.\n\n\
         1. The lab forges a guest: root, intermediate and chip certificates, a revocation list, an image, a launch,\n   \
         and a report that is signed for a challenge.\n{}",
        table(rows.map(|(fact, value)| [fact.to_owned(), value]))
    )
}

fn acceptance(guest: &Guest, verdict: &Result<AttestationResult>) -> String {
    let mut text = "\n3. Under the lab's roots, which a caller must put in place by a method named danger, it is verified and\n   \
                    bound: the measurement is computed again from firmware, kernel, initrd, command line and vCPUs.\n"
        .to_owned();
    match verdict {
        Err(error) => {
            let _ = writeln!(text, "  DEVIATES: refused, {error}");
        }
        Ok(result) => {
            let item = &result.cpu;
            let gaps = item.ledger.gaps().count();
            let passed = item.ledger.entries().len().saturating_sub(gaps);
            let rows = [
                ("measurement, reported", item.claims.measurement.clone()),
                ("measurement, recomputed", hex::encode(guest.measurement())),
                ("tcb status", item.claims.tcb_status.clone()),
                (
                    "checks",
                    format!(
                        "{passed} passed, {gaps} not performed, each for the reason that the ledger gives"
                    ),
                ),
            ];
            text.push_str(&table(rows.map(|(fact, value)| [fact.to_owned(), value])));
            text.push_str(&identity(item));
        }
    }
    text
}

/// The lab's own roots.
fn lab_anchors(guest: &Guest) -> TrustAnchors {
    let pins = guest.hierarchy.pins().into_iter();
    TrustAnchors(
        pins.map(|(subject, spki_sha256)| TrustAnchor { subject: subject.into(), spki_sha256 }).collect(),
    )
}

/// The detail without backend and check.
fn why(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// At most 72 characters.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 72;
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    text.chars().take(LIMIT.saturating_sub(1)).chain(['…']).collect()
}
