//! `MRCONFIGID`, the 48 bytes that a host sets before it launches a TD: what they commit to.

use std::fmt;

use sha3::{Digest as _, Keccak256};

use super::{KeyProvider, MrConfigError, MrConfigV3, host_data};

/// `MRCONFIGID` (48 bytes) in dstack's first form: `0x01 ‖ compose hash ‖ 15 zeros`.
#[must_use]
pub fn mr_config_id_v1(compose_hash: &[u8; 32]) -> [u8; 48] {
    mr_config_id(1, compose_hash)
}

/// `MRCONFIGID` (48 bytes) in dstack's second form: `0x02 ‖ Keccak-256(compose hash ‖ app id ‖ kind of the
/// key provider ‖ id of the key provider) ‖ 15 zeros`; the kind is one byte: 0 none, 1 local, 2 KMS, 3 TPM.
#[must_use]
pub fn mr_config_id_v2(
    compose_hash: &[u8; 32],
    app_id: &[u8; 20],
    key_provider: KeyProvider,
    key_provider_id: &[u8],
) -> [u8; 48] {
    let mut hasher = Keccak256::new();
    hasher.update(compose_hash);
    hasher.update(app_id);
    hasher.update([key_provider.kind()]);
    hasher.update(key_provider_id);
    mr_config_id(2, &hasher.finalize().into())
}

/// `MRCONFIGID` (48 bytes) in dstack's third form: `0x03 ‖ `[`host_data`]`(document) ‖ 15 zeros`.
#[must_use]
pub fn mr_config_id_v3(document: &[u8]) -> [u8; 48] {
    mr_config_id(3, &host_data(document))
}

fn mr_config_id(version: u8, hash: &[u8; 32]) -> [u8; 48] {
    let mut id = [0; 48];
    for (to, from) in id.iter_mut().zip(std::iter::once(&version).chain(hash)) {
        *to = *from;
    }
    id
}

/// What an `MRCONFIGID` commits to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum MrConfigId {
    /// All zero: to nothing. The host set none.
    Unset,
    /// To the compose file.
    V1 {
        /// SHA-256 of the application's compose file.
        compose_hash: [u8; 32],
    },
    /// To the application's identity: see [`mr_config_id_v2`].
    V2 {
        /// Keccak-256 of the identity.
        hash: [u8; 32],
    },
    /// To a document: see [`mr_config_id_v3`].
    V3 {
        /// The document's hash, as in [`host_data`].
        hash: [u8; 32],
    },
}

/// An application's identity, as something else than `MRCONFIGID` states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MrConfigClaim<'a> {
    /// Application id.
    pub app_id: [u8; 20],
    /// SHA-256 of the application's compose file.
    pub compose_hash: [u8; 32],
    /// Instance id; `None` where there is none.
    pub instance_id: Option<[u8; 20]>,
    /// Who provides keys.
    pub key_provider: KeyProvider,
    /// The provider's identity, as in [`MrConfigV3::key_provider_id`].
    pub key_provider_id: &'a [u8],
    /// SHA-256 of the GPU policy; `None` where there is none.
    pub gpu_policy_hash: Option<[u8; 32]>,
    /// SHA-256 of each init script in order.
    pub init_script_hashes: &'a [[u8; 32]],
    /// The launch configuration document, byte for byte; `None` where the guest has none.
    pub document: Option<&'a str>,
}

/// Why an `MRCONFIGID` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MrConfigIdError {
    /// A form that dstack does not have.
    #[error("mrconfigid of form 1, 2 or 3, or of zeros, expected, found form {found}")]
    Form {
        /// The first byte.
        found: u8,
    },
    /// The bytes after the hash are not zero.
    #[error("zeros after the hash in mrconfigid expected, found other bytes")]
    Padding,
    /// Nothing is committed to.
    #[error("mrconfigid that commits to an application expected, found zeros")]
    Unset,
    /// A document is committed to, and none is there.
    #[error("the document that mrconfigid commits to expected, found none")]
    NoDocument,
    /// Something else is committed to.
    #[error("mrconfigid {} expected, found {}", hex::encode(expected), hex::encode(found))]
    Mismatch {
        /// The value that the claim leads to.
        expected: [u8; 48],
        /// The value found.
        found: [u8; 48],
    },
    /// The document that is committed to has another form.
    #[error(transparent)]
    Document(#[from] MrConfigError),
    /// The document that is committed to is about another application.
    #[error("the same {field} expected in the document that mrconfigid commits to, found another")]
    DocumentField {
        /// The field's key.
        field: &'static str,
    },
}

impl MrConfigId {
    /// Reads an `MRCONFIGID`.
    ///
    /// # Errors
    ///
    /// [`MrConfigIdError::Form`] and [`MrConfigIdError::Padding`] for what dstack does not write.
    pub fn parse(id: &[u8; 48]) -> Result<Self, MrConfigIdError> {
        let [form, rest @ ..] = id;
        let Some((&hash, padding)) = rest.split_first_chunk::<32>() else {
            return Err(MrConfigIdError::Padding);
        };
        let parsed = match form {
            0 if hash == [0; 32] => Self::Unset,
            1 => Self::V1 { compose_hash: hash },
            2 => Self::V2 { hash },
            3 => Self::V3 { hash },
            &found => return Err(MrConfigIdError::Form { found }),
        };
        if padding.iter().any(|&byte| byte != 0) {
            return Err(MrConfigIdError::Padding);
        }
        Ok(parsed)
    }

    /// The register's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 48] {
        match self {
            Self::Unset => [0; 48],
            Self::V1 { compose_hash } => mr_config_id(1, &compose_hash),
            Self::V2 { hash } => mr_config_id(2, &hash),
            Self::V3 { hash } => mr_config_id(3, &hash),
        }
    }

    /// Checks that the register commits to what `claim` says: in the first form to the compose hash, in the
    /// second to everything but instance id and document, in the third to the document, which must then say
    /// of the application what the claim says.
    ///
    /// # Errors
    ///
    /// [`MrConfigIdError::Unset`] where nothing is committed to: a caller that accepts this asks before.
    /// Otherwise [`MrConfigIdError`] names what differs.
    pub fn check(&self, claim: &MrConfigClaim<'_>) -> Result<(), MrConfigIdError> {
        let expected = match (self, claim.document) {
            (Self::Unset, _) => return Err(MrConfigIdError::Unset),
            (Self::V1 { .. }, _) => mr_config_id_v1(&claim.compose_hash),
            (Self::V2 { .. }, _) => {
                let MrConfigClaim { app_id, compose_hash, key_provider, key_provider_id, .. } = claim;
                mr_config_id_v2(compose_hash, app_id, *key_provider, key_provider_id)
            }
            (Self::V3 { .. }, Some(document)) => mr_config_id_v3(document.as_bytes()),
            (Self::V3 { .. }, None) => return Err(MrConfigIdError::NoDocument),
        };
        let found = self.to_bytes();
        if found != expected {
            return Err(MrConfigIdError::Mismatch { expected, found });
        }
        match (self, claim.document) {
            (Self::V3 { .. }, Some(document)) => claim.check_document(&MrConfigV3::parse(document)?),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for MrConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MrConfigId({})", hex::encode(self.to_bytes()))
    }
}

impl MrConfigClaim<'_> {
    /// Checks that a document is about the same application. What a document does not pin may be anything.
    fn check_document(&self, document: &MrConfigV3) -> Result<(), MrConfigIdError> {
        let same = [
            ("compose_hash", document.compose_hash == self.compose_hash),
            ("app_id", document.app_id.is_none_or(|id| id == self.app_id)),
            ("instance_id", document.instance_id.is_none() || document.instance_id == self.instance_id),
            ("key_provider", document.key_provider == self.key_provider),
            ("key_provider_id", document.key_provider_id == self.key_provider_id),
            (
                "gpu_policy_hash",
                document.gpu_policy_hash.is_none() || document.gpu_policy_hash == self.gpu_policy_hash,
            ),
            (
                "init_script_hashes",
                document.init_script_hashes.as_ref().is_none_or(|hashes| hashes == self.init_script_hashes),
            ),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(MrConfigIdError::DocumentField { field }),
            None => Ok(()),
        }
    }
}
