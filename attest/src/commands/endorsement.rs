//! `attest endorsement`: Google's word for firmware.

use backend_api::{Error, ErrorKind, Result, UnixTime};
use evidence_gce::{
    EndorsementCache, EndorsementPolicy, EndorsementRoots, Launch, VerifiedEndorsement, VerifyEndorsement,
    endorsement::described,
};
use evidence_x509::Certificate;
use registry::{Clock, Registry};
use serde_json::json;

use super::{inspect, malformed, rfc3339, verify};
use crate::{
    cli::{EndorsedLaunch, EndorsementShow, EndorsementVerify},
    files::{self, MAX_FILE},
    output::{Answer, table},
};

/// Shows a launch endorsement.
pub(crate) fn show(args: &EndorsementShow) -> Result<Answer> {
    let content = described(&files::read_or_stdin(&args.file)?);
    content.map(inspect::unverified).map_err(|error| malformed(&args.file, &error))
}

/// Verifies a launch endorsement under Google's pins.
pub(crate) fn verify(args: &EndorsementVerify) -> Result<Answer> {
    verify_under(&EndorsementRoots::google(), args)
}

fn verify_under(roots: &EndorsementRoots, args: &EndorsementVerify) -> Result<Answer> {
    let launch = launch(args)?;
    let clock =
        args.at.as_deref().map_or(Ok(Clock::System), |at| verify::instant("--at", at).map(Clock::Fixed))?;
    let at = clock.now()?;
    let mut candidates = Vec::new();
    for path in &args.root {
        let read = Certificate::parse_der_or_pem(&files::read(path, MAX_FILE)?);
        candidates.extend(read.map_err(|error| malformed(path, &error))?);
    }
    let verdict = VerifyEndorsement {
        endorsement: &files::read_or_stdin(&args.file)?,
        candidates: &candidates.iter().map(Certificate::der).collect::<Vec<_>>(),
        roots,
        launch: &launch,
        policy: &EndorsementPolicy::default(),
        at,
    }
    .verify(&EndorsementCache::default());
    match verdict {
        Ok(endorsement) => Ok(acceptance(args, at, &endorsement)),
        Err(failed) => {
            let error = Error::from_failed(failed, evidence_gce::Error::kind);
            Ok(Answer::failure(&error).with_text(verify::refusal(&error, &Registry::linked()?)))
        }
    }
}

fn launch(args: &EndorsementVerify) -> Result<Launch> {
    let mut measurement = [0; 48];
    hex::decode_to_slice(&args.measurement, &mut measurement).map_err(|_| {
        let found = args.measurement.len();
        let message = format!("--measurement has {found} characters, expected 96 hex digits");
        Error::new(ErrorKind::InvalidConfig, message)
    })?;
    Ok(match args.tee {
        EndorsedLaunch::Snp => Launch::Snp { measurement, vcpus: None },
        EndorsedLaunch::SnpSvsm => Launch::SnpSvsm { measurement },
        EndorsedLaunch::Tdx => Launch::Tdx { mrtd: measurement },
    })
}

fn acceptance(args: &EndorsementVerify, at: UnixTime, endorsement: &VerifiedEndorsement) -> Answer {
    let golden = endorsement.golden();
    let firmware = hex::encode(endorsement.firmware());
    let made = golden.timestamp.map(|made| rfc3339(made.seconds)).unwrap_or_default();
    let commit = hex::encode(&golden.commit);
    let rows = [
        ("launch measurement", args.measurement.clone()),
        ("firmware, SHA-384", firmware.clone()),
        ("security version", endorsement.svn().to_string()),
        ("made", made.clone()),
        ("changelist", golden.cl_spec.to_string()),
        ("commit", commit.clone()),
    ];
    let rows = table(rows.map(|(fact, value)| [fact.to_owned(), value]));
    let ledger = endorsement.ledger();
    let text = format!("endorsed, as of {}\n\n{rows}{}", rfc3339(at.as_secs()), verify::ledger(ledger));
    let json = json!({
        "verdict": "endorsed",
        "verified-at": at.as_secs(),
        "measurement": args.measurement,
        "firmware-sha384": firmware,
        "svn": endorsement.svn(),
        "made": made,
        "changelist": golden.cl_spec,
        "commit": commit,
        "ledger": ledger,
    });
    Answer::done(text, json)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use lab::google::{EndorsementAuthority, EndorsementSpec};

    use super::*;
    use crate::{
        cli::{Cli, Command, Endorsement},
        output::Exit,
    };

    /// The verdict on an endorsement of the lab's, under the lab's root.
    fn verdict(spec: &EndorsementSpec, more: &[&str]) -> Result<(bool, String)> {
        let directory = tempfile::tempdir().unwrap();
        let [file, root] = ["endorsement", "root"].map(|name| directory.path().join(name));
        std::fs::write(&file, spec.sign()).unwrap();
        std::fs::write(&root, EndorsementAuthority::new().root()).unwrap();
        let line = ["attest", "endorsement", "verify", file.to_str().unwrap()];
        let rooted = ["--root", root.to_str().unwrap()];
        let cli = Cli::try_parse_from([&line[..], more, &rooted].concat()).unwrap();
        let Command::Endorsement(Endorsement::Verify(args)) = &cli.command else { panic!("verify") };
        let roots = EndorsementAuthority::new().pins().into_iter().collect();
        let answer = verify_under(&roots, args)?;
        let (text, exit) = answer.told();
        Ok((exit == Exit::Done, text.to_owned()))
    }

    #[test]
    fn a_launch_is_endorsed_or_not() {
        let at = ["--at", "2026-06-01T00:00:00Z"];
        let of = |byte: u8, tee: &str, spec: &EndorsementSpec| {
            let measurement = hex::encode([byte; 48]);
            verdict(spec, &[&["--tee", tee, "--measurement", &measurement][..], &at].concat()).unwrap()
        };
        // The root's certificate is not in the endorsement: the option brings it.
        let spec = EndorsementSpec { ca_bundle: Vec::new(), ..EndorsementSpec::default() };
        for (byte, tee, svn) in [(2, "snp", "2"), (0x5A, "snp-svsm", "2"), (0xA1, "tdx", "3")] {
            let (done, text) = of(byte, tee, &spec);
            assert!(done && text.starts_with("endorsed, as of 2026-06-01T00:00:00Z\n"), "{text}");
            for part in
                [&format!("security version    {svn}\n"), "gce-launch-endorsed         passed", "2026-03-12"]
            {
                assert!(text.contains(part), "{part} is not in\n{text}");
            }
        }
        for (byte, tee) in [(9, "snp"), (0x5A, "snp"), (2, "snp-svsm"), (2, "tdx"), (0xA1, "snp")] {
            let (done, text) = of(byte, tee, &spec);
            assert!(!done && text.contains("gce-launch-endorsed"), "{text}");
        }
        let later = EndorsementSpec { timestamp: Some((1_900_000_000, 0)), ..spec };
        assert!(of(2, "snp", &later).1.contains("gce-endorsement-timestamp"));
    }
}
