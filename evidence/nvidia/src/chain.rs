//! The certificates of a device: which chip, which firmware, whose root.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{
    Decode, Sequence,
    asn1::{Any, BitString, OctetString},
};
use evidence_x509::{
    Anchors, Certificate, ECDSA_P384_SHA384, Purpose, SignatureVerificationAlgorithm, UnixTime, find_path,
};

use crate::{DEVICE_ROOT, Error, Pdi};

/// How NVIDIA's authorities sign certificates and revocation data.
pub const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[ECDSA_P384_SHA384];

/// Certificates of a device: leaf, device, provisioner, chip, root.
pub const CERTIFICATES: usize = 5;

/// Bytes of an uncompressed point on P-384 (SEC 1, §2.3.3).
const POINT: usize = 97;

/// tcg-dice-CompositeDeviceID, 2.23.133.5.4.1, as Hopper and its switches have it.
const COMPOSITE_DEVICE_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.1");
/// tcg-dice-TcbInfo (TCG DICE Attestation Architecture 1.1, §6.1.1), as Blackwell has it.
const TCB_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.1.1");
/// id-sha384.
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");

/// A family of chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// GPUs: GH100.
    Hopper,
    /// GPUs: GB100 and others.
    Blackwell,
    /// NVSwitches beside Hopper.
    Ls10,
}

impl Architecture {
    /// NVIDIA's word, as its tools' envelopes have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hopper => "HOPPER",
            Self::Blackwell => "BLACKWELL",
            Self::Ls10 => "LS10",
        }
    }

    /// Whether it is a switch's.
    pub const fn is_switch(self) -> bool {
        matches!(self, Self::Ls10)
    }

    fn of_chip(chip: &str) -> Option<Self> {
        let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        match chip {
            "GH100" => Some(Self::Hopper),
            "LS_10" => Some(Self::Ls10),
            _ if chip.strip_prefix("GB").is_some_and(numbered) => Some(Self::Blackwell),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The five certificates of a device, from the leaf, which signs reports, to the root. Nothing is verified by reading them.
#[derive(Debug, Clone)]
pub struct Chain {
    certificates: [Certificate; CERTIFICATES],
}

impl Chain {
    /// Reads DER certificates, leaf first.
    ///
    /// # Errors
    ///
    /// [`Error::CertificateCount`], [`Error::Certificate`], [`Error::CertificateKey`].
    pub fn parse(certificates: &[&[u8]]) -> Result<Self, Error> {
        let found = certificates.len();
        let chain: &[&[u8]; CERTIFICATES] =
            certificates.try_into().map_err(|_| Error::CertificateCount(found))?;
        let read: Vec<Certificate> = chain
            .iter()
            .map(|der| Certificate::parse(der).map_err(Error::Certificate))
            .collect::<Result<_, _>>()?;
        if let Some(other) = read.iter().find(|certificate| {
            let point = certificate.public_key();
            point.len() != POINT || point.first() != Some(&4)
        }) {
            return Err(Error::CertificateKey(other.subject().to_owned()));
        }
        let certificates = read.try_into().map_err(|_| Error::CertificateCount(found))?;
        Ok(Self { certificates })
    }

    /// The certificates, leaf first.
    pub const fn certificates(&self) -> &[Certificate; CERTIFICATES] {
        &self.certificates
    }

    pub(crate) const fn leaf(&self) -> &Certificate {
        let [leaf, ..] = &self.certificates;
        leaf
    }

    /// The device's own authority, whose serial number names the device.
    pub(crate) const fn device(&self) -> &Certificate {
        let [_, device, ..] = &self.certificates;
        device
    }

    pub(crate) const fn root(&self) -> &Certificate {
        let [.., root] = &self.certificates;
        root
    }

    /// Each certificate whose status somebody publishes, with its issuer: all but the leaf, which is made at each boot, and the root.
    pub fn status_pairs(&self) -> [(&Certificate, &Certificate); 3] {
        let [_, device, provisioner, chip, root] = &self.certificates;
        [(device, provisioner), (provisioner, chip), (chip, root)]
    }

    /// The chip's name, such as `GH100`, which the leaf, the device and (as a family) the authority of the chip name alike.
    ///
    /// # Errors
    ///
    /// [`Error::Chip`], [`Error::ChipUnknown`].
    pub fn chip(&self) -> Result<(String, Architecture), Error> {
        let [leaf, device, _, family, _] = &self.certificates;
        let first = |certificate: &Certificate| {
            certificate.subject().split(' ').next().unwrap_or_default().to_owned()
        };
        let chip = first(leaf);
        let other = |of: &Certificate| Error::Chip { chip: chip.clone(), subject: of.subject().to_owned() };
        let architecture = Architecture::of_chip(&chip).ok_or_else(|| Error::ChipUnknown(chip.clone()))?;
        if first(device) != chip {
            return Err(other(device));
        }
        let name = family.subject();
        let is_of_family = match architecture {
            Architecture::Hopper | Architecture::Ls10 => name == "NVIDIA GH100 Identity",
            Architecture::Blackwell => name.starts_with("NVIDIA GB") && name.ends_with(" Identity"),
        };
        if is_of_family { Ok((chip, architecture)) } else { Err(other(family)) }
    }

    /// What NVIDIA's revocation lists call the family of the chip, such as `gh100`: of the name of its authority; `None` for a name that is
    /// none of NVIDIA's.
    pub fn family(&self) -> Option<String> {
        let [_, _, _, family, _] = &self.certificates;
        let name = family.subject().strip_prefix("NVIDIA ")?.strip_suffix(" Identity")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| name.to_ascii_lowercase())
    }

    /// The last eight bytes of the serial number of the device's certificate, which switches and GPUs name each other by.
    pub(crate) fn pdi(&self) -> Result<Pdi, Error> {
        let serial = self.device().serial();
        let pdi = serial.last_chunk().copied().map(Pdi);
        pdi.ok_or(Error::Serial(serial.len()))
    }

    /// The leaf signs data, everybody else certificates.
    pub(crate) fn key_usage(&self) -> Result<(), Error> {
        let [leaf, authorities @ ..] = &self.certificates;
        let error =
            |of: &Certificate, expected| Error::KeyUsage { subject: of.subject().to_owned(), expected };
        if !leaf.is_for_signing_data() {
            return Err(error(leaf, "digitalSignature without keyCertSign"));
        }
        match authorities.iter().find(|authority| !authority.is_for_signing_certificates()) {
            Some(authority) => Err(error(authority, "keyCertSign")),
            None => Ok(()),
        }
    }

    /// Signatures, names and constraints lead from the leaf to the root, through exactly these certificates in this order.
    pub(crate) fn path(&self, anchors: &Anchors, at: UnixTime) -> Result<(), Error> {
        let [leaf, authorities @ ..] = &self.certificates;
        let [intermediates @ .., _] = authorities;
        let path = find_path(leaf, authorities, anchors, Purpose::Unstated, ALGORITHMS, at);
        let path = path.map_err(Error::Path)?;
        if path.intermediates == intermediates { Ok(()) } else { Err(Error::CertificateOrder) }
    }

    pub(crate) fn is_pinned(&self, anchors: &Anchors) -> bool {
        anchors.pins(DEVICE_ROOT, self.root())
    }

    /// The leaf does not say that it was made for firmware in recovery or for debugging, where its extension has flags at all.
    pub(crate) fn is_operational(&self) -> Result<(), Error> {
        let Some(der) = self.leaf().extension(TCB_INFO) else { return Ok(()) };
        let info = TcbInfo::from_der(der).map_err(|error| Error::FwidFormat(error.to_string()))?;
        // OperationalFlags: notSecure (1), recovery (2), debug (3), the first bit being 0, notConfigured, which real leaves set.
        let flags = info.flags.as_ref().map_or(&[][..], BitString::raw_bytes);
        match flags.first() {
            Some(first) if first & 0x70 != 0 => Err(Error::FwidFlags(hex::encode(flags))),
            _ => Ok(()),
        }
    }

    /// The digest of the firmware that the leaf was made for (SHA-384), by whichever extension the chip has.
    pub(crate) fn fwid(&self) -> Result<[u8; 48], Error> {
        let leaf = self.leaf();
        let malformed = |error: der::Error| Error::FwidFormat(error.to_string());
        let fwid = match (leaf.extension(COMPOSITE_DEVICE_ID), leaf.extension(TCB_INFO)) {
            (Some(der), None) => CompositeDeviceId::from_der(der).map_err(malformed)?.fwid,
            (None, Some(der)) => {
                self.is_operational()?;
                let TcbInfo { fwids, .. } = TcbInfo::from_der(der).map_err(malformed)?;
                let first = fwids.and_then(|fwids| fwids.into_iter().next());
                first.ok_or_else(|| Error::FwidFormat("no fwids".to_owned()))?
            }
            (None, None) => return Err(Error::FwidFormat("no extension that has one".to_owned())),
            (Some(_), Some(_)) => return Err(Error::FwidFormat("two extensions that have one".to_owned())),
        };
        if fwid.hash_alg != SHA384 {
            return Err(Error::FwidFormat(format!("digest by {}, expected SHA-384", fwid.hash_alg)));
        }
        let digest = fwid.digest.as_bytes();
        digest
            .try_into()
            .map_err(|_| Error::FwidFormat(format!("digest of {} bytes, expected 48", digest.len())))
    }
}

/// FWID (TCG DICE Attestation Architecture 1.1, §6.1.1).
#[derive(Debug, Sequence)]
struct Fwid {
    hash_alg: ObjectIdentifier,
    digest: OctetString,
}

/// CompositeDeviceID: version, the device's key, the firmware.
#[derive(Debug, Sequence)]
struct CompositeDeviceId {
    version: u8,
    device_id: Any,
    fwid: Fwid,
}

/// DiceTcbInfo (TCG DICE Attestation Architecture 1.1, §6.1.1).
#[derive(Debug, Sequence)]
struct TcbInfo {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    vendor: Option<String>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    model: Option<String>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    version: Option<String>,
    #[asn1(context_specific = "3", tag_mode = "IMPLICIT", optional = "true")]
    svn: Option<u64>,
    #[asn1(context_specific = "4", tag_mode = "IMPLICIT", optional = "true")]
    layer: Option<u64>,
    #[asn1(context_specific = "5", tag_mode = "IMPLICIT", optional = "true")]
    index: Option<u64>,
    #[asn1(context_specific = "6", tag_mode = "IMPLICIT", optional = "true")]
    fwids: Option<Vec<Fwid>>,
    #[asn1(context_specific = "7", tag_mode = "IMPLICIT", optional = "true")]
    flags: Option<BitString>,
    #[asn1(context_specific = "8", tag_mode = "IMPLICIT", optional = "true")]
    vendor_info: Option<OctetString>,
    #[asn1(context_specific = "9", tag_mode = "IMPLICIT", optional = "true")]
    kind: Option<OctetString>,
}
