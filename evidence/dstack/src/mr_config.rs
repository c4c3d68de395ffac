//! The launch configuration document that ties an application to a confidential VM.
//!
//! The host writes it as JSON; the platform commits to its exact bytes at launch: in `HOST_DATA` on AMD
//! SEV-SNP, in `MRCONFIGID` on Intel TDX. Source: `dstack-types/src/mr_config.rs`.
//!
//! `MRCONFIGID` has three forms, told apart by its first byte ([`MrConfigId`]): the first commits to the
//! application's compose file alone, the second to the identity, the third to the document.

mod id;

pub use id::{MrConfigClaim, MrConfigId, MrConfigIdError, mr_config_id_v1, mr_config_id_v2, mr_config_id_v3};

use crate::hash::sha256;
use evidence_json::{Hex, JsonError, Object};

/// The longest document accepted, in bytes.
pub const MAX_DOCUMENT: usize = 16 * 1024;
/// The most init scripts that one document binds.
pub const MAX_INIT_SCRIPTS: usize = 5;

const DOCUMENT: &str = "mr_config";
const VERSION: u64 = 3;
const HASH_DOMAIN: &[u8] = b"dstack-mr-config-v3:\0";

/// Who provides the application's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyProvider {
    /// Nobody: keys do not survive a reboot.
    None,
    /// A sealing provider on the same host.
    Local,
    /// A key management service.
    Kms,
    /// A TPM.
    Tpm,
}

impl KeyProvider {
    fn from_document(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "local" => Some(Self::Local),
            "kms" => Some(Self::Kms),
            "tpm" => Some(Self::Tpm),
            _ => None,
        }
    }

    /// The byte in `MRCONFIGID`'s second form.
    fn kind(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Local => 1,
            Self::Kms => 2,
            Self::Tpm => 3,
        }
    }

    /// The name in the key-provider information of [`crate::boot_info::BootInfo`], which differs from the
    /// document's for [`KeyProvider::Local`].
    #[must_use]
    pub fn info_name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Local => "local-sgx",
            Self::Kms => "kms",
            Self::Tpm => "tpm",
        }
    }
}

/// A parsed configuration document, version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrConfigV3 {
    /// Application id; `None` where the document does not pin it.
    pub app_id: Option<[u8; 20]>,
    /// SHA-256 of the application's compose file.
    pub compose_hash: [u8; 32],
    /// SHA-256 of the application's GPU policy; `None` for launches without a GPU.
    pub gpu_policy_hash: Option<[u8; 32]>,
    /// Who provides keys.
    pub key_provider: KeyProvider,
    /// The provider's identity: the DER SubjectPublicKeyInfo of the root key for a KMS, a measurement for a
    /// local provider, empty otherwise.
    pub key_provider_id: Vec<u8>,
    /// Instance id; `None` where the document does not pin it.
    pub instance_id: Option<[u8; 20]>,
    /// SHA-256 of each init script in order. `None` binds nothing; an empty list binds that there are none.
    pub init_script_hashes: Option<Vec<[u8; 32]>>,
}

/// Why a configuration document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MrConfigError {
    /// The JSON has another form.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Another version of the document.
    #[error("mr_config of version 3 expected, found version {found}")]
    Version {
        /// The version found.
        found: u64,
    },
    /// A key provider that dstack does not have.
    #[error("key provider none, local, kms or tpm expected, found {found:?}")]
    KeyProvider {
        /// The name found.
        found: String,
    },
    /// More init scripts than dstack binds.
    #[error("at most {MAX_INIT_SCRIPTS} init script hashes expected, found {found}")]
    InitScripts {
        /// The number found.
        found: usize,
    },
}

impl MrConfigV3 {
    /// Parses a document.
    ///
    /// Hex is accepted in either case, as dstack does: the hash is over the document's bytes, so the case is
    /// bound with the rest. An absent `version` means 3; an empty `key_provider_id` or `instance_id` counts
    /// as absent (older VMMs write those).
    ///
    /// # Errors
    ///
    /// [`MrConfigError`] for unknown or duplicate keys, and for any value of another form.
    pub fn parse(document: &str) -> Result<Self, MrConfigError> {
        let mut object = Object::parse(DOCUMENT, document, MAX_DOCUMENT)?;
        let version = object.optional("version")?.unwrap_or(VERSION);
        if version != VERSION {
            return Err(MrConfigError::Version { found: version });
        }
        let name: String = object.required("key_provider")?;
        let Some(key_provider) = KeyProvider::from_document(&name) else {
            return Err(MrConfigError::KeyProvider { found: name });
        };
        let init_script_hashes: Option<Vec<[u8; 32]>> = object.optional("init_script_hashes")?;
        if let Some(found) = init_script_hashes.as_ref().map(Vec::len).filter(|&n| n > MAX_INIT_SCRIPTS) {
            return Err(MrConfigError::InitScripts { found });
        }
        let config = Self {
            app_id: object.optional("app_id")?,
            compose_hash: object.required("compose_hash")?,
            gpu_policy_hash: object.optional("gpu_policy_hash")?,
            key_provider,
            key_provider_id: object.optional::<Hex>("key_provider_id")?.map(|Hex(id)| id).unwrap_or_default(),
            instance_id: instance_id(&mut object)?,
            init_script_hashes,
        };
        object.finish()?;
        Ok(config)
    }
}

fn instance_id(object: &mut Object) -> Result<Option<[u8; 20]>, JsonError> {
    let key = "instance_id";
    let Some(Hex(bytes)) = object.optional(key)? else { return Ok(None) };
    if bytes.is_empty() {
        return Ok(None);
    }
    let length = JsonError::Length { document: DOCUMENT, key, expected: 20, found: bytes.len() };
    <[u8; 20]>::try_from(bytes.as_slice()).map(Some).map_err(|_| length)
}

/// What `HOST_DATA` (32 bytes) of an SEV-SNP guest must be:
/// `SHA-256("dstack-mr-config-v3:" ‖ 0x00 ‖ document)` over the document's exact bytes.
#[must_use]
pub fn host_data(document: &[u8]) -> [u8; 32] {
    sha256(&[HASH_DOMAIN, document])
}

#[cfg(test)]
mod tests;
