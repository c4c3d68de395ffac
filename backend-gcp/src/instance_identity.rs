//! The cross-check `gcp-instance-identity`: Google's Compute API is asked whose attestation key it is.
//!
//! It needs credentials with the permission `compute.instances.getShieldedInstanceIdentity`, and a Tokio runtime with I/O and time,
//! in which an [`InstanceIdentity`] is also made. It adds Google's word over another interface; the certificate of the attestation
//! key, which Google signed as well, is verified without it.

use std::{error::Error as StdError, time::Duration};

use async_trait::async_trait;
use backend_api::{
    Authority, BackendId, Check, CheckInfo, CrossCheck, Error as ApiError, ErrorKind, Link, Result,
    VerifiedEvidence, innermost, one_line,
};
use der::Document;
use evidence_gce::Instance;
use evidence_json::{JsonError, Object, parse_value};
/// The credentials that [`InstanceIdentity::with_credentials`] takes.
pub use google_cloud_auth::credentials;
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};
use reqwest::{Client, header::HeaderMap, redirect};
use tokio::time::timeout;

use crate::{ID, profile::sha256, verify::Verified};

/// What it establishes.
pub static CHECK: CheckInfo = CheckInfo {
    check: Check::new("gcp-instance-identity"),
    establishes: "Google's Compute API names the attestation key as that of the instance in its certificate",
    source: "Compute Engine API v1, instances.getShieldedInstanceIdentity",
};

/// Where Google has the API.
pub const BASE_URL: &str = "https://compute.googleapis.com";

/// How long the source of credentials may take, and then the API, unless [`InstanceIdentity::within`] says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes: four keys with their certificates have less than 16 KiB.
pub const MAX_ANSWER: usize = 64 * 1024;

/// The least scope that reads instances.
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

/// What errors call an answer.
const DOCUMENT: &str = "answer of the compute api";

/// The attestation keys of a Shielded VM, by the kinds that Google creates.
const KEYS: [&str; 2] = ["signingKey", "eccP256SigningKey"];

/// Why Google's Compute API did not confirm an attestation key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceIdentityError {
    /// The answer is none of this API.
    #[error(transparent)]
    Answer(#[from] JsonError),
    /// There is no client.
    #[error("no client for the compute api: {0}")]
    Client(String),
    /// There are no credentials.
    #[error("no credentials for the compute api: {problem}")]
    Credentials {
        /// In the library's words.
        problem: String,
        /// It may be better later.
        transient: bool,
    },
    /// The credentials do not suffice.
    #[error(
        "compute api answers {0}, expected 200: the credentials need compute.instances.getShieldedInstanceIdentity"
    )]
    Denied(u16),
    /// The key in the answer cannot be read.
    #[error("answer of the compute api: {0} is no public key in PEM")]
    Key(&'static str),
    /// The certificate's name has characters that no name of Google's has.
    #[error("the {what} {name} is no name of a-z, 0-9, hyphen, period and colon that begins with a letter")]
    Name {
        /// What has the name.
        what: &'static str,
        /// The certificate's.
        name: String,
    },
    /// The answer has no key.
    #[error(
        "compute api knows no attestation key of the instance {0}: expected signingKey or eccP256SigningKey"
    )]
    NoKey(u64),
    /// The answer has other keys.
    #[error("compute api knows other attestation keys of the instance {0} than the one of the evidence")]
    OtherKey(u64),
    /// Nobody answers in time.
    #[error("{what} gives no whole answer within {deadline:?}")]
    Slow {
        /// Who.
        what: &'static str,
        /// How long it had.
        deadline: Duration,
    },
    /// It says something else than yes.
    #[error("compute api answers {0}, expected 200")]
    Status(u16),
    /// Too many questions.
    #[error("compute api answers {0}: too many requests for the project's quota")]
    Throttled(u16),
    /// Larger than the limit.
    #[error("answer of the compute api has more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// There is no such instance, or it is in another place.
    #[error("compute api knows no instance {instance} in {project}, {zone}")]
    UnknownInstance {
        /// The project's id.
        project: String,
        /// The zone.
        zone: String,
        /// The instance's id.
        instance: u64,
    },
    /// Nobody answers.
    #[error("compute api does not answer: {0}")]
    Unreachable(String),
}

impl InstanceIdentityError {
    /// The kind, as [`backend_api::Error`] reports it.
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::OtherKey(_) | Self::UnknownInstance { .. } => ErrorKind::InconsistentEvidence,
            Self::Name { .. } => ErrorKind::UnsupportedEvidence,
            Self::Client(_) | Self::Credentials { transient: false, .. } | Self::Denied(_) => {
                ErrorKind::InvalidConfig
            }
            Self::Credentials { transient: true, .. }
            | Self::Slow { .. }
            | Self::Status(500..)
            | Self::Throttled(_)
            | Self::Unreachable(_) => ErrorKind::SourceUnavailable,
            Self::Answer(_) | Self::Key(_) | Self::NoKey(_) | Self::Status(_) | Self::TooLarge => {
                ErrorKind::InvalidEndorsements
            }
        }
    }
}

impl From<InstanceIdentityError> for ApiError {
    fn from(error: InstanceIdentityError) -> Self {
        Self::with_source(error.kind(), error).in_backend(ID)
    }
}

/// Google's Compute API, as it is asked about Evidence of this backend.
#[derive(Debug)]
pub struct InstanceIdentity {
    base_url: String,
    client: Client,
    credentials: Credentials,
    deadline: Duration,
}

impl InstanceIdentity {
    /// With the application default credentials of the program's environment: a file that `GOOGLE_APPLICATION_CREDENTIALS` names or
    /// `gcloud auth application-default login` left, else the service account of the VM that the program runs on.
    ///
    /// # Errors
    ///
    /// [`InstanceIdentityError::Credentials`] for a file that is none of Google's, and as [`InstanceIdentity::with_credentials`].
    pub fn new() -> Result<Self> {
        let credentials = Builder::default().with_scopes([SCOPE]).build();
        Self::with_credentials(credentials.map_err(|error| InstanceIdentityError::Credentials {
            problem: cause(&error),
            transient: false,
        })?)
    }

    /// With these credentials.
    ///
    /// # Errors
    ///
    /// [`InstanceIdentityError::Client`] where the system has no roots of TLS.
    pub fn with_credentials(credentials: Credentials) -> Result<Self> {
        // A redirection would take the token elsewhere.
        let client = Client::builder().redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| InstanceIdentityError::Client(cause(&error)))?;
        Ok(Self { base_url: BASE_URL.to_owned(), client, credentials, deadline: DEADLINE })
    }

    /// The same, but asks at another address: an endpoint in a private network, a test. It is given the token.
    #[must_use]
    pub fn at(mut self, base_url: &str) -> Self {
        base_url.trim_end_matches('/').clone_into(&mut self.base_url);
        self
    }

    /// The same with another deadline.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What the API says of an instance: at most [`MAX_ANSWER`] bytes.
    async fn answer(&self, instance: &Instance) -> Result<Vec<u8>, InstanceIdentityError> {
        let Instance { project_id, zone, instance_id, .. } = instance;
        for (what, name) in [("project", project_id), ("zone", zone)] {
            if !is_plain(name) {
                return Err(InstanceIdentityError::Name { what, name: name.clone() });
            }
        }
        // By its id, which unlike its name is never given to another instance.
        let url = format!(
            "{}/compute/v1/projects/{project_id}/zones/{zone}/instances/{instance_id}/getShieldedInstanceIdentity",
            self.base_url
        );
        let headers = self.in_time("the source of credentials", self.headers()).await?;
        let (status, body) = self.in_time("the compute api", self.get(&url, headers)).await?;
        match status {
            200 => Ok(body),
            404 => Err(InstanceIdentityError::UnknownInstance {
                project: project_id.clone(),
                zone: zone.clone(),
                instance: *instance_id,
            }),
            429 => Err(InstanceIdentityError::Throttled(status)),
            403 if exceeds_quota(&body) => Err(InstanceIdentityError::Throttled(status)),
            401 | 403 => Err(InstanceIdentityError::Denied(status)),
            _ => Err(InstanceIdentityError::Status(status)),
        }
    }

    async fn headers(&self) -> Result<HeaderMap, InstanceIdentityError> {
        match self.credentials.headers(Default::default()).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            // Of headers that were asked for without saying which are known.
            Ok(CacheableResource::NotModified) => Err(InstanceIdentityError::Credentials {
                problem: "expected headers, found that they are unchanged".to_owned(),
                transient: false,
            }),
            Err(error) => Err(InstanceIdentityError::Credentials {
                problem: cause(&error),
                transient: error.is_transient(),
            }),
        }
    }

    async fn get(&self, url: &str, headers: HeaderMap) -> Result<(u16, Vec<u8>), InstanceIdentityError> {
        let unreachable = |error: reqwest::Error| InstanceIdentityError::Unreachable(cause(&error));
        let mut response = self.client.get(url).headers(headers).send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(InstanceIdentityError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status().as_u16(), body))
    }

    async fn in_time<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, InstanceIdentityError>>,
    ) -> Result<T, InstanceIdentityError> {
        let deadline = self.deadline;
        timeout(deadline, answer).await.unwrap_or(Err(InstanceIdentityError::Slow { what, deadline }))
    }
}

#[async_trait]
impl CrossCheck for InstanceIdentity {
    fn backend(&self) -> BackendId {
        ID
    }

    fn check(&self) -> &'static CheckInfo {
        &CHECK
    }

    async fn ask(&self, verified: &VerifiedEvidence) -> Result<Link> {
        let ak = &verified.detail::<Verified>()?.ak;
        let answer = self.answer(ak.instance()).await?;
        let expected = ak.certificate().certificate().spki_sha256();
        let key = key_of(&answer, ak.instance().instance_id, &expected)?;
        Ok(Link {
            from: "Compute API".into(),
            to: "attestation key".into(),
            means: format!("getShieldedInstanceIdentity, {key}").into(),
            authority: Authority::Provider,
        })
    }
}

/// Which of the keys in the answer is the one with this SHA-256 of its SubjectPublicKeyInfo.
fn key_of(answer: &[u8], instance: u64, expected: &[u8; 32]) -> Result<&'static str, InstanceIdentityError> {
    let mut answer = Object::parse(DOCUMENT, answer, MAX_ANSWER)?;
    let mut error = InstanceIdentityError::NoKey(instance);
    for name in KEYS {
        let Some(entry) = answer.optional(name)? else { continue };
        let pem: String = Object::from_value(DOCUMENT, entry)?.required("ekPub")?;
        match Document::from_pem(&pem) {
            Ok(("PUBLIC KEY", spki)) if sha256(&[spki.as_bytes()]) == *expected => return Ok(name),
            Ok(("PUBLIC KEY", _)) => error = InstanceIdentityError::OtherKey(instance),
            _ => return Err(InstanceIdentityError::Key(name)),
        }
    }
    Err(error)
}

/// Google tells an exceeded rate by 403 (Compute Engine, rate quotas).
fn exceeds_quota(body: &[u8]) -> bool {
    let body = parse_value(DOCUMENT, body, MAX_ANSWER).ok();
    let reason = body.as_ref().and_then(|body| body.pointer("/error/errors/0/reason")?.as_str());
    reason == Some("rateLimitExceeded")
}

/// A name that stays one segment of a path, and the same whoever reads it: of a project (with a domain before a colon) or a zone.
fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte))
}

/// What a library's error is about.
fn cause(error: &(dyn StdError + 'static)) -> String {
    one_line(innermost(error))
}
