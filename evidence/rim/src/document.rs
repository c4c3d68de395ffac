//! What a manifest says: a SWID tag (ISO/IEC 19770-2:2015) with the attributes of TCG's Reference Integrity Manifest, in the form in which
//! NVIDIA writes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Error,
    error::shown,
    xml::{Attribute, Element, limited},
};

/// The namespace of SWID tags.
const SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";

/// The namespace of TCG's attributes (TCG Reference Integrity Manifest Information Model).
const RIM: &str =
    "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";

/// The namespace of the attributes that hold digests.
const SHA384: &str = "http://www.w3.org/2001/04/xmlenc#sha384";

/// NVIDIA's number among private enterprises (IANA).
pub const NVIDIA_ENTERPRISE: u32 = 5703;

/// The same, as manifests have it: of the manufacturer of the platform, and of its firmware.
const NVIDIA_ID: &str = "5703";

const NVIDIA: &str = "NVIDIA Corporation";

/// The highest index of a measurement: a GPU has 64, a switch 31.
const MAX_INDEX: u8 = 63;

/// The most digests of one measurement. Real manifests have up to four.
pub const MAX_ALTERNATIVES: usize = 16;

/// The most characters of a version, a product or a name.
const MAX_TEXT: usize = 64;

/// The digests that a measurement may have, by its index. An index of SPDM is one higher.
pub type GoldenValues = BTreeMap<u8, Vec<[u8; 48]>>;

/// Of what a manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edition {
    /// `GPU`: of a GPU's driver or VBIOS.
    Gpu,
    /// `SWITCH`: of an NVSwitch's firmware.
    Switch,
}

impl Edition {
    /// As manifests have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Switch => "SWITCH",
        }
    }
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) tag_id: String,
    pub(crate) version: String,
    pub(crate) product: String,
    pub(crate) edition: Edition,
    pub(crate) colloquial_version: String,
    pub(crate) golden: GoldenValues,
    pub(crate) measurements: usize,
}

impl Content {
    /// Reads the children of `root`, and what stands in those: nothing is looked for anywhere else. The signature, which is the last, is
    /// not looked at.
    pub(crate) fn read(root: &Element<'_>) -> Result<Self, Error> {
        if !root.is(SWID, "SoftwareIdentity") {
            return Err(Error::Structure("SoftwareIdentity of ISO/IEC 19770-2:2015 as the root"));
        }
        let children: Vec<_> = root.elements().collect();
        let [entity, meta, payload] = match children.as_slice() {
            [entity, meta, payload, _signature]
                if entity.is(SWID, "Entity") && meta.is(SWID, "Meta") && payload.is(SWID, "Payload") =>
            {
                [*entity, *meta, *payload]
            }
            _ => return Err(Error::Structure("Entity, Meta, Payload and the signature in SoftwareIdentity")),
        };
        if !root.has_no_text() {
            return Err(Error::Structure("no text in SoftwareIdentity"));
        }

        // 1. The tag: not one that adds to another, or describes a patch or a medium.
        let mut attributes = Attributes::of("SoftwareIdentity", root);
        for flag in ["corpus", "patch", "supplemental"] {
            attributes.constant("", flag, "false")?;
        }
        let name = attributes.line("name")?;
        let tag_id = attributes.take("", "tagId")?;
        if tag_id.len() != 96 || !tag_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(value("tagId", tag_id, "96 hex digits"));
        }
        let version = attributes.line("version")?;
        attributes.number("tagVersion", u32::MAX.into())?;
        attributes.end()?;

        // 2. Who made it.
        let mut attributes = Attributes::of_leaf("Entity", entity)?;
        attributes.constant("", "name", NVIDIA)?;
        attributes.constant("", "role", "softwareCreator tagCreator")?;
        attributes.end()?;

        // 3. What it is of.
        let mut attributes = Attributes::of_leaf("Meta", meta)?;
        let colloquial_version = attributes.line("colloquialVersion")?;
        let edition = match attributes.take("", "edition")? {
            "GPU" => Edition::Gpu,
            "SWITCH" => Edition::Switch,
            other => return Err(value("edition", other, "GPU or SWITCH")),
        };
        let product = attributes.line("product")?;
        attributes.line("revision")?;
        attributes.constant("", "PayloadType", "direct")?;
        attributes.constant(RIM, "BindingSpec", "RIMIM")?;
        attributes.constant(RIM, "BindingSpecVersion", "1.01")?;
        attributes.constant(RIM, "PlatformManufacturerId", NVIDIA_ID)?;
        attributes.constant(RIM, "PlatformManufacturerStr", NVIDIA)?;
        let model = attributes.take(RIM, "PlatformModel")?;
        attributes.constant(RIM, "FirmwareManufacturer", NVIDIA)?;
        attributes.constant(RIM, "FirmwareManufacturerId", NVIDIA_ID)?;
        attributes.end()?;
        for (attribute, found) in [("name", name.as_str()), ("PlatformModel", model)] {
            if found != product {
                return Err(value(attribute, found, "the product of the manifest"));
            }
        }

        // 4. The measurements.
        Attributes::of("Payload", payload).end()?;
        if !payload.has_no_text() {
            return Err(Error::Structure("no text in Payload"));
        }
        let (measurements, golden) = measurements(payload)?;
        Ok(Self {
            tag_id: tag_id.to_owned(),
            version,
            product,
            edition,
            colloquial_version,
            golden,
            measurements,
        })
    }
}

/// How many measurements there are, and the digests of those that are active.
fn measurements(payload: &Element<'_>) -> Result<(usize, GoldenValues), Error> {
    let (mut golden, mut indices, mut names) = (GoldenValues::new(), BTreeSet::new(), BTreeSet::new());
    for resource in payload.elements() {
        if !resource.is(SWID, "Resource") {
            return Err(Error::Structure("nothing but Resource in Payload"));
        }
        let mut attributes = Attributes::of_leaf("Resource", resource)?;
        attributes.constant("", "type", "Measurement")?;
        attributes.constant("", "size", "48")?;
        let index = attributes.number("index", MAX_INDEX.into())?;
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        if !indices.insert(index) {
            return Err(Error::Duplicate { what: "the measurement", value: index.to_string() });
        }
        let name = attributes.line("name")?;
        if let Some(name) = names.replace(name) {
            return Err(Error::Duplicate { what: "the name", value: name });
        }
        let is_active = match attributes.take("", "active")? {
            "True" => true,
            "False" => false,
            other => return Err(value("active", other, "True or False")),
        };
        let alternatives = attributes.number("alternatives", u64::MAX)?;
        let alternatives = usize::try_from(alternatives).unwrap_or(usize::MAX);
        if alternatives == 0 {
            return Err(value("alternatives", "0", "1 or more"));
        }
        limited("digests of a measurement", alternatives, MAX_ALTERNATIVES)?;
        let digests = (0..alternatives).map(|number| attributes.digest(&format!("Hash{number}")));
        let digests = digests.collect::<Result<Vec<_>, _>>()?;
        attributes.end()?;
        if is_active {
            golden.insert(index, digests);
        }
    }
    if golden.is_empty() {
        return Err(Error::NoMeasurements);
    }
    Ok((indices.len(), golden))
}

/// The attributes of an element, of which each is asked for, and which have no others in the end.
struct Attributes<'t> {
    element: &'static str,
    left: Vec<&'t Attribute<'t>>,
}

impl<'t> Attributes<'t> {
    fn of(name: &'static str, element: &'t Element<'_>) -> Self {
        Self { element: name, left: element.attributes.iter().collect() }
    }

    /// The same of an element in which nothing stands.
    fn of_leaf(name: &'static str, element: &'t Element<'_>) -> Result<Self, Error> {
        if element.elements().next().is_some() || !element.has_no_text() {
            return Err(Error::Structure("nothing in Entity, Meta and Resource"));
        }
        Ok(Self::of(name, element))
    }

    fn take(&mut self, namespace: &str, name: &str) -> Result<&'t str, Error> {
        let found = self.left.iter().position(|found| found.namespace == namespace && found.local == name);
        match found {
            Some(at) => Ok(&self.left.swap_remove(at).value),
            None => Err(Error::Missing { element: self.element, attribute: name.to_owned() }),
        }
    }

    fn constant(&mut self, namespace: &str, name: &str, expected: &'static str) -> Result<(), Error> {
        match self.take(namespace, name)? {
            found if found == expected => Ok(()),
            other => Err(value(name, other, expected)),
        }
    }

    /// A word, or some, that can be shown to people and compared.
    fn line(&mut self, name: &str) -> Result<String, Error> {
        let found = self.take("", name)?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte);
        if (1..=MAX_TEXT).contains(&found.len()) && found.bytes().all(is_word) {
            return Ok(found.to_owned());
        }
        Err(value(name, found, "1 to 64 letters, digits, dots, hyphens, underscores and spaces"))
    }

    /// A number in decimal, in its only form.
    fn number(&mut self, name: &str, maximum: u64) -> Result<u64, Error> {
        let found = self.take("", name)?;
        let number = found.parse().ok().filter(|number: &u64| number.to_string() == found);
        let number = number.filter(|number| *number <= maximum);
        number.ok_or_else(|| value(name, found, "a number in its range, in decimal"))
    }

    fn digest(&mut self, name: &str) -> Result<[u8; 48], Error> {
        let found = self.take(SHA384, name)?;
        let mut digest = [0; 48];
        hex::decode_to_slice(found, &mut digest).map_err(|_| value(name, found, "48 bytes of hex"))?;
        Ok(digest)
    }

    fn end(self) -> Result<(), Error> {
        match self.left.first() {
            None => Ok(()),
            Some(left) => Err(Error::Unknown { element: self.element, attribute: shown(left.local) }),
        }
    }
}

fn value(attribute: &str, found: &str, expected: &'static str) -> Error {
    Error::Value { attribute: attribute.to_owned(), found: shown(found), expected }
}
