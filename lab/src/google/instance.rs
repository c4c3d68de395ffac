//! What Google says of a VM, in the certificate of its attestation key.

#![expect(
    clippy::expect_used,
    reason = "the lab encodes bounded values, so a failure is a mistake in the lab"
)]

use const_oid::ObjectIdentifier;
use der::asn1::Any;
use der::{Decode as _, Tag};
use x509_cert::ext::Extension;

use crate::x509::{encode, extension};

/// The identifier of the extension.
pub const INSTANCE_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.1.21");

/// The fields of the extension. What no field can say is patched in after [`Self::der`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSpec {
    /// Zone.
    pub zone: String,
    /// Project number.
    pub project_number: u64,
    /// Project id.
    pub project_id: String,
    /// Instance id.
    pub instance_id: u64,
    /// Instance name.
    pub instance_name: String,
    /// Security properties; left out if `None`.
    pub properties: Option<PropertiesSpec>,
    /// DER elements behind the last field.
    pub after: Vec<u8>,
}

/// The security properties: each with the number of its tag, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesSpec {
    /// `[0]`: security version; left out if `None`.
    pub security_version: Option<u64>,
    /// BOOLEANs by their tags: as the byte that encodes them. Google writes 1 to 5, in ascending order.
    pub flags: Vec<(u8, u8)>,
}

impl Default for PropertiesSpec {
    /// As Google writes them for its production: version 0, production, TPM data always encrypted.
    fn default() -> Self {
        Self { security_version: Some(0), flags: vec![(1, 0xFF), (2, 0xFF), (3, 0), (4, 0), (5, 0)] }
    }
}

impl Default for InstanceSpec {
    fn default() -> Self {
        Self {
            zone: "us-central1-f".to_owned(),
            project_number: 222_953_117_580,
            project_id: "lab-project".to_owned(),
            instance_id: 0x8F61_D1C7_B72D_F40C,
            instance_name: "lab-instance".to_owned(),
            properties: Some(PropertiesSpec::default()),
            after: Vec::new(),
        }
    }
}

impl InstanceSpec {
    /// The DER encoding: what the extension's OCTET STRING holds.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        let mut fields = [
            text(&self.zone),
            encode(&self.project_number),
            text(&self.project_id),
            encode(&self.instance_id),
            text(&self.instance_name),
        ]
        .concat();
        if let Some(properties) = &self.properties {
            fields.extend(tagged(0, &properties.der()));
        }
        fields.extend(&self.after);
        element(0x30, &fields)
    }

    /// The extension, not critical.
    #[must_use]
    pub fn extension(&self) -> Extension {
        extension(INSTANCE_INFO, false, &self.der())
    }
}

impl PropertiesSpec {
    fn der(&self) -> Vec<u8> {
        let version = self.security_version.map(|version| tagged(0, &encode(&version)));
        let flags = self.flags.iter().flat_map(|(tag, value)| tagged(*tag, &[0x01, 0x01, *value]));
        let fields: Vec<u8> = version.into_iter().flatten().chain(flags).collect();
        element(0x30, &fields)
    }
}

fn text(text: &str) -> Vec<u8> {
    element(0x0C, text.as_bytes())
}

/// An element with an explicit, context-specific tag.
fn tagged(number: u8, content: &[u8]) -> Vec<u8> {
    element(0xA0 | number, content)
}

/// A DER element of any content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let tag = Tag::from_der(&[tag]).expect("a tag of one byte");
    encode(&Any::new(tag, content).expect("a short value"))
}
