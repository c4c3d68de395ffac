//! What Google says of a VM, in the certificate of its attestation key.

use const_oid::ObjectIdentifier;
use der::{Decode, asn1::Utf8StringRef};

use crate::Error;

/// The identifier of the extension: 2.1.21 below Google's arc.
pub const INSTANCE_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.1.21");

/// The largest extension that is read, in bytes. Google's have about 100: names of instances, zones and projects have at most 63
/// characters.
pub const MAX_INSTANCE_INFO: usize = 1024;

/// The most bytes of a zone, a project id or a name.
const MAX_NAME: usize = 128;

/// A VM as its certificate names it: which it is, and how its virtual TPM is kept.
///
/// It says nothing of memory encryption: certificates of VMs with and without it are alike.
///
/// Source: google/go-tpm-tools, `server` (`gceInstanceInfo`); the tags from 2 on are named as in Google's own readers of these
/// certificates (`GCESecurityProperties`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The zone, such as `us-central1-f`.
    pub zone: String,
    /// The project's number, which is never used again.
    pub project_number: u64,
    /// The project's id, chosen by its owner.
    pub project_id: String,
    /// The instance's id, which is never used again.
    pub instance_id: u64,
    /// The instance's name, which its project may give to another once this one is gone.
    pub instance_name: String,
    /// How the virtual TPM is kept.
    pub security: SecurityProperties,
}

/// What Google says of a virtual TPM. What is not said is 0 or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecurityProperties {
    /// `[0]`: the version of the virtual TPM's security.
    pub security_version: u64,
    /// `[1]`: it is Google's production, and no test.
    pub is_production: bool,
    /// `[2]`: its state is encrypted wherever it is kept.
    pub tpm_data_always_encrypted: bool,
    /// `[3]`: the VM cannot be suspended and resumed.
    pub suspend_resume_always_disabled: bool,
    /// `[4]`: Google names it `VmtdAlwaysDisabled`, and does not publish what it means.
    pub vmtd_always_disabled: bool,
    /// `[5]`: Google names it `AlwaysInYarn`, and does not publish what it means.
    pub always_in_yarn: bool,
}

/// The extension's ASN.1.
#[derive(der::Sequence)]
struct InstanceAsn1<'a> {
    zone: Utf8StringRef<'a>,
    project_number: u64,
    project_id: Utf8StringRef<'a>,
    instance_id: u64,
    instance_name: Utf8StringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    security: Option<SecurityAsn1>,
}

/// BOOLEANs are OPTIONAL and without default: Google writes those that are false.
#[derive(der::Sequence)]
struct SecurityAsn1 {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    security_version: Option<u64>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    is_production: Option<bool>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    tpm_data_always_encrypted: Option<bool>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    suspend_resume_always_disabled: Option<bool>,
    #[asn1(context_specific = "4", tag_mode = "EXPLICIT", optional = "true")]
    vmtd_always_disabled: Option<bool>,
    #[asn1(context_specific = "5", tag_mode = "EXPLICIT", optional = "true")]
    always_in_yarn: Option<bool>,
}

impl Instance {
    /// Reads the value of the extension, at most [`MAX_INSTANCE_INFO`] bytes: exactly this structure, in DER. A field that is not
    /// known is refused: it may take back what the others say.
    ///
    /// # Errors
    ///
    /// [`Error::InstanceInfo`], [`Error::TooLarge`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_INSTANCE_INFO {
            let what = "instance information";
            return Err(Error::TooLarge { what, found: der.len(), limit: MAX_INSTANCE_INFO });
        }
        let read = InstanceAsn1::from_der(der).map_err(|error| Error::InstanceInfo(error.to_string()))?;
        let security = read.security.map(|read| SecurityProperties {
            security_version: read.security_version.unwrap_or(0),
            is_production: read.is_production.unwrap_or(false),
            tpm_data_always_encrypted: read.tpm_data_always_encrypted.unwrap_or(false),
            suspend_resume_always_disabled: read.suspend_resume_always_disabled.unwrap_or(false),
            vmtd_always_disabled: read.vmtd_always_disabled.unwrap_or(false),
            always_in_yarn: read.always_in_yarn.unwrap_or(false),
        });
        Ok(Self {
            zone: name("zone", read.zone)?,
            project_number: read.project_number,
            project_id: name("project id", read.project_id)?,
            instance_id: read.instance_id,
            instance_name: name("instance name", read.instance_name)?,
            security: security.unwrap_or_default(),
        })
    }
}

/// A name that can stand in a line: of printable ASCII without spaces.
fn name(what: &str, text: Utf8StringRef<'_>) -> Result<String, Error> {
    let text = text.as_str();
    let is_name = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(text.to_owned()) } else { Err(Error::InstanceInfo(format!("the {what} is no name"))) }
}
