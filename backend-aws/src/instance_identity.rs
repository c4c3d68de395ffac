//! The cross-check `aws-instance-identity`: EC2 is asked what the instance of the evidence is.
//!
//! It needs credentials with the permissions `ec2:DescribeInstances` and `ec2:GetInstanceTpmEkPub`, and a Tokio runtime with I/O and
//! time. It adds AWS's word over another interface, and nothing of the processor's; report and document are verified without it.

use std::{error::Error as StdError, time::Duration};

use async_trait::async_trait;
/// The credentials and providers of them that [`InstanceIdentity::new`] takes.
pub use aws_credential_types as credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_ec2::{
    Client,
    config::{
        BehaviorVersion, Builder, Config, ConfigBag, Intercept, Region, RuntimeComponents,
        interceptors::BeforeDeserializationInterceptorContextMut, retry::RetryConfig,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    types::{AmdSevSnpSpecification, EkPubKeyFormat, EkPubKeyType, Instance as Described},
};
use aws_smithy_types::body::SdkBody;
use backend_api::{
    Authority, BackendId, Check, CheckInfo, CrossCheck, Error as ApiError, ErrorKind, Link, Result,
    VerifiedEvidence, innermost, one_line,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{LengthLimitError, Limited};
use tokio::time::timeout;

use crate::{ID, verify::Verified};

/// What it establishes.
pub static CHECK: CheckInfo = CheckInfo {
    check: Check::new("aws-instance-identity"),
    establishes: "EC2 knows the instance of the document, with a NitroTPM, with SEV-SNP where there is a report, and with the \
                  endorsement key that the evidence names, if it names one",
    source: "Amazon EC2 API 2016-11-15, DescribeInstances and GetInstanceTpmEkPub",
};

/// How long EC2 and the source of credentials may take for each question, unless [`InstanceIdentity::within`] says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes: one instance with all of its devices has less than 32 KiB.
pub const MAX_ANSWER: usize = 256 * 1024;

/// What EC2 calls a NitroTPM.
const TPM_VERSION: &str = "v2.0";

/// Why EC2 did not confirm an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceIdentityError {
    /// The answer is none of this API.
    #[error("expected an answer of ec2: {0}")]
    Answer(String),
    /// There are no credentials, or there is nothing else that a question needs.
    #[error("no credentials for ec2, or no address: {0}")]
    Credentials(String),
    /// The credentials do not suffice.
    #[error("ec2 answers {0}: the credentials need ec2:DescribeInstances and ec2:GetInstanceTpmEkPub")]
    Denied(String),
    /// The evidence names no instance.
    #[error("evidence has no document, and nothing else names an instance")]
    NoInstance,
    /// The endorsement key is another one.
    #[error("ec2 knows another endorsement key of the instance {0} than the one of the evidence")]
    OtherEk(String),
    /// EC2 describes something else than one instance with this id.
    #[error("ec2 describes {found} instances for {instance}, expected this one")]
    OtherInstances {
        /// The document's.
        instance: String,
        /// How many.
        found: usize,
    },
    /// Nobody answers in time.
    #[error("no whole answer from ec2, or no credentials, within {0:?}")]
    Slow(Duration),
    /// SEV-SNP is not on.
    #[error("ec2 says that the instance {instance} has AmdSevSnp {found}, expected enabled")]
    SnpOff {
        /// The document's.
        instance: String,
        /// What EC2 says.
        found: String,
    },
    /// It says something else than yes.
    #[error("ec2 answers {status}, {code}: expected 200")]
    Status {
        /// The HTTP status.
        status: u16,
        /// EC2's code.
        code: String,
    },
    /// Too many questions.
    #[error("ec2 answers {0}: too many requests")]
    Throttled(String),
    /// Larger than the limit.
    #[error("answer of ec2 has more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// There is no NitroTPM.
    #[error("ec2 says that the instance {instance} has TpmSupport {found}, expected v2.0")]
    TpmOff {
        /// The document's.
        instance: String,
        /// What EC2 says.
        found: String,
    },
    /// There is no such instance.
    #[error("ec2 knows no instance {instance} in {region}")]
    UnknownInstance {
        /// The document's.
        instance: String,
        /// The region of the document.
        region: String,
    },
    /// Nobody answers.
    #[error("ec2 does not answer: {0}")]
    Unreachable(String),
}

impl InstanceIdentityError {
    /// The kind, as [`backend_api::Error`] reports it.
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::OtherEk(_) | Self::SnpOff { .. } | Self::TpmOff { .. } | Self::UnknownInstance { .. } => {
                ErrorKind::InconsistentEvidence
            }
            Self::NoInstance => ErrorKind::UnsupportedEvidence,
            Self::Credentials(_) | Self::Denied(_) => ErrorKind::InvalidConfig,
            Self::Slow(_)
            | Self::Status { status: 500.., .. }
            | Self::Throttled(_)
            | Self::Unreachable(_) => ErrorKind::SourceUnavailable,
            Self::Answer(_) | Self::OtherInstances { .. } | Self::Status { .. } | Self::TooLarge => {
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

/// What the document says of the instance.
#[derive(Debug, Clone, Copy)]
struct Instance<'a> {
    id: &'a str,
    region: &'a str,
}

/// EC2, as it is asked about Evidence of this backend: in the region of the document.
#[derive(Debug)]
pub struct InstanceIdentity {
    client: Client,
    deadline: Duration,
}

impl InstanceIdentity {
    /// With what `credentials` gives at each question: fixed [`credentials::Credentials`], or a provider such as the default one of the crate
    /// `aws-config`.
    pub fn new(credentials: impl ProvideCredentials + 'static) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials)
            // Who is refused for now says so to the caller, who knows whether to ask again.
            .retry_config(RetryConfig::disabled())
            .interceptor(AnswerLimit)
            .build();
        Self { client: Client::from_conf(config), deadline: DEADLINE }
    }

    /// The same, but asks at another address, whatever the region: an endpoint in a private network, a test.
    #[must_use]
    pub fn at(mut self, base_url: &str) -> Self {
        let config = self.client.config().to_builder().endpoint_url(base_url).build();
        self.client = Client::from_conf(config);
        self
    }

    /// The same with another deadline.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// EC2's description of the instance.
    async fn describe(&self, instance: Instance<'_>) -> Result<Described, InstanceIdentityError> {
        let question = self.client.describe_instances().instance_ids(instance.id);
        let question = question.customize().config_override(of_region(instance));
        let answer = self.in_time(instance, question.send()).await?;
        let mut described: Vec<Described> = answer
            .reservations
            .unwrap_or_default()
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default())
            .collect();
        let found = described.len();
        described.retain(|described| described.instance_id() == Some(instance.id));
        match (described.pop(), found) {
            (Some(described), 1) => Ok(described),
            _ => Err(InstanceIdentityError::OtherInstances { instance: instance.id.to_owned(), found }),
        }
    }

    /// The endorsement key that EC2 knows: DER SubjectPublicKeyInfo of RSA with 2048 bits.
    async fn ek_public(&self, instance: Instance<'_>) -> Result<Vec<u8>, InstanceIdentityError> {
        let question = self
            .client
            .get_instance_tpm_ek_pub()
            .instance_id(instance.id)
            .key_type(EkPubKeyType::Rsa2048)
            .key_format(EkPubKeyFormat::Der)
            .customize()
            .config_override(of_region(instance));
        let answer = self.in_time(instance, question.send()).await?;
        let key = answer.key_value().and_then(|key| STANDARD.decode(key).ok());
        key.ok_or_else(|| InstanceIdentityError::Answer("keyValue is no Base64".to_owned()))
    }

    async fn in_time<T, E>(
        &self,
        instance: Instance<'_>,
        answer: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, InstanceIdentityError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match timeout(self.deadline, answer).await {
            Ok(answer) => answer.map_err(|error| failed(instance, &error)),
            Err(_) => Err(InstanceIdentityError::Slow(self.deadline)),
        }
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
        let verified: &Verified = verified.detail()?;
        let document = verified.document.as_ref().ok_or(InstanceIdentityError::NoInstance)?;
        let instance = Instance { id: document.module_id().instance(), region: document.region() };
        let described = self.describe(instance).await?;
        let snp = described.cpu_options().and_then(|options| options.amd_sev_snp());
        // Evidence without a report passes only where the policy accepts that no TEE vouches for the guest.
        if verified.measurement.is_some() && snp != Some(&AmdSevSnpSpecification::Enabled) {
            let found = shown(snp.map(AmdSevSnpSpecification::as_str));
            return Err(InstanceIdentityError::SnpOff { instance: instance.id.to_owned(), found }.into());
        }
        if described.tpm_support() != Some(TPM_VERSION) {
            let found = shown(described.tpm_support());
            return Err(InstanceIdentityError::TpmOff { instance: instance.id.to_owned(), found }.into());
        }
        let ek = match &verified.evidence.ek_public {
            None => "no endorsement key compared: the evidence names none",
            Some(own) if self.ek_public(instance).await? == own.as_slice() => {
                "GetInstanceTpmEkPub: the endorsement key that the guest says it has"
            }
            Some(_) => return Err(InstanceIdentityError::OtherEk(instance.id.to_owned()).into()),
        };
        let snp = shown(snp.map(AmdSevSnpSpecification::as_str));
        let means = format!("DescribeInstances: AmdSevSnp {snp}, TpmSupport {TPM_VERSION}; {ek}");
        Ok(Link {
            from: "EC2 API".into(),
            to: "instance".into(),
            means: means.into(),
            authority: Authority::Provider,
        })
    }
}

/// What a question about an instance needs of the region.
fn of_region(instance: Instance<'_>) -> Builder {
    Config::builder().region(Region::new(instance.region.to_owned()))
}

/// Ends an answer that is larger than [`MAX_ANSWER`]: the SDK reads all of it.
#[derive(Debug)]
struct AnswerLimit;

impl Intercept for AnswerLimit {
    fn name(&self) -> &'static str {
        "AnswerLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MAX_ANSWER));
        Ok(())
    }
}

/// What became of a question that was not answered.
fn failed<E>(instance: Instance<'_>, error: &SdkError<E>) -> InstanceIdentityError
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let cause = innermost(error);
    if cause.is::<LengthLimitError>() {
        return InstanceIdentityError::TooLarge;
    }
    let problem = one_line(cause);
    let answer = match error {
        SdkError::ServiceError(answer) => answer,
        SdkError::ResponseError(_) => return InstanceIdentityError::Answer(problem),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            return InstanceIdentityError::Unreachable(problem);
        }
        _ => return InstanceIdentityError::Credentials(problem),
    };
    let status = answer.raw().status().as_u16();
    let Some(code) = answer.err().code().map(one_line) else {
        return match status {
            200 => InstanceIdentityError::Answer(problem),
            _ => InstanceIdentityError::Status { status, code: "without a code".to_owned() },
        };
    };
    match (status, code.as_str()) {
        (_, "InvalidInstanceID.NotFound" | "InvalidInstanceID.Malformed") => {
            InstanceIdentityError::UnknownInstance {
                instance: instance.id.to_owned(),
                region: instance.region.to_owned(),
            }
        }
        (429, _) | (_, "RequestLimitExceeded" | "Throttling") => InstanceIdentityError::Throttled(code),
        (401 | 403, _) => InstanceIdentityError::Denied(code),
        _ => InstanceIdentityError::Status { status, code },
    }
}

/// What EC2 says of an instance.
fn shown(said: Option<&str>) -> String {
    said.map_or_else(|| "unsaid".to_owned(), one_line)
}
