//! What the paravisor says in JSON: the keys of its vTPM, how the VM is configured, what the guest wanted to be said.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use evidence_json::Object;
use evidence_tpm::PublicKey;
use serde_json::{Map, Value};

use crate::{Error, hcl::MAX_HCL_REPORT};

/// What errors call the document.
const DOCUMENT: &str = "runtime data";

/// The key id of the attestation key of the vTPM. Reports for the release of keys have other ids, and the same signer.
const ATTESTATION_KEY: &str = "HCLAkPub";

/// Bytes of its modulus: RSA-2048.
const MODULUS_LEN: usize = 256;

/// 65537, as JSON web keys write it.
const EXPONENT: &str = "AQAB";

/// The runtime data of a report of the paravisor: strict JSON, without duplicate keys at any depth. Members that are not known stay
/// in it unread.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeData {
    keys: Vec<Value>,
    /// `vm-configuration`: how the VM is configured.
    pub vm_configuration: Map<String, Value>,
    /// `user-data`: 64 bytes that the guest wrote into the vTPM before. Older paravisors have none.
    pub user_data: Option<[u8; 64]>,
}

impl RuntimeData {
    /// Reads the JSON.
    ///
    /// # Errors
    ///
    /// [`Error::RuntimeData`].
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let mut object = Object::parse(DOCUMENT, json, MAX_HCL_REPORT)?;
        let keys: Vec<Value> = object.required("keys")?;
        let vm_configuration = Object::from_value(DOCUMENT, object.required("vm-configuration")?)?.rest();
        let user_data = object.optional("user-data")?;
        Ok(Self { keys, vm_configuration, user_data })
    }

    /// The attestation key of the vTPM: exactly one key of that id, RSA-2048 with the exponent 65537.
    ///
    /// # Errors
    ///
    /// [`Error::AkKeyMissing`], [`Error::AkKeyTwice`], [`Error::AkKeyWeak`].
    pub fn attestation_key(&self) -> Result<PublicKey, Error> {
        let is_ak = |key: &&Value| key.get("kid").and_then(Value::as_str) == Some(ATTESTATION_KEY);
        let mut keys = self.keys.iter().filter(is_ak);
        let key = keys.next().ok_or(Error::AkKeyMissing)?;
        if keys.next().is_some() {
            return Err(Error::AkKeyTwice);
        }
        let member = |name| key.get(name).and_then(Value::as_str);
        if member("kty") != Some("RSA") || member("e") != Some(EXPONENT) {
            return Err(Error::AkKeyWeak);
        }
        let modulus = member("n").and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
        let modulus = modulus.filter(|modulus| modulus.len() == MODULUS_LEN).ok_or(Error::AkKeyWeak)?;
        PublicKey::rsa(&modulus, 65_537).map_err(|_| Error::AkKeyWeak)
    }

    /// A flag of the configuration; `None` where the paravisor does not say.
    ///
    /// # Errors
    ///
    /// [`Error::VmConfiguration`] for something else than true or false.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, Error> {
        match self.vm_configuration.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Error::VmConfiguration { flag: name, expected: "true or false" }),
        }
    }
}
