//! `attest demo`: a verification from beginning to end, on evidence that the lab forges.

mod aws;
mod azure;
#[cfg(feature = "attester")]
mod collected;
mod gcp;
mod nvidia;
mod refusal;
mod snp;
mod tdx;
mod vtpm;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use backend_api::{
    BackendId, Challenge, Endorsements, Envelope, Evidence, Field, Identity, OfflineBundle, Result,
    TrustAnchors, UnixTime,
};
use lab::events::Event;
use registry::{AppraisalPolicy, Appraised, AttestationResult, Clock, Registry, Verifier};
use serde_json::json;

use super::verify::{block_on, identity};
use crate::{
    cli::{DemoArgs, DemoBackend},
    output::{Answer, Exit, section, table},
};
#[cfg(feature = "attester")]
use collected::collect;
use refusal::Refusal;

/// What the relying party asked the guest to commit to.
const CHALLENGE: [u8; 64] = [0x2a; 64];

/// A challenge that it did not send.
const OTHER_CHALLENGE: [u8; 64] = [0x2b; 64];

/// Everything that one verification starts from.
struct Trial {
    evidence: Evidence,
    /// Of the devices beside it.
    devices: Vec<Evidence>,
    challenge: [u8; 64],
    endorsements: Endorsements,
}

/// Whose evidence of one kind the lab forges.
struct Vendor {
    backend: BackendId,
    name: &'static str,
    /// The lab's own roots.
    anchors: TrustAnchors,
    /// The check that stands between the lab and the vendor's roots.
    foreign_check: &'static str,
}

/// A guest, and everything that is tried with its evidence.
struct Story {
    /// The CPU's, then those of its devices.
    vendors: Vec<Vendor>,
    /// The relying party's policy, TOML.
    policy: String,
    /// What the lab made, and its facts.
    introduction: (String, Vec<(&'static str, String)>),
    /// Whether a simulated guest collected the evidence, rather than the lab put it together.
    collected: bool,
    /// What stands behind the verdict.
    acceptance: String,
    /// Facts of the guest that the verdict must have found by itself.
    expected: Vec<(&'static str, String)>,
    undamaged: Trial,
    /// Changed copies that must be accepted, with the identity that they have in common.
    accepted: Vec<(&'static str, Trial)>,
    /// Changed copies, each with the check that must refuse it.
    refused: Vec<(&'static str, &'static str, Trial)>,
}

/// Shows it, and ends with an error if anything is other than it must be.
pub(crate) fn run(args: &DemoArgs) -> Result<Answer> {
    match args.backend {
        DemoBackend::Aws => show(&aws::story()?),
        DemoBackend::Azure => show(&azure::story()?),
        DemoBackend::BaremetalSnp => show(&snp::story()),
        DemoBackend::Gcp => show(&gcp::story()?),
        DemoBackend::Tdx => show(&tdx::story()?),
        DemoBackend::TdxNvidia => show(&nvidia::story()),
    }
}

fn show(story: &Story) -> Result<Answer> {
    let mut foreign = Vec::with_capacity(story.vendors.len());
    for (index, vendor) in story.vendors.iter().enumerate() {
        // The evidence before this vendor's is accepted under the lab's roots.
        let verdict = story.judge(&story.undamaged, index)?;
        let roots = format!("judged under {}'s roots", vendor.name);
        foreign.push(Refusal::new(roots, vendor.foreign_check, &verdict));
    }
    let all = story.vendors.len();
    let verdict = story.judge(&story.undamaged, all)?;
    let mut variants = Vec::with_capacity(story.accepted.len());
    for (change, trial) in &story.accepted {
        let other = story.judge(trial, all)?;
        variants.push((*change, same_application(&verdict, &other)));
    }
    let mut refusals = Vec::with_capacity(story.refused.len());
    for (change, expected, trial) in &story.refused {
        let verdict = story.judge(trial, all)?;
        refusals.push(Refusal::new((*change).to_owned(), expected, &verdict));
    }

    let mut text = introduction(story);
    // Writing to memory does not fail.
    let vendors = story.each(" or ", |vendor| format!("{}'s", vendor.name));
    let refused = step(2, &format!("Under {vendors} roots it is refused, as any forgery must be."));
    let _ = write!(text, "\n{refused}");
    for refusal in &foreign {
        text.push_str(&table([
            ["refused by".to_owned(), refusal.found().to_owned()],
            ["because".to_owned(), refusal.message().to_owned()],
        ]));
    }
    text.push_str(&acceptance(story, &verdict));
    text.push_str(&section(
        "changed, and accepted as the same application",
        variants.iter().map(|(change, outcome)| {
            let outcome =
                outcome.as_ref().map_or_else(|why| format!("DEVIATES: {why}"), |()| "accepted".to_owned());
            [(*change).to_owned(), outcome]
        }),
    ));
    let changes = step(4, "Copies with one change each are refused, each by the check that is there for it.");
    let _ = write!(text, "\n{changes}");
    text.push_str(&section("changed, failed check, and why", refusals.iter().map(Refusal::row)));

    refusals.splice(0..0, foreign);
    let to_accept = variants.len().saturating_add(1);
    let accepted = variants
        .iter()
        .filter(|(_, outcome)| outcome.is_ok())
        .count()
        .saturating_add(usize::from(verdict.is_ok()));
    let refused = refusals.iter().filter(|refusal| refusal.is_as_expected()).count();
    let complete = accepted == to_accept && refused == refusals.len();
    let summary = if complete {
        format!("demo complete: {accepted} accepted, {refused} refused, as they must be")
    } else {
        format!(
            "demo failed: {accepted} of {to_accept} accepted, {refused} of {} refused as they must be",
            refusals.len()
        )
    };
    let _ = writeln!(text, "\n{summary}");
    let json = json!({
        "simulated": true,
        "backend": story.each("+", |vendor| vendor.backend.to_string()),
        "collected": story.collected,
        "complete": complete,
        "summary": summary,
        "accepted": verdict.as_ref().ok(),
        "error": verdict.as_ref().err(),
        "accepted-too": variants.iter().map(|(change, outcome)| {
            json!({"change": change, "as-expected": outcome.is_ok()})
        }).collect::<Vec<_>>(),
        "refused": refusals.iter().map(Refusal::json).collect::<Vec<_>>(),
    });
    Ok(Answer::done(text, json).with_exit(if complete { Exit::Done } else { Exit::Refused }))
}

impl Story {
    /// The verdict, under the lab's roots for the first `labs` of the vendors, and the others' own. The outer error is that there is none.
    fn judge(&self, trial: &Trial, labs: usize) -> Result<Result<AttestationResult>> {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(lab::time::utc_day(2026, 6, 1)));
        let accepted =
            Registry::linked()?.accept(self.vendors.iter().map(|vendor| vendor.backend.as_str()))?;
        let source = Arc::new(OfflineBundle::new(trial.endorsements.clone()));
        let policy = AppraisalPolicy::from_toml(&self.policy)?;
        let mut verifier = Verifier::new(accepted, source, policy)?.with_clock(Clock::Fixed(at));
        for Vendor { backend, anchors, .. } in self.vendors.iter().take(labs) {
            verifier = verifier.danger_replace_trust_anchors(*backend, anchors.clone())?;
        }
        block_on(verifier.verify(&trial.envelope(), &Challenge::new(trial.challenge)))
    }

    /// Something of each vendor.
    fn each(&self, between: &str, of: impl Fn(&Vendor) -> String) -> String {
        self.vendors.iter().map(of).collect::<Vec<_>>().join(between)
    }
}

impl Trial {
    fn envelope(&self) -> Vec<u8> {
        Envelope { cpu: self.evidence.clone(), devices: self.devices.clone() }.encode_cbor()
    }
}

/// What an application may go on to extend once it is ready, without being another application for it.
fn later() -> [(&'static str, Event); 2] {
    [
        ("one more event of the application", Event::new("application-event", b"later")),
        ("another app-id, extended after system-ready", Event::new("app-id", &[7; 20])),
    ]
}

/// Two verdicts on one application. `mr-aggregated` hashes registers that go on counting.
fn same_application(
    one: &Result<AttestationResult>,
    other: &Result<AttestationResult>,
) -> std::result::Result<(), String> {
    let (Ok(one), Ok(other)) = (one, other) else {
        return Err(other
            .as_ref()
            .err()
            .map_or_else(|| "nothing to compare".to_owned(), ToString::to_string));
    };
    let lasting = |identity: &Identity| {
        let fields = Field::ALL.into_iter().filter(|field| *field != Field::MrAggregated);
        fields.map(|field| identity.get(field).map(<[u8]>::to_vec)).collect::<Vec<_>>()
    };
    if lasting(&one.cpu.identity) == lasting(&other.cpu.identity) {
        Ok(())
    } else {
        Err("accepted with another identity".to_owned())
    }
}

fn introduction(story: &Story) -> String {
    let (made, facts) = &story.introduction;
    let trial = &story.undamaged;
    let kinds: Vec<&str> =
        [&trial.evidence].into_iter().chain(&trial.devices).map(|item| item.media_type().as_str()).collect();
    let kinds = kinds.join(" + ");
    let own = facts.iter().map(|(fact, value)| [(*fact).to_owned(), shortened(value)]);
    let common = [
        ("challenge", format!("{} (64 bytes)", shortened(&hex::encode(trial.challenge)))),
        ("evidence", format!("{} bytes, {kinds}", trial.envelope().len())),
    ];
    let rows = own.chain(common.map(|(fact, value)| [fact.to_owned(), value]));
    format!(
        "SIMULATED: no hardware takes part. The lab plays {} and the guest with public test keys, so that \
         what follows\nsays nothing about any real machine; the code that judges is the one that judges real \
         evidence.\n\n{}{}",
        story.each(", ", |vendor| vendor.name.to_owned()),
        step(1, made),
        table(rows)
    )
}

fn acceptance(story: &Story, verdict: &Result<AttestationResult>) -> String {
    let how = format!(
        "Under the lab's roots, which a caller must put in place by a method named danger, it is verified \
         and bound: {}",
        story.acceptance
    );
    let mut text = format!("\n{}", step(3, &how));
    match verdict {
        Err(error) => {
            let _ = writeln!(text, "  DEVIATES: refused, {error}");
        }
        Ok(result) => {
            let item = &result.cpu;
            let expected = story.expected.iter().map(|(fact, value)| [(*fact).to_owned(), value.clone()]);
            let rows = [
                ("measurement, reported", item.claims.measurement.clone()),
                ("tcb status", item.claims.tcb_status.clone()),
                ("checks", counted(item)),
            ];
            text.push_str(&table(expected.chain(rows.map(|(fact, value)| [fact.to_owned(), value]))));
            text.push_str(&identity(item));
            for device in &result.devices {
                let notes = device.notes.iter().map(|(subject, note)| [(*subject).to_owned(), note.clone()]);
                let rows = [["devices", &device.claims.product], ["checks", &counted(device)]];
                text.push('\n');
                text.push_str(&table(rows.map(|row| row.map(str::to_owned)).into_iter().chain(notes)));
                text.push_str(&identity(device));
            }
        }
    }
    text
}

fn counted(item: &Appraised) -> String {
    let gaps = item.ledger.gaps().count();
    let passed = item.ledger.entries().len().saturating_sub(gaps);
    format!("{passed} passed, {gaps} not performed, each for the reason that the ledger gives")
}

/// A numbered step, in lines of at most 108 characters.
fn step(number: u8, text: &str) -> String {
    const WIDTH: usize = 108;
    let (mut lines, mut line) = (String::new(), format!("{number}."));
    for word in text.split_whitespace() {
        if line.chars().count().saturating_add(word.chars().count()) >= WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = "  ".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    format!("{lines}{line}\n")
}

/// At most 72 characters.
fn shortened(text: &str) -> String {
    const LIMIT: usize = 72;
    if text.chars().count() <= LIMIT {
        return text.to_owned();
    }
    text.chars().take(LIMIT.saturating_sub(1)).chain(['…']).collect()
}
