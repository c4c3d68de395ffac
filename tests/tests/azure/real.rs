//! Real guests of Azure's, under the vendors' own roots.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use backend_api::{
    Challenge, Endorsement, EndorsementKind, Endorsements, Envelope, Evidence, OfflineBundle, Result,
    UnixTime,
};
use backend_azure::{AzureEvidence, ID, Profile, Tee, hcl::HclReport, media_type};
use evidence_tpm::{Attest, Signature};
use evidence_x509::Certificate;
use registry::{AppraisalPolicy, AttestationResult, Clock, Registry, Verifier};
use serde_json::Value;

/// A real guest, and what a relying party holds against it.
#[derive(Clone)]
pub(crate) struct Real {
    pub(crate) name: String,
    pub(crate) evidence: AzureEvidence,
    pub(crate) tee: Tee,
    pub(crate) profile: Profile,
    pub(crate) challenge: [u8; 64],
    pub(crate) endorsements: Endorsements,
    /// Seconds since the epoch.
    pub(crate) at: u64,
}

impl Real {
    /// Every guest of the catalogue; none where the catalogue is not at hand.
    pub(crate) fn all(test: &str) -> Vec<Self> {
        let Some(root) = lab::vectors::root(test) else { return Vec::new() };
        let mut folders: Vec<PathBuf> =
            fs::read_dir(root.join("azure")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.iter().map(|folder| Self::read(&root, folder)).collect()
    }

    pub(crate) fn named(test: &str, name: &str) -> Option<Self> {
        Self::all(test).into_iter().find(|real| real.name == name)
    }

    fn read(root: &Path, folder: &Path) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).ok();
        let meta: Value = serde_json::from_slice(&read("meta.json").unwrap()).unwrap();
        let pcrs: Value = serde_json::from_slice(&read("pcrs.json").unwrap()).unwrap();
        let pcrs = (0..24).map(|pcr: u8| hex::decode(pcrs[pcr.to_string()].as_str().unwrap()).unwrap());
        let signature = Signature::rsassa_sha256(&read("quote.sig").unwrap()).unwrap();
        let (hcl_report, quote) = (read("hcl_report.bin").unwrap(), read("quote.msg").unwrap());
        let tee = HclReport::parse(&hcl_report).unwrap().tee().unwrap();
        let mut challenge = [0; 64];
        let extra_data = Attest::parse(&quote).unwrap().extra_data;
        challenge[..extra_data.len()].copy_from_slice(extra_data);
        let mut evidence = AzureEvidence::new(hcl_report, quote, signature, pcrs.collect());
        evidence.td_quote = read("td_quote.bin").map(Into::into);
        evidence.ak_certificate = read("ak_cert_nv_raw.bin").map(Into::into);
        evidence.certificates = read("vcek.der").into_iter().map(Into::into).collect();
        let mut endorsements = Endorsements::new();
        if folder.join("collateral.json").is_file() {
            endorsements = collateral(&folder.join("collateral.json"));
        }
        for file in fs::read_dir(root.join("roots/azure")).unwrap() {
            let certificates = Certificate::parse_der_or_pem(&fs::read(file.unwrap().path()).unwrap());
            for certificate in certificates.unwrap() {
                endorsements.add(Endorsement::new(EndorsementKind::Certificate, certificate.der().to_vec()));
            }
        }
        let at = meta["verify_at"].as_str().unwrap().replace(' ', "T").replace("+00:00", "Z");
        let at = humantime::parse_rfc3339(&at).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, evidence, tee, profile: Profile::Coco, challenge, endorsements, at }
    }

    /// A policy that knows the guest by the registers of its boot. AMD's revocation list of that time is not at hand.
    pub(crate) fn known(&self, more: &str) -> String {
        let pcr = |pcr: usize| format!("{pcr} = [\"{}\"]", hex::encode(&self.evidence.pcrs[pcr]));
        let pcrs: Vec<String> = [2, 4, 7, 9, 11, 12, 14].map(pcr).to_vec();
        format!(
            "[backend.azure]\n{more}\n[backend.azure.report]\ndanger-accept-unknown-revocation = true\n\
             [[backend.azure.launch.images]]\n[backend.azure.launch.images.pcrs]\n{}\n",
            pcrs.join("\n")
        )
    }

    /// MRTD of the TD quote, hex.
    pub(crate) fn mrtd(&self) -> String {
        let quote = evidence_tdx::Quote::parse(self.evidence.td_quote.as_ref().unwrap()).unwrap();
        hex::encode(quote.report.mr_td)
    }

    /// What a relying party with this policy says.
    pub(crate) fn judge(&self, policy: &str) -> Result<AttestationResult> {
        self.judge_by(&self.verifier(policy)?, &self.evidence)
    }

    pub(crate) fn verifier(&self, policy: &str) -> Result<Verifier> {
        let clock = Clock::Fixed(UnixTime::since_unix_epoch(Duration::from_secs(self.at)));
        let accepted = Registry::linked()?.accept([ID.as_str()])?;
        let source = Arc::new(OfflineBundle::new(self.endorsements.clone()));
        let policy = AppraisalPolicy::from_toml(&format!("version = 1\n{policy}"))?;
        Ok(Verifier::new(accepted, source, policy)?.with_clock(clock))
    }

    pub(crate) fn judge_by(
        &self,
        verifier: &Verifier,
        evidence: &AzureEvidence,
    ) -> Result<AttestationResult> {
        let evidence = Evidence::new(media_type(self.tee, self.profile), evidence.encode());
        let envelope = Envelope::of_cpu(evidence);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(verifier.verify_envelope(&envelope, &Challenge::new(self.challenge)))
    }
}

/// The collateral in a file of `dcap-qvl`'s layout.
fn collateral(file: &Path) -> Endorsements {
    let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let text = |key: &str| json[key].as_str().unwrap();
    let mut all = Endorsements::new();
    for certificate in Certificate::parse_der_or_pem(text("tcb_info_issuer_chain").as_bytes()).unwrap() {
        all.add(Endorsement::new(EndorsementKind::Certificate, certificate.der().to_vec()));
    }
    for (member, key) in [("tcbInfo", "tcb_info"), ("enclaveIdentity", "qe_identity")] {
        let (body, signature) = (text(key), text(&format!("{key}_signature")));
        let document = format!(r#"{{"{member}":{body},"signature":"{signature}"}}"#);
        all.add(Endorsement::new(EndorsementKind::Document, document.into_bytes()));
    }
    for key in ["root_ca_crl", "pck_crl"] {
        all.add(Endorsement::new(EndorsementKind::RevocationList, hex::decode(text(key)).unwrap()));
    }
    all
}
