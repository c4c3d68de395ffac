//! Azure's metadata service, as a guest asks it: certificates of its processor, and the quote of a TD report.
//!
//! Whoever answers is the host: what it says is verified like all else.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence_attester::http;
use evidence_json::{AnyBase64, JsonError, Object};
use evidence_x509::{Certificate, CertificateError};

use crate::{MAX_CERTIFICATES, td_report::TD_REPORT_LEN};

/// What [`backend_api::Guest::with_metadata`] calls the service.
pub(crate) const SERVICE: &str = "azure";

/// Where Azure has it, on every guest.
pub(crate) const BASE_URL: &str = "http://169.254.169.254";

/// The largest answer that is read, in bytes: a quote with its certificates has less than 8 KiB, a chain less than 10 KiB.
const MAX_ANSWER: u64 = 64 * 1024;

/// What errors call an answer.
const DOCUMENT: &str = "answer of the metadata service";

/// Why the metadata service gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImdsError {
    /// The answer is no answer of this service.
    #[error(transparent)]
    Answer(#[from] JsonError),
    /// What should be certificates is not.
    #[error("metadata service: {0}")]
    Certificates(#[from] CertificateError),
    /// More certificates than a payload has.
    #[error("metadata service answers with {found} certificates, expected at most {limit}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many are taken.
        limit: usize,
    },
    /// Nobody answers, or not in time.
    #[error("metadata service does not answer at {url}: {problem}")]
    Unreachable {
        /// The address.
        url: String,
        /// In the library's words.
        problem: String,
    },
    /// It says no.
    #[error("metadata service answers {status} at {url}, expected 200")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

/// The metadata service of one guest.
#[derive(Debug)]
pub(crate) struct Imds {
    base_url: String,
    agent: ureq::Agent,
}

impl Imds {
    /// The service at `base_url`, each of whose answers takes at most `deadline`.
    pub(crate) fn at(base_url: &str, deadline: Duration) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), agent: http::agent(deadline) }
    }

    /// The certificate of the processor's key and those above it, DER (THIM).
    pub(crate) fn certificates(&self) -> Result<Vec<Vec<u8>>, ImdsError> {
        let url = format!("{}/metadata/THIM/amd/certification", self.base_url);
        let answer = self.agent.get(&url).header("Metadata", "true").call();
        let mut answer = answered(&url, answer)?;
        let (vcek, chain): (String, String) =
            (answer.required("vcekCert")?, answer.required("certificateChain")?);
        let mut certificates = Certificate::parse_der_or_pem(vcek.as_bytes())?;
        certificates.extend(Certificate::parse_der_or_pem(chain.as_bytes())?);
        if certificates.len() > MAX_CERTIFICATES {
            return Err(ImdsError::TooMany { found: certificates.len(), limit: MAX_CERTIFICATES });
        }
        Ok(certificates.iter().map(|certificate| certificate.der().to_vec()).collect())
    }

    /// The quote of a TD report, perhaps with padding.
    pub(crate) fn td_quote(&self, report: &[u8; TD_REPORT_LEN]) -> Result<Vec<u8>, ImdsError> {
        let url = format!("{}/acc/tdquote", self.base_url);
        let body = format!(r#"{{"report":"{}"}}"#, STANDARD.encode(report));
        let answer = self.agent.post(&url).content_type("application/json").send(body);
        let AnyBase64(quote) = answered(&url, answer)?.required("quote")?;
        Ok(quote)
    }
}

/// The object in an answer.
fn answered(
    url: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Object, ImdsError> {
    let unreachable =
        |error: ureq::Error| ImdsError::Unreachable { url: url.to_owned(), problem: error.to_string() };
    let mut answer = answer.map_err(unreachable)?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(ImdsError::Status { url: url.to_owned(), status });
    }
    let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(unreachable)?;
    Ok(Object::parse(DOCUMENT, &text, usize::try_from(MAX_ANSWER).unwrap_or(usize::MAX))?)
}
