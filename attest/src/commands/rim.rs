//! `attest rim`: NVIDIA's reference values.

use std::path::Path;

use backend_api::{Error, ErrorKind, Result, UnixTime};
use backend_nvidia::RimDocument;
use evidence_rim::{Anchors, Rim, RimTime, VerifiedRim, VerifyRim, inspect::rim as described, rim_anchors};
use registry::{Clock, Registry};
use serde_json::{Value, json};

use super::{inspect, malformed, rfc3339, verify};
use crate::{
    cli::{RimShow, RimVerify},
    files,
    output::{Answer, table},
};

/// What these commands do not ask, and `attest verify` does.
const NOT_ASKED: &str = "whether a certificate was revoked since, which `attest verify` asks";

/// Shows a manifest.
pub(crate) fn show(args: &RimShow) -> Result<Answer> {
    let RimDocument { id, document } = read(&args.file)?;
    let rim = Rim::parse(&document).map_err(|error| malformed(&args.file, &error))?;
    let mut content = described(&rim);
    if let (Some(id), Some(members)) = (id, content.as_object_mut()) {
        members.insert("id".to_owned(), id.into());
    }
    Ok(inspect::unverified(content))
}

/// Verifies a manifest under NVIDIA's pins.
pub(crate) fn verify(args: &RimVerify) -> Result<Answer> {
    verify_under(&rim_anchors(), args)
}

fn verify_under(anchors: &Anchors, args: &RimVerify) -> Result<Answer> {
    let clock =
        args.at.as_deref().map_or(Ok(Clock::System), |at| verify::instant("--at", at).map(Clock::Fixed))?;
    let at = clock.now()?;
    let time = match &args.pinned_time {
        Some(pinned) => RimTime::Pinned(verify::instant("--pinned-time", pinned)?),
        None if args.danger_ignore_expiry => RimTime::DangerIgnoreExpiry,
        None => RimTime::Now,
    };
    let RimDocument { id, document } = read(&args.file)?;
    match (VerifyRim { document: &document, anchors, at, time }).verify() {
        Ok(rim) => Ok(acceptance(id, at, &rim)),
        Err(failed) => {
            let error = Error::from_failed(failed, evidence_rim::Error::kind);
            Ok(Answer::failure(&error).with_text(verify::refusal(&error, &Registry::linked()?)))
        }
    }
}

fn read(path: &Path) -> Result<RimDocument> {
    RimDocument::of(&files::read_or_stdin(path)?).ok_or_else(|| {
        let message =
            format_args!("{path:?}: expected a manifest in base64 in the answer of NVIDIA's service");
        Error::new(ErrorKind::MalformedEvidence, message)
    })
}

fn acceptance(id: Option<String>, at: UnixTime, rim: &VerifiedRim) -> Answer {
    let window = rim.signer_window();
    let signed = rim.chain().first().map(|signer| signer.subject().to_owned()).unwrap_or_default();
    let json = json!({
        "verdict": "signed",
        "verified-at": at.as_secs(),
        "edition": rim.edition().name(),
        "product": rim.product(),
        "colloquial-version": rim.colloquial_version(),
        "tag-id": rim.tag_id(),
        "sha256": hex::encode(rim.sha256()),
        "signer": signed,
        "signer-not-before": rfc3339(window.not_before),
        "signer-not-after": rfc3339(window.not_after),
        "active-measurements": rim.golden().iter().count(),
        "measurements": rim.measurements(),
        "not-asked": NOT_ASKED,
        "unverified-id": id,
        "ledger": rim.ledger(),
    });
    let count = format!("{} of {} are active", rim.golden().iter().count(), rim.measurements());
    let rows = [
        ("of", format!("{} {}", rim.edition().name(), rim.product())),
        ("version", rim.colloquial_version().to_owned()),
        ("measurements", count),
        ("signer", signed),
        ("signer valid", format!("{} to {}", rfc3339(window.not_before), rfc3339(window.not_after))),
        ("tag", rim.tag_id().to_owned()),
        ("sha-256", hex::encode(rim.sha256())),
        ("not asked", NOT_ASKED.to_owned()),
    ];
    let id = json.get("unverified-id").and_then(Value::as_str);
    let id = id.map(|id| ["id, which nobody signs".to_owned(), id.to_owned()]);
    let rows = rows.map(|(fact, value)| [fact.to_owned(), value]).into_iter().chain(id);
    let text =
        format!("signed, as of {}\n\n{}{}", rfc3339(at.as_secs()), table(rows), verify::ledger(rim.ledger()));
    Answer::done(text, json)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use evidence_rim::Pin;
    use lab::{
        keys::EcKey,
        nvidia::{rim::RimSpec, rim_hierarchy::RimHierarchy},
    };

    use super::*;
    use crate::{
        cli::{Cli, Command},
        output::Exit,
    };

    /// The verdict on a manifest of the lab's, under the lab's root.
    fn verdict(document: &str, more: &[&str]) -> Result<(bool, String)> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("rim");
        std::fs::write(&file, document).unwrap();
        let cli =
            Cli::try_parse_from([&["attest", "rim", "verify", file.to_str().unwrap()][..], more].concat())
                .unwrap();
        let Command::Rim(crate::cli::Rim::Verify(args)) = &cli.command else { panic!("verify") };
        let pins = RimHierarchy::pins()
            .into_iter()
            .map(|(subject, spki_sha256)| Pin { subject: subject.into(), spki_sha256 });
        let answer = verify_under(&Anchors::new(pins), args)?;
        let (text, exit) = answer.told();
        Ok((exit == Exit::Done, text.to_owned()))
    }

    const AT: [&str; 2] = ["--at", "2026-06-01T00:00:00Z"];

    #[test]
    fn a_manifest_is_signed_or_not() {
        let spec = RimSpec::new();
        let document = spec.sign();
        let (done, text) = verdict(&document, &AT).unwrap();
        assert!(done && text.starts_with("signed, as of 2026-06-01T00:00:00Z\n"), "{text}");
        for part in
            ["of            GPU GH100\n", "5 of 8 are active", "550.90.07", "rim-signature         passed\n"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let by_another = RimSpec { key: Some(EcKey::from_label("nobody")), ..spec };
        for (document, check) in [
            (document.replace("revision=\"r1\"", "revision=\"r2\""), "rim-digest"),
            (by_another.sign(), "rim-signature"),
            (document.replace("<ds:Signature ", "<ds:Other "), "rim-format"),
        ] {
            let (done, text) = verdict(&document, &AT).unwrap();
            assert!(!done && text.contains(&format!("failed check  {check}\n")), "{text}");
        }
    }

    #[test]
    fn time_is_a_choice() {
        let document = RimSpec::new().sign();
        let late = ["--at", "2040-01-01T00:00:00Z"];
        let of = |more: &[&str]| verdict(&document, &[&late[..], more].concat()).unwrap();
        let (done, text) = of(&[]);
        assert!(!done && text.contains("rim-chain-validity"), "{text}");
        for more in [&["--danger-ignore-expiry"][..], &["--pinned-time", AT[1]]] {
            let (done, text) = of(more);
            assert!(done && text.contains("rim-chain-validity    not performed: "), "{text}");
        }
        assert!(!of(&["--pinned-time", "2020-01-01T00:00:00Z"]).0);
        assert!(verdict(&document, &["--pinned-time", "June"]).is_err());
    }
}
